package member

import (
	"slices"
	"time"
)

// compose makes the value of a ballot from the answers, when nothing was accepted before. It is nil if there are too few to found a group.
func (m *Member) compose() *value {
	b := m.ballot
	v := &value{base: m.base(), id: ViewID{m.base().Counter + 1, m.c.ID}}
	if m.view == nil {
		v.group = uint64(m.c.ID)
		if m.c.Rand != nil {
			v.group = m.c.Rand.Uint64() | 1
		}
		m.admit(v, nil)
		if len(v.entries) < m.c.Expect || v.find(m.c.ID) == nil {
			return nil
		}
		return v
	}
	v.group = m.view.Group
	for r := range b.members {
		most, holder := uint32(0), r
		for o, a := range b.acks {
			if a != nil && (a.vec[r] > most || a.vec[r] == most && o == r) {
				most, holder = a.vec[r], o
			}
		}
		v.cut, v.holder = append(v.cut, most), append(v.holder, holder)
	}
	failing := slices.Clone(m.failing)
	for r, a := range b.acks {
		if a != nil && a.leaving {
			failing[r] = Left
		}
	}
	var stay []int
	for r, why := range failing {
		if why == 0 {
			stay = append(stay, r)
			continue
		}
		d := Departure{Peer: m.view.Members[r], Why: why, By: m.c.ID}
		if r != m.rank {
			d.Silent = m.t - m.ranks[r].heard
		}
		v.left = append(v.left, d)
	}
	for _, r := range stay {
		e := m.value.entries[r]
		if e.joined, e.pending = false, b.acks[r].pending; b.acks[r].spoiled {
			e.from = 0
		}
		v.entries = append(v.entries, e)
	}
	if len(stay) > 0 {
		m.admit(v, stay)
		m.provide(v)
	}
	return v
}

// admit adds those of the joiners that said they are there, and that hear and are heard by all others of the view to come.
func (m *Member) admit(v *value, stay []int) {
	b := m.ballot
	n := len(b.members)
	var in []int
	for j, id := range b.joiners {
		a := b.joinAcks[j]
		ok := a != nil && len(v.entries) < MaxMembers
		for _, r := range stay {
			ok = ok && a.hears[r] && b.acks[r].hears[n+j]
		}
		for _, o := range in {
			ok = ok && a.hears[n+o] && b.joinAcks[o].hears[n+j]
		}
		p := m.peers[id]
		if !ok {
			if p != nil {
				p.later = m.t + 10*retry
			}
			continue
		}
		in = append(in, j)
		name := m.c.Name
		if p != nil {
			name = p.name
		}
		v.entries = append(v.entries, entry{Peer: Peer{id, name}, joined: true, pending: m.c.State && stay != nil})
	}
}

// provide says who gives the state to whom: the last of those who have it to those who join, and to those whose giver is gone. If nobody
// has it, the group is over.
func (m *Member) provide(v *value) {
	giver := ID(0)
	for _, e := range v.entries {
		if !e.pending {
			giver = e.ID
		}
	}
	if giver == 0 {
		v.entries, v.left = nil, nil
		return
	}
	for i := range v.entries {
		e := &v.entries[i]
		if from := v.find(e.from); e.pending && (e.joined || from == nil || from.pending) {
			e.from, e.since = giver, v.id.Counter
		}
	}
}

// past is a view that this member has left behind, as long as another may lack something of it.
type past struct {
	id      ViewID
	streams []stream
}

// install ends the view and begins the next.
func (m *Member) install(v *value) {
	self := v.find(m.c.ID)
	blocked, missed := time.Duration(0), m.view == nil && m.invited != v.id.Counter
	if m.view != nil {
		blocked = m.last.Sub(m.blockedAt)
		m.finish(v.cut)
		if self == nil {
			m.farewell = v
			m.end(Left, m.c.ID)
			return
		}
		m.leavePast()
		m.before = &past{m.view.ID, m.streams}
	}
	next := &View{Group: v.group, ID: v.id, Left: v.left, Blocked: blocked, Resent: m.resent}
	for _, e := range v.entries {
		next.Members = append(next.Members, e.Peer)
		switch {
		case e.joined:
			next.Joined = append(next.Joined, e.ID)
		case m.view != nil && !v.fresh(&e):
			next.Together = append(next.Together, e.ID)
		}
	}
	if !slices.Contains(next.Together, m.c.ID) {
		next.Together = []ID{m.c.ID}
	}
	for _, p := range m.ranks {
		p.rank, p.was = -1, true
	}
	n := len(v.entries)
	m.view, m.value, m.rank, m.ranks = next, v, next.Rank(m.c.ID), make([]*peer, n)
	for r, e := range v.entries {
		p := m.peers[e.ID]
		if r == m.rank {
			p = &peer{id: e.ID}
		} else if p == nil {
			p = &peer{id: e.ID}
			m.peers[e.ID] = p
		}
		p.name, p.rank, p.heard, p.silent, p.joining, p.leaving, p.round = e.Name, r, m.t, false, false, false, 0
		p.broken, p.flush, p.was, p.comes = false, false, false, m.t
		p.has, p.accuses, p.slow, p.since2 = make([]uint32, n), make([]bool, n), make([]bool, n), make([]time.Duration, n)
		m.ranks[r] = p
	}
	m.streams, m.seq, m.advertised = make([]stream, n), newSequence(n), make([]uint32, n)
	m.failing, m.slow, m.slowSince, m.slowTold = make([]Reason, n), make([]bool, n), m.t, false
	m.sent, m.frozen, m.promised, m.resends, m.loneFor = 0, false, ballotID{}, nil, 0
	m.offered, m.accepted, m.acceptID, m.decided, m.ballot = nil, nil, ballotID{}, nil, nil
	m.needAt, m.needTries, m.installed, m.aliveAt, m.unsettled = 0, 0, m.t, m.t, false
	m.stats.Views++
	m.passOn(v, self, missed)
	m.catchUp()
}

// leavePast lets go of the view before.
func (m *Member) leavePast() {
	if m.before == nil {
		return
	}
	for i := range m.before.streams {
		m.before.streams[i].release(&m.pool)
	}
	m.before = nil
}

// passOn makes the new view an event, behind the state if this member waits for it, and asks for the state to be given. Missed
// says that what came of the view before its time was not kept.
func (m *Member) passOn(v *value, self *entry, missed bool) {
	for i := len(m.gifts) - 1; i >= 0; i-- {
		if g := m.gifts[i]; g.keep(v, m.c.ID) == 0 {
			m.gifts = slices.Delete(m.gifts, i, i+1)
		}
	}
	if v.fresh(self) {
		m.forget() // the state will have it all
		m.pieces = events{}
		p := m.peers[self.from]
		m.pending = &taking{from: self.from, since: self.since, spoiled: missed || p != nil && p.late}
	} else if m.pending != nil {
		m.resume()
	}
	m.tell(Event{Kind: Viewed, View: m.view})
	if g := newGift(v, m.c.ID); g != nil {
		m.gifts = append(m.gifts, g)
		m.tell(Event{Kind: Requested, View: m.view})
	}
}

// catchUp takes what came of the new view before its time.
func (m *Member) catchUp() {
	future := m.future
	m.future, m.futureSize = nil, 0
	for _, e := range future {
		p := m.peers[e.from]
		switch {
		case p == nil || p.rank < 0 || p.broken:
		case e.kind == kindState && e.view.Counter == m.view.ID.Counter:
			_ = m.handleState(p, &reader{p: e.packet})
		case e.kind == kindData && e.view == m.view.ID:
			_ = m.take(p.rank, e.packet, true)
		}
	}
}
