package receiver

import "time"

const (
	// intakeSpan is the time over which it is measured how fast a program takes data.
	intakeSpan = 500 * time.Millisecond
	// intakeRelief is how long half of the window has to be free before the program counts as fast enough.
	intakeRelief = 2 * time.Second
	// intakeShare of what the program takes is asked for, so that what is held becomes less.
	intakeShare = 0.9
)

// intake measures what the program of an ordered session takes when it takes less than comes, and half of the window is full of what it has not
// read. The source is told (congestion.Reporter.SetLimit) while there is room for what comes until it has heard: what is dropped can be asked
// for again, but not for long.
type intake struct {
	since   time.Time // when measuring began; zero: there is room
	full    time.Time // when there was none last
	taken   int       // octets since then, with what is in front of them
	starved bool      // since then, it took all up to what was missing: it could have taken more
	limits  bool      // the source is told
}

// took counts a packet of so many octets that the program took.
func (i *intake) took(octets int) { i.taken += octets }

// crowd notes that there is no room to spare. It returns how fast the source may send, in octets a second, when that is known anew.
func (i *intake) crowd(now time.Time) (limit int, ok bool) {
	i.full = now
	if i.since.IsZero() || now.Before(i.since) || i.starved {
		i.since, i.taken, i.starved = now, 0, false
		return 0, false
	}
	d := now.Sub(i.since)
	if d < intakeSpan {
		return 0, false
	}
	limit = max(int(intakeShare*float64(i.taken)/d.Seconds()), 1)
	i.since, i.taken, i.limits = now, 0, true
	return limit, true
}

// relieved reports, once, that there has been room for long enough, and the source was told otherwise.
func (i *intake) relieved(now time.Time) bool {
	if now.Before(i.full) { // the clock was set back
		i.full = now
	}
	if i.since.IsZero() || now.Sub(i.full) < intakeRelief {
		return false
	}
	told := i.limits
	*i = intake{}
	return told
}

// crowded tells the source how fast the program takes data, if it is for the program that so much is held, and not for a gap.
func (s *Session) crowded(now time.Time) {
	if s.reporter == nil || !s.order.blocked {
		return
	}
	if limit, ok := s.intake.crowd(now); ok {
		s.reporter.SetLimit(limit)
	}
}
