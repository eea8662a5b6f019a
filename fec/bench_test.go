package fec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/reedsolomon"
)

// shapes are those of the comparison, on one core: packets of 1,400 octets. An Encoder and a Decoder have them in blocks that end at a
// multiple of 64; klauspost's own doors are shown with packets as they are, and with such blocks.
var shapes = []struct{ k, h, size int }{{64, 16, 1400}, {128, 32, 1400}}

// work is one group, to be encoded and decoded.
type work struct {
	k, h, size int
	blocks     [][]byte // data packets, padded
	parity     [][]byte // the parity packets 0..h-1, padded
	index      []int    // their numbers
	scratch    [][]byte
	losses     [][]int // h data packets each; which, is another draw for each group, as it is on a network
}

func newWork(k, h, size int) *work {
	r := rand.New(rand.NewPCG(1, 2))
	w := &work{k: k, h: h, size: size, blocks: randomPackets(r, k, align(size)), parity: randomPackets(r, h, align(size)), scratch: randomPackets(r, h, align(size))}
	NewCodec(k).Encode(w.parity, 0, w.blocks)
	for j := range h {
		w.index = append(w.index, j)
	}
	for range 64 {
		loss := r.Perm(k)[:h]
		slices.Sort(loss)
		w.losses = append(w.losses, loss)
	}
	return w
}

// cut returns the packets without padding.
func (w *work) cut(packets [][]byte) [][]byte {
	p := slices.Clone(packets)
	for i := range p {
		p[i] = p[i][:w.size]
	}
	return p
}

func (w *work) klauspost(b *testing.B) reedsolomon.Encoder {
	b.Helper()
	rows := make([][]byte, w.h)
	for j := range rows {
		rows[j] = NewCodec(w.k).AppendRow(nil, w.k, j)
	}
	e, err := reedsolomon.New(w.k, w.h, reedsolomon.WithCustomMatrix(rows), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// encode returns how the parity of a group is computed, by name.
func (w *work) encode(b *testing.B) map[string]func() {
	c := NewCodec(w.k)
	own := func(shards [][]byte) func() {
		e := w.klauspost(b)
		return func() {
			if err := e.Encode(shards); err != nil {
				b.Fatal(err)
			}
		}
	}
	return map[string]func(){
		"fec": func() { c.Encode(w.parity, 0, w.blocks) },
		"fec-single": func() { // as if each were asked for alone
			for j := range w.h {
				c.Encode(w.parity[j:j+1], j, w.blocks)
			}
		},
		"klauspost":        own(slices.Concat(w.cut(w.blocks), w.cut(w.parity))),
		"klauspost-padded": own(slices.Concat(w.blocks, w.parity)),
	}
}

// decode returns how a group is decoded, by name. klauspost's own code knows the matrix of a loss that it had before: it is shown
// with losses that are new, and with always the same.
func (w *work) decode(b *testing.B) map[string]func() {
	c, src, turn := NewCodec(w.k), make([][]byte, w.k), 0
	own := func(blocks, parity [][]byte, same bool) func() {
		e, shards, turn := w.klauspost(b), make([][]byte, w.k+w.h), 0
		return func() {
			copy(shards, blocks)
			copy(shards[w.k:], parity)
			loss := w.losses[0]
			if !same {
				if loss = w.losses[turn%len(w.losses)]; turn%len(w.losses) == 0 {
					e = w.klauspost(b)
				}
				turn++
			}
			for n, i := range loss {
				shards[i] = w.scratch[n][:0]
			}
			if err := e.ReconstructData(shards); err != nil {
				b.Fatal(err)
			}
		}
	}
	return map[string]func(){
		"fec": func() {
			loss := w.losses[turn%len(w.losses)]
			turn++
			copy(src, w.blocks)
			for n, i := range loss {
				src[i] = w.parity[n] // overwritten: what is in it makes no difference to the time
			}
			c.Decode(src, loss, w.index, w.scratch)
		},
		"klauspost":                  own(w.cut(w.blocks), w.cut(w.parity), false),
		"klauspost-same-loss":        own(w.cut(w.blocks), w.cut(w.parity), true),
		"klauspost-same-loss-padded": own(w.blocks, w.parity, true),
	}
}

func BenchmarkEncode(b *testing.B) { benchmark(b, (*work).encode) }
func BenchmarkDecode(b *testing.B) { benchmark(b, (*work).decode) }

func benchmark(b *testing.B, of func(*work, *testing.B) map[string]func()) {
	for _, s := range shapes {
		w := newWork(s.k, s.h, s.size)
		doors := of(w, b)
		for _, name := range sorted(doors) {
			b.Run(fmt.Sprintf("k=%d,h=%d/%s", s.k, s.h, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(s.k * s.size)) // of data
				for b.Loop() {
					doors[name]()
				}
			})
		}
	}
}

func sorted(m map[string]func()) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// BenchmarkRatio has all of them take turns, and reports how long each takes at its best in microseconds, and how many times as fast as
// it this package is: figures that other work on the machine changes little.
func BenchmarkRatio(b *testing.B) {
	for _, s := range shapes {
		for _, kind := range []string{"encode", "decode"} {
			b.Run(fmt.Sprintf("%s/k=%d,h=%d", kind, s.k, s.h), func(b *testing.B) {
				w := newWork(s.k, s.h, s.size)
				doors := w.encode(b)
				if kind == "decode" {
					doors = w.decode(b)
				}
				best := map[string]time.Duration{}
				for b.Loop() {
					for range 400 {
						for name, f := range doors {
							start := time.Now()
							f()
							if d := time.Since(start); best[name] == 0 || d < best[name] {
								best[name] = d
							}
						}
					}
				}
				b.ReportMetric(0, "ns/op")
				if program := openPGM(b); program != "" {
					encode, decode := openPGMSpeed(b, program, s.k, s.h, s.size)
					if best["openpgm"] = time.Duration(encode); kind == "decode" {
						best["openpgm"] = time.Duration(decode)
					}
				}
				for name, d := range best {
					b.ReportMetric(float64(d)/1e3, name+"-µs")
					if name != "fec" {
						b.ReportMetric(float64(d)/float64(best["fec"]), name+"-x")
					}
				}
			})
		}
	}
}
