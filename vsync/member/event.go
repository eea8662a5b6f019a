package member

import "encoding/binary"

// EventKind says what an Event is.
type EventKind uint8

// The events, in the one stream in which the program gets them.
const (
	Viewed    EventKind = iota + 1 // a new View
	Messages                       // messages of one sender
	Requested                      // the program is to give its state, as it is at this place of the stream: View says to whom by Joined
	State                          // a piece of the state of the group, before the first View of this member
	Blocked                        // nothing can be sent until the next view
	Slowed                         // Peer holds this member up
	Ended                          // this member is out of the group: the last event
)

// Event is something that the program is to know. What it refers to is valid until Release.
type Event struct {
	Kind EventKind
	View *View // of Viewed and Requested; of Messages, that in which they were sent

	From   ID     // the sender; of State, who gives it; of Slowed, who is slow
	Rank   int    // its place in the view
	Number uint64 // of the first message, counted by its sender from 1
	body   []byte
	single bool // the body is one message, as it is

	State   []byte // the piece
	Restart bool   // it is the first, and takes the place of all that came before
	Last    bool

	Why Reason // of Ended
	By  ID     // who said so; 0: this member itself

	batch *batch
	cost  int // octets that are held for it
}

// Next returns the next message of an Event, and its number; ok is false behind the last.
func (e *Event) Next() (message []byte, number uint64, ok bool) {
	if e.single {
		e.single, message, e.body = false, e.body, nil
		return message, e.Number, true
	}
	if len(e.body) == 0 {
		return nil, 0, false
	}
	n, k := binary.Uvarint(e.body)
	message = e.body[k : k+int(n) : k+int(n)]
	e.body = e.body[k+int(n):]
	e.Number++
	return message, e.Number - 1, true
}

// events is a queue in a ring.
type events struct {
	ring    []Event
	head, n int
}

func (q *events) push(e Event) {
	if q.n == len(q.ring) {
		grown := make([]Event, max(16, 2*q.n))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = e
	q.n++
}

func (q *events) pop() (e Event, ok bool) {
	if q.n == 0 {
		return e, false
	}
	e, q.ring[q.head] = q.ring[q.head], Event{}
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return e, true
}

// PollEvent returns the next event; ok is false when there is none now. Each event must be released, or the member slows the group down.
func (m *Member) PollEvent() (e Event, ok bool) {
	if e, ok = m.pieces.pop(); ok {
		return e, true
	}
	if m.pending != nil {
		return e, false // the state comes first
	}
	if e, ok = m.events.pop(); e.Kind == Viewed || e.Kind == Blocked {
		m.unseen--
		m.seen = m.seen || e.Kind == Viewed
	}
	return e, ok
}

// HasEvent reports whether PollEvent has one.
func (m *Member) HasEvent() bool { return m.pieces.n > 0 || m.pending == nil && m.events.n > 0 }

// tell makes e the newest event.
func (m *Member) tell(e Event) {
	if e.Kind == Viewed || e.Kind == Blocked {
		m.unseen++
	}
	m.events.push(e)
}

// Release says that the program is through with an event.
func (m *Member) Release(e *Event) {
	if e.Kind == State {
		m.tookState(e)
		return
	}
	if e.batch == nil {
		return
	}
	m.backlog -= e.cost
	m.pool.unref(e.batch)
	e.batch = nil
	if m.behind && m.view != nil {
		if m.advertise(); !m.behind {
			m.unsettled, m.ackWanted = true, true
		}
	}
}

// deliver makes the messages of the next batch of the member of rank r an event.
func (m *Member) deliver(r int) {
	s := &m.streams[r]
	s.delivered++
	m.unsettled = true // it may be let go of
	b := s.at(s.delivered)
	e := Event{Kind: Messages, View: m.view, From: m.view.Members[r].ID, Rank: r, Number: b.number, body: b.body}
	switch {
	case b.flags&flagFirst != 0:
		s.want = int(binary.BigEndian.Uint32(b.body))
		s.partial = append(make([]byte, 0, s.want), b.body[4:]...)
	case b.flags&flagPiece != 0 && s.want > 0:
		s.partial = append(s.partial, b.body...)
	}
	if b.flags&(flagFirst|flagPiece) != 0 {
		if s.want == 0 || len(s.partial) < s.want {
			return
		}
		e.body, e.single = s.partial[:s.want:s.want], true
		s.partial, s.want = nil, 0
	} else if len(b.body) == 0 {
		return
	}
	e.batch, e.cost = b, max(cap(b.buf), len(e.body))
	b.refs++
	m.backlog += e.cost
	m.tell(e)
}

// forget drops the events that nobody will take.
func (m *Member) forget() {
	for e, ok := m.events.pop(); ok; e, ok = m.events.pop() {
		m.Release(&e)
	}
	m.unseen = 0
}
