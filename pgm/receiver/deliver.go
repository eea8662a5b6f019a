package receiver

import (
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// order is what an ordered session holds until it can be delivered in sequence [6.1-07], [6.1-08].
type order struct {
	next    packet.SQN // the packet to deliver next
	blocked bool       // the Sink did not take it
	size    int        // packets that may be held
	keeping bool       // what was delivered is kept for a while, to compute with
	slots   []slot     // of packet n at n modulo their number, a power of two; nil until one is held
}

// slot is a packet that is held. Its buffer is used again for packets that come later.
type slot struct {
	Data
	buf   []byte
	there bool // it is held, or kept
	lost  bool // given up: there is nothing to deliver
	void  bool // there is no such packet [11.2-14]
}

func (o *order) init(next packet.SQN, size int) {
	o.next, o.blocked, o.size = next, false, size
	for i := range o.slots {
		o.slots[i].there = false
	}
}

func (o *order) at(n packet.SQN) *slot {
	if o.slots == nil {
		o.slots = make([]slot, o.room())
	}
	return &o.slots[int(uint32(n))&(len(o.slots)-1)]
}

func (o *order) hold(d *Data) {
	sl := o.at(d.SQN)
	sl.buf = append(sl.buf[:0], d.TSDU...)
	sl.Data, sl.there, sl.lost, sl.void = *d, true, false, false
	sl.TSDU = sl.buf
}

func (o *order) abandon(n packet.SQN) {
	sl := o.at(n)
	sl.Data, sl.there, sl.lost, sl.void = Data{SQN: n}, false, true, false
}

// handleData takes a data packet of the session.
func (s *Session) handleData(now time.Time, repair bool, p *packet.Data) error {
	d := Data{SQN: p.SQN, TSDU: p.TSDU, Repaired: repair}
	var join packet.SQN
	hasJoin, size := false, 0
	for o, err := range packet.Options(p.Options) {
		if err != nil {
			return err
		}
		switch o.Type {
		case packet.OptFragment:
			if d.Fragment, err = packet.ParseFragment(o, p.SQN, len(p.TSDU)); err != nil {
				return err
			}
		case packet.OptJoin:
			if join, err = packet.ParseJoin(o); err != nil {
				return err
			}
			hasJoin = !join.Before(p.Trail) && !p.SQN.Before(join)
		case packet.OptCurrTGSize:
			if s.parity != nil {
				size = s.groupSize(o, s.parity.k)
			}
		case congestion.OptPGMCCData:
			stamp, err := congestion.ParseData(o)
			if err != nil {
				return err
			}
			if repair {
				s.restamped(now, p.SQN)
			} else {
				s.stamped(now, p.SQN, stamp)
			}
		case packet.OptSyn:
			d.Syn = true
		case packet.OptFin:
			d.Fin = true
		}
	}
	if repair {
		s.stats.RDATA++
	} else {
		s.stats.ODATA++
	}
	if !s.path.Known() {
		s.solicitor.Heard(now, s.r.c.Rand)
	}
	if !s.started {
		if hasJoin {
			s.start(join)
		} else {
			// An SPM may let us join further back, so what wants order is held until there is one; but not for ever.
			s.start(p.SQN)
			s.holding, s.holdEnd = !s.unordered && !s.path.Known(), now.Add(holdIntervals*s.r.c.Solicit)
		}
	}
	if s.advance(p.Trail); s.ended {
		return nil
	}
	if p.SQN-s.have.Trail() >= packet.MaxWindow { // [6.1-05], [6.1-06]
		s.stats.Outside++
		return nil
	}
	fresh := s.lead.Before(p.SQN)
	if fresh {
		s.passed(now, p.SQN)
	} else if s.have.Has(p.SQN) {
		s.stats.Duplicates++
		return nil
	}
	if d.Syn {
		s.tell(Event{Kind: Opened, SQN: p.SQN})
	}
	if d.Fin && !s.hasFin {
		s.hasFin, s.fin = true, p.SQN
		s.tell(Event{Kind: Closing, SQN: p.SQN})
	}
	if s.ended { // by who was told
		return nil
	}
	if size > 0 {
		s.learnSize(now, d.SQN, size)
	}
	if s.take(now, &d, fresh); s.ended {
		return nil
	}
	if s.parity != nil {
		s.arrived(now, d.SQN)
	}
	if s.cursor.Before(s.presumed) {
		s.detect(now)
	}
	if s.hasFin {
		s.checkEnd()
	}
	return nil
}

// take delivers d, or holds it; fresh says that it is newer than all before it.
func (s *Session) take(now time.Time, d *Data, fresh bool) {
	if s.unordered {
		s.deliverNow(now, d, fresh)
	} else {
		s.deliverInOrder(now, d, fresh)
	}
}

// deliverNow hands d to the Sink of an unordered session.
func (s *Session) deliverNow(now time.Time, d *Data, fresh bool) {
	if !s.sink.Data(*d) {
		s.stats.Held++
		s.refused(now, d.SQN)
		return
	}
	if s.ended {
		return
	}
	s.took(d)
	s.have.Add(d.SQN)
	if !fresh {
		s.recovery.Received(now, d.SQN)
	}
}

// refused sees to it that packet n, which came and was not taken, is asked for again, but not at once.
func (s *Session) refused(now time.Time, n packet.SQN) {
	if s.ended {
		return
	}
	if !n.Before(s.presumed) {
		s.gaps.add(now, n, &s.presumed)
	}
	if !n.Before(s.cursor) {
		return // it is asked for when its turn comes
	}
	if _, ok := s.recovery.State(n); ok {
		s.recovery.Confirmed(now, n)
	} else if !s.recovery.Lost(now, n) {
		s.cursor = n
	}
}

// deliverInOrder delivers d if its turn has come, and what it made deliverable; otherwise d is held.
func (s *Session) deliverInOrder(now time.Time, d *Data, fresh bool) {
	if s.silent {
		if s.makeRoom(d.SQN); s.ended {
			return
		}
	}
	held := d.SQN - s.order.next
	s.crowded(now, d.SQN)
	if held >= packet.SQN(s.have.Max()) {
		// No room: it will be asked for when there is.
		s.stats.Held++
		if s.presumed.Before(d.SQN + 1) {
			s.presumed = d.SQN + 1
		}
		return
	}
	if !fresh {
		s.recovery.Received(now, d.SQN)
	}
	s.have.Add(d.SQN)
	if d.SQN == s.order.next && !s.holding && !s.order.blocked && s.sink.Data(*d) {
		if s.ended {
			return
		}
		if s.order.keeping {
			s.order.hold(d)
		}
		s.took(d)
		s.step(d.SQN + 1)
	} else {
		if s.ended {
			return
		}
		if d.SQN == s.order.next && !s.holding {
			s.order.blocked = true
			s.stats.Held++
		}
		s.order.hold(d)
		return
	}
	s.deliver()
}

// makeRoom gives up what is missing, the oldest first, until packet n can be held: it will not be sent again.
func (s *Session) makeRoom(n packet.SQN) {
	size := packet.SQN(s.have.Max())
	if n-s.order.next < size {
		return
	}
	s.holding = false
	if s.deliver(); n-s.order.next >= size {
		s.advance(n + 1 - size)
	}
}

// deliver hands an ordered session's Sink what is next, as far as it is there.
func (s *Session) deliver() {
	if s.unordered || !s.started || s.holding || s.order.blocked {
		return
	}
	for !s.ended {
		next := s.order.next
		switch {
		case s.have.Has(next):
			sl := s.order.at(next)
			if sl.void {
				s.step(next + 1)
				continue
			}
			if sl.lost {
				s.step(next + 1)
				s.lost(next, next)
				continue
			}
			if !s.sink.Data(sl.Data) {
				s.order.blocked = true
				s.stats.Held++
				return
			}
			if s.ended {
				return
			}
			s.took(&sl.Data)
			s.step(next + 1)
		case next.Before(s.trail):
			last := s.trail - 1
			if p, ok := s.have.NextPresent(next, last); ok {
				last = p - 1
			}
			s.step(last + 1)
			s.lost(next, last)
		default:
			s.intake.starved = true
			return
		}
	}
}

func (s *Session) step(next packet.SQN) {
	s.order.next = next
	s.have.Advance(next)
	if p := s.parity; p != nil {
		p.groups.Advance(next)
	}
}

func (s *Session) took(d *Data) {
	s.stats.Delivered++
	s.stats.Bytes += uint64(len(d.TSDU))
	s.intake.took(len(d.TSDU) + packet.DataHeaderLen + s.r.c.Overhead)
}
