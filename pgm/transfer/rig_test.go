package transfer

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// fakeLoop stands for the engine and the loop of a receiver between a store and an inbox: it loads packets in runs, loses, repeats and
// reorders them, delivers each once in batches whose memory is overwritten when the lease is over, and asks again for what was refused.
type fakeLoop struct {
	t     *testing.T
	rng   *rand.Rand
	store *store
	in    *inbox

	mu       sync.Mutex
	commands []func()

	have    map[packet.SQN]bool
	limit   packet.SQN
	limited bool
	ended   bool
	loss    float64
	loaded  int // packets that were delivered
	stop    int // deliver at most so many; 0: no bound
	leases  atomic.Int32
	corrupt func(s packet.SQN, tsdu []byte) []byte
}

func (l *fakeLoop) Have(first, last packet.SQN) {
	for s := first; s != last+1; s++ {
		l.have[s] = true
	}
}

func (l *fakeLoop) Want(first, last packet.SQN) {
	for s := first; s != last+1; s++ {
		delete(l.have, s)
	}
}

func (l *fakeLoop) Window() (trail, lead packet.SQN, ok bool) {
	if l.store == nil {
		return 10, 10, true
	}
	return l.store.Trail(), l.store.Next() - 1, true
}

func (l *fakeLoop) Limit(last packet.SQN)        { l.limited, l.limit = true, last }
func (l *fakeLoop) Unlimit()                     { l.limited = false }
func (l *fakeLoop) Forgo(first, last packet.SQN) { l.Have(first, last) }
func (l *fakeLoop) Decoded(time.Time, *fec.Job)  {}
func (l *fakeLoop) Silent()                      {}
func (l *fakeLoop) Close()                       { l.end(receiver.Closed, packet.Reset{}) }

func (l *fakeLoop) end(reason receiver.End, reset packet.Reset) {
	if !l.ended {
		l.ended = true
		l.in.End(reason, reset)
	}
}

func (l *fakeLoop) do(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands = append(l.commands, f)
	return true
}

func (l *fakeLoop) run() {
	l.mu.Lock()
	commands := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, f := range commands {
		f()
	}
}

// fakeLease overwrites the memory of a batch when it is over, so that what was used too late does not pass unnoticed.
type fakeLease struct {
	holders atomic.Int32
	slab    []byte
	l       *fakeLoop
}

func (f *fakeLease) Retain() { f.holders.Add(1); f.l.leases.Add(1) }
func (f *fakeLease) Release() {
	f.l.leases.Add(-1)
	if f.holders.Add(-1) == 0 {
		for i := range f.slab {
			f.slab[i] = 0xdb
		}
	}
}

// round loads all packets that are wanted once, and delivers them but for losses. It reports whether there were any.
func (l *fakeLoop) round() bool {
	l.run()
	var want []packet.SQN
	for s := l.store.Trail(); s != l.store.Next(); s++ {
		if !l.have[s] && (!l.limited || !l.limit.Before(s)) {
			want = append(want, s)
		}
	}
	for i := 0; i < len(want) && !l.ended; {
		n := 1
		for i+n < len(want) && want[i+n] == want[i]+packet.SQN(n) && n < 40 {
			n++
		}
		lease := &fakeLease{slab: make([]byte, n*(l.store.block+24)), l: l}
		lease.Retain()
		tsdus := make([]source.TSDU, n)
		for k := range tsdus {
			at := k*(l.store.block+24) + 24
			tsdus[k] = source.TSDU{Data: lease.slab[at : at+l.store.block : at+l.store.block], Fin: true, HasSum: true}
		}
		got, err := l.store.Load(want[i], tsdus)
		if err != nil {
			l.end(receiver.Reset, packet.Reset{Code: ResetUnreadable})
			lease.Release()
			return false
		}
		order := l.rng.Perm(got)
		for _, k := range order {
			s := want[i] + packet.SQN(k)
			d := receiver.Data{SQN: s, TSDU: tsdus[k].Data, Fragment: tsdus[k].Fragment}
			if l.rng.Float64() < l.loss || l.have[s] || l.ended || l.stop > 0 && l.loaded >= l.stop {
				continue
			}
			if l.corrupt != nil {
				d.TSDU = l.corrupt(s, d.TSDU)
			}
			if l.in.Data(d) {
				l.have[s] = true
				l.loaded++
			}
		}
		l.in.Flush(lease)
		lease.Release()
		l.run()
		if got == 0 {
			break
		}
		i += got
	}
	l.in.Flush(pgm.NoLease{})
	return len(want) > 0
}

// events collects what an observer is told.
type events struct {
	mu   sync.Mutex
	list []Event
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) of(k Kind) (found []Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.list {
		if ev.Kind == k {
			found = append(found, ev)
		}
	}
	return found
}

type rig struct {
	t     *testing.T
	loop  *fakeLoop
	store *store
	in    *inbox
	dest  *destination
	seen  *events
}

// newRig lays out the paths and joins a receiver of dir to them.
func newRig(t *testing.T, seed uint64, first packet.SQN, block int, dir string, paths ...string) *rig {
	t.Helper()
	r := &rig{t: t, seen: new(events)}
	r.store = newTestStore(t, seed, first, block, paths...)
	dest, err := openDestination(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.dest = dest
	r.loop = &fakeLoop{t: t, rng: rand.New(rand.NewPCG(seed, 1)), store: r.store, have: make(map[packet.SQN]bool)}
	r.in = newInbox(r.loop, r.loop.do, dest, &observer{f: r.seen.add})
	r.loop.in = r.in
	t.Cleanup(func() {
		r.loop.end(receiver.Closed, packet.Reset{})
		<-r.in.concluded
		dest.close()
	})
	return r
}

func newTestStore(t *testing.T, seed uint64, first packet.SQN, block int, paths ...string) *store {
	t.Helper()
	s, err := scanPaths(paths, func(Problem) {})
	if err != nil {
		t.Fatal(err)
	}
	p, err := arrange(s.objects, s.total, block, SessionID{byte(seed), 15: 1}, first)
	if err != nil {
		t.Fatal(err)
	}
	st := newStore(p, s, func() {})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		st.hash(ctx, func(string) {})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		st.close()
	})
	return st
}

// deliver runs rounds until all objects are settled, or nothing more can be had.
func (r *rig) deliver() {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		select {
		case <-r.in.concluded:
			return
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("not done: %d of %d objects held, %d failed", r.in.objects, r.in.count, r.in.failedN)
		}
		if !r.loop.round() {
			time.Sleep(time.Millisecond)
		}
		if r.loop.stop > 0 && r.loop.loaded >= r.loop.stop {
			return
		}
	}
}

// end ends the session and waits for the conclusion.
func (r *rig) end(reason receiver.End) {
	r.loop.end(reason, packet.Reset{})
	<-r.in.concluded
	for deadline := time.Now().Add(5 * time.Second); r.loop.leases.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%d leases are kept", r.loop.leases.Load())
		}
	}
}

// writeTree makes files, by name with their sizes, and directories, whose names end in a slash.
func writeTree(t *testing.T, dir string, sizes map[string]int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, uint64(len(sizes))))
	for name, size := range sizes {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		if err := os.WriteFile(path, data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot describes all that is beneath a directory.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		text := fmt.Sprintf("%v %d", info.Mode(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", len(b), sum256(b))
		}
		found[filepath.ToSlash(rel)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func sameTree(t *testing.T, got, want string) {
	t.Helper()
	if d := cmp.Diff(snapshot(t, want), snapshot(t, got)); d != "" {
		t.Error(d)
	}
}
