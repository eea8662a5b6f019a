package member

import "time"

// stream is what this member has of one sender's batches in one view: all that came, until every member of the view has it. So what a
// sender that died had sent can be had from anybody who received it.
type stream struct {
	q         []*batch // those kept; q[i] has the number base+i
	base      uint32
	received  uint32 // the batches 1 to received came
	delivered uint32 // of them, those whose messages became events
	stable    uint32 // of them, those that every member of the view said to have
	kept      int    // octets of q
	orders    []*batch
	partial   []byte        // a long message of which pieces were delivered
	want      int           // its length, 0 if there is none
	again     uint32        // sent again up to here,
	againAt   time.Duration // at this time
}

// at returns batch n, nil if it is not kept.
func (s *stream) at(n uint32) *batch {
	if n < s.base || n-s.base >= uint32(len(s.q)) {
		return nil
	}
	return s.q[n-s.base]
}

// add appends the batch that comes next.
func (s *stream) add(b *batch) {
	s.received++
	if len(s.q) == 0 {
		s.base = b.seq
	}
	s.q = append(s.q, b)
	s.kept += cap(b.buf)
	if b.flags&flagOrders != 0 {
		b.refs++
		s.orders = append(s.orders, b)
	}
}

// trim lets go of what is stable and delivered.
func (s *stream) trim(p *pool) {
	end := min(s.stable, s.delivered)
	n := 0
	for n < len(s.q) && s.q[n].seq <= end {
		s.kept -= cap(s.q[n].buf)
		p.unref(s.q[n])
		n++
	}
	if n > 0 {
		k := copy(s.q, s.q[n:])
		clear(s.q[k:])
		s.q = s.q[:k]
		s.base += uint32(n)
	}
}

// release lets go of everything.
func (s *stream) release(p *pool) {
	for _, b := range s.q {
		p.unref(b)
	}
	for _, b := range s.orders {
		p.unref(b)
	}
	s.q, s.orders, s.partial, s.kept = nil, nil, nil, 0
}

// acknowledge takes the vector of a member and reports whether it can be true. What is less than it said before is old news.
func (m *Member) acknowledge(p *peer, vec []byte) bool {
	if p.rank < 0 || len(vec) != 4*len(m.streams) {
		return false
	}
	if count(vec, m.rank) > m.streams[m.rank].received {
		return false
	}
	for r := range m.streams {
		if n := count(vec, r); n > p.has[r] {
			p.has[r] = n
			m.unsettled = true
		}
	}
	return true
}

// settle finds out what has become stable, and lets go of it.
func (m *Member) settle() {
	if !m.unsettled {
		return
	}
	m.unsettled = false
	for r := range m.streams {
		s := &m.streams[r]
		n := m.advertised[r]
		for i, p := range m.ranks {
			if i != m.rank {
				n = min(n, p.has[r])
			}
		}
		if n = min(n, s.received); n > s.stable {
			s.stable = n
		}
		s.trim(&m.pool)
	}
}

// advertise brings up to date what this member says that it has: all of it, unless its program is so far behind that the others had better
// wait. They keep what it does not advertise, and their windows fill. What comes after this member has said, in phase one, what it has,
// may not be in the cut: if it were advertised, others would take it for safe.
func (m *Member) advertise() {
	if m.frozen {
		return
	}
	limit := m.c.Backlog
	if m.pending != nil {
		limit = m.c.StateBacklog
	}
	if m.behind = m.backlog > limit || m.behind && m.backlog > limit/2; m.behind {
		m.advertised[m.rank] = m.streams[m.rank].received
		return
	}
	for r := range m.streams {
		m.advertised[r] = m.streams[r].received
	}
}
