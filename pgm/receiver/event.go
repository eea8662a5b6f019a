package receiver

import "github.com/gopgm/gopgm/pgm/packet"

// Observer is a Sink that wants to hear what the source says of its session as a whole, when it is heard. What follows for the data
// comes in its turn, and to every Sink: Data.Syn and Data.Fin with the data, End behind it.
type Observer interface {
	// Event takes each kind of event at most once in a session, before End. The rules for the methods of a Sink hold.
	Event(e Event)
}

// Event is what a source said of its session as a whole. Nothing in PGM is authenticated: who can send to the group can also say it.
type Event struct {
	Kind  EventKind
	SQN   packet.SQN   // Opened: the first packet of the session; otherwise the last, as far as the source knows
	Reset packet.Reset // of Aborted
}

// EventKind is what a source can say of its session as a whole.
type EventKind uint8

// The kinds of events.
const (
	Opened  EventKind = iota // OPT_SYN: the first packet came, so the session is had from its beginning [9.6-02]
	Closing                  // OPT_FIN: no packet comes behind SQN; what is missing up to it is still asked for [9.7-01]
	Aborted                  // OPT_RST: the source gave up [9.8.1-01]; End follows at once
)

// String says it in a word.
func (k EventKind) String() string { return [...]string{"opened", "closing", "aborted"}[k] }

// tell tells a Sink that wants to know.
func (s *Session) tell(e Event) {
	if s.observer == nil || s.ended || s.told&(1<<e.Kind) != 0 {
		return
	}
	s.told |= 1 << e.Kind
	s.observer.Event(e)
}
