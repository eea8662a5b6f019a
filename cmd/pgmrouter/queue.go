package main

import (
	"net"
	"net/netip"
	"sync"
)

// entry is a datagram in a queue: where it came from or goes to, and where its octets end.
type entry struct {
	addr netip.AddrPort
	ttl  int
	end  int
}

// queue is a bounded queue of datagrams between two goroutines, of which the one that takes has all that there is at once.
type queue struct {
	mu      sync.Mutex
	limit   int // octets
	slab    []byte
	entries []entry
	dropped uint64
	closed  bool
	filled  chan struct{} // has something, or is closed
}

func newQueue(limit int) *queue { return &queue{limit: limit, filled: make(chan struct{}, 1)} }

// put appends a copy of a datagram. What there is no room for is dropped and counted.
func (q *queue) put(data []byte, addr netip.AddrPort, ttl int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.slab)+len(data) > q.limit {
		q.dropped++
		return
	}
	q.slab = append(q.slab, data...)
	q.add(addr, ttl)
}

// add makes what was appended to the slab since the last entry an entry.
func (q *queue) add(addr netip.AddrPort, ttl int) {
	q.entries = append(q.entries, entry{addr, ttl, len(q.slab)})
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// burst is what was taken out of a queue at once.
type burst struct {
	slab    []byte
	entries []entry
}

// take exchanges b for what is in the queue, and waits until there is something.
func (q *queue) take(b *burst) error {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			q.wake() // for others
			return net.ErrClosed
		}
		if len(q.entries) > 0 {
			b.slab, q.slab = q.slab, b.slab[:0]
			b.entries, q.entries = q.entries, b.entries[:0]
			q.mu.Unlock()
			return nil
		}
		q.mu.Unlock()
		<-q.filled
	}
}

// drops returns how many datagrams there was no room for.
func (q *queue) drops() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}
