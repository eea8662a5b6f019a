package element

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// RepairerConfig says for whom a Repairer repairs. Zero fields mean the defaults.
type RepairerConfig struct {
	Group       netip.AddrPort
	Addr        netip.Addr         // its own address, which it offers
	Cache       int                // octets of one session that are kept; default 64 MiB
	MaxSessions int                // default 16
	Expiry      time.Duration      // silence after which a session is forgotten; default 2 min
	Rate        int                // octets of repairs a second; default 12,500,000
	Hold        time.Duration      // for how long a packet is not repaired again; default 2 ms
	Offer       time.Duration      // the least time between two offers to the group; default 1 s
	Recovery    nak.RecoveryConfig // of what it misses itself
	RouterAlert bool
	Rand        *rand.Rand // required
}

// Repairer is the engine of a designated local repairer [9.5]: a host that receives the sessions of a group, keeps what it can of them,
// offers itself to the elements next to it, and repairs for them and for receivers. It is upstream of some and off the tree of
// others, which it tells apart by whether a NAK is its parent's [9.5.2.3-01]. Packets go in and out as at an Element, of one
// interface. Where the source has parity on demand, it repairs by parity too, and says so. It is not safe for concurrent use.
type Repairer struct {
	c        RepairerConfig
	group    netip.Addr
	addr     netip.Addr
	sessions map[packet.TSI]*repaired
	order    []*repaired
	rate     *congestion.TokenBucket
	out      packet.Batch
	began    time.Time
	now      time.Time
	node     uint32

	nak     nak.Packet
	list    [nak.MaxList]packet.SQN
	due     [1 + nak.MaxList]packet.SQN
	lacking [nak.MaxList + 1]packet.SQN

	confirmed [nak.MaxList + 1]packet.SQN
	scratch   [maxPacket]byte
	stats     RepairerStats
}

// repaired is one session.
type repaired struct {
	tsi      packet.TSI
	dest     uint16
	source   netip.Addr
	heard    time.Time
	path     spm.Path
	silence  poll.Silence
	child    poll.Child
	cache    cache
	cursor   packet.SQN // what is missing before it is in recovery
	recovery *nak.Recovery
	parity   parity
	offered  time.Time // when it was last, to the group
	upstream bool      // it acts as upstream repairer [9.5.2.1-03]
	offTree  bool      // and as off-tree repairer [9.5.2.2-03]
}

// RepairerStats counts what a Repairer did.
type RepairerStats struct {
	Received uint64 // data packets that were taken
	NAKs     uint64 // that asked it for repairs
	Repairs  uint64 // RDATA sent, but for parity

	ParityNAKs    uint64 // of the NAKs
	ParityRepairs uint64 // parity packets sent
	Rebuilt       uint64 // data packets that it missed and parity brought back

	Held    uint64 // packets that were asked for again at once
	Lacking uint64 // packets that it was asked for and did not have
	Limited uint64 // packets that the rate did not allow
	Asked   uint64 // packets that it asked for itself
	NNAKs   uint64
	Offers  uint64 // redirecting POLRs
	Refused uint64 // packets that were refused
	Octets  int    // that the caches hold now
	Active  int    // sessions now
}

// NewRepairer returns a Repairer that has heard nothing yet.
func NewRepairer(c RepairerConfig, now time.Time) (*Repairer, error) {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Cache, 64<<20)
	def(&c.MaxSessions, 16)
	def(&c.Rate, 12_500_000)
	for v, d := range map[*time.Duration]time.Duration{&c.Expiry: 2 * time.Minute, &c.Hold: 2 * time.Millisecond, &c.Offer: time.Second} {
		if *v == 0 {
			*v = d
		}
	}
	switch {
	case c.Rand == nil:
		return nil, errors.New("element: RepairerConfig.Rand is missing")
	case !c.Group.Addr().IsMulticast():
		return nil, fmt.Errorf("element: %v is not a multicast group", c.Group.Addr())
	case !c.Addr.IsValid() || c.Addr.IsMulticast() || c.Addr.Unmap().Is4() != c.Group.Addr().Unmap().Is4():
		return nil, fmt.Errorf("element: a repairer of %v has the address %v", c.Group.Addr(), c.Addr)
	case c.Cache < 0 || c.MaxSessions < 0 || c.Rate < 0 || c.Expiry < 0 || c.Hold < 0 || c.Offer < 0:
		return nil, errors.New("element: a limit or interval is negative")
	}
	r := &Repairer{
		c: c, group: nla(c.Group.Addr()), addr: nla(c.Addr), sessions: make(map[packet.TSI]*repaired), out: *packet.NewBatch(outSize),
		rate: congestion.NewTokenBucket(c.Rate, max(c.Rate/50, packet.MaxRun)), began: now, now: now, node: c.Rand.Uint32(),
	}
	r.out.RouterAlert = c.RouterAlert
	return r, nil
}

// HandlePacket takes a packet. An error says why it was refused; it was counted, and changed nothing.
func (r *Repairer) HandlePacket(now time.Time, a Arrival, p []byte) error {
	r.now = now
	err := r.handle(now, a, p)
	if err != nil {
		r.stats.Refused++
	}
	return err
}

func (r *Repairer) handle(now time.Time, a Arrival, p []byte) error {
	var h packet.Header
	body, err := h.Parse(p)
	if err != nil {
		return err
	}
	if nla(a.From.Addr()) == r.addr {
		return nil // it came back
	}
	s := r.sessions[h.TSI()]
	if h.Type == packet.TypeSPM {
		return r.handleSPM(now, a, s, &h, body)
	}
	if s == nil {
		return refuse(&h, ErrUnknown)
	}
	switch h.Type {
	case packet.TypeODATA, packet.TypeRDATA:
		return r.handleData(now, s, &h, body, p)
	case packet.TypeNCF:
		return r.handleNCF(now, a, s, &h, body)
	case packet.TypeNAK:
		if !a.Unicast {
			return nil
		}
		return r.handleNAK(now, a, s, &h, body)
	case packet.TypePOLL:
		var m poll.Packet
		if _, err := m.Parse(&h, body); err != nil {
			return err
		}
		if m.Subtype == poll.DLR && nla(m.Path) == s.parent() { // others are for receivers to answer
			s.child.Heard(now, &m, r.c.Rand)
		}
	}
	return nil
}

// parent returns where NAKs go.
func (s *repaired) parent() netip.Addr {
	if u := s.path.Upstream(); u.IsValid() {
		return nla(u)
	}
	return s.source
}

func (r *Repairer) handleSPM(now time.Time, a Arrival, s *repaired, h *packet.Header, body []byte) error {
	var m spm.Packet
	opts, err := m.Parse(h, body)
	if err != nil {
		return err
	}
	source := nla(a.From.Addr())
	if _, special := packet.FindOption(opts, packet.OptNbrUnreach); special {
		if s != nil {
			s.silence.SPM(m.SQN, m.Path, s.path.Last(), s.parent())
		}
		return nil
	}
	switch {
	case m.Path.Is4() != r.group.Is4():
		return &packet.Error{Type: packet.TypeSPM, Field: "NLA AFI", Offset: 28, Err: packet.ErrReserved}
	case s != nil && s.source != source:
		return refuse(h, ErrMoved)
	case s == nil && len(r.sessions) >= r.c.MaxSessions:
		return refuse(h, ErrUnknown)
	case s == nil:
		s = &repaired{
			tsi: h.TSI(), source: source, child: poll.Child{NodeID: r.node, DLR: true}, recovery: nak.NewRecovery(r.c.Recovery, r.c.Rand),
			cache: cache{max: r.c.Cache},
		}
		r.sessions[s.tsi] = s
		r.order = append(r.order, s)
	}
	if !s.path.Accept(&m) {
		return refuse(h, ErrSequence)
	}
	s.heard, s.dest = now, h.DestPort
	s.silence.Regular()
	s.parameters(opts, &m)
	if s.cache.slots != nil && !m.NoWindow() && m.Lead.Sub(s.cache.next) < len(s.cache.slots) {
		s.advance(m.Trail)
		r.upTo(now, s, m.Lead+1)
	}
	return nil
}

// handleData keeps what came, and finds what did not [9.5-02]. Parity brings back what is missing, and is made anew when it is asked for.
func (r *Repairer) handleData(now time.Time, s *repaired, h *packet.Header, body, p []byte) error {
	var d packet.Data
	if err := d.Parse(h, body); err != nil {
		return err
	}
	if h.Options&packet.FlagParity != 0 {
		return r.handleParity(now, s, h, &d)
	}
	if s.cache.slots == nil {
		s.cursor = d.SQN
	} else if far := d.SQN.Sub(s.cache.next); far > len(s.cache.slots) {
		return refuse(h, ErrOutside)
	}
	s.heard = now
	if s.cache.get(d.SQN) == nil {
		s.cache.put(d.SQN, p)
		s.recovery.Received(now, d.SQN)
		r.stats.Received++
		s.parity.longest = max(s.parity.longest, len(d.TSDU))
		s.ended(d.SQN, d.Options)
		if g := s.parity.groups; g != nil {
			g.Have(d.SQN)
			r.rebuild(now, s)
		}
	}
	s.advance(d.Trail)
	r.upTo(now, s, s.cache.next)
	return nil
}

// advance follows the window of the source.
func (s *repaired) advance(trail packet.SQN) {
	if s.cache.slots == nil || !s.cache.trail.Before(trail) || trail.Sub(s.cache.next) > 0 {
		return
	}
	s.cache.advance(trail)
	if s.parity.groups != nil {
		s.parity.groups.Advance(trail)
	}
	s.recovery.CancelRange(s.cursor-packet.MaxWindow/2, trail-1)
}

// upTo says that all before next has been sent. What is missing of it is asked for, as far as the machine takes it.
func (r *Repairer) upTo(now time.Time, s *repaired, next packet.SQN) {
	if s.cache.next.Before(next) {
		s.cache.next = next
	}
	if s.cursor.Before(s.cache.trail) {
		s.cursor = s.cache.trail
	}
	for s.cursor.Before(s.cache.next) && (s.cache.get(s.cursor) != nil || s.parity.absent(s.cursor) || s.recovery.Lost(now, s.cursor)) {
		s.cursor++
	}
}

// HandleTimeout does what time demands by now. Early is harmless.
func (r *Repairer) HandleTimeout(now time.Time) {
	r.now = now
	for i := 0; i < len(r.order); i++ {
		s := r.order[i]
		if now.Sub(s.heard) >= r.c.Expiry {
			delete(r.sessions, s.tsi)
			r.order = append(r.order[:i], r.order[i+1:]...)
			i--
			continue
		}
		s.recovery.HandleTimeout(now, func(packet.SQN) {})
		r.upTo(now, s, s.cache.next)
		r.ask(now, s)
		r.answer(now, s)
	}
}

// NextTimeout returns when HandleTimeout and PollTransmit have something to do: not after the last call when something is to be sent,
// zero when nothing is due.
func (r *Repairer) NextTimeout() time.Time {
	if len(r.out.Messages) > 0 {
		return r.now
	}
	var next time.Time
	for _, s := range r.order {
		for _, t := range [...]time.Time{s.heard.Add(r.c.Expiry), s.recovery.NextTimeout(!s.silence.Active()), s.child.Next()} {
			if !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// PollTransmit exchanges b, which must be empty, for what is to be sent now.
func (r *Repairer) PollTransmit(now time.Time, b *packet.Batch) {
	r.now = now
	*b, r.out = r.out, *b
	r.out.Reset()
	r.out.RouterAlert = r.c.RouterAlert
}

// Room returns how many octets there is room for before PollTransmit.
func (r *Repairer) Room() int { return r.out.Room() }

// Stats returns the counters.
func (r *Repairer) Stats() RepairerStats {
	st := r.stats
	st.Active = len(r.order)
	for _, s := range r.order {
		st.Octets += s.cache.used
	}
	return st
}
