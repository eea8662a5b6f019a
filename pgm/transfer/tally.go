package transfer

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// errClosed is why a session ended that this receiver left.
var errClosed = errors.New("the receiver was told to stop")

// observer tells one function of events, one at a time, whatever goroutine they come from.
type observer struct {
	mu sync.Mutex
	f  func(Event)
}

func (o *observer) note(e Event) {
	if o == nil || o.f == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	e.Time = time.Now()
	o.f(e)
}

// tally is what became of the objects of a session at a receiver. Loop, writer and verifier tell it; displays and receipts ask it.
type tally struct {
	observer *observer
	tsi      string
	from     string
	written  atomic.Int64 // octets of content in files, those of an earlier run included
	lost     atomic.Uint64
	repaired atomic.Uint64

	// settledAll is closed when it is known of each object what became of it, and was told; concluded when all that follows is done too.
	settledAll, concluded chan struct{}
	told                  int // objects whose end the observer knows of

	mu       sync.Mutex
	began    time.Time // when the first record was known; zero: not yet
	end      time.Time
	id       SessionID
	total    int64
	count    int
	resumedN int64 // octets
	objects  int   // held
	bytes    int64 // of those
	failedN  int
	problems []Problem
	indexes  []uint32 // of the objects in problems, as far as they have one
	dirs     []Object // that were made, in the order of their names
	cause    error    // why the session ended, or will have if something is left
	deaf     bool     // the session has ended, and with it the way to the source
	leaving  bool     // the receiver is told to stop, and has no more of it
	err      error    // of the session, when it is concluded
	reporter reporter
}

func (t *tally) init(o *observer) {
	t.observer = o
	t.settledAll, t.concluded = make(chan struct{}), make(chan struct{})
	t.reporter.init()
}

func (t *tally) note(e Event) {
	e.Session, e.Peer = t.tsi, t.from
	t.observer.note(e)
}

// begin notes what the first record says. The event is the writer's to tell: a display must not hold up the loop.
func (t *tally) begin(m *Manifest) {
	t.mu.Lock()
	t.began, t.id, t.total, t.count = time.Now(), m.Session, int64(m.Total), int(m.Count)
	if t.count == 0 {
		close(t.settledAll)
	}
	t.reporter.news(t.began, begunDelay)
	t.mu.Unlock()
}

// blame sets why what is not settled at the end has failed; the first who does is right.
func (t *tally) blame(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause == nil {
		t.cause = err
	}
}

// deafen notes that nothing can be stated any more.
func (t *tally) deafen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deaf = true
}

// wrote notes octets of content that are in a file.
func (t *tally) wrote(n int64) { t.written.Add(n) }

// settle counts what became of p, once, and reports whether this was the time. It is to be called with the lock.
func (t *tally) settle(p *part) bool {
	if p.settled {
		return false
	}
	p.settled = true
	p.over.Store(true)
	return true
}

// settledOne returns whether that was the last of the segment. It is to be called with the lock.
func (t *tally) settledOne(seg *segment, n int) (last bool) {
	seg.open -= n
	t.reporter.news(time.Now(), heldDelay)
	return seg.open == 0
}

// announce tells the observer what became of an object. With the last of them, all is settled: not before, or a receiver could return while it
// is still telling.
func (t *tally) announce(e Event) {
	t.note(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told++; t.told == t.count {
		close(t.settledAll)
	}
}

func (t *tally) problem(index uint32, name string, err error) {
	t.failedN++
	if len(t.problems) < MaxProblems {
		t.problems = append(t.problems, Problem{name, err})
		t.indexes = append(t.indexes, index)
	}
}

// held notes that an object is there, under its name and right.
func (in *inbox) held(p *part) {
	in.mu.Lock()
	if !in.settle(p) {
		in.mu.Unlock()
		return
	}
	in.objects++
	in.bytes += p.o.Size
	if p.o.Dir {
		in.dirs = append(in.dirs, *p.o)
	}
	last := in.settledOne(p.seg, 1)
	in.mu.Unlock()
	d := time.Since(p.began)
	e := Event{Kind: Complete, Name: p.o.Name, Dir: p.o.Dir, Size: p.o.Size, Digest: p.digest, Duration: d, Repaired: p.repaired.Load(), Resumed: p.resumed}
	e.Lost = e.Repaired
	if s := d.Seconds(); s > 0 {
		e.Rate = float64(p.o.Size-p.resumed) / s
	}
	in.announce(e)
	if last {
		in.do(func() { in.forget(p.seg) })
	}
}

// failed notes that an object is given up.
func (in *inbox) failed(p *part, err error) {
	in.mu.Lock()
	if !in.settle(p) {
		in.mu.Unlock()
		return
	}
	in.problem(uint32(p.index), p.o.Name, err)
	last := in.settledOne(p.seg, 1)
	in.mu.Unlock()
	in.announce(Event{Kind: Failed, Name: p.o.Name, Dir: p.o.Dir, Size: p.o.Size, Err: err})
	in.do(func() {
		if !p.o.Dir && !in.ended {
			in.session.Forgo(p.o.First, p.o.digestSQN(p.seg.m.Block))
		}
		if last {
			in.forget(p.seg)
		}
	})
}

// refuse notes the objects of a segment whose names cannot be had. It is called by the writer.
func (in *inbox) refuse(seg *segment, refused []Problem) {
	if len(refused) == 0 {
		return
	}
	in.mu.Lock()
	for _, r := range refused {
		in.problem(noObject, r.Name, r.Err)
	}
	last := in.settledOne(seg, len(refused))
	in.mu.Unlock()
	for _, r := range refused {
		in.announce(Event{Kind: Refused, Name: r.Name, Err: r.Err})
	}
	if last {
		in.do(func() { in.forget(seg) })
	}
}

// noObject stands for the number of an object where a problem has none.
const noObject = 0xffff_ffff

// run is a run of packets, first and last included.
type run struct{ first, last packet.SQN }

// resumed notes that blocks of p are there from an earlier run, and need not be sent. It is called by the writer.
func (in *inbox) resumed(p *part) {
	in.written.Add(p.resumed)
	in.mu.Lock()
	in.resumedN += p.resumed
	in.mu.Unlock()
	var runs []run
	p.held.runs(func(first, last uint32) {
		runs = append(runs, run{p.o.First + packet.SQN(first), p.o.First + packet.SQN(last)})
	})
	in.do(func() {
		if in.ended {
			return
		}
		for _, r := range runs {
			in.session.Have(r.first, r.last)
		}
	})
}

// startOver has all of p sent again, of which an earlier run had left something else.
func (in *inbox) startOver(p *part) {
	in.written.Add(-p.o.Size)
	in.mu.Lock()
	in.resumedN -= p.resumed
	in.mu.Unlock()
	in.do(func() {
		if in.ended {
			return
		}
		in.tell(order{part: p, restart: true})
		in.session.Want(p.o.First, p.o.digestSQN(p.seg.m.Block)-1)
	})
}

// Report takes the source's acknowledgement of a statement.
func (t *tally) Report(body []byte) {
	s, kind, err := parseReceipt(body)
	if err != nil || kind != kindAcknowledge {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Session == t.id && s.Receiver == t.reporter.id {
		t.reporter.acknowledged(s.Sequence)
	}
}

// state appends the statement that is due now to b; nothing if none is.
func (t *tally) state(now time.Time, name string, b []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() || !t.reporter.poll(now) {
		return b
	}
	s := statement{
		Session: t.id, Receiver: t.reporter.id, Sequence: t.reporter.seq, Finished: t.reporter.finished,
		Objects: uint32(t.objects), Failed: uint32(t.failedN), Bytes: uint64(t.bytes), Written: uint64(t.written.Load()),
		Lost: t.lost.Load(), Repaired: t.repaired.Load(), Elapsed: now.Sub(t.began), Name: name,
	}
	if !t.end.IsZero() {
		s.Elapsed = t.end.Sub(t.began)
	}
	if t.leaving {
		s.Failed = uint32(t.count - t.objects)
		s.Problems = append(s.Problems, receiptProblem{noObject, "it was told to stop"})
	}
	for i, p := range t.problems[:min(len(t.problems), maxProblems)] {
		s.Problems = append(s.Problems, receiptProblem{t.indexes[i], p.Err.Error()})
	}
	return s.append(b)
}

// over reports whether the session is concluded, and the source knows all there is to know, or will never: one that has ended it does not
// wait for what has not reached it.
func (t *tally) over() bool {
	select {
	case <-t.concluded:
	default:
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.deaf || t.began.IsZero() || t.reporter.rest()
}

// takeLeave has the next statements say that this receiver has all that it is going to have, and reports whether there is anybody to tell.
func (t *tally) takeLeave(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() || t.deaf || t.reporter.finished {
		return false
	}
	t.leaving, t.reporter.finished = true, true
	t.reporter.news(now, 1)
	return true
}

// said reports whether the source has the last statement, or is never going to.
func (t *tally) said() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.deaf || t.reporter.rest()
}

// summary returns what became of the session so far. It is to be called with the lock.
func (t *tally) summary() SessionSummary {
	s := SessionSummary{
		Session: t.tsi, From: t.from, Objects: t.objects, Bytes: t.bytes, Lost: t.lost.Load(), Repaired: t.repaired.Load(),
		Problems: t.problems, Failed: t.failedN, Err: t.err,
	}
	if !t.began.IsZero() {
		s.Duration = t.end.Sub(t.began)
	}
	return s
}
