package member

import (
	"encoding/binary"
	"time"
)

// The state of a group is given to who joins as it is between the last message of one view and the first of the next, by one member, in pieces
// that go to all who join at once. What they receive of the view waits behind it. If the giver is gone in a later view, another
// gives the state as it is at the beginning of that one: what had come is of no use, nor are the messages that waited.

// gift is state that this member gives.
type gift struct {
	since  uint64        // the counter of the view at the beginning of which it was the group's
	to     map[ID]uint64 // how much of it each has taken
	put    uint64        // octets that the program gave
	sent   uint64
	queue  [][]byte
	closed bool
}

// taking is state that this member gets.
type taking struct {
	from                  ID
	since                 uint64
	came, taken, answered uint64
	answeredAt            time.Duration
	spoiled               bool    // a piece was lost: the next view begins it again
	held                  []piece // came while the view is being changed: it may be of no use
}

type piece struct {
	at   uint64
	last bool
	data []byte
}

// newGift returns the gift that begins with v, nil if id gives none.
func newGift(v *value, id ID) *gift {
	g := &gift{since: v.id.Counter, to: map[ID]uint64{}}
	for i := range v.entries {
		if e := &v.entries[i]; v.fresh(e) && e.from == id {
			g.to[e.ID] = 0
		}
	}
	if len(g.to) == 0 {
		return nil
	}
	return g
}

// keep forgets who does not wait for the gift in v, and returns how many do.
func (g *gift) keep(v *value, id ID) int {
	for to := range g.to {
		if e := v.find(to); e == nil || !e.pending || e.from != id || e.since != g.since {
			delete(g.to, to)
		}
	}
	return len(g.to)
}

// spoiled reports whether this member waits for state that will not come. It says so until a view begins the state anew: the loss may have
// come to light behind its answer in phase one, and what the flush brings is messages.
func (m *Member) spoiled() bool { return m.pending != nil && m.pending.spoiled }

// taken returns how much all have taken.
func (g *gift) taken() uint64 {
	least := g.put
	for _, n := range g.to {
		least = min(least, n)
	}
	return least
}

func (m *Member) gift(view *View) *gift {
	for _, g := range m.gifts {
		if g.since == view.ID.Counter && view.Group == m.view.Group {
			return g
		}
	}
	return nil
}

// open returns the state that is given with a view, and has not been said to be complete.
func (m *Member) open(now time.Time, view *View) (*gift, error) {
	m.tick(now)
	if m.over {
		return nil, ErrOut
	}
	g := m.gift(view)
	if g == nil || g.closed {
		return nil, ErrNobody
	}
	return g, nil
}

// SendState gives the next piece of the state for which a Requested with this view has asked, of any size. It copies p. ErrFull will pass;
// ErrNobody will not: those who waited are gone, or have got it from another.
func (m *Member) SendState(now time.Time, view *View, p []byte) error {
	g, err := m.open(now, view)
	if err != nil {
		return err
	}
	if len(g.queue) > 0 && g.put-g.taken() >= uint64(m.c.StateWindow) {
		return ErrFull
	}
	for len(p) > 0 {
		n := min(len(p), m.c.Batch)
		g.queue = append(g.queue, append([]byte(nil), p[:n]...))
		g.put += uint64(n)
		p = p[n:]
	}
	return nil
}

// EndState says that the state is complete.
func (m *Member) EndState(now time.Time, view *View) error {
	g, err := m.open(now, view)
	if err != nil {
		return err
	}
	g.closed = true
	return nil
}

// pollState returns the next piece that is to be sent. Behind the header: the counter of the view, the offset, whether it is the last.
func (m *Member) pollState() []byte {
	for i, g := range m.gifts {
		if len(g.queue) == 0 && !g.closed || len(g.queue) > 0 && g.sent-min(g.sent, g.taken()) >= uint64(m.c.StateWindow) {
			continue
		}
		h := header{kindState, m.settings, m.name, m.c.ID, m.view.Group, m.view.ID}
		b := binary.BigEndian.AppendUint64(h.append(m.scratch[:0]), g.since)
		b = binary.BigEndian.AppendUint64(b, g.sent)
		if len(g.queue) == 0 {
			b = append(b, 1)
			m.gifts = append(m.gifts[:i], m.gifts[i+1:]...)
		} else {
			b = append(append(b, 0), g.queue[0]...)
			g.sent += uint64(len(g.queue[0]))
			g.queue[0] = nil
			g.queue = g.queue[1:]
		}
		m.scratch = b
		return b
	}
	return nil
}

func (m *Member) handleState(p *peer, r *reader) error {
	whole := r.p
	since, at, last := r.uint64(), r.uint64(), r.byte()
	t := m.pending
	if r.bad || last > 1 {
		return ErrMalformed
	}
	if t == nil || t.from != p.id || t.since != since || t.spoiled {
		if m.view == nil && m.invited == since || m.view != nil && since == m.view.ID.Counter+1 {
			return m.keepEarly(p, early{p.id, ViewID{Counter: since}, kindState, whole})
		}
		return ErrStale
	}
	q := piece{at, last == 1, append([]byte(nil), r.p...)}
	if m.frozen {
		if len(t.held) > 2*m.c.StateWindow/minBatch {
			t.spoiled = true
			return ErrStale
		}
		t.held = append(t.held, q)
		return nil
	}
	m.takePiece(q)
	return nil
}

// takePiece makes a piece an event. What waited behind the last one comes now.
func (m *Member) takePiece(q piece) {
	t := m.pending
	if t == nil {
		return
	}
	if q.at != t.came {
		t.spoiled = true
		m.lost(m.peers[t.from])
		return
	}
	e := Event{Kind: State, From: t.from, Number: t.since, State: q.data, Restart: q.at == 0, Last: q.last}
	t.came += uint64(len(q.data))
	m.pieces.push(e)
	if q.last {
		m.pending = nil
	}
}

// resume takes the pieces that came while the view was changed.
func (m *Member) resume() {
	held := m.pending.held
	m.pending.held = nil
	for _, q := range held {
		m.takePiece(q)
	}
}

// tookState says that the program has taken a piece, and lets the giver know from time to time.
func (m *Member) tookState(e *Event) {
	t := m.pending
	if t == nil || t.since != e.Number || t.from != e.From {
		return
	}
	if t.taken += uint64(len(e.State)); t.taken-t.answered >= uint64(m.c.StateWindow)/4 {
		m.answerState()
	}
}

// answerState tells the giver how much was taken. It is said again from time to time: the giver may have lost it.
func (m *Member) answerState() {
	t := m.pending
	t.answered, t.answeredAt = t.taken, m.t
	m.say(kindStateAck, func(b []byte) []byte {
		b = binary.BigEndian.AppendUint64(b, uint64(t.from))
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, t.since), t.taken)
	})
}

func (m *Member) handleStateAck(p *peer, r *reader) error {
	to, since, taken := r.id(), r.uint64(), r.uint64()
	if r.bad {
		return ErrMalformed
	}
	for _, g := range m.gifts {
		if n, waits := g.to[p.id]; to == m.c.ID && waits && g.since == since {
			if taken > g.sent {
				return ErrLie
			}
			g.to[p.id] = max(n, taken)
		}
	}
	return nil
}
