package member

import (
	"encoding/binary"
	"time"
)

// seal gives the oldest of what was sent its place, or makes a batch of orders alone. The vectors say what this member has at this moment.
func (m *Member) seal() *batch {
	b := m.out.take()
	if b == nil {
		b = m.pool.get(bodyAt + 12*len(m.ranks))
		b.buf = b.buf[:bodyAt]
		b.number = m.out.number + 1
	} else {
		b = m.pool.fit(b, 12*len(m.ranks))
	}
	own, n := &m.streams[m.rank], len(m.ranks)
	size := len(b.buf) - bodyAt
	b.seq, b.pos, b.rank = own.received+1, m.seq.pos, m.rank
	h := header{kindData, m.settings, m.name, m.c.ID, m.view.Group, m.view.ID}
	h.append(b.buf[:0])
	m.advertise()
	m.advertised[m.rank] = b.seq
	for _, v := range m.advertised {
		b.buf = binary.BigEndian.AppendUint32(b.buf, v)
	}
	if m.c.Order == Causal {
		for r := range m.streams {
			b.buf = binary.BigEndian.AppendUint32(b.buf, m.streams[r].delivered)
		}
	}
	orders, of := 0, m.rank
	if m.orders() {
		b.flags |= flagOrders
		for r := range m.streams {
			// Whoever ordered before may have had more than has come here.
			if have, done := m.streams[r].received, m.seq.ordered[r]; have > done {
				k := min(have-done, 1<<16-1)
				b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(r))
				b.buf = binary.BigEndian.AppendUint16(b.buf, uint16(k))
				orders++
				of = r
			}
		}
		switch {
		case m.c.Order == Token && n > 1:
			b.flags |= flagPass
			b.to = (m.rank + 1) % n
		case m.c.Order == Total && m.alone(of, orders == 1 && size == 0):
			b.flags |= flagPass
			b.to = of
		}
	}
	p := b.buf
	binary.BigEndian.PutUint32(p[48:], b.seq)
	binary.BigEndian.PutUint32(p[52:], b.pos)
	binary.BigEndian.PutUint64(p[56:], b.number)
	binary.BigEndian.PutUint32(p[64:], uint32(size))
	p[68], p[69] = b.flags, 0
	binary.BigEndian.PutUint16(p[70:], uint16(b.to))
	binary.BigEndian.PutUint16(p[72:], uint16(orders))
	binary.BigEndian.PutUint16(p[74:], uint16(n))
	if err := b.parse(p, n, m.c.Order == Causal); err != nil {
		panic("member: sealed a batch that nobody would take")
	}
	own.add(b)
	m.unsettled = true
	m.unsaid, m.ackWanted = 0, false
	m.stats.Batches++
	return b
}

// orders reports whether this member makes the order now.
func (m *Member) orders() bool {
	return m.c.Order >= Total && m.seq.orderer == m.rank && len(m.streams[m.rank].orders) == 0
}

// alone reports whether it is time to hand the order over to the member of rank r, because nobody else has sent for some orders: then its messages
// come with their order, by one way instead of two. Only says that this order is of its batches and of no others, and that this
// member sends nothing.
func (m *Member) alone(r int, only bool) bool {
	if !only || r != m.lone {
		m.lone, m.loneFor = r, 0
	}
	m.loneFor++
	return only && r != m.rank && m.loneFor > handOver
}

// handOver is for how many orders a member must have been alone.
const handOver = 4

// ordersWait reports whether there is something to order.
func (m *Member) ordersWait() bool {
	if !m.orders() {
		return false
	}
	for r := range m.streams {
		if m.streams[r].received > m.seq.ordered[r] {
			return true
		}
	}
	return false
}

// PollTransmit returns the next packet for the group, nil when there is none now. It is valid until the next call.
func (m *Member) PollTransmit(now time.Time) []byte {
	m.tick(now)
	if len(m.control) > 0 {
		p := m.control[0]
		m.control = append(m.control[:0], m.control[1:]...)
		return p
	}
	if m.view == nil {
		if !m.over && m.t >= m.aliveAt {
			return m.alive()
		}
		return nil
	}
	if p := m.pollResend(); p != nil {
		return p
	}
	own := &m.streams[m.rank]
	if m.sent < own.received {
		m.sent++
		return own.at(m.sent).buf
	}
	if m.over {
		return nil
	}
	// Before data, however much there is of it: whom this member does not hear, that it leaves, and who is in the group, no batch says.
	if m.t >= m.aliveAt {
		return m.alive()
	}
	if m.stateTurn = !m.stateTurn; m.stateTurn { // nor must who joins wait until there is no data
		if p := m.pollState(); p != nil {
			return p
		}
	}
	if !m.frozen {
		if len(m.out.queue) > 0 && own.kept >= m.c.Window {
			m.settle()
		}
		if len(m.out.queue) > 0 && own.kept < m.c.Window || m.ordersWait() {
			b := m.seal()
			m.sent++
			m.settle()
			m.progress()
			return b.buf
		}
	}
	if p := m.pollState(); p != nil {
		return p
	}
	if m.ackWanted {
		return m.alive()
	}
	return nil
}

// Wants reports whether PollTransmit has something now; it may err on the side of yes.
func (m *Member) Wants() bool {
	if len(m.control) > 0 || len(m.resends) > 0 {
		return true
	}
	if !m.over && (m.ackWanted || m.t >= m.aliveAt) {
		return true
	}
	if m.view == nil {
		return false
	}
	own := &m.streams[m.rank]
	return m.sent < own.received || !m.over && !m.frozen && (len(m.out.queue) > 0 && own.kept < m.c.Window || m.ordersWait()) || !m.over && len(m.gifts) > 0
}
