package member

import "encoding/binary"

// sequence is the total order of a view: of batches, by orders that are in the batches of whoever orders. All members follow the same
// orders, so it is the same at all; and since the flush carries batches it carries the order with them.
type sequence struct {
	orderer int       // whose orders come next
	queue   []element // what is ordered and not delivered
	head    int
	known   uint32   // how many batches have a place
	pos     uint32   // how many of them were delivered, or passed over
	ordered []uint32 // how many of each member have a place
}

// element says that the next n batches of a member come next. The order was in batch seq of the member by.
type element struct {
	rank, by int
	n, seq   uint32
}

func newSequence(members int) sequence { return sequence{ordered: make([]uint32, members)} }

func (q *sequence) add(e element) {
	q.ordered[e.rank] += e.n
	q.known += e.n
	q.queue = append(q.queue, e)
}

func (q *sequence) front() *element {
	if q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
		return nil
	}
	return &q.queue[q.head]
}

func (q *sequence) step(e *element) {
	q.pos++
	if e.n--; e.n == 0 {
		q.head++
		if q.head > 1024 && 2*q.head > len(q.queue) {
			q.queue = append(q.queue[:0], q.queue[q.head:]...)
			q.head = 0
		}
	}
}

// follow reads the orders that came, up to the batches that limit names for each member; nil: all.
func (m *Member) follow(limit []uint32) {
	q := &m.seq
	for {
		s := &m.streams[q.orderer]
		if len(s.orders) == 0 || limit != nil && s.orders[0].seq > limit[q.orderer] {
			return
		}
		b, by := s.orders[0], q.orderer
		s.orders = append(s.orders[:0], s.orders[1:]...)
		for o := b.orders; len(o) > 0; o = o[4:] {
			if n := binary.BigEndian.Uint16(o[2:]); n > 0 {
				q.add(element{int(binary.BigEndian.Uint16(o)), by, uint32(n), b.seq})
			}
		}
		q.add(element{by, by, 1, b.seq})
		if b.flags&flagPass != 0 {
			q.orderer = b.to
		}
		m.pool.unref(b)
	}
}

// progress delivers what may be delivered now.
func (m *Member) progress() {
	if m.view == nil || m.frozen {
		return
	}
	switch m.c.Order {
	case FIFO, Causal:
		for moved := true; moved; {
			moved = false
			for r := range m.streams {
				for s := &m.streams[r]; s.delivered < s.received && m.deliverable(r, s.delivered+1); moved = m.c.Order == Causal {
					m.deliver(r)
				}
			}
		}
	default:
		m.follow(nil)
		for e := m.seq.front(); e != nil; e = m.seq.front() {
			s := &m.streams[e.rank]
			if s.delivered == s.received || m.c.Safe && (s.stable <= s.delivered || m.streams[e.by].stable < e.seq) {
				break
			}
			m.deliver(e.rank)
			m.seq.step(e)
		}
	}
}

// deliverable reports whether batch n of rank r, which is here, may be delivered in FIFO or causal order.
func (m *Member) deliverable(r int, n uint32) bool {
	if m.c.Safe && m.streams[r].stable < n {
		return false
	}
	if m.c.Order != Causal {
		return true
	}
	b := m.streams[r].at(n)
	for o := range m.streams {
		if o != r && count(b.deps, o) > m.streams[o].delivered {
			return false
		}
	}
	return true
}

// finish delivers what the view still has to deliver: the batches up to the cut, which are all here, in an order that they determine.
// What may have come behind something that nobody has any more is left out, and what its sender sent behind it. Only
// senders that are gone can be concerned: who goes on has brought all it had.
func (m *Member) finish(cut []uint32) {
	m.frozen = false
	switch m.c.Order {
	case FIFO:
		for r := range m.streams {
			for m.streams[r].delivered < cut[r] {
				m.deliver(r)
			}
		}
	case Causal:
		safe := m.c.Safe
		m.c.Safe = false // the cut has taken the place of stability
		for moved := true; moved; {
			moved = false
			for r := range m.streams {
				for s := &m.streams[r]; s.delivered < cut[r] && m.deliverable(r, s.delivered+1); moved = true {
					m.deliver(r)
				}
			}
		}
		m.c.Safe = safe
	default:
		m.finishTotal(cut)
	}
	m.frozen = true
}

// finishTotal delivers what is ordered in that order, and what is not in the order of the ranks.
func (m *Member) finishTotal(cut []uint32) {
	m.follow(cut)
	q := &m.seq
	hole := m.hole(cut)
	limit := make([]uint32, len(cut))
	for r := range m.streams {
		limit[r] = cut[r]
		for n := m.streams[r].delivered + 1; n <= cut[r]; n++ {
			// It was sent behind pos batches, of which one is missing, or has a place that nobody knows.
			if m.streams[r].at(n).pos > hole {
				limit[r] = n - 1
				break
			}
		}
	}
	for e := q.front(); e != nil; e = q.front() {
		if s := &m.streams[e.rank]; s.delivered < limit[e.rank] {
			m.deliver(e.rank)
		}
		q.step(e)
	}
	for r := range m.streams {
		for m.streams[r].delivered < limit[r] {
			m.deliver(r)
		}
	}
}

// hole returns the place of the first batch that is ordered and not in the cut; if there is none, how many are ordered.
func (m *Member) hole(cut []uint32) uint32 {
	q := &m.seq
	next := make([]uint32, len(cut))
	for r := range m.streams {
		next[r] = m.streams[r].delivered
	}
	pos := q.pos
	for _, e := range q.queue[q.head:] {
		if next[e.rank]+e.n > cut[e.rank] {
			return pos + max(cut[e.rank], next[e.rank]) - next[e.rank]
		}
		next[e.rank] += e.n
		pos += e.n
	}
	return pos
}
