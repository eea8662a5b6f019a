package member

import (
	"slices"
	"time"
)

// joiners returns those whom this member may invite to the next view, as the coordinator, once no more seem to come.
func (m *Member) joiners() (ids []ID) {
	newest, oldest := time.Duration(0), m.t
	for id, p := range m.peers {
		if !p.joining || p.broken || p.was || p.rank >= 0 || p.ready != m.view.Group || m.t < p.later || m.t-p.heard > m.c.SuspectMin {
			continue
		}
		ids = append(ids, id)
		newest, oldest = max(newest, p.since), min(oldest, p.since)
	}
	if len(ids) == 0 || m.t-newest < m.c.Gather && m.t-oldest < 4*m.c.Gather {
		return nil
	}
	slices.Sort(ids)
	return ids[:min(len(ids), MaxMembers-len(m.ranks))]
}

// hears returns the group all of whose members this process hears, which can invite it then; 0: none.
func (m *Member) hears() uint64 {
	for _, p := range m.peers {
		if p.group == 0 || p.size == 0 || m.t-p.heard > m.c.SuspectMin {
			continue
		}
		n := 0
		for _, o := range m.peers {
			if o.group == p.group && o.view == p.view && m.t-o.heard < m.c.SuspectMax {
				n++
			}
		}
		if n >= p.size {
			return p.group
		}
	}
	return 0
}

// others returns those who look for a group as this process does, itself included, and whether there is a group.
func (m *Member) others() (ids []ID, group bool) {
	ids = append(ids, m.c.ID)
	for id, p := range m.peers {
		switch {
		case m.t-p.heard > 2*m.c.SuspectMax:
		case p.group != 0:
			group = true
		case p.joining && m.t-p.heard <= m.c.SuspectMax:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, group
}

// mayFound reports whether p may found a group with this process: it is the first of those who look for one, and there is none.
func (m *Member) mayFound(p *peer) bool {
	ids, group := m.others()
	return !group && ids[0] == p.id
}

// look founds a group, if this process is the first of those who look for one and nobody has come for a while.
func (m *Member) look(now time.Time) {
	if m.t-m.invitedAt > 20*joinLate {
		m.invited, m.future, m.futureSize = 0, nil, 0 // nothing came of it
	}
	if b := m.ballot; b != nil {
		if m.t-b.since > 5*joinLate {
			m.ballot = nil // somebody does not answer any more
		}
		m.lead(now)
		return
	}
	if m.t < m.c.Found || m.t-m.sincePeers < m.c.Settle || m.foundedBy > 0 && m.t-m.foundedBy < 5*joinLate {
		return
	}
	ids, group := m.others()
	if group || ids[0] != m.c.ID || len(ids) < m.c.Expect || len(ids) > MaxMembers {
		return
	}
	if len(ids) == 1 && m.t < 2*m.c.Found {
		return // to be alone is the least likely
	}
	m.foundedBy, m.invited, m.invitedBy, m.invitedAt = m.t, 1, 0, m.t
	m.start(now, m.promised.round+1, ids)
}

// HandleTimeout does what time demands by now; early is harmless.
func (m *Member) HandleTimeout(now time.Time) {
	m.tick(now)
	m.called = m.t
	if m.over {
		return
	}
	if m.view == nil {
		m.look(now)
		return
	}
	m.detect()
	m.settle()
	m.progress()
	m.follows()
	m.hinder()
	m.stranded()
	if m.over {
		return
	}
	if t := m.pending; t != nil && t.taken > 0 && m.t-t.answeredAt > 5*retry {
		m.answerState()
	}
	m.lead(now)
	if m.frozen && (m.offered != nil || m.decided != nil) {
		m.complete()
	}
}

// NextTimeout returns when HandleTimeout is to be called next; it is never far away. The zero time says never: the member is out.
func (m *Member) NextTimeout() time.Time {
	if m.over {
		return time.Time{}
	}
	every := m.c.Alive / 2
	if m.view == nil || m.frozen || m.ballot != nil || len(m.gifts) > 0 {
		every = often
	}
	return m.last.Add(max(min(m.aliveAt, m.called+every)-m.t, 0))
}

// often is how often HandleTimeout is to be called while something is going on.
const often = 5 * time.Millisecond
