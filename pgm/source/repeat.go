package source

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Repeat has all that is in the window sent for another time, as ODATA, with other parity than before: for receivers that cannot ask. It is for a
// store that was sealed. It does nothing, and returns false, before all was sent for the first time, while a round lasts, and once
// the session ends. Stats.Rounds says when the round is over.
func (s *Source) Repeat(now time.Time) bool {
	s.settle(now)
	if s.state != open || !s.sealed || s.waiting() > 0 || s.repeating || s.trail == s.next {
		return false
	}
	s.repeating, s.again = true, s.trail
	s.due = now
	return true
}

// left returns how many packets of the round are still to be sent.
func (s *Source) left() int {
	if !s.repeating || s.state > open {
		return 0
	}
	return int(s.lead() + 1 - s.again)
}

// sendAgain sends up to n packets of the round, of one group, and returns what they took of the rate.
func (s *Source) sendAgain(now time.Time, b *packet.Batch, n int) (octets int) {
	p, left := s.parity, s.left()
	group := left
	if p != nil {
		group = min(left, p.plan.SizeOf(s.again)-p.k.Index(s.again))
	}
	sent := 0
	if group > 0 {
		sent, octets = s.sendRun(now, b, packet.TypeODATA, s.again, min(n, group))
		s.stats.ODATA -= uint64(sent)
		s.stats.Repeated += uint64(sent)
		s.dataStalled = sent == 0
	}
	s.again += packet.SQN(sent)
	if p != nil && sent == group {
		p.plan.Repeat(s.again - 1)
		if p.plan.SizeOf(s.again-1) < int(p.k) {
			s.again = p.k.Next(s.again - 1)
		}
	}
	if s.repeating = s.again.Before(s.lead() + 1); !s.repeating {
		s.stats.Rounds++
		s.schedule.SendNow(now)
	}
	return octets
}
