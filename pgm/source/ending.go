package source

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Close ends the session: what the store has now is sent, then an SPM with OPT_FIN at once, as every SPM from then on
// [9.7-02], [9.7.2-02]; repairs go on until Done. It changes nothing after Reset.
func (s *Source) Close(now time.Time) {
	if s.state != open {
		return
	}
	s.state = closing
	s.dataStalled = false
	s.due = now
	s.settle(now)
}

// Reset gives the session up: no more new data is sent, but at once an SPM with OPT_RST, as every SPM from then on [9.8.2-01],
// [9.8.2-04]. code, 0 to 63, is the application's; 0 is an unknown reason. With noRepair, NAKs are no longer answered, and
// receivers are told so; otherwise repairs go on until Done.
func (s *Source) Reset(now time.Time, code uint8, noRepair bool) {
	if s.state >= reset {
		return
	}
	s.rst = packet.Reset{NoRepair: noRepair, Code: code}
	if noRepair {
		s.repairs.clear()
	}
	s.end(now, reset)
}

// fail resets a session whose store failed. Nothing that it says can be trusted any more, so there are no repairs either.
func (s *Source) fail(now time.Time, err error) {
	if s.err == nil {
		s.err = err
	}
	s.Reset(now, 0, true)
}

// Err returns why the source reset the session by itself: the error of Store.Load. It is nil while it has not.
func (s *Source) Err() error { return s.err }

// end begins to linger with FIN or RST in the SPMs.
func (s *Source) end(now time.Time, to state) {
	s.state = to
	s.told, s.endedAt, s.active = false, now, now
	s.schedule.SendNow(now)
	s.due = now
	s.endGroup(now)
}

// crowdedMost is for how long a session that has ended waits for programs that read slowly, at the most.
const crowdedMost = 10 * time.Minute

// lingerEnd returns when the session is done: Linger after it ended, or after the last repair, and not while repairs wait for the
// rate; but no later than LingerMax after it ended. While a receiver says that its program reads slowly it is not done: what the receiver has no room
// for it will ask for later.
func (s *Source) lingerEnd() time.Time {
	last, end := s.endedAt.Add(s.c.LingerMax), s.active.Add(s.c.Linger)
	if k := s.control; k != nil && s.state == finished && !k.crowdedAt.IsZero() {
		t := k.crowdedAt.Add(crowdedAge)
		if most := s.endedAt.Add(crowdedMost); most.Before(t) {
			t = most
		}
		last, end = later(last, t), later(end, t)
	}
	if _, owed := s.owed(); owed || s.repairs.len() > 0 && !s.repairsStalled || last.Before(end) {
		return last
	}
	return end
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Finished reports whether all data was sent and OPT_FIN or OPT_RST is being announced.
func (s *Source) Finished() bool { return s.state >= finished }

// Done reports whether the session is over: it ended and lingered. Nothing is sent any more, and nothing heard.
func (s *Source) Done(now time.Time) bool {
	s.settle(now)
	return s.state == done
}
