package source

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/ncf"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// pollShare is the part of the rate that POLLs have at most: 1/pollShare. Replies cost the source nothing but their reading.
const pollShare = 64

// children is what a source does about how many receivers it has: it counts them by polls [14.4], has them spread their NAKs over a
// longer or shorter interval [15.2.1], and notices that multicast does not reach them [15.3.1].
type children struct {
	poller     *poll.Poller // nil: none
	from       time.Time    // no POLL before: the share of the rate
	tuner      *poll.Tuner
	advertised bool // receivers may use another NAK_BO_IVL than their default
	extra      [extraLen]byte
}

// extraLen is the most that an NCF bears besides its list: OPT_NAK_BO_IVL, OPT_NBR_UNREACH and OPT_PATH_NLA.
const extraLen = poll.IntervalLen + 4 + 20

func newChildren(c *Config, now time.Time) children {
	k := children{tuner: poll.NewTuner(c.Tuner)}
	if c.polls() {
		k.poller = poll.NewPoller(c.Poll, c.Rand, now)
	}
	return k
}

// handleTimeout ends a poll whose time is over.
func (k *children) handleTimeout(now time.Time) {
	if k.poller == nil {
		return
	}
	if r, ok := k.poller.HandleTimeout(now); ok {
		k.tuner.Polled(now, r)
	}
}

// pollDue reports whether a POLL is to be sent now.
func (k *children) pollDue(now time.Time) bool {
	return k.poller != nil && k.poller.Due(now) && !now.Before(k.from)
}

// nextPoll returns when pollDue or handleTimeout has something to do; zero: never.
func (k *children) nextPoll() time.Time {
	switch {
	case k.poller == nil:
		return time.Time{}
	case k.poller.Next().Before(k.from):
		return k.from
	}
	return k.poller.Next()
}

// advert returns the NAK_BO_IVL that is to be advertised now. Nothing is while all receivers use what they begin with: so a session
// without duplicate NAKs, and without losses, is on the wire what it would be without the option. Once another was advertised, each
// SPM and NCF says what holds now, for who has joined since, or missed the last change.
func (k *children) advert(now time.Time) (i poll.Interval, ok bool) {
	i = k.tuner.Advert(now)
	k.advertised = k.advertised || i.BackOff != poll.DefaultBackOff || i.SQN != 0
	return i, k.advertised
}

// handleReply takes a POLR [14.4-08].
func (s *Source) handleReply(now time.Time, h *packet.Header, body []byte) error {
	if s.children.poller == nil {
		return &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	}
	var r poll.Reply
	if _, err := r.Parse(h, body); err != nil {
		return err
	}
	s.settle(now)
	if s.children.poller.Heard(now, &r) && s.children.pollDue(now) { // too many: it is aborted [14.4-10]
		s.due = now
	}
	return nil
}

// sendPoll sends a POLL if one is due, and reports whether none is any more. A session that has ended asks no more.
func (s *Source) sendPoll(now time.Time, b *packet.Batch) bool {
	k := &s.children
	if s.state >= finished || !k.pollDue(now) {
		return true
	}
	p := k.poller.Packet()
	dst := s.reserve(now, b, p.Len())
	if dst == nil {
		return false
	}
	wire := p.Append(packet.Downstream(packet.TypePOLL, s.c.TSI, s.c.Dest).Append(dst))
	packet.Seal(wire)
	s.commit(now, b, s.c.Group, wire)
	k.poller.Sent(now)
	if rate := int64(s.c.MaxRate); rate > 0 {
		k.from = now.Add(time.Duration(pollShare * int64(s.whole(len(wire))) * int64(time.Second) / rate))
	}
	return true
}

// confirmation returns the NCF that is to leave now, with the options that it bears, whose it is, and where it goes: nil when there is
// none.
func (s *Source) confirmation(now time.Time) (p *nak.Packet, by *ncf.Confirmer, to netip.AddrPort, deferred bool) {
	by = s.confirm
	if p, deferred = by.Next(now); p == nil && s.parity != nil {
		by = s.parity.confirm
		p, deferred = by.Next(now)
	}
	if p == nil {
		return nil, nil, to, false
	}
	k := &s.children
	p.Extra = k.extra[:0]
	if i, ok := k.advert(now); ok {
		p.Extra = i.AppendTo(p.Extra) // [15.2.1-01]
	}
	if to = by.To(); !to.IsValid() {
		return p, by, s.c.Group, deferred
	}
	// "When a unicast NCF is sent for the reasons described above, it MUST contain the OPT_NBR_UNREACH option and the OPT_PATH_NLA
	// option" (RFC 3208 §15.3.2).
	p.Extra = poll.AppendPath(poll.AppendUnreachable(p.Extra), s.src)
	return p, by, to, deferred
}
