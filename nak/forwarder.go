package nak

import (
	"math/bits"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// MaxInterfaces is how many interfaces a network element has at most.
const MaxInterfaces = 32

// Key names what is asked for in one session: a packet, or parity packets of a transmission group.
type Key struct {
	SQN    packet.SQN // the packet, or TG_SQN
	Parity bool
}

// Via says whom a NAK was forwarded to.
type Via uint8

// The neighbours of an element that repairs come from.
const (
	Upstream Via = iota // the PGM neighbour towards the source
	Repairer            // a designated local repairer
)

// ForwarderConfig holds the intervals and the limit of a Forwarder. Zero fields mean the defaults, which are for a network with a round
// trip below 1 ms.
type ForwarderConfig struct {
	Every     time.Duration // between repeats of a NAK that waits for its NCF: 1/NAK_RPT_RTE; default 20 ms
	Repeat    time.Duration // NAK_RPT_IVL: for how long it is repeated; default 100 ms
	Data      time.Duration // NAK_RDATA_IVL: how long repair state lives after an NCF; default 200 ms
	Eliminate time.Duration // NAK_ELIM_IVL; default 15 ms; at most a quarter of Data
	Hold      time.Duration // for how long a confirmation is not repeated on an interface; default 1 ms; at most Every
	Max       int           // repair states at once; default 4096
}

// WithDefaults returns c with its zero fields replaced.
func (c ForwarderConfig) WithDefaults() ForwarderConfig {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Every, 20*time.Millisecond)
	def(&c.Repeat, 100*time.Millisecond)
	def(&c.Data, 200*time.Millisecond)
	def(&c.Eliminate, 15*time.Millisecond)
	def(&c.Hold, time.Millisecond)
	if c.Max == 0 {
		c.Max = 4096
	}
	return c
}

// Valid reports whether c can be: "NAK_ELIM_IVL MUST be some small fraction of NAK_RDATA_IVL" (RFC 3208 §7.4).
func (c ForwarderConfig) Valid() bool {
	return c.Every > 0 && c.Repeat > 0 && c.Data > 0 && c.Eliminate > 0 && c.Hold > 0 && c.Max > 0 && c.Max <= 1<<20 &&
		c.Eliminate <= c.Data/4 && c.Hold <= c.Every
}

// Forwarder is the repair state of a network element for one session: it decides which NAKs are confirmed, forwarded, repeated and
// eliminated [7.2-7.5], and on which interfaces a repair is due [7.8]; for parity, how many [11.6]. Memory is bounded by Max, and grows
// as it is needed. It is not safe for concurrent use.
type Forwarder struct {
	c      ForwarderConfig
	epoch  time.Time // times are nanoseconds since
	states []asked
	heads  []int32 // of the chains of states with one hash
	free   int32
	n      int
	lists  [numPhases]struct{ first, last int32 } // in the order of due
}

type phase uint8

const (
	pending     phase = iota // a NAK left, and is repeated until its NCF comes
	outstanding              // its NCF came, or one that nobody here asked for
	unanswered               // NAK_RPT_IVL is over; a NAK is forwarded anew
	null                     // a NNAK passed: what it says was repaired is not asked for
	numPhases
)

type asked struct {
	key        Key
	phase      phase
	via        Via
	largest    uint8 // the largest known packet count
	interfaces uint32
	confirmed  uint32 // interfaces that an NCF went to at ncfAt
	ncfAt      int64
	until      int64 // of NAK_RPT_IVL when pending, of NAK_ELIM_IVL when outstanding
	due        int64 // when something is to be done
	next, prev int32 // in the list of the phase
	chain      int32
	counts     [MaxInterfaces]uint8 // known packet counts of parity
}

const none = int32(-1)

// NewForwarder returns a Forwarder without state; c must be Valid once defaults are in place.
func NewForwarder(c ForwarderConfig, now time.Time) *Forwarder {
	f := &Forwarder{c: c.WithDefaults(), epoch: now}
	f.Reset()
	return f
}

// Reset forgets everything, and its memory.
func (f *Forwarder) Reset() {
	f.states, f.heads, f.free, f.n = nil, nil, none, 0
	for i := range f.lists {
		f.lists[i].first, f.lists[i].last = none, none
	}
}

// Len returns how many repair states there are.
func (f *Forwarder) Len() int { return f.n }

// Reply is what becomes of a NAK.
type Reply struct {
	Full    bool // there is no room for its state: it is ignored, and the child asks again
	Confirm bool // an NCF is to be sent on its interface, which has not just had the same
	Forward bool // it is not to be eliminated
	Count   int  // for the NCF of a parity NAK
}

// Heard takes a NAK for k that a child sent on interface i; count is the number of parity packets, or 1. What is to be forwarded is
// pending only after Forwarded.
func (f *Forwarder) Heard(now time.Time, k Key, i int, count int) (r Reply) {
	t := f.since(now)
	s := f.find(k)
	if s == none {
		if s = f.add(k); s == none {
			return Reply{Full: true}
		}
		e := &f.states[s]
		e.until = t // nothing is eliminated
		f.enter(s, unanswered, t+int64(f.c.Data))
	}
	e, bit := &f.states[s], uint32(1)<<i
	eliminated := e.phase == pending || e.phase == outstanding && t < e.until
	if k.Parity {
		n := uint8(min(max(count, 1), 255))
		if n > e.largest { // [11.6-05], [11.6-07]
			e.largest, eliminated = n, false
		}
		e.counts[i] = max(e.counts[i], n)
		count = int(e.counts[i])
	}
	r = Reply{Confirm: e.confirmed&bit == 0 || t >= e.ncfAt+int64(f.c.Hold), Forward: !eliminated, Count: count}
	e.interfaces |= bit
	if r.Confirm {
		if t >= e.ncfAt+int64(f.c.Hold) {
			e.confirmed = 0
		}
		e.confirmed, e.ncfAt = e.confirmed|bit, t
	}
	return r
}

// Interfaces returns on which interfaces a repair of k is due.
func (f *Forwarder) Interfaces(k Key) uint32 {
	if s := f.find(k); s != none {
		return f.states[s].interfaces
	}
	return 0
}

// Largest returns the largest known packet count of a parity k, 0 without state.
func (f *Forwarder) Largest(k Key) int {
	if s := f.find(k); s != none {
		return int(f.states[s].largest)
	}
	return 0
}

// Forwarded says that a NAK for k leaves to via: it is repeated until NAK_RPT_IVL is over, or its NCF comes [7.3-06]. What is
// eliminated because it is confirmed, and was in the same NAK, stays as it is.
func (f *Forwarder) Forwarded(now time.Time, k Key, via Via) {
	s := f.find(k)
	if s == none {
		return
	}
	e, t := &f.states[s], f.since(now)
	if e.phase == pending && e.via == via && !k.Parity || e.phase == outstanding && t < e.until && !k.Parity {
		return
	}
	e.via, e.until = via, t+int64(f.c.Repeat)
	f.enter(s, pending, t+int64(min(f.c.Every, f.c.Repeat)))
}

// Confirmed takes an NCF for k that came from via, or from upstream at any time. A pending NAK is outstanding with it; without one, it
// anticipates those that may come [7.5-02]. It reports whether one was asked for. A parity NCF for less than is known to be needed leaves
// the NAK pending [11.6-11].
func (f *Forwarder) Confirmed(now time.Time, k Key, count int) (solicited bool) {
	s := f.find(k)
	if s == none {
		if s = f.add(k); s == none {
			return false
		}
	} else {
		solicited = f.states[s].phase == pending
	}
	e, t := &f.states[s], f.since(now)
	if k.Parity {
		n := uint8(min(max(count, 1), 255))
		if solicited && n < e.largest {
			return true
		}
		e.largest = max(e.largest, n)
	}
	e.until = t + int64(f.c.Eliminate)
	f.enter(s, outstanding, t+int64(f.c.Data))
	return solicited
}

// Via returns whom the pending NAK for k was sent to; ok is false when none is pending.
func (f *Forwarder) Via(k Key) (v Via, ok bool) {
	s := f.find(k)
	if s == none || f.states[s].phase != pending {
		return Upstream, false
	}
	return f.states[s].via, true
}

// Asked reports whether what k stands for was last asked of via, and is still waited for.
func (f *Forwarder) Asked(k Key, via Via) bool {
	s := f.find(k)
	return s != none && f.states[s].phase != null && f.states[s].via == via
}

// Repaired takes a repair for k: it goes to the interfaces that are returned, and to none without state [7.8-02], [7.8-04]. The state
// is gone with it [7.3-07]; that of parity when each interface had what it asked for, but for offset, by which the group is short of a
// full one [11.6-09], [11.6-14].
func (f *Forwarder) Repaired(k Key, offset int) (interfaces uint32) {
	s := f.find(k)
	if s == none {
		return 0
	}
	e := &f.states[s]
	interfaces = e.interfaces
	if !k.Parity {
		f.remove(s)
		return interfaces
	}
	if e.largest > 0 {
		e.largest--
	}
	for m := interfaces; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m)
		if e.counts[i] > 0 {
			e.counts[i]--
		}
		if int(e.counts[i]) <= offset {
			e.counts[i] = 0
			e.interfaces &^= 1 << i
		}
	}
	if e.interfaces == 0 {
		f.remove(s)
	}
	return interfaces
}

// Null takes a NNAK for k and reports whether it is forwarded: if there is no state, or, of parity, state for no more. It confirms
// nothing and adds no interface; the state that it makes eliminates other NNAKs alone, for NAK_ELIM_IVL [9.5.3.2-09], [9.5.3.2-11].
func (f *Forwarder) Null(now time.Time, k Key, count int) bool {
	if s := f.find(k); s != none {
		return k.Parity && int(f.states[s].largest) <= count // [11.6-13]
	}
	if s := f.add(k); s != none {
		f.enter(s, null, f.since(now)+int64(f.c.Eliminate))
	}
	return true
}

// Due appends to dst, as far as it has room, what is to be asked for once more, each with whom to ask, and arms its next repeat.
func (f *Forwarder) Due(now time.Time, via Via, dst []Key) []Key {
	t := f.since(now)
	for s := f.lists[pending].first; s != none && len(dst) < cap(dst); {
		e := &f.states[s]
		if e.due > t {
			break
		}
		next := e.next
		if e.via == via && t < e.until {
			dst = append(dst, e.key)
			f.enter(s, pending, min(t+int64(f.c.Every), e.until))
		}
		s = next
	}
	return dst
}

// HandleTimeout ends what is over. failed is called for what a repairer has not confirmed within NAK_RPT_IVL: it is to be asked for
// upstream [9.5.3.2-06].
func (f *Forwarder) HandleTimeout(now time.Time, failed func(Key)) {
	t := f.since(now)
	for p := range numPhases {
		for s := f.lists[p].first; s != none && f.states[s].due <= t; {
			e, next := &f.states[s], f.states[s].next
			switch {
			case p != pending:
				f.remove(s)
			case e.until <= t:
				// "Expiry of NAK_RPT_IVL cancels NAK forwarding" (RFC 3208 §7.3), but a repair that comes is still due.
				via := e.via
				f.enter(s, unanswered, t+int64(f.c.Data))
				if via == Repairer {
					failed(e.key)
				}
			}
			s = next
		}
	}
}

// NextTimeout returns when Due or HandleTimeout has something to do; zero: never.
func (f *Forwarder) NextTimeout() time.Time {
	first := int64(-1)
	for p := range f.lists {
		if s := f.lists[p].first; s != none && (first < 0 || f.states[s].due < first) {
			first = f.states[s].due
		}
	}
	if first < 0 {
		return time.Time{}
	}
	return f.epoch.Add(time.Duration(first))
}

func (f *Forwarder) since(now time.Time) int64 { return int64(now.Sub(f.epoch)) }

// enter puts state s at the end of the list of phase p, to be looked at when due. In each list due grows towards the end, but for a
// repeat that NAK_RPT_IVL cuts short, which is looked at a little late then.
func (f *Forwarder) enter(s int32, p phase, due int64) {
	f.unlink(s)
	e, l := &f.states[s], &f.lists[p]
	e.phase, e.due, e.next, e.prev = p, due, none, l.last
	if l.last == none {
		l.first = s
	} else {
		f.states[l.last].next = s
	}
	l.last = s
}

func (f *Forwarder) unlink(s int32) {
	e := &f.states[s]
	l := &f.lists[e.phase]
	switch {
	case e.prev != none:
		f.states[e.prev].next = e.next
	case l.first == s:
		l.first = e.next
	default:
		return // it is in no list
	}
	if e.next != none {
		f.states[e.next].prev = e.prev
	} else {
		l.last = e.prev
	}
	e.next, e.prev = none, none
}

// hash spreads consecutive numbers over consecutive chains.
func (f *Forwarder) hash(k Key) int {
	h := uint32(k.SQN) << 1
	if k.Parity {
		h |= 1
	}
	return int(h * 0x9e3779b1 >> (32 - bits.TrailingZeros32(uint32(len(f.heads)))))
}

func (f *Forwarder) find(k Key) int32 {
	if f.n == 0 {
		return none
	}
	for s := f.heads[f.hash(k)]; s != none; s = f.states[s].chain {
		if f.states[s].key == k {
			return s
		}
	}
	return none
}

// add makes state for k, in no list; none when there is no room.
func (f *Forwarder) add(k Key) int32 {
	if f.free == none && !f.grow() {
		return none
	}
	s := f.free
	f.free = f.states[s].chain
	h := f.hash(k)
	f.states[s] = asked{key: k, next: none, prev: none, chain: f.heads[h], ncfAt: -int64(f.c.Hold)}
	f.heads[h] = s
	f.n++
	return s
}

// grow doubles the memory, up to Max states.
func (f *Forwarder) grow() bool {
	old := len(f.states)
	if old >= f.c.Max {
		return false
	}
	states := make([]asked, min(max(2*old, 16), f.c.Max))
	copy(states, f.states)
	f.states = states
	f.heads = make([]int32, 2<<bits.Len(uint(len(states)-1)))
	for i := range f.heads {
		f.heads[i] = none
	}
	for s := range old { // all are in use
		h := f.hash(states[s].key)
		states[s].chain, f.heads[h] = f.heads[h], int32(s)
	}
	for s := len(states) - 1; s >= old; s-- {
		states[s].chain, f.free = f.free, int32(s)
	}
	return true
}

func (f *Forwarder) remove(s int32) {
	f.unlink(s)
	p := &f.heads[f.hash(f.states[s].key)]
	for *p != s {
		p = &f.states[*p].chain
	}
	*p = f.states[s].chain
	f.states[s].chain, f.free = f.free, s
	f.n--
}
