package transfer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"lukechampine.com/blake3"
)

// reading is what a reader has.
type reading struct {
	r   io.ReaderAt
	buf []byte
}

func (r reading) next(at int64, n int) ([]byte, error) {
	return r.buf[:n], readFull(r.r, r.buf[:n], at)
}

func TestDigestIsBLAKE3(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 5<<20)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	buf := make([]byte, hashGroup)
	sizes := []int{0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 16383, 16384, 16385, 32768, 49152, 65536, 65537, hashPiece - 1, hashPiece,
		hashPiece + 1, 17 * hashGroup, 5 << 20}
	for range 60 {
		sizes = append(sizes, rng.IntN(len(data)))
	}
	for _, size := range sizes {
		want := blake3.Sum256(data[:size])
		r := reading{bytes.NewReader(data[:size]), make([]byte, hashPiece)}
		var d digester
		for limit := int64(0); limit < int64(size); limit += 1 + rng.Int64N(400_000) { // a file that grows
			if err := d.follow(r, limit, int64(size)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := d.finish(r, buf, int64(size)); err != nil || got != want {
			t.Fatalf("%d octets: %x, %v; want %x", size, got, err, want)
		}
	}
}

func TestDigestOfShrunkenFileFails(t *testing.T) {
	var d digester
	_, err := d.finish(reading{bytes.NewReader(make([]byte, 99_999)), make([]byte, hashPiece)}, make([]byte, hashGroup), 100_000)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want unexpected EOF", err)
	}
}

type zeroes struct{}

func (zeroes) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

func BenchmarkDigest(b *testing.B) {
	buf := make([]byte, hashPiece)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		var d digester
		d.finish(reading{zeroes{}, buf}, make([]byte, hashGroup), 64<<20)
	}
}

func BenchmarkDigestOfLibrary(b *testing.B) {
	buf := make([]byte, hashPiece)
	b.SetBytes(64 << 20)
	b.ReportAllocs()
	for b.Loop() {
		h := blake3.New(32, nil)
		for range 64 << 20 / hashPiece {
			h.Write(buf)
		}
		h.Sum(nil)
	}
}
