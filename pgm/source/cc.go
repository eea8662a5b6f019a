package source

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// CC says how a source finds its rate.
type CC uint8

// The ways to find a rate.
const (
	Fixed CC = iota // Config.MaxRate is the rate
	Auto            // congestion.Auto; Config.MaxRate is a ceiling
	PGMCC           // congestion.PGMCC, likewise
)

// String returns the name that command lines have for it.
func (c CC) String() string {
	switch c {
	case Fixed:
		return "fixed"
	case Auto:
		return "auto"
	case PGMCC:
		return "pgmcc"
	}
	return fmt.Sprintf("CC(%d)", uint8(c))
}

// ControlStats is what the congestion control of a source knows. All is zero where the rate is fixed.
type ControlStats struct {
	Ceiling     int    // octets a second; 0: none
	ACKs        uint64 // received
	BadFeedback uint64 // ACKs and NAKs whose options of congestion control are malformed; such a NAK is served all the same

	Acker congestion.Receiver // who sets the rate; no Addr: nobody
	Auto  congestion.AutoStats
	Worst congestion.Report // what OPT_CR told, aged to the lead [12.6-01]; no Kinds: nothing
	Slow  SlowStats
}

// control is the part of a source that finds the rate. A nil control has a fixed rate.
type control struct {
	congestion.Controller
	auto     *congestion.Auto // the controller, if it is one
	ceiling  int
	feedback congestion.Feedback
	worst    congestion.Worst
	reported congestion.Kinds // kinds of reports that have come
	stamp    congestion.Data  // what ODATA bears that leaves now
	slow     slow

	acks, bad uint64
	crowdedAt time.Time // when a receiver that counts last said that its program is slower than the source; zero: none does
	acker     congestion.Receiver
	stale     bool // acker is to be looked up again
}

// newControl returns the control that c asks for, nil for none.
func newControl(c *Config, src netip.Addr, largest int) (*control, error) {
	k := &control{ceiling: c.MaxRate, stale: true}
	var err error
	switch c.CC {
	case Fixed:
		return nil, nil
	case Auto:
		k.auto, err = congestion.NewAuto(congestion.AutoConfig{Self: src, Packet: largest, Ceiling: c.MaxRate, Rand: c.Rand})
		k.Controller = k.auto
	case PGMCC:
		k.Controller, err = congestion.NewPGMCC(congestion.PGMCCConfig{Self: src, Packet: largest, Ceiling: c.MaxRate, Rand: c.Rand})
	default:
		return nil, fmt.Errorf("source: %v is no way to find a rate", c.CC)
	}
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	k.slow.policy = c.Slow
	return k, nil
}

// stampLen is how many octets longer than without it congestion control makes data packets at most.
func (c *Config) stampLen() int {
	if c.CC != PGMCC {
		return 0
	}
	return StampLen(c.Source.Addr())
}

// StampLen is how many octets of data packets from a source with the address a PGMCC takes: OPT_LENGTH and OPT_PGMCC_DATA.
func StampLen(a netip.Addr) int { return optLength + congestion.DataLen(a.Unmap()) }

const optLength = 4

// probeLen returns the most octets that congestion control adds to an SPM.
func (k *control) probeLen(src netip.Addr) int {
	if k == nil {
		return 0
	}
	return congestion.RequestLen + congestion.DataLen(src) + congestion.ProbeLen
}

// probeDue reports whether an SPM with a probe is to leave now.
func (k *control) probeDue(now time.Time) bool {
	if k == nil {
		return false
	}
	at := k.ProbeAt()
	return !at.IsZero() && !now.Before(at)
}

// next returns when the control has something to do; zero: never.
func (k *control) next(now time.Time) time.Time {
	if k == nil {
		return time.Time{}
	}
	t := earlier(k.NextTimeout(), k.slow.next())
	if !k.probeDue(now) { // otherwise it waits for the rate
		t = earlier(t, k.ProbeAt())
	}
	return t
}

// tokens returns how many new data packets the control lets leave.
func (k *control) tokens() int {
	if k == nil {
		return math.MaxInt
	}
	return k.Tokens()
}

// stampAt returns OPT_PGMCC_DATA for data packets of type t that leave now, nil for none.
func (k *control) stampAt(now time.Time, t packet.Type) *congestion.Data {
	if k == nil || t != packet.TypeODATA {
		return nil
	}
	d, ok := k.Stamp(now)
	if !ok {
		return nil
	}
	k.stamp = d
	return &k.stamp
}

// appendRequest asks for congestion reports [12.4-01]: OPT_CRQST is network-significant.
func (k *control) appendRequest(b []byte) []byte {
	if k == nil {
		return b
	}
	return congestion.AppendRequest(b, congestion.ReceiverWorstPath|congestion.ElementWorstPath|congestion.ElementWorstLink)
}

// appendProbe puts a probe on an SPM that leaves now, if it is time for one.
func (k *control) appendProbe(now time.Time, b []byte) []byte {
	if !k.probeDue(now) {
		return b
	}
	d, p := k.Probe(now)
	return p.AppendTo(d.AppendTo(b))
}

// sent tells the control what data left. Parity counts as repairs do: no acknowledgement speaks of it.
func (k *control) sent(now time.Time, t packet.Type, first packet.SQN, packets, octets int) {
	if k != nil {
		k.Sent(now, t, first, packets, octets)
	}
}

// handleACK takes an acknowledgement of PGMCC, whichever of the type codes in the field it has.
func (s *Source) handleACK(now time.Time, h *packet.Header, body []byte) error {
	k := s.control
	switch {
	case k == nil:
		return &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	case congestion.Session(h) != s.c.TSI:
		return &packet.Error{Type: h.Type, Field: "TSI", Offset: 8, Err: ErrForeign}
	}
	if err := k.feedback.ParseACK(h, body); err != nil {
		k.bad++
		return err
	}
	k.acks++
	s.heed(now)
	return nil
}

// heedNAK takes what a NAK for so many packets says of congestion. What is wrong with that is no reason not to repair.
func (s *Source) heedNAK(now time.Time, requested int, opts []byte) {
	k := s.control
	if k == nil {
		return
	}
	if o, ok := packet.FindOption(opts, packet.OptCR); ok {
		if r, err := congestion.ParseReport(o); err != nil {
			k.bad++
		} else if r.Lead.InWindow(s.trail, s.lead()) { // another is not of this session, or forged
			k.worst.Merge(r, 0)
			k.reported |= r.Kinds
		}
	}
	if err := k.feedback.ParseNAK(requested, opts); err != nil {
		k.bad++
		return
	}
	s.heed(now)
}

// heed gives the control the feedback that has been parsed, and follows its rate.
func (s *Source) heed(now time.Time) {
	k := s.control
	k.Feedback(now, &k.feedback)
	if r := &k.feedback.Reception; k.feedback.HasReception && r.Limit > 0 && !k.isBehind(k.feedback.Receiver) {
		k.crowdedAt = now
	}
	k.stale = true
	s.follow(now)
}

// crowdedAge is for how long a source goes by what a receiver has said of its program: as long as it keeps to its limit.
const crowdedAge = 3 * time.Second

// crowded reports whether a receiver says that its program reads more slowly than the source would send. More was sent by then than it has room for,
// and it asks for that as room comes about: new data would find none, and what it has not asked for yet must not be too old when it does.
func (k *control) crowded(now time.Time) bool {
	return k != nil && !k.crowdedAt.IsZero() && now.Sub(k.crowdedAt) < crowdedAge
}

// controlTimeout has the control do what is due by now.
func (s *Source) controlTimeout(now time.Time) {
	k := s.control
	if k == nil {
		return
	}
	if t := k.NextTimeout(); !t.IsZero() && !now.Before(t) {
		k.HandleTimeout(now)
		k.stale = true
		s.follow(now)
	}
	if k.slow.handleTimeout(now, s) {
		k.stale = true
		s.follow(now)
	}
}

// follow paces at the rate that the control allows now.
func (s *Source) follow(now time.Time) {
	if rate := s.control.Rate(); rate != s.pacer.Rate() {
		s.pace(rate)
	}
	s.due = now
}

// pace has all that leaves keep to a rate.
func (s *Source) pace(rate int) {
	s.pacer.SetRate(rate)
	s.confirm.SetRate(ncfRate(rate))
	if s.parity != nil {
		s.parity.confirm.SetRate(ncfRate(rate))
	}
}

// lossAge is for how long the loss counts that a receiver has reported: it may be gone, or not be one.
const lossAge = 30 * time.Second

// worstLoss returns the greatest part of the data that a receiver of the session reports of late to have lost; not ok when none ever reported.
func (k *control) worstLoss(now time.Time) (p float64, ok bool) {
	if k == nil {
		return 0, false
	}
	k.Receivers(func(r congestion.Receiver) bool {
		if r.Excluded {
			return true
		}
		if ok = true; now.Sub(r.Heard) < lossAge {
			p = max(p, r.Loss)
		}
		return true
	})
	return p, ok
}

// Receivers calls f for each of the receivers that congestion control has heard of lately, until it returns false.
func (s *Source) Receivers(f func(congestion.Receiver) bool) {
	if s.control != nil {
		s.control.Receivers(f)
	}
}

// controlStats returns what the control knows.
func (s *Source) controlStats() (t ControlStats) {
	k := s.control
	if k == nil {
		return t
	}
	if k.stale {
		k.stale, k.acker = false, congestion.Receiver{}
		k.Receivers(func(r congestion.Receiver) bool {
			if r.Acker {
				k.acker = r
			}
			return !r.Acker
		})
	}
	t = ControlStats{Ceiling: k.ceiling, ACKs: k.acks, BadFeedback: k.bad, Acker: k.acker, Slow: k.slow.stats}
	if k.auto != nil {
		t.Auto = k.auto.Stats()
	}
	if k.reported != 0 {
		t.Worst = k.worst.At(s.lead())
		t.Worst.Kinds = k.reported
	}
	return t
}

// isBehind reports whether the receiver at a is shed or demoted.
func (k *control) isBehind(a netip.Addr) bool { return k != nil && k.slow.behind[a] }

// advance forgets what is before trail.
func (k *control) advance(trail packet.SQN) {
	if k != nil {
		k.slow.later.advance(trail)
	}
}
