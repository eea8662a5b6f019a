package member

import (
	"errors"
	"time"
)

// What Send and SendState refuse.
var (
	ErrBlocked = errors.New("member: a view is being agreed") // until the next View
	ErrFull    = errors.New("member: too much waits to be sent")
	ErrTooLong = errors.New("member: message longer than 16 MiB")
	ErrNoView  = errors.New("member: not in a view yet")
	ErrOut     = errors.New("member: no longer in the group")
	ErrNobody  = errors.New("member: nobody waits for that state")
)

// Member is one member of a group, or on its way to be. It is not safe for concurrent use.
type Member struct {
	c        Config
	name     uint64
	settings byte
	pool     pool

	t    time.Duration // for how long this member has run: its clock
	last time.Time     // when that was moved

	called time.Duration // when HandleTimeout was, last

	peers map[ID]*peer
	over  bool // this member is out
	gone  bool // it wants to be
	// farewell is the decision by which it left: others may not have heard of it.
	farewell *value

	// The view, nil before the first, and what belongs to it.
	view       *View
	value      *value // by which it was agreed
	rank       int    // of this member
	ranks      []*peer
	failing    []Reason // who is not to be in the next view, and why
	slow       []bool   // whom this member holds to be too slow to stay
	slowSince  time.Duration
	slowTold   bool
	slowStable uint32
	streams    []stream
	seq        sequence
	lone       int // the member whose batches alone this one has ordered, of late,
	loneFor    int // so many times
	advertised []uint32
	behind     bool // not all is advertised
	unsettled  bool // somebody has something new
	ackWanted  bool // let the others know what we have
	unsaid     int  // octets received since they were
	installed  time.Duration
	future     []early // what came of the next view before its time
	futureSize int
	invited    uint64 // the counter of the view that this member may begin with,
	invitedBy  uint64 // by which group; 0: one that is being founded
	invitedAt  time.Duration
	before     *past // the view before, while somebody may need it

	// The agreement on the next view; see ballot.go.
	frozen    bool
	blockedAt time.Time
	promised  ballotID
	offered   *value // to be accepted as soon as nothing is missing
	accepted  *value
	acceptID  ballotID
	offerID   ballotID // the ballot in which it was offered
	decided   *value
	ballot    *ballot
	needAt    time.Duration
	needTries int
	resent    int

	out        outbox
	sent       uint32 // batches of ours that were transmitted; others are sealed
	control    [][]byte
	resends    []resend
	aliveAt    time.Duration
	events     events
	backlog    int  // octets that events hold
	unseen     int  // events of views and of blocks that the program has not taken
	seen       bool // it has taken one of a view
	pending    *taking
	pieces     events
	gifts      []*gift
	stateTurn  bool          // state may be sent before data, this time
	sincePeers time.Duration // when a process that joins was last heard for the first time
	foundedBy  time.Duration
	scratch    []byte
	stats      Stats
}

// Stats counts what a member did and saw.
type Stats struct {
	Sent, Delivered uint64 // messages of this member; octets
	Batches         uint64 // sealed
	Malformed       uint64 // packets refused: as no packet of this protocol
	Forged          uint64 // another's name
	Stale           uint64 // of another view or incarnation
	Lies            uint64 // vectors that cannot be true
	Foreign         uint64 // of another group of the same name, or with other settings
	Views           uint64
	Resent          uint64 // batches sent again for a flush
	Pauses          uint64 // times that this process did not run when it should have
	Held            int    // octets kept for others, or not taken by the program
	Slowest         ID     // who has least of what this member sent; 0: nobody waits
}

// New returns a member that has begun to look for its group.
func New(c Config, now time.Time) (*Member, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Member{c: c, name: c.name(), settings: c.settings(), last: now, peers: map[ID]*peer{}, rank: -1}
	m.pool.size = c.Batch
	return m, nil
}

// ID returns the member's own.
func (m *Member) ID() ID { return m.c.ID }

// View returns the current view, nil if there is none: it may be ahead of the events that the program has taken.
func (m *Member) View() *View { return m.view }

// Over reports whether the member is out of the group for good: what it still transmits are farewells.
func (m *Member) Over() bool { return m.over }

// Stats returns the counters.
func (m *Member) Stats() Stats {
	s := m.stats
	s.Held = m.backlog + m.futureSize
	for i := range m.streams {
		s.Held += m.streams[i].kept
	}
	s.Slowest = m.slowest()
	return s
}

// Send sends a message to the group, this member included, in the current view. It copies p. The number returned counts the messages of
// this member from 1. ErrBlocked and ErrFull will pass.
func (m *Member) Send(now time.Time, p []byte) (number uint64, err error) {
	switch {
	case m.over:
		return 0, ErrOut
	case len(p) > MaxMessage:
		return 0, ErrTooLong
	case m.view == nil || m.pending != nil:
		return 0, ErrNoView
	case !m.seen:
		return 0, ErrNoView
	case m.frozen || m.gone || m.c.Strict && m.unseen > 0:
		return 0, ErrBlocked
	case m.out.octets > 0 && m.out.octets+len(p) > m.c.SendBuffer:
		return 0, ErrFull
	}
	m.out.put(p, m.room(), &m.pool)
	m.stats.Sent++
	return m.out.number, nil
}

// Ready reports whether Send would take a small message, or never will: whoever waits to send should try.
func (m *Member) Ready() bool {
	if m.over {
		return true
	}
	return m.view != nil && m.pending == nil && m.seen && !m.frozen && !m.gone && (!m.c.Strict || m.unseen == 0) && m.out.octets <= m.c.SendBuffer/2
}

// room returns how many octets of messages a batch takes.
func (m *Member) room() int { return m.c.Batch - batchHeader - 12*len(m.ranks) }

// Leave asks the group to go on without this member. What it has sent is delivered; Ended tells when it is out.
func (m *Member) Leave(now time.Time) {
	m.tick(now)
	m.gone = true
	if m.view == nil {
		m.end(Left, 0)
	}
	m.aliveAt = m.t
}

// end makes this member be out.
func (m *Member) end(why Reason, by ID) {
	if m.over {
		return
	}
	m.over = true
	if m.pending != nil {
		m.pending, m.pieces = nil, events{}
		m.forget()
	}
	m.ballot = nil
	m.tell(Event{Kind: Ended, Why: why, By: by})
}

// tick moves the member's clock. A time in which it was not called, although it should have been, hardly counts: so a process that was
// stopped finds that no more time has passed than before it, and suspects nobody [the pause of one is not the silence of others].
func (m *Member) tick(now time.Time) {
	d := now.Sub(m.last)
	if d <= 0 {
		if d < -m.c.Alive {
			m.last = now // the clock was put back
		}
		return
	}
	m.last = now
	if limit := 2 * m.c.Alive; d > limit {
		m.stats.Pauses++
		d = limit
	}
	m.t += d
}

// HandlePacket takes a packet, which came from the incarnation from: what the transport beneath says, not the packet. It copies what it
// keeps. The error says why the packet was refused, and is for tracing.
func (m *Member) HandlePacket(now time.Time, from ID, p []byte) error {
	m.tick(now)
	if m.over && m.farewell == nil {
		return nil
	}
	var h header
	body, err := h.parse(p)
	switch {
	case err != nil:
		m.stats.Malformed++
		return err
	case h.name != m.name:
		return ErrForeign
	case h.sender != from || from == m.c.ID:
		m.stats.Forged++
		return ErrForged
	}
	s := m.peer(from)
	if s == nil {
		return nil
	}
	m.heard(s)
	if m.over {
		return m.linger(s, &h, body)
	}
	if h.settings != m.settings {
		m.stats.Foreign++
		if m.view == nil && h.group != 0 {
			m.end(Refused, from) // the group is there, and is not what this process takes it for
		}
		return ErrForeign
	}
	if err = m.dispatch(now, s, &h, body, p); err == ErrMalformed {
		m.stats.Malformed++
	} else if err == ErrStale {
		m.stats.Stale++
	} else if err == ErrLie {
		m.stats.Lies++
	}
	return err
}

func (m *Member) dispatch(now time.Time, s *peer, h *header, body, p []byte) error {
	if h.kind != kindOut && !m.place(s, h, body) {
		m.stats.Foreign++
		return ErrForeign
	}
	r := &reader{p: body}
	switch h.kind {
	case kindData:
		return m.handleData(s, h, p)
	case kindAlive:
		return m.handleAlive(s, h, r)
	case kindPrepare:
		return m.handlePrepare(now, s, h.group, r)
	case kindAck:
		return m.handleAck(s, r)
	case kindAccept:
		return m.handleAccept(s, r)
	case kindAccepted:
		return m.handleAccepted(s, r)
	case kindInstall:
		return m.handleInstall(s, r)
	case kindNeed:
		return m.handleNeed(r)
	case kindResend:
		return m.handleResend(s, r)
	case kindOut:
		return m.handleOut(s, h, r)
	case kindState:
		return m.handleState(s, r)
	case kindStateAck:
		return m.handleStateAck(s, r)
	}
	return ErrMalformed
}

// early is a batch, or a piece of state, of the next view, which this member has not installed yet.
type early struct {
	from   ID
	view   ViewID // of a piece, the counter alone
	kind   kind
	packet []byte
}

// keepEarly keeps e until the view is there. What cannot be kept is lost, and with it its sender.
func (m *Member) keepEarly(s *peer, e early) error {
	if s.broken || m.futureSize+len(e.packet) > m.c.StateBacklog {
		m.lost(s)
		return ErrStale
	}
	e.packet = append([]byte(nil), e.packet...)
	m.future = append(m.future, e)
	m.futureSize += len(e.packet)
	return nil
}

// handleData takes a batch.
func (m *Member) handleData(s *peer, h *header, p []byte) error {
	if m.view == nil || h.view != m.view.ID {
		if m.view == nil && m.invited == h.view.Counter || m.view != nil && h.view.Counter == m.view.ID.Counter+1 && h.group == m.view.Group {
			return m.keepEarly(s, early{s.id, h.view, kindData, p})
		}
		return ErrStale
	}
	if s.rank < 0 || s.broken || s.liar {
		return ErrStale
	}
	return m.take(s.rank, p, true)
}

// take adds a batch of the member of rank r to its stream, if it is the next. Direct says that it came from that member, and not from
// another that had it.
func (m *Member) take(r int, p []byte, direct bool) error {
	b := m.pool.get(len(p))
	b.buf = append(b.buf, p...)
	if err := b.parse(b.buf, len(m.ranks), m.c.Order == Causal); err != nil {
		m.pool.unref(b)
		return err
	}
	b.rank = r
	s, from := &m.streams[r], m.ranks[r]
	if b.seq != s.received+1 {
		if direct && b.seq > s.received+1 {
			m.lost(from)
		}
		m.pool.unref(b)
		return ErrStale
	}
	if direct && !m.acknowledge(from, b.vec) {
		m.pool.unref(b)
		return m.lie(from)
	}
	s.add(b)
	m.unsettled = true
	m.stats.Delivered += uint64(len(b.body))
	if m.unsaid += len(p); m.c.Safe || m.unsaid > m.c.Window/8 {
		m.ackWanted = true
	}
	if m.frozen {
		m.complete()
		return nil
	}
	m.advertise()
	if m.c.Safe || s.received&15 == 0 || m.streams[m.rank].kept > m.c.Window/2 {
		m.settle()
	}
	m.progress()
	return nil
}
