package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync/atomic"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// store is the transmit window of a session: all of it, from the first record to the last digest, for as long as the session lasts.
// Content is read from the files before a packet is sent and again when it is repaired; nothing is kept longer. It is a source.Store:
// Load, Next and Trail are called on the loop's goroutine, hash runs on one of its own, and the rest may be called from any.
type store struct {
	*plan
	scan  *scan
	files fileCache
	buf   []byte // loadRun octets

	record      []byte // the encoded record that was loaded last
	recordIndex int    // its number; -1: none

	gate   atomic.Uint32 // distance from the first packet of what may not be sent yet
	sent   atomic.Uint32 // distance from the first packet of what was never loaded
	ahead  *readAhead    // content, the first time that it is sent
	before []int64       // of each object: content of those before it
	err    atomic.Pointer[Problem]
	failed chan struct{} // closed when err is set

	// Digests are computed in the order of the objects, beside the sending. known is how many are; the packets of the first that is not
	// are withheld from its digest on. starved is set when that was what Next ran into: then the loop is to be woken.
	digests [][32]byte
	known   atomic.Uint32
	starved atomic.Bool
	wake    func()
}

// loadRun is how many octets are loaded at a time: a run that one system call sends. Those that are not in the ring are read into one buffer,
// which stays in the processor's cache, and copied from there to the packets; a vectored read, which has the kernel look at each packet's
// slice, is slower.
const loadRun = 64 << 10

var _ source.Store = (*store)(nil)

// newStore returns the store for what was scanned. It withholds everything behind the first records until open is called. wake is
// called, from another goroutine, when there is more to send.
func newStore(p *plan, s *scan, wake func()) *store {
	st := &store{plan: p, scan: s, recordIndex: -1, wake: wake, ahead: newReadAhead(), failed: make(chan struct{})}
	st.buf = make([]byte, loadRun)
	st.digests = make([][32]byte, len(p.objects))
	st.before = make([]int64, len(p.objects))
	for i := 1; i < len(p.objects); i++ {
		st.before[i] = st.before[i-1]
		if o := &p.objects[i-1]; !o.Dir {
			st.before[i] += o.Size
		}
	}
	st.files.open, st.files.max = st.openFile, maxOpenSent
	st.gate.Store(uint32(p.records[0].Data - p.first))
	return st
}

// openFile opens the file of object i, and fails if it is no longer what was scanned.
func (st *store) openFile(i int) (*os.File, error) {
	f, err := os.Open(st.scan.path(i))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() < st.objects[i].Size) {
		err = fmt.Errorf("%s: %w: it has shrunk", f.Name(), ErrChanged)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// open lets the objects be sent.
func (st *store) open() {
	st.gate.Store(uint32(st.end() - st.first))
	st.wake()
}

// close closes the files. The loop must have ended.
func (st *store) close() { st.files.close() }

// failure returns the object that could not be read, and why; nil if there is none. failed is closed when there is one.
func (st *store) failure() *Problem { return st.err.Load() }

// fail notes that an object cannot be read. The session cannot go on, but it is for Send to say so: nothing can be loaded until then.
func (st *store) fail(i int, err error) {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%s: %w: it has shrunk", st.scan.path(i), ErrChanged)
	}
	if st.err.CompareAndSwap(nil, &Problem{st.objects[i].Name, err}) {
		close(st.failed)
	}
}

// Trail returns the first packet: the trail does not move.
func (st *store) Trail() packet.SQN { return st.first }

// Next returns the packet after the newest that may be sent.
func (st *store) Next() packet.SQN {
	gate := st.first + packet.SQN(st.gate.Load())
	if next, ok := st.undigested(); ok && next.Before(gate) {
		st.starved.Store(true)
		if again, ok := st.undigested(); ok { // what became known in between did not see the mark
			return min2(again, gate)
		}
	}
	return gate
}

func min2(a, b packet.SQN) packet.SQN {
	if a.Before(b) {
		return a
	}
	return b
}

// undigested returns the first digest packet whose digest is not known.
func (st *store) undigested() (packet.SQN, bool) {
	i := int(st.known.Load())
	if i == len(st.objects) {
		return 0, false
	}
	return st.objects[i].digestSQN(st.block), true
}

// Load gets consecutive packets, of one record or object at most. It never fails: what cannot be read is told to fail.
func (st *store) Load(first packet.SQN, dst []source.TSDU) (int, error) {
	if n := st.Next().Sub(first); n <= 0 {
		return 0, nil
	} else if n < len(dst) {
		dst = dst[:n]
	}
	p := st.find(first)
	if p == nil || len(dst) == 0 {
		return 0, nil
	}
	var n int
	if !p.objects {
		n = st.loadRecord(p, first, dst)
	} else {
		n = st.loadObjects(p, first, dst)
	}
	if n > 0 {
		st.loaded(uint32(first-st.first)+uint32(n), p, first, n)
	}
	return n, nil
}

// loaded notes that the packets before the offset end were loaded.
func (st *store) loaded(end uint32, p *span, first packet.SQN, n int) {
	if end <= st.sent.Load() {
		return
	}
	st.sent.Store(end)
	if !p.objects {
		return
	}
	k := p.m.find(first)
	o := &p.m.Objects[k]
	st.ahead.advance(st.before[st.bases[p.m.Index]+k] + min(int64(first-o.First+packet.SQN(n))*int64(st.block), o.Size))
}

func (st *store) loadRecord(p *span, first packet.SQN, dst []source.TSDU) int {
	if st.recordIndex != int(p.m.Index) {
		st.record = p.m.Append(st.record[:0])
		st.recordIndex = int(p.m.Index)
	}
	room := recordRoom(st.block)
	n := 0
	for i := range dst {
		at := int(first-p.m.First+packet.SQN(i)) * room
		if at >= len(st.record) {
			break
		}
		dst[i].Data = dst[i].Data[:copy(dst[i].Data[:room], st.record[at:])]
		dst[i].Fragment = packet.Fragment{First: p.m.First, Offset: uint32(at), Length: uint32(len(st.record))}
		dst[i].Syn, dst[i].Fin, dst[i].HasSum = false, false, false
		n++
	}
	return n
}

func (st *store) loadObjects(p *span, first packet.SQN, dst []source.TSDU) int {
	k := p.m.find(first)
	o := &p.m.Objects[k]
	index := st.bases[p.m.Index] + k
	if first == o.digestSQN(st.block) {
		dst[0].Data = appendDigest(dst[0].Data[:0], uint32(index), o.Size, &st.digests[index])
		dst[0].Fragment, dst[0].Syn, dst[0].Fin, dst[0].HasSum = packet.Fragment{}, false, false, false
		return 1
	}
	off := int64(first-o.First) * int64(st.block)
	size := min(int64(min(len(dst), loadRun/st.block)*st.block), o.Size-off)
	from := st.before[index] + off
	ahead := st.ahead.has(from, from+size)
	run := st.buf[:size]
	if !ahead {
		f, err := st.files.get(index)
		if err == nil {
			err = readFull(f, run, off)
		}
		if err != nil {
			st.fail(index, err)
			return 0
		}
	}
	n := 0
	for ; len(run) > 0; n++ {
		t := &dst[n]
		t.Data = t.Data[:min(len(run), st.block)]
		if ahead {
			st.ahead.copy(t.Data, from)
		} else {
			copy(t.Data, run)
		}
		t.Fragment, t.Syn, t.Fin, t.HasSum = packet.Fragment{}, false, false, false
		from += int64(len(t.Data))
		run = run[len(t.Data):]
	}
	return n
}

// sentObjects returns how many objects have been loaded whole, their digests included.
func (st *store) sentObjects() int {
	sent := st.sent.Load()
	return sort.Search(len(st.objects), func(i int) bool {
		o := &st.objects[i]
		end := uint32(o.First - st.first)
		if !o.Dir {
			end = uint32(o.digestSQN(st.block)-st.first) + 1
		}
		return end > sent
	})
}

// hash computes the digests of the objects in their order, until it is done, ctx is, or a file cannot be read. A file that is not what
// was scanned at its end is told to changed, and gets a digest that no copy has: what was read may be of two versions.
func (st *store) hash(ctx context.Context, changed func(name string)) {
	content := &object{readAhead: st.ahead, ctx: ctx, wrap: make([]byte, hashPiece)}
	last := make([]byte, hashGroup)
	for i := range st.objects {
		if !st.objects[i].Dir {
			if err := st.hashObject(i, content, last, changed); err != nil {
				if ctx.Err() == nil {
					st.fail(i, err)
				}
				return
			}
		}
		st.known.Add(1)
		if st.starved.Swap(false) {
			st.wake()
		}
	}
}

func (st *store) hashObject(i int, content *object, last []byte, changed func(string)) error {
	o := &st.objects[i]
	f, err := st.openFile(i)
	if err != nil {
		return err
	}
	defer f.Close()
	content.file = f
	var d digester
	if st.digests[i], err = d.finish(content, last, o.Size); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && (info.Size() != o.Size || info.ModTime().UnixNano() != o.ModTime) {
		changed(o.Name)
		for k := range st.digests[i] {
			st.digests[i][k] ^= 0xff
		}
	}
	return err
}
