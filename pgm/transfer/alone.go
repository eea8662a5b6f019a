package transfer

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// aloneAfter is how long a session goes on for receivers that have all failed: one may be started again, and takes up what it has.
const aloneAfter = 10 * time.Second

// unheard tells, if so, that nobody has answered, and how long it takes to send everything all the same: at the rate of a source that knows nothing,
// if somebody has to set it.
func (s *sending) unheard(begun int) {
	stats := s.sender.Stats()
	if begun > 0 || stats.Control.ACKs > 0 || stats.NAKs > 0 {
		return
	}
	bytes := s.store.ahead.sent.Load()
	f := flow(stats)
	s.note(Event{
		Kind: NoReceiver, Bytes: bytes, Total: s.store.total, ETA: eta(s.store.total-bytes, float64(f.Rate)), Flow: f,
		Expected: s.expected(), Missing: s.ledger.missing(false), Err: errors.New("no receiver has been heard"),
	})
}

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
