// Package receiver is the engine of a PGM receiver (RFC 3208 §6): for each session that it hears it keeps a receive window, finds
// what is missing, asks for it, and delivers packets to a Sink, in order or as they come. It also speaks for the receiver: NAKs,
// SPMRs (§13), and reports to the source.
//
// The engine is pure: it has no socket, goroutine, lock or clock. Time, randomness and packets are arguments; what it wants sent
// is polled. One goroutine owns a Receiver, its Sessions and its Sinks.
//
// # Forged packets
//
// RFC 3208 authenticates nothing, nor does this. Who can send to the group, or to the host, and has seen the TSI that is on every packet,
// can
//   - end a session: OPT_RST does it at once; OPT_FIN when all is there up to what it says is the last packet, and readers take it for the
//     proper end;
//   - put data in the place of what is not here yet, and have what is missing given up, by a trailing edge that is past it;
//   - have NAKs go to whom an SPM names, or nowhere, until the source's next; if its SPM_SQN is far ahead, for good;
//   - hold NAKs up: for NAK_RDATA_IVL by each NCF or NAK; with OPT_NBR_UNREACH or an OPT_NAK_BO_IVL for a poll that never comes, until the
//     source's next SPM; by OPT_NAK_BO_RNG, for up to 10 s each.
//
// It cannot make the engine use memory or time beyond its bounds, begin a session by a POLL, NCF or special SPM, or reply to POLLs more
// than a hundred times a second in a session, or to other addresses than those that the session's SPMs come from and name. What is worth
// protecting is protected above: a file has its digests.
package receiver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// Config says what a Receiver listens to and how it recovers. Zero fields mean the defaults.
type Config struct {
	Dest   uint16         // Data-Destination Port; packets to another are ignored [8-03]
	Group  netip.AddrPort // the multicast group: NAK_GRP, and where SPMRs go first
	Accept func(now time.Time, s *Session) Sink
	// Ignore reports whether a session is not to be received at all: a program's own, which it hears by loopback.
	Ignore func(packet.TSI) bool

	ReorderCount   int                // later packets that make a gap a loss [6.3-05]; default 2
	ReorderTimeout time.Duration      // age at which a gap is a loss [6.3-06]; default 1 ms
	Recovery       nak.RecoveryConfig // NAK_BO_IVL_DEFAULT, NAK_RPT_IVL, NAK_RDATA_IVL and the retries
	BackOffMin     time.Duration      // NAK_BO_IVL_MIN and NAK_BO_IVL_MAX: what the parent may make of NAK_BO_IVL, unless the
	BackOffMax     time.Duration      // source sets other limits [15.2.2-02]; default 500 µs and 100 ms
	MulticastNAKs  bool               // NAKs go to the group too, with a TTL of 1 [6.3-24]
	// Redirect reports whether NAKs may go to a repairer that offers itself: not to one on our own subnet [9.5.4-01]. nil: to none
	// [9.5.4-02].
	Redirect   func(repairer netip.Addr) bool
	Solicit    time.Duration // SPMR_BO_IVL [13.5-01]; default 250 ms
	PeerExpiry time.Duration // silence after which a session is gone; default 30 s
	EndExpiry  time.Duration // the same after OPT_FIN, when something is still missing; default 5 s

	Window      int // packets that an ordered session holds behind a gap or a slow Sink; default 4096
	MaxSessions int // sessions at once, those that ended or were not accepted included; default 256

	// Passive is for a receiver that nobody hears, because it is told a capture: it sends nothing. What is missing may come all the
	// same. It is given up when the source can no longer repair it, when an ordered session needs its room for what comes, when the
	// session is over, and by Session.GiveUp.
	Passive bool

	// Self is our own address, by which sources that control congestion know us; without it they hear nothing of it. Overhead is how
	// many network octets packets have in front of them, which the rates that we report count.
	Self     netip.Addr
	Overhead int

	Rand *rand.Rand // required: draws back-offs
}

// Receiver is the engine. Its methods must not be called concurrently, nor from within a Sink, but for those of Session.
type Receiver struct {
	c        Config
	sessions map[packet.TSI]*Session
	order    []*Session // in the order of appearance, for fairness in PollTransmit
	last     *Session   // of the latest packet: consecutive packets mostly are of one session
	unicast  bool       // the packet at hand was sent to this host alone
	node     uint32     // RAND_NODE_ID, if hasNode
	hasNode  bool
	stats    Stats
	overflow uint64 // packets that the kernel dropped
	due      [nak.MaxList + 1]packet.SQN
	list     [nak.MaxList]packet.SQN
	scratch  []byte
	extra    [128]byte // the options of a NAK besides its list
}

// New returns a Receiver that has heard nothing yet.
func New(c Config) (*Receiver, error) {
	switch {
	case c.Rand == nil:
		return nil, errors.New("receiver: Config.Rand is missing")
	case c.Accept == nil:
		return nil, errors.New("receiver: Config.Accept is missing")
	case !c.Group.Addr().IsMulticast():
		return nil, fmt.Errorf("receiver: %v is not a multicast group", c.Group.Addr())
	case c.BackOffMin < 0 || c.BackOffMax < 0 || c.BackOffMax != 0 && c.BackOffMax < c.BackOffMin:
		return nil, errors.New("receiver: the limits of the back-off are no range")
	case c.ReorderCount < 0 || c.ReorderTimeout < 0 || c.Window < 0 || c.Window > packet.MaxWindow || c.MaxSessions < 0 || c.Overhead < 0:
		return nil, errors.New("receiver: a limit or interval is negative or too large")
	}
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.ReorderTimeout, time.Millisecond)
	def(&c.Solicit, 250*time.Millisecond)
	def(&c.PeerExpiry, 30*time.Second)
	def(&c.EndExpiry, 5*time.Second)
	if c.ReorderCount == 0 {
		c.ReorderCount = 2
	}
	if c.Window == 0 {
		c.Window = 4096
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 256
	}
	return &Receiver{c: c, sessions: make(map[packet.TSI]*Session), scratch: make([]byte, 0, 2048)}, nil
}

// HandleUnicast is HandlePacket for a packet that was sent to this host alone: a parent confirms so what it cannot confirm by multicast,
// and a receiver passes that on to its neighbourhood [15.3.2-11].
func (r *Receiver) HandleUnicast(now time.Time, from netip.AddrPort, p []byte) error {
	r.unicast = true
	err := r.HandlePacket(now, from, p)
	r.unicast = false
	return err
}

// HandlePacket takes one PGM packet that arrived from the network address from. The error says what is wrong with it, and is for
// tracing: the packet has been counted and dropped. Sinks are called from within.
func (r *Receiver) HandlePacket(now time.Time, from netip.AddrPort, p []byte) error {
	var h packet.Header
	body, err := h.Parse(p)
	if err != nil {
		return r.stats.malformed(err)
	}
	if h.DataDestPort() != r.c.Dest {
		r.stats.Foreign++
		return nil
	}
	switch h.Type {
	case packet.TypeODATA, packet.TypeRDATA:
		return r.handleData(now, from, &h, body)
	case packet.TypeSPM:
		return r.handleSPM(now, from, &h, body)
	case packet.TypeNCF, packet.TypeNAK:
		return r.handleNAK(now, &h, body, p)
	case packet.TypeNNAK:
		return r.handleNNAK(&h, body)
	case packet.TypePOLL:
		return r.handlePOLL(now, &h, body)
	case packet.TypePOLR:
		return r.handlePOLR(now, &h, body)
	case packet.TypeSPMR:
		// Another receiver's: it makes ours superfluous [13.5-03].
		if _, err := spm.ParseRequest(&h, body); err != nil {
			return r.stats.malformed(err)
		}
		if s := r.sessions[h.TSI()]; s != nil {
			s.solicitor.Suppress(now)
		}
		return nil
	case packet.TypeReport:
		if s := r.sessions[h.TSI()]; s != nil {
			if sink, ok := s.sink.(Reporter); ok {
				sink.Report(body)
			}
		}
		return nil
	}
	r.stats.Unknown++
	return nil
}

func (r *Receiver) handleData(now time.Time, from netip.AddrPort, h *packet.Header, body []byte) error {
	var d packet.Data
	if err := d.Parse(h, body); err != nil {
		return r.stats.malformed(err)
	}
	if h.Options&packet.FlagParity != 0 && (r.sessions[h.TSI()] == nil || r.sessions[h.TSI()].parity == nil) {
		r.stats.Unused++ // no SPM has said what it is of [11.5-01], and its SQN is not a data packet's [11.2-06]
		return nil
	}
	s := r.session(now, from, h.TSI())
	if s == nil {
		return nil
	}
	s.heard = now
	if h.Options&packet.FlagParity != 0 {
		s.counted(d.SQN, packet.HeaderLen+len(body), true)
		if err := s.handleParity(now, h, &d); err != nil {
			return r.stats.malformed(err)
		}
		return nil
	}
	s.counted(d.SQN, packet.HeaderLen+len(body), h.Type == packet.TypeRDATA)
	if err := s.handleData(now, h.Type == packet.TypeRDATA, &d); err != nil {
		return r.stats.malformed(err)
	}
	return nil
}

func (r *Receiver) handleSPM(now time.Time, from netip.AddrPort, h *packet.Header, body []byte) error {
	var p spm.Packet
	opts, err := p.Parse(h, body)
	if err == nil && p.Path.Is4() != r.c.Group.Addr().Unmap().Is4() {
		// Nothing that we send could reach it: a session is of one address family.
		err = &packet.Error{Type: packet.TypeSPM, Field: "NLA AFI", Offset: 28, Err: packet.ErrReserved}
	}
	if err != nil {
		return r.stats.malformed(err)
	}
	if _, special := packet.FindOption(opts, packet.OptNbrUnreach); special {
		// It does not come from the source, so it says neither that there is a session nor that there still is one.
		if s := r.sessions[h.TSI()]; s != nil && s.active() {
			s.special(now, p.SQN, p.Path)
		}
		return nil
	}
	s := r.session(now, from, h.TSI())
	if s == nil {
		return nil
	}
	s.heard = now
	if err := s.handleSPM(now, from, &p, opts); err != nil {
		return r.stats.malformed(err)
	}
	return nil
}

// session returns the live session tsi, made if it is new, or nil if its packets are not wanted.
func (r *Receiver) session(now time.Time, from netip.AddrPort, tsi packet.TSI) *Session {
	s := r.last
	if s == nil || s.tsi != tsi {
		s = r.sessions[tsi]
	}
	if s == nil {
		if r.c.Ignore != nil && r.c.Ignore(tsi) {
			r.stats.Own++
			return nil
		}
		if len(r.sessions) >= r.c.MaxSessions && !r.evict() {
			r.stats.Refused++
			return nil
		}
		s = newSession(r, now, from, tsi)
		r.sessions[tsi] = s
		r.order = append(r.order, s)
		s.sink = r.c.Accept(now, s)
		s.observer, _ = s.sink.(Observer)
		s.ended = s.sink == nil
		r.stats.Sessions++
	}
	r.last = s
	if !s.active() {
		s.release()
		s.heard = now // its silence counts from its last packet
		return nil
	}
	return s
}

// evict forgets the session that ended, or was not accepted, the longest ago. Sessions in use are never given up for new ones.
func (r *Receiver) evict() bool {
	var old *Session
	for _, s := range r.order {
		if !s.active() && (old == nil || s.heard.Before(old.heard)) {
			old = s
		}
	}
	if old == nil {
		return false
	}
	r.forget(old)
	return true
}

func (r *Receiver) forget(s *Session) {
	r.stats.add(s)
	delete(r.sessions, s.tsi)
	for i := range r.order {
		if r.order[i] == s {
			r.order = append(r.order[:i], r.order[i+1:]...)
			break
		}
	}
	if r.last == s {
		r.last = nil
	}
}

// HandleTimeout does what time demands by now; early is harmless.
func (r *Receiver) HandleTimeout(now time.Time) {
	for i := 0; i < len(r.order); i++ {
		s := r.order[i]
		s.handleTimeout(now)
		if s.active() {
			continue
		}
		if s.release(); now.Sub(s.heard) >= r.c.PeerExpiry {
			r.forget(s)
			i--
		}
	}
}

// NextTimeout returns when HandleTimeout or PollTransmit has something to do next; zero: never.
func (r *Receiver) NextTimeout() time.Time {
	var next time.Time
	for _, s := range r.order {
		if t := s.nextTimeout(); !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// PollTransmit appends to b what is to be sent now: NAKs, ACKs, SPMRs and reports, as far as there is room. It makes progress on every
// call; what did not fit is due at once again.
func (r *Receiver) PollTransmit(now time.Time, b *packet.Batch) {
	for _, s := range r.order {
		s.pollTransmit(now, b)
	}
}

// Session returns the session tsi; nil when there is none.
func (r *Receiver) Session(tsi packet.TSI) *Session { return r.sessions[tsi] }

// Sessions calls f for each session that is being received, in the order of their appearance.
func (r *Receiver) Sessions(f func(*Session)) {
	for _, s := range r.order {
		if s.active() {
			f(s)
		}
	}
}

// Stats returns the counters, those of the sessions included.
func (r *Receiver) Stats() Stats {
	st := r.stats
	for _, s := range r.order {
		st.add(s)
	}
	return st
}
