package source

import (
	"github.com/gopgm/gopgm/internal/window"
	"github.com/gopgm/gopgm/pgm/packet"
)

// repairs is the bounded queue of packets that wait to be repaired, first asked for, first sent, each once. A packet that is
// asked for out of the order of its neighbours still leaves with them: what is consecutive is loaded and sent together.
type repairs struct {
	max     int            // packets that may wait
	pending *window.Bitmap // those that wait; nil while there never was one
	order   ring[packet.SQN]
	// The order also has packets that no longer wait: they left with an older neighbour, or the trail passed them. It has
	// room for as many of those as may wait, and is cleared of them when it is full.
}

func newRepairs(max int) repairs {
	return repairs{max: max, order: ring[packet.SQN]{max: 2 * max}}
}

type outcome uint8

const (
	added outcome = iota
	merged
	dropped
)

// add queues s, which is in the window that begins at trail.
func (r *repairs) add(s, trail packet.SQN) outcome {
	if r.pending == nil {
		r.pending = window.NewBitmap(trail, packet.MaxWindow)
	}
	switch {
	case r.pending.Has(s):
		return merged
	case r.pending.Len() >= r.max:
		return dropped
	}
	if !r.order.push(s) {
		r.compact()
		r.order.push(s)
	}
	r.pending.Add(s)
	return added
}

// compact takes out of the order what does not wait, and what is in it twice because it was asked for again since. It is linear,
// and happens once for max calls of add at most.
func (r *repairs) compact() {
	n := r.order.n
	for range n {
		s := *r.order.front()
		r.order.pop()
		if r.pending.Has(s) {
			r.order.push(s)
			r.pending.Remove(s)
		}
	}
	for i := range r.order.n {
		r.pending.Add(*r.order.at(i))
	}
}

// advance forgets what is before trail.
func (r *repairs) advance(trail packet.SQN) {
	if r.pending != nil {
		r.pending.Advance(trail)
		r.trim()
	}
}

// trim takes from the front of the order what does not wait any more.
func (r *repairs) trim() {
	for r.order.n > 0 && !r.pending.Has(*r.order.front()) {
		r.order.pop()
	}
}

// next returns the packet that is to be repaired next, and how many that follow it wait too, itself counted, at most limit.
// One must wait.
func (r *repairs) next(limit int) (first packet.SQN, n int) {
	first = *r.order.front()
	for n = 1; n < limit && r.pending.Has(first+packet.SQN(n)); n++ {
	}
	return first, n
}

// sent takes n packets from first on out of the queue.
func (r *repairs) sent(first packet.SQN, n int) {
	for i := range n {
		r.pending.Remove(first + packet.SQN(i))
	}
	if n > 0 {
		r.trim()
	}
}

// len returns how many packets wait.
func (r *repairs) len() int {
	if r.pending == nil {
		return 0
	}
	return r.pending.Len()
}

// clear empties the queue.
func (r *repairs) clear() {
	r.pending = nil
	r.order.clear()
}

// ring is a first-in first-out queue that grows up to a bound.
type ring[T any] struct {
	max     int
	slots   []T
	head, n int
}

func (r *ring[T]) push(v T) bool {
	if r.n == len(r.slots) {
		if r.n >= r.max {
			return false
		}
		grown := make([]T, min(max(2*r.n, 16), r.max))
		k := copy(grown, r.slots[r.head:])
		copy(grown[k:], r.slots[:r.head])
		r.slots, r.head = grown, 0
	}
	r.slots[(r.head+r.n)%len(r.slots)] = v
	r.n++
	return true
}

// front returns the oldest; there must be one.
func (r *ring[T]) front() *T { return r.at(0) }

// at returns the one that i came before.
func (r *ring[T]) at(i int) *T { return &r.slots[(r.head+i)%len(r.slots)] }

func (r *ring[T]) pop() {
	var zero T
	r.slots[r.head] = zero
	r.head = (r.head + 1) % len(r.slots)
	r.n--
}

func (r *ring[T]) clear() {
	clear(r.slots)
	r.head, r.n = 0, 0
}
