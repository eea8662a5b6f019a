package source

import (
	"github.com/gopgm/gopgm/internal/window"
	"github.com/gopgm/gopgm/pgm/packet"
)

// repairs is the bounded queue of packets that wait to be repaired, first asked for, first sent, each once. A packet that is
// asked for out of the order of its neighbours still leaves with them: what is consecutive is loaded and sent together.
type repairs struct {
	pending *window.Bitmap // those that wait; nil while there never was one
	order   ring[packet.SQN]
}

// add queues s, which is in the window that begins at trail.
func (r *repairs) add(s, trail packet.SQN) outcome {
	if r.pending == nil {
		r.pending = window.NewBitmap(trail, packet.MaxWindow)
	}
	switch {
	case r.pending.Has(s):
		return merged
	case !r.order.push(s):
		return dropped
	}
	r.pending.Add(s)
	return added
}

type outcome uint8

const (
	added outcome = iota
	merged
	dropped
)

// advance forgets what is before trail.
func (r *repairs) advance(trail packet.SQN) {
	if r.pending != nil {
		r.pending.Advance(trail)
	}
}

// next returns the packet that is to be repaired next, and how many that follow it wait too, itself counted, at most limit.
// No packet waits when the count is 0.
func (r *repairs) next(limit int) (first packet.SQN, n int) {
	if r.len() == 0 {
		return 0, 0
	}
	// What was sent with an older neighbour, and what the trail has passed, is still in the order.
	for first = *r.order.front(); !r.pending.Has(first); first = *r.order.front() {
		r.order.pop()
	}
	for n = 1; n < limit && r.pending.Has(first+packet.SQN(n)); n++ {
	}
	return first, n
}

// sent takes n packets from first on out of the queue.
func (r *repairs) sent(first packet.SQN, n int) {
	for i := range n {
		r.pending.Remove(first + packet.SQN(i))
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
func (r *ring[T]) front() *T { return &r.slots[r.head] }

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
