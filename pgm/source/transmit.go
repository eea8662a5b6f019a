package source

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// MinBatch is the room, in octets, that a batch must have for PollTransmit to make progress: one packet of any size.
const MinBatch = packet.MaxRun

// PollTransmit appends to b what may leave now, in the order in which it is to leave, until b has no room, the rate is spent or
// nothing waits. What it appends counts as sent at now.
//
// "A source MUST strictly prioritize sending of pending NCFs first, pending SPMs second, and only send ODATA or RDATA when no NCFs
// or SPMs are pending" (RFC 3208 §5.1.3). POLLs and reports come behind SPMs.
func (s *Source) PollTransmit(now time.Time, b *packet.Batch) {
	s.settle(now)
	s.full = false
	if s.state != done && s.sendNCFs(now, b) && s.sendSPM(now, b) && s.sendPoll(now, b) && s.sendReports(now, b) {
		s.sendData(now, b)
	}
	s.plan(now)
}

// sendNCFs sends the NCFs that may leave, and reports whether none is left of them.
func (s *Source) sendNCFs(now time.Time, b *packet.Batch) bool {
	for p, by, to, deferred := s.confirmation(now); p != nil; p, by, to, deferred = s.confirmation(now) {
		dst := s.reserve(now, b, p.Len())
		if dst == nil {
			return false
		}
		h := packet.Downstream(packet.TypeNCF, s.c.TSI, s.c.Dest)
		if by != s.confirm {
			h.Options |= packet.FlagParity // [11.4-06]
		}
		s.commit(now, b, to, nak.Append(dst, h, p))
		if deferred && !s.control.isBehind(to.Addr()) {
			s.requestAll(now, p, by != s.confirm)
		}
		by.Sent(now)
		s.stats.NCF++
	}
	return true
}

// sendSPM sends the SPMs that are due, and reports whether none is any more.
func (s *Source) sendSPM(now time.Time, b *packet.Batch) bool {
	if s.state == closing && s.waiting() == 0 { // what was last sent was the last: no SPM without FIN [9.7-02]
		s.end(now, finished)
	}
	for s.schedule.Due(now) || s.control.probeDue(now) {
		regular := s.schedule.Due(now)
		if regular {
			s.endGroup(now)
		}
		dst := s.reserve(now, b, s.spmLen(now))
		if dst == nil {
			return false
		}
		s.commit(now, b, s.c.Group, s.appendSPM(now, dst))
		s.spmSQN++
		s.told = true
		if regular {
			s.schedule.Sent(now)
		}
		s.stats.SPM++
	}
	return true
}

// spmLen returns the most octets that an SPM takes now.
func (s *Source) spmLen(now time.Time) int {
	n := packet.HeaderLen + 12 + packet.NLALen(s.src) + 4 + 8 + 4 + 4 + s.control.probeLen(s.src)
	if s.parity != nil {
		n += parityOptionsLen
	}
	if _, ok := s.children.advert(now); ok {
		n += poll.IntervalLen + poll.RangeLen
	}
	return n
}

func (s *Source) appendSPM(now time.Time, b []byte) []byte {
	b = packet.Downstream(packet.TypeSPM, s.c.TSI, s.c.Dest).Append(b)
	b = spm.Packet{SQN: s.spmSQN, Trail: s.trail, Lead: s.lead(), Path: s.src}.Append(b)
	at := len(b)
	b = packet.BeginOptions(b)
	if s.parity != nil { // network-significant: in front [9.1-03]
		b = s.parity.params().AppendTo(b)
		if size, ok := s.parity.plan.Short(s.lead()); ok {
			b = fec.AppendCurrentSize(b, size) // [11.4-19]
		}
	}
	if i, ok := s.children.advert(now); ok { // so too
		b = s.children.tuner.Range().AppendTo(i.AppendTo(b)) // [15.2.1-04], [15.2.1-06]
	}
	b = s.control.appendRequest(b)
	if s.c.Join {
		b = packet.AppendJoin(b, s.trail)
	}
	switch s.state {
	case finished:
		b = packet.AppendOption(b, packet.OptFin, 0)
	case reset:
		b = s.rst.AppendTo(b)
	}
	b = s.control.appendProbe(now, b)
	b = packet.EndOptions(b, at)
	packet.Seal(b)
	return b
}

// sendReports sends the reports that wait, and reports whether none is left.
func (s *Source) sendReports(now time.Time, b *packet.Batch) bool {
	for s.reports.n > 0 {
		r := s.reports.front()
		dst := s.reserve(now, b, packet.HeaderLen+len(r.body))
		if dst == nil {
			return false
		}
		s.commit(now, b, r.to, appendReport(dst, s.c.TSI, s.c.Dest, r.body))
		s.reports.pop()
		s.stats.ReportsSent++
	}
	return true
}

// reserve returns the place for a packet of n octets at most, empty, with capacity for it: nil when the rate or the batch has none.
func (s *Source) reserve(now time.Time, b *packet.Batch, n int) []byte {
	if s.pacer.Budget(now) < s.whole(n) {
		return nil
	}
	dst := b.Reserve(n)
	if dst == nil {
		s.full = true
		return nil
	}
	return dst[:0]
}

// whole returns the most that a packet of n octets takes of the rate.
func (s *Source) whole(n int) int { return n + s.c.Overhead + s.c.AlertOverhead }

// commit sends one packet, which lies where reserve said.
func (s *Source) commit(now time.Time, b *packet.Batch, to netip.AddrPort, p []byte) {
	b.Commit(to, 0, len(p), len(p))
	s.spend(now, packet.Type(p[4]), len(p), 1)
}

// overhead returns the network octets in front of a packet of type t to the group.
func (s *Source) overhead(t packet.Type) int {
	if t.RouterAlert() {
		return s.c.Overhead + s.c.AlertOverhead
	}
	return s.c.Overhead
}

// spend takes n octets in so many packets of type t from the rate.
func (s *Source) spend(now time.Time, t packet.Type, n, packets int) {
	n += packets * s.overhead(t)
	s.pacer.Spend(now, n)
	s.stats.Sent += uint64(n)
}

// requestAll queues what a NAK asked for whose NCF waited for the rate.
func (s *Source) requestAll(now time.Time, p *nak.Packet, parity bool) {
	for q := range p.All() {
		switch {
		case parity:
			s.request(now, q)
		case q.InWindow(s.trail, s.lead()) && s.parity.exists(q) && !s.repairGroup(now, q, 1):
			s.repair(q)
		}
	}
}

// sendData sends RDATA and ODATA, each its share, or all of it when the other does not wait. Parity that nobody asked for goes out with
// ODATA, behind the group that it is of and before the next [11.4-04]; what was asked for with RDATA.
func (s *Source) sendData(now time.Time, b *packet.Batch) {
	for {
		data, repair := s.sendable()
		if data == 0 && !repair {
			return
		}
		n := min(s.pacer.Budget(now)/s.maxWire(), s.maxRun())
		if n == 0 {
			return
		}
		if n = min(n, (b.Room()-s.c.reserve())/s.stride()); n <= 0 {
			s.full = true
			return
		}
		run, owed := s.owed()
		if data == 0 || !repair {
			s.balance = 0
		}
		share := s.shareAt(now)
		if repair && s.balance <= 0 {
			s.balance += int64(s.sendRepairs(now, b, run, n)) * (1<<shareBits - share)
			continue
		}
		if owed && run.Proactive {
			_, octets := s.sendParity(now, b, run, n)
			s.balance -= int64(octets) * share
			continue
		}
		s.balance -= int64(s.sendNew(now, b, min(n, data))) * share
		if s.state == closing && s.waiting() == 0 {
			s.end(now, finished)
			if !s.sendSPM(now, b) {
				return
			}
		}
	}
}

// shareAt returns what part of the rate repairs have: nearly all of it when a receiver has no room for new data, but not all, or who goes on asking
// would stop the session [5.1.3-03].
func (s *Source) shareAt(now time.Time) int64 {
	if s.control.crowded(now) {
		return max(s.share, 1<<shareBits-1<<shareBits/crowdedPart)
	}
	return s.share
}

// crowdedPart of the rate is for new data while a receiver has no room for it.
const crowdedPart = 16

// sendNew sends up to n new data packets, or packets of the round, and returns what they took of the rate.
func (s *Source) sendNew(now time.Time, b *packet.Batch, n int) (octets int) {
	if s.waiting() == 0 {
		return s.sendAgain(now, b, n)
	}
	if s.parity != nil && s.parity.tuning.n > 0 { // parity goes before the next group
		n = min(n, s.parity.plan.Left())
	}
	sent, octets := s.sendRun(now, b, packet.TypeODATA, s.next, n)
	if s.parity != nil && sent > 0 {
		s.parity.dataSent(now, sent, s.control)
	}
	s.next += packet.SQN(sent)
	s.dataStalled = sent == 0
	if sent > 0 && s.sealed {
		s.endGroup(now)
	}
	return octets
}

// sendRepairs sends up to n repairs, of data or parity, and returns what they took of the rate.
func (s *Source) sendRepairs(now time.Time, b *packet.Batch, run fec.Run, n int) (octets int) {
	if s.repairsStalled || s.repairs.len() == 0 {
		_, octets = s.sendParity(now, b, run, n)
		return octets
	}
	first, n := s.repairs.next(n)
	sent, octets := s.sendRun(now, b, packet.TypeRDATA, first, n)
	s.repairs.sent(first, sent)
	s.repairsStalled = sent == 0
	if sent > 0 {
		s.active = now
	}
	return octets
}

// sendable returns how much new data, and whether a repair, could be loaded now. Parity that nobody asked for counts as data.
func (s *Source) sendable() (data int, repair bool) {
	if s.state == done {
		return 0, false
	}
	run, owed := s.owed()
	if !s.dataStalled {
		if data = s.waiting(); data == 0 {
			data = s.left()
		}
		data = min(data, s.control.tokens())
	}
	if s.parity != nil && s.parity.stalled {
		data = 0 // no data goes before the parity of the group before it
	} else if owed && run.Proactive {
		data = run.N
	}
	return data, !s.repairsStalled && s.repairs.len() > 0 || owed && !run.Proactive
}

// plan decides when there is something to do next, after all that may leave now has.
func (s *Source) plan(now time.Time) {
	if s.paced = false; s.state == done {
		s.due = time.Time{}
		return
	}
	data, repair := s.sendable()
	s.schedule.DataWaits(now, data > 0 || repair)
	due, polling := s.schedule.Due(now) || s.control.probeDue(now), s.state < finished
	pollDue := polling && s.children.pollDue(now)
	need := 0
	confirmation, _, _, _ := s.confirmation(now)
	switch {
	case s.full:
		s.due = now
		return
	case confirmation != nil:
		need = s.whole(confirmation.Len())
	case due:
		need = s.whole(s.spmLen(now))
	case pollDue:
		need = s.whole(s.children.poller.Packet().Len())
	case s.reports.n > 0:
		need = s.whole(packet.HeaderLen + len(s.reports.front().body))
	case data > 0 || repair:
		// Half a burst: more packets at once than one, and yet, a wake-up that is late by the other half costs no time.
		packets := max(s.pacer.Burst()/2/s.maxWire(), 1)
		if !repair {
			packets = min(packets, data)
		}
		need = packets * s.maxWire()
	}
	s.paced = need > 0
	s.due = earlier(s.lingering(), s.control.next(now))
	if !due {
		s.due = earlier(s.due, s.schedule.Next())
	}
	if polling && !pollDue {
		s.due = earlier(s.due, s.children.nextPoll())
	}
	if confirmation == nil {
		s.due = earlier(s.due, s.confirm.NextAt(now))
	}
	if need > 0 {
		s.due = earlier(s.due, s.pacer.NextAt(now, need))
	}
}

// lingering returns when a session that has ended, and said so, is done; zero for another.
func (s *Source) lingering() time.Time {
	if s.state < finished || !s.told {
		return time.Time{}
	}
	return s.lingerEnd()
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
