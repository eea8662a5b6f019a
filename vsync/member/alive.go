package member

import (
	"encoding/binary"
	"time"
)

// peer is another incarnation that was heard of: a member of the view, one that wants to join, or one of another view.
type peer struct {
	id   ID
	name string
	rank int // in the view; -1: not in it

	heard   time.Duration // on this member's clock; so are all times here
	peak    time.Duration // the longest gap between words of it, of late
	silent  bool          // suspected
	broken  bool          // something that it sent in this view was lost beyond repair: the flush will bring it
	breaks  int           // how often that was so of late
	brokeAt time.Duration
	late    bool   // something was lost behind this member's promise: it may have been of the view to come
	liar    bool   // what it says cannot be true
	flush   bool   // it wants a view change, for what it has lost
	away    bool   // it is in another group
	group   uint64 // what it says of itself
	view    ViewID
	size    int // members of its view
	joining bool
	since   time.Duration // when it was first heard to be joining
	ready   uint64        // the group all of whose members it hears
	later   time.Duration // it is not invited again before
	leaving bool
	round   uint64        // the ballot that it has promised to
	spoke   time.Duration // when a packet of it was last taken
	comes   time.Duration // since when it could have come to this view
	was     bool          // it was in a view, and was removed: it does not come back

	has     []uint32 // batches of each member that it says to have
	accuses []bool   // whom it does not hear
	since2  []time.Duration
	slow    []bool        // whom it holds to be too slow
	told    time.Duration // when it was last told what it missed
}

// maxPeers bounds the incarnations that are known.
const maxPeers = 4 * MaxMembers

// peer returns what is known of an incarnation; nil if it is new and there are too many.
func (m *Member) peer(id ID) *peer {
	if p := m.peers[id]; p != nil {
		return p
	}
	if len(m.peers) >= maxPeers {
		for k, p := range m.peers {
			if p.rank < 0 && m.t-p.heard > 10*m.c.SuspectMax {
				delete(m.peers, k)
			}
		}
		if len(m.peers) >= maxPeers {
			return nil
		}
	}
	p := &peer{id: id, rank: -1, heard: m.t}
	m.peers[id] = p
	return p
}

// heard notes a word of p.
func (m *Member) heard(p *peer) {
	if gap := m.t - p.heard; gap > p.peak {
		p.peak = gap
	} else {
		p.peak -= p.peak * gap / (10 * time.Second) // forgotten in some ten seconds
	}
	p.heard = m.t
	if p.silent {
		p.silent = false
		m.aliveAt = m.t // take the accusation back
	}
}

// HandleHeard says that something was heard of an incarnation that is no packet for HandlePacket: an SPM, or data whose turn has not come.
func (m *Member) HandleHeard(now time.Time, from ID) {
	m.tick(now)
	if p := m.peers[from]; p != nil && !m.over {
		m.heard(p)
	}
}

// HandleLost says that something that an incarnation sent will never come.
func (m *Member) HandleLost(now time.Time, from ID) {
	m.tick(now)
	if p := m.peers[from]; p != nil && !m.over {
		m.lost(p)
	}
}

// HandleEnd says that nothing more can come of an incarnation, whatever it says.
func (m *Member) HandleEnd(now time.Time, from ID) {
	m.tick(now)
	if p := m.peers[from]; p != nil && !m.over {
		p.away = true
		p.joining = false
	}
}

// lost notes that something of p will never come. What p sends in this view is of no use from then on: the next view brings what is
// missing, from whoever has it, and begins anew. A member of which something is lost again and again counts as out of reach.
func (m *Member) lost(p *peer) {
	if t := m.pending; t != nil && t.from == p.id {
		t.spoiled = true // there may have been a piece in it
	}
	p.late = p.late || m.frozen
	switch {
	case m.view == nil && m.invited != 0:
		m.end(Broken, m.c.ID) // it may have been of the view to come
	case m.view == nil, p.rank < 0 && (m.ballot == nil || !m.ballot.invited(p.id)):
		// What one of two says before they are in a view is said again.
	case !p.broken:
		p.broken = true
		if m.t-p.brokeAt > forgive {
			p.breaks = 0
		}
		p.breaks++
		p.brokeAt, m.aliveAt = m.t, m.t
	}
}

const (
	forgive   = 5 * time.Second // after which a loss is forgotten
	maxBreaks = 4               // losses that are not forgotten
)

// patience returns after how much silence p is suspected.
func (m *Member) patience(p *peer) time.Duration {
	return min(max(4*max(p.peak, m.c.Alive), m.c.SuspectMin), m.c.SuspectMax)
}

// detect finds the members that are silent.
func (m *Member) detect() {
	for r, p := range m.ranks {
		if r == m.rank || p.silent || m.t-p.heard <= m.patience(p) {
			continue
		}
		p.silent = true
		p.peak = 0 // its silence is no measure
		m.aliveAt = m.t
	}
	m.judge()
}

// judge decides who is not to be in the next view, from what this member finds and from what the others say.
func (m *Member) judge() {
	for r, p := range m.ranks {
		m.failing[r] = 0
		switch {
		case r == m.rank:
		case p.away:
			m.failing[r] = Elsewhere
		case p.liar, p.breaks > maxBreaks:
			m.failing[r] = Broken
		case p.silent:
			m.failing[r] = Silent
		case m.deaf(p):
			m.failing[r] = Unhearable
		}
	}
	for a, p := range m.ranks {
		if m.failing[a] != 0 {
			continue
		}
		for r := range m.ranks {
			if r != a && m.failing[r] == 0 && (a == m.rank && m.slow[r] || a != m.rank && p.slow[r]) {
				m.failing[r] = Slow
			}
		}
	}
	part(m.failing, func(a, b int) bool {
		p := m.ranks[a]
		// Whoever is dead will soon be silent to all: then there is nothing to choose.
		return a != m.rank && p.accuses[b] && m.t-p.since2[b] > m.c.SuspectMax+2*m.c.Alive
	})
}

// deaf reports whether a member is heard, and has not come to this view for so long that it cannot hear what all others tell it. It accuses
// them in its own view, which is not theirs any more; here it would neither answer in phase one nor say what it has, and hold up the group.
// Only its own words say so: it may be heard while those that would say otherwise are being repaired.
func (m *Member) deaf(p *peer) bool {
	return p.view.Counter < m.view.ID.Counter && p.spoke-p.comes > 2*m.c.SuspectMax
}

// part chooses who goes of those who cannot hear each other: who cannot hear, or be heard by, most; of equals, who came last.
func part(failing []Reason, deaf func(a, b int) bool) {
	for {
		worst, most := -1, 0
		for r := range failing {
			n := 0
			for o := range failing {
				if failing[r] == 0 && failing[o] == 0 && r != o && (deaf(r, o) || deaf(o, r)) {
					n++
				}
			}
			if n > 0 && n >= most {
				worst, most = r, n
			}
		}
		if worst < 0 {
			return
		}
		failing[worst] = Unhearable
	}
}

// coordinator returns the rank of who is to propose the next view, as far as this member knows; -1: nobody can.
func (m *Member) coordinator() int {
	for r, why := range m.failing {
		if why == 0 {
			return r
		}
	}
	return -1
}

// The flags of an Alive.
const (
	aliveJoining = 1 << iota
	aliveLeaving
	aliveBroken // something of another was lost
)

// alive returns the packet that says: I am here. Behind the header: flags, members, promised round; of a member its vector, whom it does
// not hear, and who is too slow; of one that joins the group that it hears, and its name.
func (m *Member) alive() []byte {
	h := header{kind: kindAlive, settings: m.settings, name: m.name, sender: m.c.ID}
	flags := byte(0)
	if m.gone {
		flags |= aliveLeaving
	}
	if m.spoiled() {
		flags |= aliveBroken
	}
	if m.view != nil {
		h.group, h.view = m.view.Group, m.view.ID
	} else {
		flags |= aliveJoining
	}
	b := h.append(m.scratch[:0])
	b = append(b, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.ranks)))
	b = binary.BigEndian.AppendUint64(b, m.promised.round)
	if m.view == nil {
		b = appendString(binary.BigEndian.AppendUint64(b, m.hears()), m.c.Name)
	} else {
		m.advertise()
		silent := make([]bool, 0, MaxMembers)
		for r, p := range m.ranks {
			n := m.advertised[r]
			if r == m.rank {
				n = m.sent
			} else if p.broken {
				flags |= aliveBroken
			}
			b = binary.BigEndian.AppendUint32(b, n)
			silent = append(silent, r != m.rank && (p.silent || p.away || p.liar))
		}
		b[headerLen] = flags
		b = appendBits(b, silent)
		b = appendBits(b, m.slow)
	}
	m.scratch = b
	m.unsaid, m.ackWanted = 0, false
	m.aliveAt = m.t + m.c.Alive
	return b
}

// lie notes that p says what cannot be true: it is not to be trusted with anything.
func (m *Member) lie(p *peer) error {
	p.liar, m.aliveAt = true, m.t
	return ErrLie
}

func (m *Member) handleAlive(p *peer, h *header, r *reader) error {
	flags, n, round := r.byte(), r.uint16(), r.uint64()
	if flags&aliveJoining != 0 {
		ready, name := r.uint64(), r.string()
		if r.bad || h.group != 0 {
			return ErrMalformed
		}
		if !p.joining {
			p.joining, p.since, p.name = true, m.t, name
			m.sincePeers = m.t
		}
		p.ready = ready
		if flags&aliveLeaving != 0 {
			p.joining = false
		}
		return nil
	}
	p.size = n
	if m.view == nil || h.view != m.view.ID || p.rank < 0 {
		return r.end()
	}
	if n != len(m.ranks) {
		return ErrMalformed
	}
	vec, accuses, slow := r.vector(n), r.bits(n), r.bits(n)
	if r.bad {
		return ErrMalformed
	}
	p.leaving = flags&aliveLeaving != 0
	p.round = max(p.round, round)
	for o := range accuses {
		if accuses[o] && !p.accuses[o] {
			p.since2[o] = m.t
		}
	}
	p.accuses, p.slow = accuses, slow
	p.flush = flags&aliveBroken != 0
	if count(vec, p.rank) > m.streams[p.rank].received && !p.broken {
		m.lost(p) // it has sent more than came before this
	}
	if !m.acknowledge(p, vec) {
		return m.lie(p)
	}
	if m.c.Safe || m.streams[m.rank].kept > m.c.Window/2 {
		m.settle()
		m.progress()
	}
	return nil
}
