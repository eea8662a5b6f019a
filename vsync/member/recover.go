package member

import "encoding/binary"

// resend is what another has asked for: batches next to last of the member of rank r in the view base.
type resend struct {
	base       ViewID
	r          int
	next, last uint32
}

// maxResends bounds the requests that wait; who asked will ask again.
const maxResends = 4 * MaxMembers

// need asks for what is missing up to the cut: at first who is known to have it, later one after the other. What a member sent that is
// still there comes from itself.
func (m *Member) need() {
	v := m.decided
	if v == nil {
		v = m.offered
	}
	if v == nil || m.view == nil || m.t < m.needAt {
		return
	}
	m.needAt = m.t + retry
	for r := range m.streams {
		from, to := m.streams[r].received+1, v.cut[r]
		if from > to || m.needTries < 3 && m.failing[r] == 0 && !m.ranks[r].broken && v.find(m.ranks[r].id) != nil {
			continue
		}
		holder := (v.holder[r] + m.needTries) % len(m.ranks)
		if holder == m.rank {
			holder = (holder + 1) % len(m.ranks)
		}
		m.say(kindNeed, func(b []byte) []byte {
			b = binary.BigEndian.AppendUint64(appendViewID(b, m.view.ID), uint64(m.ranks[holder].id))
			b = binary.BigEndian.AppendUint16(b, uint16(r))
			return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, from), to)
		})
	}
	m.needTries++
}

// kept returns the streams of a view that this member still has.
func (m *Member) kept(base ViewID) []stream {
	switch {
	case m.view != nil && base == m.view.ID:
		return m.streams
	case m.before != nil && base == m.before.id:
		return m.before.streams
	}
	return nil
}

func (m *Member) handleNeed(r *reader) error {
	base, to, rank, from, last := r.viewID(), r.id(), r.uint16(), r.uint32(), r.uint32()
	if r.bad {
		return ErrMalformed
	}
	streams := m.kept(base)
	if to != m.c.ID || rank >= len(streams) || len(m.resends) >= maxResends {
		return nil
	}
	s := &streams[rank]
	if s.againAt > 0 && m.t-s.againAt < retry/2 {
		from = max(from, s.again+1) // another has asked for the rest just now
	}
	if last = min(last, s.received); from > last {
		return nil
	}
	s.again, s.againAt = last, m.t
	m.resends = append(m.resends, resend{base, rank, from, last})
	return nil
}

// pollResend returns the next batch that is to be sent again.
func (m *Member) pollResend() []byte {
	for len(m.resends) > 0 {
		q := &m.resends[0]
		streams := m.kept(q.base)
		if q.next > q.last || streams == nil {
			m.resends = append(m.resends[:0], m.resends[1:]...)
			continue
		}
		b := streams[q.r].at(q.next)
		q.next++
		if b == nil {
			continue
		}
		m.stats.Resent++
		h := header{kindResend, m.settings, m.name, m.c.ID, m.view.Group, m.view.ID}
		p := appendViewID(h.append(m.scratch[:0]), q.base)
		p = append(binary.BigEndian.AppendUint16(p, uint16(q.r)), b.buf...)
		m.scratch = p
		return p
	}
	return nil
}

func (m *Member) handleResend(p *peer, r *reader) error {
	base, rank := r.viewID(), r.uint16()
	if p.rank < 0 {
		return ErrStale
	}
	if m.view == nil || base != m.view.ID || !m.frozen || rank >= len(m.ranks) || rank == m.rank {
		return r.end()
	}
	var h header
	if _, err := h.parse(r.p); r.bad || err != nil || h.kind != kindData || h.sender != m.ranks[rank].id || h.view != base {
		return ErrMalformed
	}
	if err := m.take(rank, r.p, false); err != nil {
		return err
	}
	m.resent++
	return nil
}

// follows tells those who have missed something: members of this view that have not come to it what was decided, and who is out that it is.
func (m *Member) follows() {
	all := true
	for r, p := range m.ranks {
		if r == m.rank || p.view == m.view.ID && p.group == m.view.Group {
			continue
		}
		all = false
		if m.t-m.installed > 2*retry && m.t-p.told > 2*retry && m.t-p.heard < 2*retry {
			p.told = m.t
			m.announce(m.value)
			break
		}
	}
	if all {
		m.leavePast()
	}
	if m.coordinator() != m.rank {
		return
	}
	for _, p := range m.peers {
		if p.rank < 0 && p.group == m.view.Group && p.view.Counter <= m.view.ID.Counter && m.t-p.heard < retry && m.t-p.told > 4*retry {
			m.expel(p, m.value.departure(p.id).Why)
		} else if p.rank < 0 && p.joining && (p.broken || p.was) && m.t-p.heard < retry && m.t-p.told > 4*retry {
			m.expel(p, Broken)
		}
	}
}

// expel tells somebody that it is out, and why.
func (m *Member) expel(p *peer, why Reason) {
	p.told = m.t
	m.say(kindOut, func(b []byte) []byte {
		return append(binary.BigEndian.AppendUint64(b, uint64(p.id)), byte(why))
	})
}

func (m *Member) handleOut(p *peer, h *header, r *reader) error {
	to, why := r.id(), Reason(r.byte())
	switch {
	case r.bad:
		return ErrMalformed
	case to != m.c.ID:
		return nil
	case m.view == nil && h.group != 0 && why == Broken,
		m.view != nil && h.group == m.view.Group && h.view.Counter > m.view.ID.Counter:
		m.end(why, p.id)
		return nil
	}
	return ErrStale
}

// linger does for the others what a member that has left can still do: say what was decided last, and send again what it has.
func (m *Member) linger(p *peer, h *header, body []byte) error {
	switch {
	case h.kind == kindNeed:
		return m.handleNeed(&reader{p: body})
	case h.group != m.view.Group || m.t-p.told < 2*retry:
	case h.view == m.farewell.base:
		p.told = m.t
		m.announce(m.farewell)
	case h.view.Counter < m.farewell.base.Counter:
		m.expel(p, Unknown)
	}
	return nil
}

// place notes where a packet's sender says that it is, and reports whether the packet concerns this member.
func (m *Member) place(p *peer, h *header, body []byte) bool {
	p.group, p.view = h.group, h.view
	if m.t-p.spoke > m.c.SuspectMin {
		p.comes = m.t // it was stopped, or cut off: what it missed it is told now
	}
	p.spoke = m.t
	if h.group == 0 {
		return true
	}
	p.joining = false
	if m.view == nil || h.group == m.view.Group {
		return true
	}
	if p.rank >= 0 && !p.away {
		p.away, m.aliveAt = true, m.t
	}
	// Two groups of one name are not merged. But a member that has founded one alone, because it heard of the other too late, gives it up.
	if h.kind == kindAlive && len(m.ranks) == 1 && m.view.ID.Counter == 1 && len(body) > 3 {
		if size := int(body[1])<<8 | int(body[2]); size > 1 || h.view.Counter > 1 || h.group < m.view.Group {
			m.end(Elsewhere, p.id)
		}
	}
	return false
}

// stranded ends this member when those of the view that are in another group are too many for it ever to go on.
func (m *Member) stranded() {
	yes := make([]bool, len(m.ranks))
	for r, p := range m.ranks {
		yes[r] = !p.away
	}
	if !quorum(yes) {
		m.end(Elsewhere, m.c.ID)
	}
}

// hinder looks whether somebody holds this member up: what it sent has filled its window, and nothing of it becomes stable.
func (m *Member) hinder() {
	own := &m.streams[m.rank]
	if m.frozen || own.kept < m.c.Window || len(m.out.queue) == 0 || own.stable != m.slowStable {
		m.slowSince, m.slowStable, m.slowTold = m.t, own.stable, false
		return
	}
	held := m.t - m.slowSince
	for r, p := range m.ranks {
		if r == m.rank || p.has[m.rank] > own.stable {
			continue
		}
		if held > m.c.SlowAfter && !m.slowTold {
			m.slowTold = true
			m.tell(Event{Kind: Slowed, From: p.id, Rank: r})
		}
		if m.c.ExcludeAfter > 0 && held > m.c.ExcludeAfter && !m.slow[r] {
			m.slow[r], m.aliveAt = true, m.t
		}
	}
}

// slowest returns who has least of what this member sent, if that holds it up.
func (m *Member) slowest() (id ID) {
	if m.view == nil || m.streams[m.rank].kept < m.c.Window/2 {
		return 0
	}
	least := m.streams[m.rank].received
	for r, p := range m.ranks {
		if r != m.rank && p.has[m.rank] < least {
			least, id = p.has[m.rank], p.id
		}
	}
	return id
}
