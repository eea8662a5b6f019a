// Package ncf implements NAK confirmations: which NCFs the NAKs that arrive call for, and the countermeasures against NAK storms
// (RFC 3208 §5.2), by multicast, or by unicast while multicast does not reach the children (§15.3). The format is that of the NAK that an NCF repeats, in package nak.
package ncf

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// The defaults of Config.
const (
	DefaultHold  = time.Millisecond
	DefaultQueue = 1024
)

// Config says how NAKs are confirmed. Fields that are zero have their defaults.
type Config struct {
	Source, Group netip.Addr // what NCFs say [3.6.4.1-01]
	// Hold is for how long a sequence number that was confirmed is not confirmed again [5.2-03]. It must be well below the
	// receivers' NAK_RPT_IVL, after which those repeat their NAK that lost the NCF; default 1 ms.
	Hold     time.Duration
	Queue    int // the most NCFs that wait to be sent; default 1024
	Rate     int // the most that NCFs may take, in octets a second with Overhead; 0: no limit
	Overhead int // network octets in front of each NCF
}

// Verdict is what becomes of a NAK.
type Verdict uint8

// The verdicts.
const (
	Confirm  Verdict = iota // an NCF was queued
	Deferred                // NCFs that wait for the rate say what it asks for
	Held                    // everything that it asks for was confirmed within Hold, or the NCF waits in the queue
	Dropped                 // a storm: the queue is full; the receiver asks again
)

// Confirmer queues the NCFs of a session. "A source MUST immediately multicast an NCF for every NAK it receives" (RFC 3208 §5.2):
// the first for a sequence number is queued at once, repeats within Hold are not. A NAK list is confirmed whole, by one NCF
// with the same list [9.3.4-01], unless each of its sequence numbers is held.
//
// In a storm, when the rate is spent, NCFs wait for it, for patience at most; meanwhile they take up the sequence numbers of the NAKs that
// come, as many as a list holds, whosever they are. So a rate that confirms a few NAKs confirms what hundreds ask for, and nobody is
// ignored who asks for the first time [5.2-02].
//
// Memory is bounded: the queue, and a table of the sequence numbers confirmed last, in which a newer one may take the place of
// an older one, which is then confirmed once more than Hold says.
type Confirmer struct {
	c      Config
	rate   *congestion.TokenBucket // nil: no limit
	slots  []slot                  // a sequence number has its place by its lowest bits, so a burst of losses has no collisions
	base   time.Time               // slot times count from here
	queue  []entry                 // a ring, which grows up to c.Queue
	head   int
	n      int
	octets int // what waits takes of the rate
	fresh  [1 + nak.MaxList]packet.SQN
	next   nak.Packet // what Next returns
}

type slot struct {
	sqn   packet.SQN
	state slotState
	at    time.Duration // when the NCF left
}

type slotState uint8

const (
	unused slotState = iota
	queued           // the NCF waits
	sent
)

const slotCount = 4096 // a power of two

type entry struct {
	n        int            // sequence numbers
	to       netip.AddrPort // zero: the group
	deferred bool           // it waits for the rate
	merged   bool           // the sequence numbers are those of several NAKs, and more may join
	sorted   bool
	sqns     [1 + nak.MaxList]packet.SQN
}

// patience is how long an NCF waits for the rate at most; one that is later confirms what has been asked for again.
const patience = 250 * time.Millisecond

// minDepth is the least burst of NCFs that the rate allows: some 64 of them, as 64 receivers send NAKs at once.
const minDepth = 64 * 96

// New returns a Confirmer of which nothing is known yet.
func New(c Config) *Confirmer {
	if c.Hold <= 0 {
		c.Hold = DefaultHold
	}
	if c.Queue <= 0 {
		c.Queue = DefaultQueue
	}
	f := &Confirmer{c: c}
	f.next = nak.Packet{Source: c.Source, Group: c.Group}
	f.SetRate(c.Rate)
	return f
}

// SetRate changes Config.Rate.
func (f *Confirmer) SetRate(rate int) {
	f.c.Rate, f.rate = rate, nil
	if rate > 0 {
		f.rate = congestion.NewTokenBucket(rate, max(rate/16, minDepth))
	}
}

// Held reports whether s was confirmed within Hold, or is in an NCF that waits. A repair for it is then on its way.
func (f *Confirmer) Held(now time.Time, s packet.SQN) bool {
	if f.slots == nil {
		return false
	}
	e := &f.slots[s%slotCount]
	return e.sqn == s && (e.state == queued || e.state == sent && now.Sub(f.base)-e.at < f.c.Hold)
}

// Heard takes a NAK that came for this session and says what becomes of it.
func (f *Confirmer) Heard(now time.Time, p *nak.Packet) Verdict {
	if f.slots == nil {
		f.slots, f.base = make([]slot, slotCount), now
	}
	fresh := f.fresh[:0]
	for s := range p.All() {
		if len(fresh) < cap(fresh) && !f.Held(now, s) {
			fresh = append(fresh, s)
		}
	}
	if len(fresh) == 0 {
		return Held
	}
	n := min(p.Count(), len(f.fresh))
	if f.rate != nil {
		if spare := f.rate.Available(now) - f.octets; spare < f.size(n) {
			return f.merge(fresh, spare)
		}
	}
	if f.n == f.c.Queue {
		return Dropped
	}
	f.whole(p, netip.AddrPort{})
	return Confirm
}

// whole queues an NCF with all that p asks for.
func (f *Confirmer) whole(p *nak.Packet, to netip.AddrPort) *entry {
	e := f.push()
	e.to = to
	n := min(p.Count(), len(f.fresh))
	for s := range p.All() {
		if e.n < n {
			f.add(e, s)
		}
	}
	return e
}

// HeardFrom takes a NAK that came for this session from a child that multicast is presumed not to reach, and is confirmed by an NCF of
// its own, unicast to it [15.3.2-01]: what others were told, it did not hear, so nothing is held. The verdict is Confirm, Deferred or
// Dropped.
func (f *Confirmer) HeardFrom(now time.Time, p *nak.Packet, from netip.AddrPort) Verdict {
	if f.slots == nil {
		f.slots, f.base = make([]slot, slotCount), now
	}
	spare, n := math.MaxInt, f.size(min(p.Count(), len(f.fresh)))
	if f.rate != nil {
		spare = f.rate.Available(now) - f.octets
	}
	if f.n == f.c.Queue || n-spare > f.most() {
		return Dropped
	}
	if e := f.whole(p, from); spare < n {
		e.deferred = true
		return Deferred
	}
	return Confirm
}

// most returns what may wait for the rate, in octets.
func (f *Confirmer) most() int {
	return max(int(int64(f.c.Rate)*int64(patience)/int64(time.Second)), f.size(len(f.fresh)))
}

// merge has NCFs that wait for the rate take up sequence numbers, all or none. spare is what the rate has beyond those that wait.
func (f *Confirmer) merge(fresh []packet.SQN, spare int) Verdict {
	var e *entry
	room, extra := 0, 0
	if f.n > 0 {
		if e = &f.queue[(f.head+f.n-1)%len(f.queue)]; e.merged {
			room = len(e.sqns) - e.n
			extra = f.size(min(e.n+len(fresh), len(e.sqns))) - f.size(e.n)
		}
	}
	if rest := len(fresh) - room; rest > 0 {
		if f.n == f.c.Queue {
			return Dropped
		}
		extra += f.size(rest)
	}
	if extra-spare > f.most() {
		return Dropped
	}
	for _, s := range fresh {
		if room == 0 {
			e = f.push()
			e.deferred, e.merged, room = true, true, len(e.sqns)
		}
		f.add(e, s)
		e.sorted = false
		room--
	}
	return Deferred
}

// add puts s into an NCF that waits.
func (f *Confirmer) add(e *entry, s packet.SQN) {
	f.octets += f.size(e.n+1) - f.size(e.n)
	e.sqns[e.n] = s
	e.n++
	f.slots[s%slotCount] = slot{sqn: s, state: queued}
}

// size returns what an NCF for n sequence numbers takes of the rate.
func (f *Confirmer) size(n int) int {
	if n == 0 {
		return 0
	}
	p := nak.Packet{Source: f.c.Source, Group: f.c.Group, List: f.fresh[:n-1]}
	return p.Len() + f.c.Overhead
}

// push returns the place of one more entry at the end of the queue.
func (f *Confirmer) push() *entry {
	if f.n == len(f.queue) {
		grown := make([]entry, min(max(2*f.n, 16), f.c.Queue))
		k := copy(grown, f.queue[f.head:])
		copy(grown[k:], f.queue[:f.head])
		f.queue, f.head = grown, 0
	}
	e := &f.queue[(f.head+f.n)%len(f.queue)]
	f.n++
	e.n, e.to, e.deferred, e.merged = 0, netip.AddrPort{}, false, false
	return e
}

// Pending returns how many NCFs wait.
func (f *Confirmer) Pending() int { return f.n }

// Next returns the NCF that is to be sent now: nil when there is none, or the rate is spent. It is valid until the next call of a
// method; the caller may set its Extra. If it is deferred, it confirms what NAKs asked for that were Deferred, and only that.
func (f *Confirmer) Next(now time.Time) (p *nak.Packet, deferred bool) {
	if f.n == 0 {
		return nil, false
	}
	e := &f.queue[f.head]
	if f.rate != nil && f.rate.Available(now) < f.size(e.n) {
		return nil, false
	}
	if e.merged && !e.sorted { // [9.3-03]
		slices.SortFunc(e.sqns[:e.n], func(a, b packet.SQN) int { return a.Sub(b) })
		e.sorted = true
	}
	f.next.SQN, f.next.List, f.next.Extra = e.sqns[0], e.sqns[1:e.n], nil
	return &f.next, e.deferred
}

// To returns where the NCF that Next returned is to go: zero, to the group; else it is unicast, to who sent the NAK.
func (f *Confirmer) To() netip.AddrPort {
	if f.n == 0 {
		return netip.AddrPort{}
	}
	return f.queue[f.head].to
}

// NextAt returns when Next will return something, if no more NAKs come; zero: never.
func (f *Confirmer) NextAt(now time.Time) time.Time {
	switch {
	case f.n == 0:
		return time.Time{}
	case f.rate == nil:
		return now
	}
	return f.rate.NextAt(now, f.size(f.queue[f.head].n))
}

// Sent says that the NCF that Next returned left.
func (f *Confirmer) Sent(now time.Time) {
	if f.n == 0 {
		return
	}
	e := &f.queue[f.head]
	f.head = (f.head + 1) % len(f.queue)
	f.n--
	f.octets -= f.size(e.n)
	if f.rate != nil { // options that are not in size are a debt
		f.rate.Force(now, f.size(e.n)+len(f.next.Extra))
	}
	for _, s := range e.sqns[:e.n] {
		if t := &f.slots[s%slotCount]; t.sqn == s {
			t.state, t.at = sent, now.Sub(f.base)
		}
	}
}
