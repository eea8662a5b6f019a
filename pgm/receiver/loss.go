package receiver

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// gap is a run of packets that were passed over, up to and including last. It is a loss once enough later packets have come, or
// it is old enough: until then the network may just have reordered them [6.3-05], [6.3-06].
type gap struct {
	last     packet.SQN
	at       time.Time
	arrivals uint32 // the counter when the gap was seen
}

// gaps are the gaps that are not yet losses, oldest first; both conditions are met in that order.
type gaps struct {
	queue    []gap
	arrivals uint32 // packets that were the newest when they came
}

// maxGaps bounds the gaps that wait; more than the reorder count come about only by SPMs, faster than the reorder timeout.
const maxGaps = 64

func (g *gaps) clear() { g.queue = g.queue[:0] }

func (g *gaps) add(now time.Time, last packet.SQN, presumed *packet.SQN) {
	if len(g.queue) == maxGaps {
		g.pop(presumed)
	}
	g.queue = append(g.queue, gap{last, now, g.arrivals})
}

func (g *gaps) pop(presumed *packet.SQN) {
	if end := g.queue[0].last + 1; presumed.Before(end) {
		*presumed = end
	}
	g.queue = append(g.queue[:0], g.queue[1:]...)
}

// arrived counts a packet that is newer than all before it; those that count packets have passed become losses.
func (g *gaps) arrived(count int, presumed *packet.SQN) {
	g.arrivals++
	for len(g.queue) > 0 && g.arrivals-g.queue[0].arrivals >= uint32(count) {
		g.pop(presumed)
	}
}

func (g *gaps) expire(now time.Time, timeout time.Duration, presumed *packet.SQN) {
	for len(g.queue) > 0 && now.Sub(g.queue[0].at) >= timeout {
		g.pop(presumed)
	}
}

func (g *gaps) next(timeout time.Duration) time.Time {
	if len(g.queue) == 0 {
		return time.Time{}
	}
	return g.queue[0].at.Add(timeout)
}

// sent says that an SPM named lead as the newest packet sent [6.3-02], [6.3-07]. Older news is ignored [6.2-07].
func (s *Session) sent(now time.Time, lead packet.SQN) {
	if !s.lead.Before(lead) {
		return
	}
	s.lead = lead
	s.passOver()
	s.gaps.add(now, lead, &s.presumed)
}

// passed says that data packet n, newer than all before it, arrived; what lies between is a gap [6.3-01].
func (s *Session) passed(now time.Time, n packet.SQN) {
	if n != s.lead+1 {
		s.gaps.add(now, n-1, &s.presumed)
	}
	s.lead = n
	if p := s.parity; p != nil {
		p.idle = false
		s.refute(n)
		s.passOver()
	}
	s.gaps.arrived(s.r.c.ReorderCount, &s.presumed)
}

// detect hands what is missing and presumed lost to recovery, oldest first, as far as recovery has room.
func (s *Session) detect(now time.Time) {
	if s.ended || !s.started || s.holding || s.silent || !s.cursor.Before(s.presumed) {
		return
	}
	if base := s.have.Trail(); s.cursor.Before(base) {
		s.cursor = base
	}
	end := s.presumed
	if limit := s.have.Trail() + packet.SQN(s.have.Max()); limit.Before(end) {
		end = limit // beyond the window there is no room to hold it
	}
	if s.limited && s.limit.Before(end) {
		end = s.limit
	}
	if p := s.parity; p != nil && p.params.Proactive && !p.params.OnDemand && !p.idle {
		// What parity may still bring unasked is not asked for [11.5-02].
		if limit := p.k.Group(s.lead); limit.Before(end) {
			end = limit
		}
		if !s.cursor.Before(end) {
			return
		}
	}
	for s.cursor.Before(end) {
		n, ok := s.have.NextMissing(s.cursor, end-1)
		if !ok {
			s.cursor = end
			return
		}
		s.cursor = n
		if p := s.parity; p != nil && !p.params.OnDemand && p.groups.Need(n) == 0 {
			s.cursor = p.k.Next(n) // it is being decoded
			continue
		}
		if s.onDemand() {
			if !s.detectGroup(now, n, end) {
				return
			}
			continue
		}
		if !s.recovery.Lost(now, n) {
			return
		}
		s.cursor = n + 1
	}
}

// missing reports whether n lies in the receive window and is not there.
func (s *Session) missing(n packet.SQN) bool {
	return n.InWindow(s.have.Trail(), s.lead) && !n.Before(s.trail) && !s.have.Has(n)
}

// advance moves RXW_TRAIL: what is missing before it can no longer be had [3.4-02], [6.3-13].
func (s *Session) advance(trail packet.SQN) {
	if !s.trail.Before(trail) {
		return
	}
	old := s.trail
	s.trail = trail
	if s.lead.Before(trail - 1) {
		s.lead = trail - 1
	}
	s.recovery.CancelRange(old, trail-1)
	if s.parity != nil {
		s.parity.recovery.CancelRange(old, trail-1)
	}
	if s.cursor.Before(trail) {
		s.cursor = trail
	}
	if s.presumed.Before(trail) {
		s.presumed = trail
	}
	if !s.unordered {
		s.deliver()
		return
	}
	for n, ok := s.have.NextMissing(old, trail-1); ok; n, ok = s.have.NextMissing(n, trail-1) {
		last := trail - 1
		if p, ok := s.have.NextPresent(n, trail-1); ok {
			last = p - 1
		}
		if s.lost(n, last); s.ended {
			return
		}
		if n = last + 1; !n.Before(trail) {
			break
		}
	}
	s.have.Advance(trail)
	if s.parity != nil {
		s.parity.groups.Advance(trail)
	}
}

// giveUp says that the retries for n are used up [6.3-30].
func (s *Session) giveUp(n packet.SQN) {
	if s.ended || !s.missing(n) || !s.have.Add(n) {
		return
	}
	if s.unordered {
		if s.parity != nil {
			s.lose(n)
		}
		s.lost(n, n)
		return
	}
	s.order.abandon(n)
}

func (s *Session) lost(first, last packet.SQN) {
	s.stats.Lost += uint64(last - first + 1)
	s.sink.Lost(first, last)
}
