package sim

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Link says what happens to packets on their way over a hop of the tree in one direction. The zero Link delivers all at once.
// Many hops may share a Link, each with a queue and a state of its own; it may be changed while the net runs.
type Link struct {
	Delay  time.Duration
	Jitter time.Duration // more delay, up to it, drawn for each packet; without Reorder packets stay in order none the less

	Loss  float64 // probability that a packet is lost, whatever happens to others
	Burst Burst   // and that packets are lost in bursts
	// LossOf is, for the types that are in it, the probability in the place of Loss and Burst.
	LossOf map[packet.Type]float64

	Repeat    float64       // probability that a packet arrives twice; the second time up to ReorderBy later
	Reorder   float64       // probability that a packet is held back, up to ReorderBy, while others overtake it
	ReorderBy time.Duration // 0: 1 ms

	Rate  int // octets a second, with Overhead; 0: no limit
	Queue int // octets that wait for the link at most, those that come then are lost; 0: 150,000; if there is a Rate
}

// Burst is the loss of Gilbert and Elliott: packets are lost while the link is in its bad state.
type Burst struct {
	Begin float64 // probability, at each packet, that the bad state begins
	End   float64 // and that it ends
	Loss  float64 // probability of loss in it; 0: 1
}

const (
	defaultReorderBy = time.Millisecond
	defaultQueue     = 150_000
)

// hop is a Link at one place of the tree.
type hop struct {
	link *Link
	busy int64 // when the link has sent what was given to it
	last int64 // when the packet that was sent last arrives
	bad  bool  // the state of Burst
}

// plain reports whether what becomes of a packet on the link depends on no other packet, but for Burst, and takes Delay.
func (l *Link) plain() bool {
	return l.Rate == 0 && l.Jitter == 0 && l.Repeat == 0 && l.Reorder == 0
}

func (l *Link) reorderBy() time.Duration {
	if l.ReorderBy > 0 {
		return l.ReorderBy
	}
	return defaultReorderBy
}

// cross returns when the packet p, which sets out on h now, arrives: not at all, once or twice. who is named if it does not.
func (n *Net) cross(h *hop, p *shared, who Host) (arrivals [2]int64, copies int) {
	l := h.link
	start := n.now
	if l.Rate > 0 {
		size := int64(len(p.data) + Overhead)
		limit := int64(l.Queue)
		if limit == 0 {
			limit = defaultQueue
		}
		start = max(start, h.busy)
		if backlog := (start - n.now) * int64(l.Rate) / int64(time.Second); backlog > 0 && backlog+size > limit {
			n.tell(Overflowed, who, p)
			return arrivals, 0
		}
		start += size * int64(time.Second) / int64(l.Rate)
		h.busy = start
	}
	if n.loses(h, p.typ) {
		n.tell(Lost, who, p)
		return arrivals, 0
	}
	at := start + int64(l.Delay)
	if l.Jitter > 0 {
		at += n.rng.Int64N(int64(l.Jitter))
	}
	if l.Reorder > 0 && n.rng.Float64() < l.Reorder {
		at += 1 + n.rng.Int64N(int64(l.reorderBy()))
	} else {
		at = max(at, h.last)
		h.last = at
	}
	arrivals[0] = at
	if l.Repeat > 0 && n.rng.Float64() < l.Repeat {
		arrivals[1] = at + 1 + n.rng.Int64N(int64(l.reorderBy()))
		return arrivals, 2
	}
	return arrivals, 1
}

// loses draws whether the next packet on h, of type t, is lost.
func (n *Net) loses(h *hop, t packet.Type) bool {
	l := h.link
	if l.LossOf != nil {
		if loss, ok := l.LossOf[t]; ok {
			return n.rng.Float64() < loss
		}
	}
	if b := &l.Burst; b.Begin > 0 {
		if h.bad {
			h.bad = n.rng.Float64() >= b.End
		} else {
			h.bad = n.rng.Float64() < b.Begin
		}
		if h.bad && (b.Loss == 0 || n.rng.Float64() < b.Loss) {
			return true
		}
	}
	return l.Loss > 0 && n.rng.Float64() < l.Loss
}
