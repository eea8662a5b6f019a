package transfer

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"lukechampine.com/blake3"
)

// What goes through the ring is what was read, and is hashed right, whoever of the two that use it is faster.
func TestReadAheadHasWhatItRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var files [][]byte
	var all []byte
	for _, n := range []int{0, 1, 3 << 20, 100, hashPiece, hashGroup + 1, aheadSize, 5<<20 + 77, 4096, 1 << 20} {
		f := make([]byte, n)
		for i := range f {
			f[i] = byte(rng.Uint32())
		}
		files, all = append(files, f), append(all, f...)
	}
	for _, c := range []struct {
		name         string
		overtaken    bool // the loop reads for itself what is not there yet
		yield, pause int  // how often, of 100 times, the loop and the hash let others go first
	}{{"the loop waits", false, 0, 50}, {"the hash is faster", false, 80, 0}, {"the loop is faster", true, 0, 90}} {
		t.Run(c.name, func(t *testing.T) {
			a := newReadAhead()
			done := make(chan [][32]byte)
			go func() {
				var digests [][32]byte
				o := &object{readAhead: a, ctx: t.Context(), wrap: make([]byte, hashPiece)}
				for _, f := range files {
					o.file = bytes.NewReader(f)
					var d digester
					sum, err := d.finish(o, make([]byte, hashGroup), int64(len(f)))
					if err != nil {
						t.Error(err)
					}
					digests = append(digests, sum)
					for range c.pause {
						runtime.Gosched()
					}
				}
				done <- digests
			}()
			rng := rand.New(rand.NewPCG(3, 4))
			buf := make([]byte, loadRun)
			hits := 0
			for at := int64(0); at < int64(len(all)); {
				n := min(1+rng.Int64N(loadRun), int64(len(all))-at)
				for !c.overtaken && !a.has(at, at+n) {
					runtime.Gosched()
				}
				if a.has(at, at+n) {
					hits++
					if a.copy(buf[:n], at); !bytes.Equal(buf[:n], all[at:at+n]) {
						t.Fatalf("the %d octets from %d on are others", n, at)
					}
				}
				at += n
				a.advance(at)
				for range c.yield {
					runtime.Gosched()
				}
			}
			for i, sum := range <-done {
				if sum != blake3.Sum256(files[i]) {
					t.Errorf("the digest of file %d is wrong", i)
				}
			}
			if hits == 0 && !c.overtaken {
				t.Error("nothing was read ahead")
			}
		})
	}
}

// What was passed by, or is not read yet, is not there.
func TestReadAheadHasNoMore(t *testing.T) {
	a := newReadAhead()
	o := &object{readAhead: a, ctx: t.Context(), file: bytes.NewReader(make([]byte, 1000)), wrap: make([]byte, hashPiece)}
	if _, err := o.next(0, 600); err != nil {
		t.Fatal(err)
	}
	a.advance(100)
	for _, c := range []struct {
		from, end int64
		want      bool
	}{{100, 600, true}, {100, 601, false}, {99, 200, false}, {600, 600, true}, {700, 800, false}} {
		if got := a.has(c.from, c.end); got != c.want {
			t.Errorf("%d to %d: %v", c.from, c.end, got)
		}
	}
}

// A hash that waits for the sending ends with its context.
func TestReadAheadIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := &object{readAhead: newReadAhead(), ctx: ctx, file: bytes.NewReader(make([]byte, 2*aheadSize)), wrap: make([]byte, hashPiece)}
	done := make(chan error)
	go func() {
		var d digester
		_, err := d.finish(o, make([]byte, hashGroup), 2*aheadSize)
		done <- err
	}()
	for o.filled.Load() < aheadSize {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
