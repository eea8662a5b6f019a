package receiver

import (
	"errors"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// again has what the group tg lacks found missing once more.
func (s *Session) again(tg packet.SQN) {
	if tg.Before(s.have.Trail()) {
		tg = s.have.Trail()
	}
	if tg.Before(s.cursor) {
		s.cursor = tg
	}
}

// undecodable sees to a group that could not be decoded. If it stays so, what is here of it may be wrong: then all of it is asked for, and in
// the end it is given up.
func (s *Session) undecodable(now time.Time, tg packet.SQN, err error) {
	p := s.parity
	if len(p.strikes) >= maxStruck {
		clear(p.strikes)
	}
	p.strikes[tg]++
	switch n := p.strikes[tg]; {
	case n >= maxStrikes:
		delete(p.strikes, tg)
		s.giveUpGroup(tg)
		return
	case n >= distrust || errors.Is(err, fec.ErrLoad) && s.unordered:
		for i := range p.size(tg) {
			s.lose(tg + packet.SQN(i))
		}
	}
	p.recovery.Cancel(tg)
	s.again(tg)
}

// detectGroup hands groups of which something is missing to recovery: each at its end, "i.e. upon receipt of the last data packet in a
// transmission group, upon receipt of any data packet in any subsequent transmission group, or upon receipt of any parity packet in the
// current or a subsequent transmission group" (RFC 3208 §11.5). n is the first packet that is missing. It reports false when the rest must
// wait.
func (s *Session) detectGroup(now time.Time, n, end packet.SQN) (more bool) {
	p := s.parity
	tg := p.k.Group(n)
	size := p.size(tg)
	next := tg + packet.SQN(size)
	if !n.Before(next) { // it does not exist
		s.cursor = p.k.Next(tg)
		return true
	}
	// With pro-active parity, the group is over when data of a later one comes: what parity may still bring unasked is not asked for.
	wait := s.lead.Before(next-1) || p.params.Proactive && !p.idle && s.lead.Before(p.k.Next(tg))
	if !wait && end.Before(next) { // what is missing behind end may yet come
		_, wait = s.have.NextMissing(end, next-1)
	}
	if wait {
		// "In the absence of data (detected from SPMs bearing SPM_LEAD equal to RXW_LEAD) on non-transmission-group boundaries, receivers MAY
		// resort to selective NAKs for any missing packets in that partial transmission group" (RFC 3208 §11.5).
		for ok := p.idle; ok && s.recovery.Lost(now, n); {
			if n++; !n.Before(end) {
				break
			}
			n, ok = s.have.NextMissing(n, end-1)
		}
		return false
	}
	if _, known := p.recovery.State(tg); !known {
		if p.groups.Need(tg) > 0 && !p.recovery.Lost(now, tg) {
			return false
		}
		s.recovery.CancelRange(tg, next-1)
		for m, ok := n, true; ok; m, ok = s.have.NextMissing(m+1, next-1) {
			if p.missed++; m == next-1 {
				break
			}
		}
	}
	s.cursor = next
	return true
}

// heardGroup takes the sequence number of a parity NCF, or of another receiver's parity NAK. One for less than is missing here changes
// nothing [11.5-09].
func (s *Session) heardGroup(now time.Time, number packet.SQN, ncf bool) {
	p := s.parity
	if p == nil || !s.started || !p.params.OnDemand {
		return
	}
	tg := p.k.Group(number)
	last := tg + packet.SQN(p.size(tg)) - 1
	if last.Before(s.have.Trail()) || s.lead.Before(last) || !s.lacks(tg) {
		return
	}
	need := p.groups.Need(tg)
	switch {
	case need == 0 || !p.k.Covers(number, p.k.Request(tg, need)):
	case ncf:
		p.recovery.Confirmed(now, tg)
	default:
		p.recovery.Heard(now, tg)
	}
}

// dueGroups turns groups whose back-off is over into the sequence numbers of a parity NAK: what each lacks now. It returns those that lack
// something.
func (p *parity) dueGroups(now time.Time, due []packet.SQN) []packet.SQN {
	numbers := due[:0]
	for _, tg := range due {
		if n := p.groups.Need(tg); n > 0 && p.s.lacks(tg) {
			numbers = append(numbers, p.k.Request(tg, n))
		} else {
			p.recovery.Received(now, tg)
		}
	}
	return numbers
}

// giveUpGroup says that the retries for the group tg are used up [6.3-30].
func (s *Session) giveUpGroup(tg packet.SQN) {
	for i := range s.parity.size(tg) {
		s.giveUp(tg + packet.SQN(i))
	}
}
