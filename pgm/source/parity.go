package source

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/ncf"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// Skipper is a Store that can leave sequence numbers unused, so that a transmission group can be ended early when there is no data to
// send [11.2-13]. Without it, groups are ended by Seal, Close and Reset alone, and what is lost of the leading group is repaired
// selectively [11.1-03].
type Skipper interface {
	// Skip says that the packets from..to-1 are not used: what is written next is packet to. It returns false, and changes nothing,
	// when from is not what Next returns, because more was written.
	Skip(from, to packet.SQN) bool
}

// parity is what a source does about parity [11].
type parity struct {
	k        fec.Size
	plan     *fec.Plan
	encoder  *fec.Encoder
	confirm  *ncf.Confirmer // of parity NAKs: their sequence numbers are counts, and are no data packet's
	skipper  Skipper        // the store, if it is one
	tuning   tuning
	answers  [answerSlots]answer
	onDemand bool // PARITY_PRM_OND is advertised
	loaded   int  // packets of the group that the encoder was begun with
	stalled  bool // Load had nothing: until Wake, it is not asked again
	sealed   bool // no data comes any more
	dataAt   time.Time
	idle     time.Duration // without data for so long, a group is ended early
}

// answer is what was asked of a group last. NAKs for the same loss are spread over NAK_BO_IVL; one for no more, within that time,
// is for what is on its way already.
type answer struct {
	tg    packet.SQN
	count int
	at    time.Time
}

const answerSlots = 1024

// parityOptionsLen is how many octets OPT_PARITY_PRM and OPT_CURR_TGSIZE take.
const parityOptionsLen = 16

// maxEncoded is how many parity packets are computed before the batch is handed back.
const maxEncoded = 16

func (s *Source) newParity() *parity {
	c := s.c.FEC.WithDefaults()
	if !c.Enabled() {
		return nil
	}
	k := fec.Size(c.Group)
	p := &parity{
		k: k, plan: fec.NewPlan(c, s.c.First), encoder: fec.NewEncoder(k, s.c.MaxTSDU), onDemand: c.OnDemand && !c.Adaptive,
		confirm: ncf.New(ncf.Config{
			Source: s.src, Group: s.group, Hold: s.c.NCFHold, Rate: ncfRate(s.c.MaxRate), Overhead: s.c.Overhead + s.c.AlertOverhead,
		}),
		tuning: newTuning(c),
	}
	p.skipper, _ = s.store.(Skipper)
	if p.idle = s.c.IHBMin; p.idle == 0 {
		p.idle = spm.DefaultIHBMin
	}
	return p
}

// params returns what SPMs say of parity now [11.4-01].
func (p *parity) params() fec.Params {
	return fec.Params{Group: p.k, Proactive: p.tuning.proactive, OnDemand: p.onDemand}
}

// lead returns TXW_LEAD: the newest packet that was sent. Numbers that a group which was ended early leaves unused are none [11.2-13].
func (s *Source) lead() packet.SQN {
	last := s.next - 1
	if p := s.parity; p != nil {
		if n := p.plan.SizeOf(last); p.k.Index(last) >= n {
			last = p.k.Group(last) + packet.SQN(n) - 1
		}
		if last.Before(s.trail - 1) {
			last = s.trail - 1
		}
	}
	return last
}

// exists reports whether q, which is in the window, is the number of a packet.
func (p *parity) exists(q packet.SQN) bool { return p == nil || p.k.Index(q) < p.plan.SizeOf(q) }

// Seal says that the store has all that it will ever have. When that was sent, the leading group is ended, so that there is parity of it
// too [11.4-12], and Repeat may be called.
func (s *Source) Seal(now time.Time) {
	s.sealed = true
	s.due = now
	s.endGroup(now)
}

// endGroup ends the leading group early if nothing comes any more, or has come for so long that a heartbeat is due [11.4-12], [11.4-13].
func (s *Source) endGroup(now time.Time) {
	p := s.parity
	if p == nil || p.plan.Next() == p.k.Group(p.plan.Next()) || s.waiting() > 0 {
		return
	}
	final := s.sealed || s.state >= finished
	switch {
	case p.sealed:
		return
	case final:
		p.sealed = true
	case p.skipper == nil || now.Sub(p.dataAt) < p.idle || !p.skipper.Skip(s.next, p.k.Next(s.next)):
		return
	}
	if _, _, ok := p.plan.Close(); ok {
		s.schedule.SendNow(now)
		if !final {
			s.next = p.plan.Next()
		}
	}
}

// dataSent notes that n data packets were sent, or sent again.
func (p *parity) dataSent(now time.Time, n int, k *control) {
	for left := n; left > 0; {
		m := min(left, p.plan.Left())
		p.plan.DataSent(m)
		left -= m
	}
	p.dataAt = now
	if p.tuning.sent(now, n, p.onDemand, k) {
		p.onDemand = true
	}
	p.plan.SetProactive(p.tuning.n)
}

// groupSize returns what OPT_CURR_TGSIZE on the data packet q says: 0, there is none. last is the newest packet of the store, if nothing comes
// behind it any more [11.4-17].
func (s *Source) groupSize(q packet.SQN, final bool) int {
	p := s.parity
	if p == nil {
		return 0
	}
	if n, ok := p.plan.Short(q); ok {
		return n
	}
	if i := p.k.Index(q); final && q+1 == s.store.Next() && i < int(p.k)-1 {
		return i + 1
	}
	return 0
}

// handleParityNAK confirms a parity NAK and plans the parity that it asks for [11.4-06], [11.4-14].
func (s *Source) handleParityNAK(now time.Time, from netip.AddrPort, p *nak.Packet) {
	q := s.parity
	s.stats.ParityNAKs++
	first, _ := q.k.Requested(p.SQN)
	if first.InWindow(q.k.Group(s.trail), s.lead()) && s.children.tuner.Heard(now, first, nil) {
		s.schedule.SendNow(now)
	}
	verdict := ncf.Verdict(0)
	if s.children.tuner.Unicast(now) {
		verdict = q.confirm.HeardFrom(now, p, from)
	} else {
		verdict = q.confirm.Heard(now, p)
	}
	s.due = now
	switch verdict {
	case ncf.Held:
		s.stats.NCFsHeld++
	case ncf.Deferred:
		return
	case ncf.Dropped:
		s.stats.NCFsDropped++
		return
	}
	for n := range p.All() {
		s.request(now, n)
	}
}

// request plans what the sequence number of a parity NAK asks for.
func (s *Source) request(now time.Time, number packet.SQN) {
	p := s.parity
	tg, count := p.k.Requested(number)
	a := &p.answers[uint32(tg)/uint32(p.k)%answerSlots]
	recent := a.tg == tg && !a.at.IsZero() && now.Sub(a.at) < s.children.tuner.Advert(now).BackOff
	if recent && count <= a.count {
		s.stats.Merged++
		return
	}
	ask := count
	if recent { // of what this one asks for, so much is on its way
		ask += p.plan.Pending(tg) - a.count + int(p.k) - p.plan.SizeOf(tg)
	}
	d := p.plan.Request(tg, ask)
	switch d {
	case fec.Refused:
		if p.plan.Complete(tg) {
			s.stats.RepairsDropped++
		} else {
			s.stats.Outside++
		}
		return
	case fec.Merged:
		s.stats.Merged++
	default:
		before := 0
		if recent {
			before = a.count
		} else {
			a.at = now
		}
		p.tuning.asked(p.k.Owed(count, p.plan.SizeOf(tg)), before)
	}
	if a.tg, a.count = tg, count; d == fec.Added && !recent {
		a.at = now
	}
}

// repairGroup answers a selective NAK for packets of the full group of q by as much parity, while parity is there on demand [11.1-04]. It
// reports false when they are to be repaired selectively [11.1-03].
func (s *Source) repairGroup(now time.Time, q packet.SQN, count int) bool {
	p := s.parity
	if p == nil || !p.onDemand || !p.plan.Complete(q) {
		return false
	}
	s.request(now, p.k.Request(q, count+int(p.k)-p.plan.SizeOf(q)))
	return true
}

// repairAll has packets repaired that were asked for selectively.
func (s *Source) repairAll(now time.Time, fresh []packet.SQN) {
	for i := 0; i < len(fresh); {
		n := 1
		if p := s.parity; p != nil {
			for i+n < len(fresh) && p.k.Group(fresh[i+n]) == p.k.Group(fresh[i]) {
				n++
			}
		}
		if !s.repairGroup(now, fresh[i], n) {
			for _, q := range fresh[i : i+n] {
				s.repair(q)
			}
		}
		i += n
	}
}

// owed returns the parity that is to be sent next.
func (s *Source) owed() (r fec.Run, ok bool) {
	if s.parity == nil || s.parity.stalled || s.state == done || s.rst.NoRepair {
		return r, false
	}
	return s.parity.plan.Owed()
}

// sendParity sends up to n packets of the run r, and returns how many, and what they took of the rate. The batch has room for one.
func (s *Source) sendParity(now time.Time, b *packet.Batch, r fec.Run, n int) (sent, octets int) {
	p := s.parity
	if !s.loadGroup(now, r) {
		return 0, 0
	}
	t, overhead := packet.TypeRDATA, s.overhead(packet.TypeRDATA)
	if r.Proactive {
		t, overhead = packet.TypeODATA, s.overhead(packet.TypeODATA)
	}
	h := packet.Downstream(t, s.c.TSI, s.c.Dest)
	n = p.encoder.Prepare(r.First, min(n, r.N, maxEncoded))
	for sent < n {
		size, run := p.encoder.Len(r.First+sent), 1
		for sent+run < n && p.encoder.Len(r.First+sent+run) == size {
			run++
		}
		for run > 1 && run*size > packet.MaxRun {
			run--
		}
		dst := b.Reserve(run * size)
		if dst == nil {
			s.full = true
			break
		}
		at := 0
		for i := range run {
			at += len(p.encoder.Append(dst[at:at:at+size], h, s.trail, r.First+sent+i))
		}
		b.Commit(s.c.Group, 0, size, at)
		sent += run
		octets += at + run*overhead
	}
	if sent == 0 {
		return 0, 0
	}
	s.spend(now, t, octets-sent*overhead, sent)
	s.control.sent(now, packet.TypeRDATA, s.next, sent, octets)
	s.schedule.DataSent(now)
	p.plan.Sent(r, sent)
	if r.Proactive {
		s.stats.ProactiveParity += uint64(sent)
	} else {
		s.stats.DemandParity += uint64(sent)
		s.active = now
	}
	return sent, octets
}

// loadGroup gives the encoder the data of the group of r, from the store, unless it has it. It reports false when the store has it not.
func (s *Source) loadGroup(now time.Time, r fec.Run) bool {
	p := s.parity
	if tg, size, ok := p.encoder.Group(); ok && tg == r.Group && size == r.Size {
		return true
	}
	p.encoder.Begin(r.Group, r.Size)
	for p.loaded = 0; p.loaded < r.Size; {
		n := min(r.Size-p.loaded, len(s.tsdus))
		for i := range n {
			s.tsdus[i] = TSDU{Data: p.encoder.Room(p.loaded + i)}
		}
		first := r.Group + packet.SQN(p.loaded)
		got, err := s.store.Load(first, s.tsdus[:n])
		if err == nil {
			err = s.checkLoad(got, s.tsdus[:n])
		}
		if err != nil {
			s.fail(now, fmt.Errorf("source: loading packet %v: %w", first, err))
			return false
		}
		if got == 0 {
			p.stalled = true
			return false
		}
		for i := range got {
			p.encoder.Set(p.loaded+i, fec.Original{TSDU: s.tsdus[i].Data, Fragment: s.tsdus[i].Fragment})
		}
		p.loaded += got
	}
	return true
}
