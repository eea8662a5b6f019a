package transfer

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
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

// What is sent is what was hashed, though the files have changed since: it is read once. What is sent again is read again.
func TestContentIsReadOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "t")
	write := func(octet byte) {
		for name, n := range map[string]int{"a": 100_000, "b/empty": 0, "b/c": 300_000, "d": 1, "e/f/g": 200_000} {
			name = filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, bytes.Repeat([]byte{octet, byte(n >> 10)}, n)[:n], 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(1)
	s, err := scanPaths([]string{dir}, func(p Problem) { t.Error(p) })
	if err != nil {
		t.Fatal(err)
	}
	p, err := arrange(s.objects, s.total, benchBlock, SessionID{1}, 0xffff_ff80)
	if err != nil {
		t.Fatal(err)
	}
	st := newStore(p, s, func() {})
	defer st.close()
	st.hash(t.Context(), func(name string) { t.Errorf("%s has changed", name) })
	st.open()
	run := newSlab(benchRun)
	for octet := byte(1); octet <= 2; octet++ {
		want := map[string][]byte{}
		for _, o := range st.objects {
			if !o.Dir {
				want[o.Name] = bytes.Repeat([]byte{octet, byte(o.Size >> 10)}, int(o.Size))[:o.Size]
			}
		}
		write(2)
		got := map[string][]byte{}
		for sqn := st.Trail(); sqn != st.Next(); {
			tsdus := run.reset()
			n, err := st.Load(sqn, tsdus)
			if n == 0 || err != nil {
				t.Fatalf("packet %v: %d, %v, %+v", sqn, n, err, st.failure())
			}
			if at := st.find(sqn); at.objects {
				o := &at.m.Objects[at.m.find(sqn)]
				for i := range n {
					if sqn+packet.SQN(i) != o.digestSQN(st.block) {
						got[o.Name] = append(got[o.Name], tsdus[i].Data...)
					}
				}
			}
			sqn += packet.SQN(n)
		}
		for name, data := range want {
			if !bytes.Equal(got[name], data) {
				t.Errorf("time %d: %s is not what it is to be, %d octets of %d", octet, name, len(got[name]), len(data))
			}
		}
		if n := st.ahead.sent.Load(); n != s.total || n != st.ahead.filled.Load() {
			t.Errorf("%d octets of %d were sent, %d read ahead", n, s.total, st.ahead.filled.Load())
		}
	}
}
