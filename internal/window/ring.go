package window

import (
	"math/bits"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Ring holds a value for each SQN in [trail, lead], both edges of which move forward. Storage is a
// power of two of values that doubles as the window does, up to the one that holds max; it does not
// shrink. Values come into the window as the zero T.
type Ring[T any] struct {
	trail packet.SQN
	n     uint32 // the window is [trail, trail+n)
	max   uint32
	slots []T // the value for s is at s modulo the length, which is a power of two (or 0)
}

// NewRing returns an empty ring at trail whose window holds up to max SQNs. It allocates no values
// yet. It panics unless 1 <= max <= 2^31-1.
func NewRing[T any](trail packet.SQN, max int) *Ring[T] {
	return &Ring[T]{trail: trail, max: checkMax("Ring", max)}
}

// Trail returns the oldest SQN in the window.
func (r *Ring[T]) Trail() packet.SQN { return r.trail }

// Lead returns the newest SQN in the window: Trail() - 1 if it is empty.
func (r *Ring[T]) Lead() packet.SQN { return r.trail + packet.SQN(r.n) - 1 }

// Len returns how many SQNs are in the window.
func (r *Ring[T]) Len() int { return int(r.n) }

// Max returns how many SQNs the window can hold.
func (r *Ring[T]) Max() int { return int(r.max) }

// At returns the value for s, nil outside the window. The pointer is good until the next Extend or
// Advance.
func (r *Ring[T]) At(s packet.SQN) *T {
	if uint32(s-r.trail) >= r.n {
		return nil
	}
	return r.slot(s)
}

func (r *Ring[T]) slot(s packet.SQN) *T { return &r.slots[int(s)&(len(r.slots)-1)] }

// Extend moves the leading edge forward to lead, unless it is there already, and reports whether At
// now knows lead: false, with nothing changed, if lead is before the trail or max or more after it.
func (r *Ring[T]) Extend(lead packet.SQN) bool {
	n := uint32(lead-r.trail) + 1
	if n == 0 || n > r.max {
		return false
	}
	if n <= r.n {
		return true
	}
	if n > uint32(len(r.slots)) {
		r.grow(n)
	}
	r.n = n
	return true
}

func (r *Ring[T]) grow(n uint32) {
	old := *r
	r.slots = make([]T, uint(1)<<bits.Len32(n-1))
	for i := range old.n {
		s := r.trail + packet.SQN(i)
		*r.slot(s) = *old.slot(s)
	}
}

// Advance makes trail the oldest SQN of the window: what is before it is handed to drop, oldest first,
// and zeroed. If that is all, the window is empty at trail. A nil drop is allowed; drop must not use
// the ring. A trail that is not ahead changes nothing. The cost is that of what is dropped.
func (r *Ring[T]) Advance(trail packet.SQN, drop func(packet.SQN, *T)) {
	if !r.trail.Before(trail) {
		return
	}
	gone := min(uint32(trail-r.trail), r.n)
	var zero T
	for i := range gone {
		s := r.trail + packet.SQN(i)
		v := r.slot(s)
		if drop != nil {
			drop(s, v)
		}
		*v = zero
	}
	r.trail = trail
	r.n -= gone
}
