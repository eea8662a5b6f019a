package fec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/reedsolomon"
)

// The shapes of the comparison, on one core: packets of 1,400 octets. An Encoder and a Decoder have them in blocks that end at a
// multiple of 64; klauspost's own doors are shown with both.
var shapes = []struct{ k, h, size int }{{64, 16, 1400}, {128, 32, 1400}}

// perGroup has a benchmark say how many octets of data it protects or repairs each second.
func perGroup(b *testing.B, k, size int) {
	b.ReportAllocs()
	b.SetBytes(int64(k * size))
}

func BenchmarkEncode(b *testing.B) {
	for _, s := range shapes {
		blocks, parity := randomPackets(rand.New(rand.NewPCG(1, 2)), s.k, align(s.size)), padded(s.h, align(s.size))
		data := cut(blocks, s.size)
		name := func(what string) string { return fmt.Sprintf("k=%d,h=%d/%s", s.k, s.h, what) }
		b.Run(name("fec"), func(b *testing.B) {
			c := NewCodec(s.k)
			perGroup(b, s.k, s.size)
			for b.Loop() {
				c.Encode(parity, 0, blocks)
			}
		})
		b.Run(name("fec-single"), func(b *testing.B) { // as if each were asked for alone
			c := NewCodec(s.k)
			perGroup(b, s.k, s.size)
			for b.Loop() {
				for j := range s.h {
					c.Encode(parity[j:j+1], j, blocks)
				}
			}
		})
		for what, shards := range map[string][][]byte{
			"klauspost":        slices.Concat(data, cut(parity, s.size)),
			"klauspost-padded": slices.Concat(blocks, parity),
		} {
			b.Run(name(what), func(b *testing.B) {
				e := klauspost(b, s.k, s.h)
				perGroup(b, s.k, s.size)
				for b.Loop() {
					if err := e.Encode(shards); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(name("openpgm"), func(b *testing.B) {
			ns, _ := openPGMSpeed(b, openPGM(b), s.k, s.h, s.size)
			reportOpenPGM(b, ns, s.k*s.size)
		})
	}
}

// h data packets are missing; which, is another draw for each group, as it is on a network.
func BenchmarkDecode(b *testing.B) {
	for _, s := range shapes {
		r := rand.New(rand.NewPCG(1, 2))
		blocks, parity, results := randomPackets(r, s.k, align(s.size)), padded(s.h, align(s.size)), padded(s.h, align(s.size))
		NewCodec(s.k).Encode(parity, 0, blocks)
		index := make([]int, s.h)
		for j := range index {
			index[j] = j
		}
		losses := make([][]int, 64)
		for i := range losses {
			losses[i] = r.Perm(s.k)[:s.h]
			slices.Sort(losses[i])
		}
		name := func(what string) string { return fmt.Sprintf("k=%d,h=%d/%s", s.k, s.h, what) }
		b.Run(name("fec"), func(b *testing.B) {
			c, src, n := NewCodec(s.k), make([][]byte, s.k), 0
			perGroup(b, s.k, s.size)
			for b.Loop() {
				missing := losses[n%len(losses)]
				n++
				copy(src, blocks)
				for j, i := range missing {
					src[i] = parity[j]
				}
				c.Decode(results, missing, src, index)
			}
		})
		for _, own := range []struct {
			what         string
			data, parity [][]byte
			cached       bool // always the same loss, whose matrix is known; else each is new
		}{
			{"klauspost", cut(blocks, s.size), cut(parity, s.size), false},
			{"klauspost-same-loss", cut(blocks, s.size), cut(parity, s.size), true},
			{"klauspost-same-loss-padded", blocks, parity, true},
		} {
			b.Run(name(own.what), func(b *testing.B) {
				e, shards, n := klauspost(b, s.k, s.h), make([][]byte, s.k+s.h), 0
				perGroup(b, s.k, s.size)
				for b.Loop() {
					copy(shards, own.data)
					copy(shards[s.k:], own.parity)
					missing := losses[n%len(losses)]
					if n++; own.cached {
						n = 0
					} else if n%len(losses) == 0 {
						e = klauspost(b, s.k, s.h)
					}
					for j, i := range missing {
						shards[i] = results[j][:0]
					}
					if err := e.ReconstructData(shards); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(name("openpgm"), func(b *testing.B) {
			_, ns := openPGMSpeed(b, openPGM(b), s.k, s.h, s.size)
			reportOpenPGM(b, ns, s.k*s.size)
		})
	}
}

// padded returns n packets of zeros.
func padded(n, size int) [][]byte {
	p := make([][]byte, n)
	for i := range p {
		p[i] = make([]byte, size)
	}
	return p
}

// cut returns the first size octets of each packet.
func cut(packets [][]byte, size int) [][]byte {
	p := slices.Clone(packets)
	for i := range p {
		p[i] = p[i][:size]
	}
	return p
}

func klauspost(b *testing.B, k, h int) reedsolomon.Encoder {
	c := NewCodec(k)
	rows := make([][]byte, h)
	for j := range rows {
		rows[j] = c.AppendRow(nil, k, j)
	}
	e, err := reedsolomon.New(k, h, reedsolomon.WithCustomMatrix(rows), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// reportOpenPGM reports what another program measured.
func reportOpenPGM(b *testing.B, ns float64, octets int) {
	for b.Loop() {
		time.Sleep(time.Duration(ns))
	}
	b.ReportMetric(ns, "ns/op")
	b.ReportMetric(float64(octets)/ns*1e3, "MB/s")
}
