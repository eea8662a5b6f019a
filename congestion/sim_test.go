package congestion

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// A world is a network in virtual time: a source, a link that all of its packets cross, with TCP flows beside them, and for each receiver
// a link of its own. It is as much of a network as congestion control sees, at some ten nanoseconds a packet.
type world struct {
	now    int64 // nanoseconds
	events events
	order  uint64
	rng    *rand.Rand
	shared *wire
	src    *sourceModel
	tcp    []*tcpModel
}

// event is something that happens at a time.
type event struct {
	at    int64
	order uint64
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func (w *world) at(t int64, do func()) {
	w.order++
	heap.Push(&w.events, event{max(t, w.now), w.order, do})
}

// run lets time go on for d.
func (w *world) run(d time.Duration) {
	end := w.now + int64(d)
	for len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// wire is a link with a queue that drops what it has no room for.
type wire struct {
	rate    float64 // octets a second; 0: no limit
	buffer  float64 // octets that wait at most
	delay   int64   // nanoseconds, one way
	loss    float64 // of packets, at random
	busy    float64 // when what was given to it will have left, in nanoseconds
	overrun uint64  // packets that had no room
	rng     *rand.Rand
}

// cross returns when a packet that sets out at t arrives.
func (l *wire) cross(t int64, size int) (arrival int64, ok bool) {
	at := float64(t)
	if l.rate > 0 {
		if backlog := (l.busy - at) * l.rate / 1e9; backlog+float64(size) > l.buffer && backlog > 0 {
			l.overrun++
			return 0, false
		}
		at = max(l.busy, at) + float64(size)/l.rate*1e9
		l.busy = at
	}
	if l.loss > 0 && l.rng.Float64() < l.loss {
		return 0, false
	}
	return int64(at) + l.delay, true
}

var worldStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *world) time() time.Time { return worldStart.Add(time.Duration(w.now)) }

// sourceModel paces packets as pgm/source does.
type sourceModel struct {
	w       *world
	ctrl    Controller
	pacer   *Pacer
	size    int
	idle    bool // nothing to send
	next    packet.SQN
	heirs   []*receiverModel
	sent    uint64 // packets
	wakeAt  int64
	wakes   uint64
	cpu     float64 // octets a second that the sender's processor manages; 0: no limit
	skew    time.Duration
	drops   func(n packet.SQN) // of the shared link
	control uint64             // packets of feedback that came
}

type inFlight struct {
	at    int64
	sqn   packet.SQN
	probe bool
	data  Data
	p     Probe
}

// receiverModel is a receiver behind a link of its own.
type receiverModel struct {
	w       *world
	addr    netip.Addr
	rep     *Reporter
	own     *wire
	queue   []inFlight
	head    int
	drain   bool  // an event is scheduled
	nakAt   int64 // when a NAK leaves; 0: none
	octets  uint64
	back    int64 // delay of the way back
	deaf    bool  // it has gone
	mute    bool  // what it says is lost
	naks    uint64
	timer   int64
	buffer  float64 // of its socket, octets, emptied at take; 0: unlimited
	take    float64
	backlog float64
	filled  int64
	spilled uint64
	noise   float64 // nanoseconds by which its processor is late, on average
}

var tsiOfWorld = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 7}

func newWorld(seed uint64, shared wire) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 3208))}
	shared.rng = w.rng
	w.shared = &shared
	return w
}

// source gives the world a source.
func (w *world) source(c Controller, size int) *sourceModel {
	p, err := NewPacer(PacerConfig{Rate: c.Rate(), Packet: size})
	if err != nil {
		panic(err)
	}
	w.src = &sourceModel{w: w, ctrl: c, pacer: p, size: size, next: 1}
	w.at(0, w.src.wake)
	w.src.wakeAt = -1
	return w.src
}

// receiver adds a receiver; rtt is that of its own link, besides the shared one's.
func (w *world) receiver(own wire) *receiverModel {
	own.rng = w.rng
	n := len(w.src.heirs)
	r := &receiverModel{w: w, own: &own, back: own.delay + w.shared.delay, addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
	var err error
	r.rep, err = NewReporter(ReporterConfig{Self: r.addr, Overhead: 28, Rand: rand.New(rand.NewPCG(w.rng.Uint64(), 1))})
	if err != nil {
		panic(err)
	}
	w.src.heirs = append(w.src.heirs, r)
	return r
}

func (s *sourceModel) clock() time.Time { return s.w.time().Add(s.skew) }

// wake sends what may leave, and sleeps until more may.
func (s *sourceModel) wake() {
	s.wakes++
	s.wakeAt = -1
	now := s.clock()
	if at := s.ctrl.NextTimeout(); !at.IsZero() && !now.Before(at) {
		s.ctrl.HandleTimeout(now)
		s.pacer.SetRate(s.ctrl.Rate())
	}
	if at := s.ctrl.ProbeAt(); !at.IsZero() && !now.Before(at) {
		d, p := s.ctrl.Probe(now)
		s.pacer.Spend(now, 150)
		s.emit(inFlight{probe: true, data: d, p: p, sqn: s.next}, 150)
	}
	for !s.idle {
		n := min(s.pacer.Budget(now)/s.size, max(maxBurst/s.size, 1), s.ctrl.Tokens())
		if n == 0 {
			break
		}
		if s.cpu > 0 {
			n = max(min(n, int(s.cpu*50e-6)/s.size), 1)
		}
		first := s.next
		for range n {
			d, stamped := s.ctrl.Stamp(now)
			s.emit(inFlight{data: d, probe: stamped, sqn: s.next}, s.size)
			s.next++
		}
		s.sent += uint64(n)
		s.pacer.Spend(now, n*s.size)
		s.ctrl.Sent(now, packet.TypeODATA, first, n, n*s.size)
		if s.cpu > 0 {
			s.sleep(s.w.now + int64(float64(n*s.size)/s.cpu*1e9))
			return
		}
	}
	next := int64(1<<62 - 1)
	sooner := func(t time.Time) {
		if !t.IsZero() {
			next = min(next, s.w.now+int64(t.Sub(now)))
		}
	}
	sooner(s.ctrl.ProbeAt())
	sooner(s.ctrl.NextTimeout())
	if !s.idle && s.ctrl.Tokens() > 0 {
		packets := max(s.pacer.Burst()/2/s.size, 1)
		sooner(s.pacer.NextAt(now, min(packets, s.ctrl.Tokens())*s.size))
	}
	s.sleep(next)
}

func (s *sourceModel) sleep(t int64) {
	if t = max(t, s.w.now+1000); s.wakeAt >= 0 && s.wakeAt <= t {
		return
	}
	s.wakeAt = t
	s.w.at(t, func() {
		if s.wakeAt == t {
			s.wake()
		}
	})
}

// emit sends a packet to all receivers.
func (s *sourceModel) emit(f inFlight, size int) {
	at, ok := s.w.shared.cross(s.w.now, size)
	if !ok {
		if s.drops != nil {
			s.drops(f.sqn)
		}
		if len(s.heirs) > 0 { // NAKs are suppressed: one receiver asks
			s.heirs[s.w.rng.IntN(len(s.heirs))].nak()
		}
		return
	}
	for _, r := range s.heirs {
		if r.deaf {
			continue
		}
		own, ok := r.own.cross(at, size)
		if !ok {
			r.nak()
			continue
		}
		r.arrive(f, own, size)
	}
}

// feedback takes what came from a receiver.
func (s *sourceModel) feedback(f *Feedback) {
	s.control++
	s.ctrl.Feedback(s.clock(), f)
	s.pacer.SetRate(s.ctrl.Rate())
	s.sleep(s.w.now)
}

func (r *receiverModel) arrive(f inFlight, at int64, size int) {
	if r.buffer > 0 {
		r.backlog = max(r.backlog-float64(at-r.filled)*r.take/1e9, 0)
		r.filled = at
		if r.backlog+float64(size) > r.buffer {
			r.spilled++
			r.rep.SetOverflow(r.spilled)
			return
		}
		r.backlog += float64(size)
		at += int64(r.backlog / r.take * 1e9)
	}
	f.at = at
	r.queue = append(r.queue, f)
	if !r.drain {
		r.drain = true
		r.w.at(at+r.late(), r.read) // a batch
	}
}

func (r *receiverModel) late() int64 { return 20_000 + int64(r.w.rng.ExpFloat64()*r.noise) }

// read is the reading of a batch of packets that have come.
func (r *receiverModel) read() {
	r.drain = false
	now := r.w.time()
	for r.head < len(r.queue) && r.queue[r.head].at <= r.w.now {
		f := &r.queue[r.head]
		r.head++
		if f.probe && f.p != (Probe{}) {
			r.rep.Probe(now, f.data, f.p)
			continue
		}
		size := r.w.src.size
		r.octets += uint64(size)
		r.rep.Data(f.sqn, size-28, false)
		if f.probe {
			r.rep.Stamp(now, f.data)
		}
	}
	r.rep.Flush()
	if r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
	} else {
		r.drain = true
		r.w.at(r.queue[r.head].at+r.late(), r.read)
	}
	r.talk()
}

// talk sends the ACKs that are owed, and sees to the timer.
func (r *receiverModel) talk() {
	now := r.w.time()
	r.rep.HandleTimeout(now)
	for r.rep.Owed() > 0 {
		b := r.rep.AppendACK(now, nil, tsiOfWorld, 7500)
		if r.mute || r.deaf {
			continue
		}
		r.w.at(r.w.now+r.back, func() {
			var h packet.Header
			body, err := h.Parse(b)
			if err != nil {
				panic(err)
			}
			f := new(Feedback)
			if err := f.ParseACK(&h, body); err != nil {
				panic(err)
			}
			r.w.src.feedback(f)
		})
	}
	if at := r.rep.NextTimeout(); !at.IsZero() {
		if t := int64(at.Sub(worldStart)); t != r.timer {
			r.timer = t
			r.w.at(t, r.talk)
		}
	}
}

// nak schedules a NAK, unless one waits already.
func (r *receiverModel) nak() {
	if r.nakAt != 0 {
		return
	}
	r.nakAt = r.w.now + r.back + r.w.rng.Int64N(int64(10*time.Millisecond))
	r.w.at(r.nakAt, func() {
		r.nakAt = 0
		if r.mute || r.deaf {
			return
		}
		b := r.rep.AppendOptions(r.w.time(), packet.BeginOptions(nil))
		r.naks++
		r.w.at(r.w.now+r.back, func() {
			f := new(Feedback)
			if err := f.ParseNAK(1, b); err != nil {
				panic(err)
			}
			r.w.src.feedback(f)
		})
	})
}

func mbit(octets float64) string { return fmt.Sprintf("%.4g", octets*8/1e6) }
