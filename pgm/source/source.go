// Package source is the engine of a PGM source (RFC 3208 §5): the transmit window, SPMs, the confirmation and repair of what
// receivers ask for, polls of how many they are and the interval over which they spread their NAKs (§14, §15), and the order and
// rate in which all that leaves.
//
// A Source has no socket, goroutine, lock or clock. Packets and the time go in; packets come out of PollTransmit, into memory
// that the caller owns and in runs that a kernel can send by one system call. Whoever drives it calls PollTransmit after
// anything else, and again at NextTimeout. What it sends comes from a Store: a file, or Memory.
//
// Everything is bounded: NCFs by a share of the rate and a queue, repairs by Config.MaxRepairs, reports by Config.MaxReports.
// Beyond a bound, requests are dropped and counted, and the receiver asks again; no request makes the source exceed its rate.
package source

import (
	"errors"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/ncf"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// ErrForeign is what a packet is refused with that is for another session, or names another source or group [8.3-07].
var ErrForeign = errors.New("not of this session")

// Source is one session that sends. It is not safe for concurrent use.
type Source struct {
	c     Config
	store Store
	ager  Ager // the store, if it is one

	src, group netip.Addr // as NAKs name them
	trail      packet.SQN // TXW_TRAIL as advertised
	next       packet.SQN // TXW_LEAD + 1
	spmSQN     packet.SQN

	pacer    *congestion.Pacer
	schedule *spm.Schedule
	confirm  *ncf.Confirmer
	repairs  repairs
	reports  ring[report]
	children children
	parity   *parity  // nil: none is offered
	control  *control // nil: the rate is fixed
	balance  int64    // what RDATA had beyond its share, while there was ODATA to send too; in octets << shareBits
	share    int64    // RDATA's, of 1 << shareBits

	// Load had nothing: until Wake, it is not asked again.
	dataStalled, repairsStalled bool
	full                        bool // the last batch had no room left

	sealed    bool // the store has all that it will ever have
	repeating bool // a round of Repeat: the next packet of it is again
	again     packet.SQN

	state   state
	rst     packet.Reset
	endedAt time.Time // when FIN or RST became due
	told    bool      // an SPM left since
	active  time.Time // when that was, or the last repair after it
	due     time.Time // what NextTimeout returns
	paced   bool      // what Paced returns
	last    time.Time // of the last call that said what time it is
	err     error

	receivers int // as SetReceivers said

	data  template
	tsdus [packet.MaxRunPackets]TSDU
	nak   nak.Packet
	list  [nak.MaxList]packet.SQN
	fresh [1 + nak.MaxList]packet.SQN
	stats Stats
}

type state uint8

const (
	open     state = iota
	closing        // FIN follows what the store still has
	finished       // every SPM bears OPT_FIN
	reset          // every SPM bears OPT_RST
	done           // nothing is sent or heard any more
)

const shareBits = 10

// maxControl is the longest NCF: IPv6, with a full list.
const maxControl = packet.HeaderLen + 4 + 20 + 20 + 4 + 4 + 4*nak.MaxList + extraLen

// ncfShare is the part of the rate that NCFs have at most: 1/ncfShare.
const ncfShare = 4

// New returns the source of a session that opens now. The first SPM is due at once.
func New(c Config, now time.Time) (*Source, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Source{
		c: c, store: c.Store,
		src:   c.Source.Addr().Unmap().WithZone(""),
		group: c.Group.Addr().Unmap().WithZone(""),
		trail: c.First, next: c.First,
		due: now, last: now, share: min(max(int64(c.RepairShare*(1<<shareBits)), 1), 1<<shareBits-1),
	}
	s.ager, _ = c.Store.(Ager)
	var err error
	largest := max(s.maxWire(), maxControl+c.Overhead+c.AlertOverhead)
	if s.control, err = newControl(&c, s.src, largest); err != nil {
		return nil, err
	}
	rate := c.MaxRate
	if s.control != nil {
		rate = s.control.Rate()
	}
	s.pacer, err = congestion.NewPacer(congestion.PacerConfig{
		Rate: rate, Peak: c.Peak, Burst: c.Burst, Packet: largest,
	})
	if err != nil {
		return nil, err
	}
	s.schedule = spm.NewSchedule(c.schedule(), now)
	s.confirm = ncf.New(ncf.Config{
		Source: s.src, Group: s.group, Hold: c.NCFHold, Rate: ncfRate(rate), Overhead: c.Overhead + c.AlertOverhead,
	})
	s.repairs = newRepairs(c.MaxRepairs)
	s.reports.max = c.MaxReports
	s.nak.List = s.list[:0]
	s.data = newTemplate(packet.Downstream(packet.TypeODATA, c.TSI, c.Dest))
	if c.Rand != nil {
		// In the lower quarter: OpenPGM refuses a first SPM_SQN above 2^31, so there must be room for a long session.
		s.spmSQN = packet.SQN(c.Rand.Uint32() >> 2)
	}
	s.parity = s.newParity()
	s.children = newChildren(&c, now)
	return s, nil
}

func ncfRate(rate int) int {
	if rate == 0 {
		return 0
	}
	return max(rate/ncfShare, 1)
}

// stride is the size of the largest data packet.
func (s *Source) stride() int { return packet.DataHeaderLen + s.c.MaxTSDU + s.c.stampLen() }

// maxWire is what the largest data or parity packet takes of the rate at most: as RDATA.
func (s *Source) maxWire() int { return s.stride() + s.c.reserve() + s.c.Overhead + s.c.AlertOverhead }

// HandlePacket takes a packet that came for the source: NAK, NNAK, ACK, SPMR, POLR, or a receiver's report. An error says why it was refused;
// it was counted, and changed nothing.
func (s *Source) HandlePacket(now time.Time, from netip.AddrPort, p []byte) error {
	err := s.handle(now, from, p)
	if err != nil {
		s.stats.Bad.count(err)
	}
	return err
}

func (s *Source) handle(now time.Time, from netip.AddrPort, p []byte) error {
	var h packet.Header
	body, err := h.Parse(p)
	switch {
	case err != nil:
		return err
	case congestion.IsACK(h.Type):
		return s.handleACK(now, &h, body)
	case h.TSI() != s.c.TSI || !h.Type.IsUpstream():
		return &packet.Error{Type: h.Type, Field: "TSI", Offset: 8, Err: ErrForeign}
	}
	switch h.Type {
	case packet.TypeNAK, packet.TypeNNAK:
		return s.handleNAK(now, from, &h, body)
	case packet.TypeSPMR:
		return s.handleRequest(now, &h, body)
	case packet.TypePOLR:
		return s.handleReply(now, &h, body)
	case packet.TypeReport:
		return s.handleReport(now, from, &h, body)
	}
	return &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
}

// handleNAK confirms a NAK and queues the repairs that it asks for [5.2-01], [5.3-01].
func (s *Source) handleNAK(now time.Time, from netip.AddrPort, h *packet.Header, body []byte) error {
	p := &s.nak
	opts, err := p.Parse(h, body)
	switch {
	case err != nil:
		return err
	case h.Options&packet.FlagParity != 0 && (s.parity == nil || !s.parity.onDemand): // it is not advertised, so none can be asked for
		return &packet.Error{Type: h.Type, Field: "OPT_PARITY", Offset: 5, Err: packet.ErrReserved}
	case p.Source != s.src:
		return &packet.Error{Type: h.Type, Field: "Source NLA", Offset: packet.HeaderLen + 4, Err: ErrForeign}
	case p.Group != s.group:
		return &packet.Error{Type: h.Type, Field: "Multicast Group NLA", Offset: packet.HeaderLen + 4 + packet.NLALen(s.src), Err: ErrForeign}
	case h.Type == packet.TypeNNAK:
		// A DLR repaired it, which says nothing of others who asked us for the same: a repair that waits is theirs [8.3-05].
		s.stats.NNAKs++
		return nil
	}
	s.stats.NAKs++
	s.stats.Requested += uint64(p.Count())
	s.settle(now)
	if s.state == done || s.rst.NoRepair {
		return nil
	}
	s.heedNAK(now, p.Count(), opts)
	if s.control.lags(from.Addr()) {
		s.handleLate(now, from, p, h.Options&packet.FlagParity != 0)
		return nil
	}
	if h.Options&packet.FlagParity != 0 {
		s.handleParityNAK(now, from, p)
		return nil
	}
	fresh, inside := s.fresh[:0], false
	for q := range p.All() {
		in := q.InWindow(s.trail, s.lead()) && s.parity.exists(q)
		inside = inside || in
		switch {
		case !in:
			s.stats.Outside++
		case s.confirm.Held(now, q): // its repair waits, or left just before
			s.stats.Merged++
		default:
			fresh = append(fresh, q)
		}
	}
	// The measures are of repair states, which there are for what can be repaired [15.2.1-02].
	if inside && s.children.tuner.Heard(now, p.SQN, p.List) {
		// "If the PGM agent is the source itself, than it MUST generate an SPM for the TSI, in addition to sending the unicast NCF"
		// (RFC 3208 §15.3.2): a regular one, which renews the path and ends the silence of those whom it reaches.
		s.schedule.SendNow(now)
	}
	switch s.confirms(now, from, p) {
	case ncf.Held:
		s.stats.NCFsHeld++
	case ncf.Deferred: // repairs follow the NCF [5.3-01]
		fresh = nil
	case ncf.Dropped:
		s.stats.NCFsDropped++
		return nil // without its NCF, no RDATA [5.3-01]
	}
	s.repairAll(now, fresh)
	if s.parity != nil {
		s.parity.tuning.selective(from, len(fresh))
	}
	s.due = now
	return nil
}

// confirms has a NAK confirmed: "A source MUST immediately multicast an NCF for every NAK it receives" (RFC 3208 §5.2), also for
// what it cannot repair. By unicast it goes to where the NAK came from, port included: behind one address there may be several receivers.
func (s *Source) confirms(now time.Time, from netip.AddrPort, p *nak.Packet) ncf.Verdict {
	if s.children.tuner.Unicast(now) {
		return s.confirm.HeardFrom(now, p, from)
	}
	return s.confirm.Heard(now, p)
}

// repair queues the packet q, which is in the window, to be repaired.
func (s *Source) repair(q packet.SQN) {
	switch s.repairs.add(q, s.trail) {
	case merged:
		s.stats.Merged++
	case dropped:
		s.stats.RepairsDropped++
	}
}

// handleRequest answers an SPMR by an SPM at once, but not more often than once per IHB_MIN [13.4-01].
func (s *Source) handleRequest(now time.Time, h *packet.Header, body []byte) error {
	if _, err := spm.ParseRequest(h, body); err != nil {
		return err
	}
	s.stats.SPMRs++
	if s.state != done && s.schedule.Requested(now) {
		s.due = now
		return nil
	}
	s.stats.SPMRsHeld++
	return nil
}

// settle brings the state up to now: the trail follows the store, a session that is to be closed finishes when all is sent, and
// one that lingered long enough is done.
func (s *Source) settle(now time.Time) {
	s.last = now
	if s.ager != nil && !s.control.crowded(now) {
		s.ager.Age(now, s.next)
	}
	trail := s.store.Trail()
	if trail.After(s.next) {
		trail = s.next
	}
	if p := s.parity; p != nil { // what is left of a group whose beginning is gone cannot be repaired by parity
		if whole := p.k.Group(trail + packet.SQN(p.k) - 1); !whole.After(p.k.Group(s.next)) {
			trail = whole
		}
	}
	if trail.After(s.trail) { // it never moves backwards [2.1-01]
		s.trail = trail
		s.repairs.advance(trail)
		s.control.advance(trail)
		if s.parity != nil {
			s.parity.plan.Advance(trail)
		}
		if s.again.Before(trail) {
			s.again = trail
		}
	}
	if s.state < finished {
		s.children.handleTimeout(now)
	}
	switch s.state {
	case closing:
		if s.waiting() == 0 {
			s.end(now, finished)
		}
	case finished, reset:
		if s.told && !now.Before(s.lingerEnd()) {
			s.state = done
			s.repairs.clear()
			s.reports.clear()
		}
	}
}

// waiting returns how many packets the store has that were not sent yet, as far as the window takes them [3.3-02].
func (s *Source) waiting() int {
	if s.state > closing || s.parity != nil && s.parity.sealed {
		return 0
	}
	return max(min(s.store.Next().Sub(s.next), packet.MaxWindow-int(s.next-s.trail)), 0)
}

// HandleTimeout says what time it is. Early is harmless.
func (s *Source) HandleTimeout(now time.Time) {
	s.settle(now)
	if s.state == done {
		s.due = time.Time{}
		return
	}
	s.controlTimeout(now)
}

// NextTimeout returns when HandleTimeout and PollTransmit are to be called next, if nothing else happens. It is not after the time
// of the last call when there is something to send at once, and zero once the session is done.
func (s *Source) NextTimeout() time.Time { return s.due }

// Paced reports whether something that could be sent waits for the rate: then each microsecond by which PollTransmit is called late is lost. All
// else that NextTimeout is about can wait for a millisecond.
func (s *Source) Paced() bool { return s.paced }

// Wake says that the store has more than before: data to send, or what Load could not give yet.
func (s *Source) Wake(now time.Time) {
	s.dataStalled, s.repairsStalled = false, false
	if s.parity != nil {
		s.parity.stalled = false
	}
	if s.state != done {
		s.due = now
	}
}

// SetRate changes Config.MaxRate, in octets a second; 0: unlimited.
func (s *Source) SetRate(rate int) {
	s.c.MaxRate = max(rate, 0)
	if k := s.control; k != nil {
		k.ceiling = s.c.MaxRate
		k.SetCeiling(s.c.MaxRate)
		s.pace(k.Rate())
		return
	}
	s.pace(s.c.MaxRate)
}

// Stats returns what has been counted so far.
func (s *Source) Stats() Stats {
	t := s.stats
	t.Trail, t.Lead = s.trail, s.lead()
	t.PendingRepairs = s.repairs.len()
	t.Rate = s.pacer.Rate()
	t.Control = s.controlStats()
	if s.parity != nil {
		t.Proactive, t.OnDemand = s.parity.tuning.n, s.parity.onDemand
	}
	t.BackOff, t.Tuning = s.children.tuner.Advert(s.last).BackOff, s.children.tuner.Stats()
	if p := s.children.poller; p != nil {
		t.Polls = p.Stats()
		t.Receivers, t.ReceiversKnown = p.Population()
	}
	return t
}
