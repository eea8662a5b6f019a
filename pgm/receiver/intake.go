package receiver

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

const (
	// intakeSpan is the time over which it is measured how fast a program takes data.
	intakeSpan = 500 * time.Millisecond
	// intakeMemory is after how long what was measured counts half.
	intakeMemory = 2 * time.Second
	// intakeRelief is how long half of the window has to be free before more is asked for.
	intakeRelief = 2 * time.Second
	// intakeShare of what the program takes is asked for, so that what is held becomes less.
	intakeShare = 0.9
	// intakeGrowth is by how much more is asked for, at least, after each span in which the program had to wait for what was missing.
	intakeGrowth = 2
	// intakeAmple is how much more than what comes a limit has to be to be none.
	intakeAmple = 4
	// intakeIdle is how many spans without anything taken mean that the program does not read at all; fewer are those of one that reads much at once.
	intakeIdle = 2
)

// intake measures what the program of an ordered session takes when it takes less than comes, and half of the window is full of what it has not
// read. The source is told (congestion.Reporter.SetLimit) while there is room for what comes until it has heard: what is dropped can be asked
// for again, but not for long. The source sends that first, so that a limit of what the program takes lets it have all of that.
type intake struct {
	since   time.Time // when measuring began; zero: there is room
	told    time.Time // when a span ended last
	full    time.Time // when there was none last
	taken   int       // octets since since, with what is in front of them
	before  int       // of those, until told
	idle    int       // spans in which nothing was taken, the last ones
	starved bool      // since told, it took all up to what was missing: it could have taken more
	raised  bool      // there was room, and since is a span or two ago
	limit   int       // that the source is told; 0: none
}

// took counts a packet of so many octets that the program took.
func (i *intake) took(octets int) { i.taken += octets }

// crowd notes that there is no room to spare; blocked says that it is for the program, and brim that there will be none at all soon. It returns how
// fast the source may send, in octets a second, when that is known anew.
func (i *intake) crowd(now time.Time, blocked, brim bool) (limit int, ok bool) {
	if !blocked && (i.limit == 0 || i.raised) {
		return 0, false // a packet is missing, and the rest will be read once it is there
	}
	i.full = now
	if i.raised { // more than it takes; what it took of late is known
		i.limit = max(int(intakeShare*float64(i.taken)/max(now.Sub(i.since), intakeSpan).Seconds()), 1)
		i.measure(now)
		return i.limit, true
	}
	if i.since.IsZero() || now.Before(i.told) {
		i.measure(now)
	}
	d := now.Sub(i.since)
	switch {
	case now.Sub(i.told) < intakeSpan:
		if !brim || i.limit > 0 || !blocked {
			return 0, false
		}
		i.limit = 1 // until it is known how fast: what is held is enough for the program until then
	case i.starved && i.limit == 0:
		i.measure(now) // nothing is known yet
		return 0, false
	case i.starved:
		if rate := float64(i.taken) / d.Seconds(); float64(i.limit) < intakeAmple*rate { // or it is not the limit that it waits for
			i.limit = max(int(intakeGrowth*float64(i.limit)), int(rate))
		}
		i.measure(now)
	default:
		if i.idle++; i.taken > i.before {
			i.idle = 0
		}
		i.limit = max(int(intakeShare*float64(i.taken)/d.Seconds()), 1)
		if i.told = now; i.idle >= intakeIdle {
			i.limit = 1
			i.measure(now)
		} else if d >= intakeMemory {
			i.since, i.taken = now.Add(-d/2), i.taken/2
		}
		i.before = i.taken
	}
	return i.limit, true
}

// measure begins to measure.
func (i *intake) measure(now time.Time) {
	i.since, i.told, i.taken, i.before, i.starved, i.raised = now, now, 0, 0, false, false
}

// relieve returns what the source is told anew when there has been room for long enough. A program that waits for data may be as fast as ever, or only
// faster than its limit: so that becomes more by steps, after each of which half of the window is seen to fill up in time, until it is no limit any more.
// blocked is as in crowd; empty says that nothing is held, so that nothing missing keeps the program waiting.
func (i *intake) relieve(now time.Time, blocked, empty bool) (limit int, ok bool) {
	if now.Before(i.full) || now.Before(i.told) { // the clock was set back
		i.full, i.told = now, now
	}
	if i.since.IsZero() || now.Sub(i.full) < intakeRelief {
		return 0, false
	}
	if i.limit == 0 {
		*i = intake{}
		return 0, false
	}
	d, came := now.Sub(i.told), i.taken-i.before
	if d < intakeSpan || came == 0 && d < intakeRelief { // a source that pauses shows nothing
		return 0, false
	}
	waits, rate := i.starved || !blocked, float64(came)/d.Seconds()
	i.raised, i.starved = true, false
	i.since, i.told, i.taken, i.before = i.told, now, came, came
	switch {
	case !waits:
		return 0, false // it has enough to read
	case float64(i.limit) < intakeAmple*rate:
		i.limit = int(intakeGrowth * max(float64(i.limit), rate))
	case !empty:
		return 0, false // it waits for what is missing: little comes for that
	default:
		*i = intake{}
	}
	return i.limit, true
}

// crowded tells the source how fast the program takes data, if that is why so much is held up to the packet before next.
func (s *Session) crowded(now time.Time, next packet.SQN) {
	if s.reporter == nil || s.ended {
		return
	}
	held, room := next-s.order.next, packet.SQN(s.have.Max())
	if held < room/2 {
		return
	}
	if limit, ok := s.intake.crowd(now, s.order.blocked, held >= room/4*3); ok {
		s.reporter.SetLimit(limit)
	}
}

// relieved tells the source that it may send more, if there has been room for it.
func (s *Session) relieved(now time.Time) {
	if s.ended || s.intake.since.IsZero() {
		return
	}
	if limit, ok := s.intake.relieve(now, s.order.blocked, s.lead+1 == s.order.next); ok {
		s.reporter.SetLimit(limit)
	}
}
