package pgm

// byteQueue is a queue of octets in a ring that grows as it is needed, up to a limit.
type byteQueue struct {
	ring  []byte // its length is a power of two, or 0
	head  int    // where the oldest octet is
	size  int
	limit int // octets it may hold
}

// minRing is the size that a ring begins with.
const minRing = 64 << 10

// room reports whether n more octets fit. An empty queue takes whatever comes, so that no limit is too small to make progress.
func (q *byteQueue) room(n int) bool { return q.size == 0 || n <= q.limit-q.size }

// write appends p; the caller has asked whether there is room.
func (q *byteQueue) write(p []byte) {
	if q.size+len(p) > len(q.ring) {
		q.grow(q.size + len(p))
	}
	at := (q.head + q.size) & (len(q.ring) - 1)
	n := copy(q.ring[at:], p)
	copy(q.ring, p[n:])
	q.size += len(p)
}

// read takes as much as there is and p holds off the front.
func (q *byteQueue) read(p []byte) int {
	p = p[:min(len(p), q.size)]
	n := copy(p, q.ring[q.head:])
	copy(p[n:], q.ring)
	q.discard(len(p))
	return len(p)
}

// discard takes n octets off the front.
func (q *byteQueue) discard(n int) {
	if q.size -= n; q.size == 0 {
		q.head = 0 // the next octets are likely to be in one piece, and where the cache is warm
		return
	}
	q.head = (q.head + n) & (len(q.ring) - 1)
}

// grow makes the ring hold n octets at least.
func (q *byteQueue) grow(n int) {
	length := max(minRing, len(q.ring))
	for length < n {
		length *= 2
	}
	ring := make([]byte, length)
	if q.size > 0 {
		k := copy(ring[:q.size], q.ring[q.head:])
		copy(ring[k:q.size], q.ring)
	}
	q.ring, q.head = ring, 0
}

// release gives the memory back.
func (q *byteQueue) release() { *q = byteQueue{limit: q.limit} }
