package transfer

import (
	"net/netip"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm"
)

// Flow is how a source sends at a moment, where congestion control finds the rate.
type Flow struct {
	Rate  int                 // octets a second that may leave, headers and repairs included
	Acker congestion.Receiver // who sets the rate; no Addr: nobody
}

// flow returns how the source sends now.
func flow(s pgm.SenderStats) Flow { return Flow{Rate: s.Rate, Acker: s.Control.Acker} }

// lag notes that the receivers at an address hold up the others, or count again, on the loop's goroutine.
func (s *sending) lag(a netip.Addr, behind bool) {
	e := Event{Kind: Readmitted, Peer: a.String()}
	if behind {
		e.Kind = Demoted
		if s.slow == pgm.SlowShed {
			e.Kind = Shed
			s.ledger.shed(a)
		}
	}
	e.Missing = s.ledger.at(a)
	s.note(e)
}

// shed has the receivers at an address waited for no more.
func (l *ledger) shed(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = append(l.dropped, a)
}

// isShed reports whether e is waited for no more. It is to be called with the lock.
func (l *ledger) isShed(e *entry) bool {
	for _, a := range l.dropped {
		if e.addr.Addr().Unmap().WithZone("") == a {
			return true
		}
	}
	return false
}

// at returns the names of the receivers at an address.
func (l *ledger) at(a netip.Addr) (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.receivers {
		if e.addr.Addr().Unmap().WithZone("") == a {
			names = append(names, e.Name)
		}
	}
	return names
}
