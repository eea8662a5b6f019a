package transfer

import (
	"fmt"
	"strings"
	"time"
)

// aloneAfter is how long a session goes on for receivers that have all failed: one may be started again, and takes up what it has.
const aloneAfter = 10 * time.Second

// alone notes since when there is nobody who could finish, and returns an error when that has been so for long enough: there is no end to sending
// otherwise where the rate is found, since nobody sets it. It is for the time before all is sent.
func (s *sending) alone(now time.Time, begun int) error {
	if begun == 0 || s.ledger.waiting(now, s.o.Timeout) || s.someoneHears() {
		s.lonely = time.Time{}
		return nil
	}
	patience := min(aloneAfter, s.o.Timeout)
	missing := s.ledger.missing(true)
	if s.lonely.IsZero() {
		s.lonely = now
		s.note(Event{Kind: Alone, Bytes: s.store.ahead.sent.Load(), Total: s.store.total, Receivers: begun, Expected: s.expected(), Missing: missing, ETA: patience})
	}
	switch {
	case now.Sub(s.lonely) < patience:
		return nil
	case s.expected() > 0:
		return fmt.Errorf("%w: %s; nobody is left to send the rest to", ErrMissing, strings.Join(missing, ", "))
	}
	return fmt.Errorf("%w: nobody is left to send the rest to", ErrFailed)
}

// someoneHears reports whether there may be receivers that report nothing, those of streams: they set the rate, or, if it is fixed, nobody knows
// of them; but then those that are expected decide.
func (s *sending) someoneHears() bool {
	if s.fixed && s.expected() == 0 {
		return true
	}
	stats := s.sender.Stats()
	return stats.Control.Acker.Addr.IsValid()
}
