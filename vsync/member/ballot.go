package member

import (
	"encoding/binary"
	"slices"
	"time"
)

// The next view is agreed among the members of the current one, as Paxos would have it: in phase one the coordinator has a quorum promise to
// take no older ballot, and learns what each has received, and what it has accepted; in phase two the quorum accepts the value, once nothing
// is missing up to its cut. A value that a quorum has accepted is the only one that any later ballot can choose: so a
// coordinator that takes over first finishes what the one before it began. Joining members say that they are there, and do not decide.
//
// A member that promised delivers and sends nothing before the next view: what it said it had received is all that it has delivered.

// ballot is an attempt to agree that this member leads.
type ballot struct {
	id       ballotID
	members  []ID // of the view that ends
	joiners  []ID
	acks     []*ack
	joinAcks []*ack
	value    *value // nil in phase one
	accepted []bool
	joined   []bool
	began    time.Duration
	since    time.Duration // of the phase
	againAt  time.Duration
}

// ack is an answer in phase one.
type ack struct {
	pending, leaving bool
	spoiled          bool // what it waits for will not come
	vec              []uint32
	hears            []bool // of the members and the joiners
	acceptID         ballotID
	accepted         *value
}

const (
	retry    = 25 * time.Millisecond  // between repeats of what was not answered
	patience = 5 * retry              // until a ballot is given up for the next
	joinWait = 60 * time.Millisecond  // for those who want to join, and
	joinLate = 100 * time.Millisecond // for those who said they would
)

func (b *ballot) invited(id ID) bool { return slices.Contains(b.joiners, id) }

// base returns the view that is to be succeeded, zero before the first.
func (m *Member) base() ViewID {
	if m.view == nil {
		return ViewID{}
	}
	return m.view.ID
}

// say queues a packet of this member; body appends what is behind the header.
func (m *Member) say(k kind, body func(b []byte) []byte) {
	h := header{kind: k, settings: m.settings, name: m.name, sender: m.c.ID, view: m.base()}
	if m.view != nil {
		h.group = m.view.Group
	}
	m.control = append(m.control, body(h.append(nil)))
}

// lead begins a ballot, if there is a reason to.
func (m *Member) lead(now time.Time) {
	if b := m.ballot; b != nil {
		if m.view != nil && m.coordinator() != m.rank || b.id.less(m.promised) || m.view != nil && m.t-b.began > patience {
			m.ballot = nil // another leads, or some have promised to another: then a later round is needed
		} else if m.t >= b.againAt {
			m.repeat()
			m.propose()
			m.conclude()
		}
		return
	}
	if m.view == nil || m.decided != nil || m.coordinator() != m.rank {
		return
	}
	joiners := m.joiners()
	cause := m.frozen || m.gone || m.spoiled() || len(joiners) > 0
	round := m.promised.round
	for r, p := range m.ranks {
		if r != m.rank {
			cause = cause || m.failing[r] != 0 || p.leaving || p.round > 0 || p.broken || p.flush
			round = max(round, p.round)
		}
		cause = cause || m.streams[r].received > 1<<31 // the counters of a view do not wrap
	}
	if cause || m.seq.pos > 1<<31 {
		m.start(now, round+1, joiners)
	}
}

// start begins phase one.
func (m *Member) start(now time.Time, round uint64, joiners []ID) {
	b := &ballot{id: ballotID{round, m.c.ID}, joiners: joiners, began: m.t, since: m.t}
	for _, p := range m.ranks {
		b.members = append(b.members, p.id)
	}
	n := len(b.members)
	b.acks, b.joinAcks = make([]*ack, n), make([]*ack, len(joiners))
	b.accepted, b.joined = make([]bool, n), make([]bool, len(joiners))
	m.ballot = b
	m.promised, m.offered = b.id, nil
	m.freeze(now)
	m.repeat()
	if m.view != nil {
		b.acks[m.rank] = m.answer(b.members, joiners)
	} else {
		b.joinAcks[slices.Index(joiners, m.c.ID)] = m.answer(b.members, joiners)
	}
	m.propose()
}

// repeat says again what was not answered by all.
func (m *Member) repeat() {
	b := m.ballot
	b.againAt = m.t + retry
	if b.value == nil {
		m.say(kindPrepare, func(p []byte) []byte {
			p = binary.BigEndian.AppendUint64(appendViewID(p, m.base()), b.id.round)
			return appendIDs(appendIDs(p, b.members), b.joiners)
		})
		return
	}
	m.say(kindAccept, func(p []byte) []byte {
		return b.value.append(binary.BigEndian.AppendUint64(appendViewID(p, m.base()), b.id.round))
	})
}

// freeze ends delivery and sending in the view: what the program has sent gets its place first.
func (m *Member) freeze(now time.Time) {
	if m.frozen || m.view == nil {
		return
	}
	for len(m.out.queue) > 0 {
		m.seal()
		if m.c.Order >= Total {
			m.follow(nil)
		}
	}
	m.advertise()
	m.advertised[m.rank] = m.streams[m.rank].received
	m.frozen, m.blockedAt, m.resent = true, now, 0
	for _, p := range m.ranks {
		p.late = false
	}
	m.tell(Event{Kind: Blocked})
}

// answer says what this member has, and whom it hears.
func (m *Member) answer(members, joiners []ID) *ack {
	a := &ack{pending: m.pending != nil, spoiled: m.spoiled(), leaving: m.gone, acceptID: m.acceptID, accepted: m.accepted}
	for _, id := range append(slices.Clone(members), joiners...) {
		p := m.peers[id]
		a.hears = append(a.hears, id == m.c.ID || p != nil && !p.broken && m.t-p.heard < m.c.SuspectMax)
	}
	for r := range m.streams {
		a.vec = append(a.vec, m.streams[r].received)
	}
	return a
}

func (m *Member) handlePrepare(now time.Time, p *peer, group uint64, r *reader) error {
	base, round, members, joiners := r.viewID(), r.uint64(), r.ids(), r.ids()
	if r.bad || len(members)+len(joiners) > MaxMembers {
		return ErrMalformed
	}
	id := ballotID{round, p.id}
	switch {
	case m.view == nil:
		if !slices.Contains(joiners, m.c.ID) || m.gone || group == m.invitedBy && base.Counter+1 < m.invited {
			return nil // not for this process, or by one that does not know that the group went on
		}
		if base == (ViewID{}) {
			if !m.mayFound(p) || id.less(m.promised) {
				return nil
			}
			m.promised, m.foundedBy, m.offered = id, m.t, nil
			m.ballot = nil
		}
		if m.invitedAt = m.t; m.invited != base.Counter+1 || m.invitedBy != group {
			m.invited, m.invitedBy, m.future, m.futureSize = base.Counter+1, group, nil, 0
		}
	case base != m.view.ID || p.rank < 0 || m.decided != nil:
		return ErrStale
	case id.less(m.promised):
		return nil
	default:
		for r := range p.rank {
			if m.failing[r] == 0 {
				return nil // somebody before it is there
			}
		}
		m.promised, m.offered = id, nil
		m.ballot = nil
		m.freeze(now)
	}
	a := m.answer(members, joiners)
	m.say(kindAck, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint64(appendViewID(b, base), round)
		b = binary.BigEndian.AppendUint64(b, uint64(p.id))
		b = appendBits(b, []bool{a.pending, a.leaving, a.accepted != nil, a.spoiled})
		b = appendBits(b, a.hears)
		for _, n := range a.vec {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		if a.accepted != nil {
			b = binary.BigEndian.AppendUint64(b, a.acceptID.round)
			b = a.accepted.append(binary.BigEndian.AppendUint64(b, uint64(a.acceptID.by)))
		}
		return b
	})
	return nil
}

func (m *Member) handleAck(p *peer, r *reader) error {
	base, round, to := r.viewID(), r.uint64(), r.id()
	b := m.ballot
	if b == nil || base != m.base() || round != b.id.round || to != m.c.ID || b.value != nil {
		return r.end()
	}
	a := &ack{}
	flags := r.bits(4)
	a.hears = r.bits(len(b.members) + len(b.joiners))
	if r.bad {
		return ErrMalformed
	}
	a.pending, a.leaving, a.spoiled = flags[0], flags[1], flags[3]
	if i := slices.Index(b.joiners, p.id); i >= 0 {
		b.joinAcks[i] = a
		m.propose()
		return nil
	}
	if p.rank < 0 {
		return ErrStale
	}
	for range b.members {
		a.vec = append(a.vec, r.uint32())
	}
	if flags[2] {
		a.acceptID = ballotID{r.uint64(), r.id()}
		a.accepted = r.value()
	}
	if r.bad || a.accepted != nil && (a.accepted.base != base || len(a.accepted.cut) != len(b.members)) {
		return ErrMalformed
	}
	if a.vec[m.rank] > m.streams[m.rank].received || a.vec[p.rank] < m.streams[p.rank].received {
		return m.lie(p)
	}
	b.acks[p.rank] = a
	m.propose()
	return nil
}

// propose ends phase one when all have answered that can, and they are enough.
func (m *Member) propose() {
	b := m.ballot
	if b == nil || b.value != nil {
		return
	}
	m.judge() // who has been heard again may stay
	yes := make([]bool, len(b.acks))
	for r, a := range b.acks {
		if yes[r] = a != nil; a == nil && m.failing[r] == 0 {
			return
		}
	}
	for r, own := range b.acks {
		for o, a := range b.acks {
			if own != nil && a != nil && o != m.rank && a.vec[r] > own.vec[r] { // it says to have what was never sent: nobody could bring it
				_ = m.lie(m.ranks[o])
				m.stats.Lies++
				m.failing[o], b.acks[o], yes[o] = Broken, nil, false
			}
		}
	}
	if m.view != nil && !quorum(yes) {
		return
	}
	if slices.Contains(b.joinAcks, nil) && m.t-b.since < joinWait {
		return
	}
	// "Whoever takes over finishes what was begun": of the values that were accepted, the newest.
	var newest ballotID
	for _, a := range b.acks {
		if a != nil && a.accepted != nil && !a.acceptID.less(newest) {
			newest, b.value = a.acceptID, a.accepted
		}
	}
	if b.value == nil {
		if b.value = m.compose(); b.value == nil {
			m.ballot = nil // too few to found a group
			return
		}
	}
	b.since = m.t
	m.repeat()
	m.offered, m.offerID = b.value, b.id
	m.complete()
}

func (m *Member) handleAccept(p *peer, r *reader) error {
	base, round := r.viewID(), r.uint64()
	v := r.value()
	if v == nil || v.base != base {
		return ErrMalformed
	}
	id := ballotID{round, p.id}
	switch {
	case m.view == nil:
		if v.find(m.c.ID) == nil || m.gone || base == (ViewID{}) && id != m.promised {
			return nil
		}
		m.foundedBy = m.t
	case base != m.view.ID || p.rank < 0 || m.decided != nil || len(v.cut) != len(m.ranks):
		return ErrStale
	case id.less(m.promised) || !m.frozen:
		return nil // it has not promised: so the value was made without it
	}
	if m.view != nil {
		m.promised = id
	}
	m.offered, m.offerID = v, id
	m.complete()
	return nil
}

// missing reports whether something up to the cut of v is not here.
func (m *Member) missing(v *value) bool {
	for r := range m.streams {
		if m.streams[r].received < v.cut[r] {
			return true
		}
	}
	return false
}

// complete goes on with the agreement when nothing is missing any more: only then this member accepts, or installs.
func (m *Member) complete() {
	if v := m.decided; v != nil {
		if m.missing(v) {
			m.need()
			return
		}
		m.install(v)
		return
	}
	v := m.offered
	if v == nil {
		return
	}
	if m.missing(v) {
		m.need()
		return
	}
	m.accepted, m.acceptID = v, m.offerID
	if m.view != nil {
		m.offered = nil
	}
	if b := m.ballot; b != nil && b.id == m.acceptID {
		b.agreed(m.c.ID)
		m.conclude()
		return
	}
	m.say(kindAccepted, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint64(appendViewID(b, v.base), m.acceptID.round)
		return binary.BigEndian.AppendUint64(b, uint64(m.acceptID.by))
	})
}

// agreed notes that a member or joiner has accepted.
func (b *ballot) agreed(id ID) {
	if i := slices.Index(b.members, id); i >= 0 {
		b.accepted[i] = true
	} else if i := slices.Index(b.joiners, id); i >= 0 {
		b.joined[i] = true
	}
}

func (m *Member) handleAccepted(p *peer, r *reader) error {
	base, round, by := r.viewID(), r.uint64(), r.id()
	b := m.ballot
	if r.bad {
		return ErrMalformed
	}
	if b == nil || b.value == nil || by != m.c.ID || round != b.id.round || base != b.value.base {
		return nil
	}
	b.agreed(p.id)
	m.conclude()
	return nil
}

// conclude decides when a quorum has accepted, and all others that are there.
func (m *Member) conclude() {
	b := m.ballot
	if b == nil || b.value == nil {
		return
	}
	if m.view != nil && !quorum(b.accepted) {
		return
	}
	late := m.t-b.since > joinLate
	for i := range b.value.entries {
		id := b.value.entries[i].ID
		if k := slices.Index(b.members, id); k >= 0 {
			if !b.accepted[k] && m.failing[k] == 0 {
				return
			}
		} else if k := slices.Index(b.joiners, id); k >= 0 && !b.joined[k] && (m.view == nil || !late && !m.quiet(id)) {
			return
		}
	}
	m.announce(b.value)
	m.ballot = nil
	m.decide(b.value)
}

// quiet reports whether nothing was heard for a while of somebody who joins.
func (m *Member) quiet(id ID) bool {
	p := m.peers[id]
	return p == nil || m.t-p.heard > m.patience(p)
}

// announce tells what was decided.
func (m *Member) announce(v *value) { m.say(kindInstall, v.append) }

func (m *Member) handleInstall(p *peer, r *reader) error {
	v := r.value()
	switch {
	case v == nil:
		return ErrMalformed
	case m.view == nil:
		if v.find(m.c.ID) == nil || v.find(p.id) == nil && v.id.Coordinator != p.id || m.gone {
			return nil
		}
		m.install(v)
		return nil
	case v.base != m.view.ID || len(v.cut) != len(m.ranks) || p.rank < 0 && v.find(p.id) == nil:
		return ErrStale
	case v.find(m.c.ID) != nil && !m.frozen:
		return ErrStale // it has not promised: so nobody can have decided that it goes on
	}
	m.decide(v)
	return nil
}

// decide takes note of the decision, which is carried out when nothing is missing. Who has not promised has no part in the end of the view:
// what it delivered is not accounted for.
func (m *Member) decide(v *value) {
	if m.view != nil && v.find(m.c.ID) == nil {
		d := v.departure(m.c.ID)
		if len(v.entries) == 0 && len(v.left) == 0 {
			d.Why = StateLost
		}
		if d.Why != Left || !m.frozen {
			m.end(d.Why, d.By)
			return
		}
	}
	m.decided = v
	m.complete()
}
