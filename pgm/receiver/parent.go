package receiver

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// parent is what the PGM hop above a session tells its children: over what interval they may NAK, that they may not at all [15], and
// whether they are there [14]. None of it is authenticated, as nothing in RFC 3208 is. Who can send to the group can hold NAKs up, so
// each hold has an end: see mayNAK.
type parent struct {
	backOff  *poll.BackOff
	silence  poll.Silence
	unmuted  time.Time // when silence ends without a regular SPM; zero: there is none
	worn     bool      // a silence has ended so: there is no other before a regular SPM
	withheld bool      // NAKs were, when this was last looked at

	child   poll.Child
	replyAt time.Time // before, no POLR is sent

	copied []byte    // a unicast NCF that is to be multicast to the neighbourhood; empty: none
	copyAt time.Time // before, no other is copied
}

const (
	// maxInterval bounds NAK_BO_IVL, whatever limits OPT_NAK_BO_RNG sets: it travels as up to 71 minutes, and what is asked for so
	// late is nowhere kept.
	maxInterval = 10 * time.Second
	// copyInterval is the least time between multicast copies of unicast NCFs [15.3.2-11]. Of a burst, which answers a NAK for each of
	// many packets, the first silences the neighbourhood as well as all would.
	copyInterval = 10 * time.Millisecond
)

func (s *Session) initParent() {
	c := &s.r.c
	s.parent.backOff = poll.NewBackOff(c.Recovery.BackOff, poll.Range{Min: c.BackOffMin, Max: c.BackOffMax})
}

// advice is what the options of an SPM, NCF or POLL say about NAKs [15.4].
type advice struct {
	interval    poll.Interval
	hasInterval bool
	limits      poll.Range
	hasLimits   bool
	unreachable bool
	path        netip.Addr // OPT_PATH_NLA
}

// read takes an option of a packet of type t; those that say nothing about NAKs there are not looked at, OPT_REDIRECT on an NCF among
// them: redirection travels in POLRs.
func (a *advice) read(t packet.Type, o packet.Option) (err error) {
	switch {
	case o.Type == packet.OptNAKBOIvl:
		a.hasInterval = true
		a.interval, err = poll.ParseInterval(o)
	case o.Type == packet.OptNAKBORng && t == packet.TypeSPM:
		a.hasLimits = true
		a.limits, err = poll.ParseRange(o)
	case o.Type == packet.OptPathNLA && t == packet.TypeNCF:
		a.path, err = poll.ParsePath(o)
	case o.Type == packet.OptNbrUnreach:
		a.unreachable = true
	}
	return err
}

// readAll takes the options of a packet of type t.
func (a *advice) readAll(t packet.Type, opts []byte) error {
	for o, err := range packet.Options(opts) {
		if err == nil {
			err = a.read(t, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// upstream returns where NAKs go: the Path NLA of the last regular SPM [6.2-04], or, if that named no host, whence it came.
func (s *Session) upstream() netip.Addr {
	if a := s.path.Upstream(); a.IsValid() {
		return a.WithZone("")
	}
	return s.from.Addr().WithZone("")
}

// mayNAK reports whether NAKs may be sent. They may not
//   - before an SPM has come [6.2-05];
//   - while the parent says that it cannot reach its children by multicast [15.3.2-10]: until a regular SPM, or for PeerExpiry, after
//     which a source without SPMs would be gone;
//   - while the NAK_BO_IVL that was advertised last is one for a poll that was not heard [6.3-16]: until that poll, another advert, or
//     an SPM without one.
func (s *Session) mayNAK() bool {
	return s.path.Known() && s.parent.backOff.MayNAK() && !s.parent.silence.Active()
}

// regular takes a regular SPM, in sequence, that bore a.
func (s *Session) regular(now time.Time, a *advice) {
	p := &s.parent
	p.silence.Regular()
	p.unmuted, p.worn = time.Time{}, false
	if a.hasLimits && !p.backOff.Range(a.limits) {
		s.r.stats.NoRange++
	}
	switch {
	case a.hasInterval:
		p.backOff.Advertised(a.interval)
	case !p.backOff.MayNAK():
		// "When polling is being used [...] for the purpose of calculating NAK_BO_IVL, OPT_NAK_BO_IVL MUST be appended to SPMs" (RFC
		// 3208 §14.4): so it is not, any more, and what an NCF or POLL has advertised for a poll is void.
		p.backOff.Advertised(poll.Interval{BackOff: p.backOff.Interval()})
	}
	s.heed(now)
}

// special takes an SPM with OPT_NBR_UNREACH, of which nothing else is used, its window least of all [15.3.2-12]. Only the parent's is
// honoured [15.3.2-13].
func (s *Session) special(now time.Time, sqn packet.SQN, path netip.Addr) {
	if s.path.Known() && s.parent.silence.SPM(sqn, path, s.path.Last(), s.upstream()) {
		s.mute(now)
	}
}

// unreachable takes an NCF with OPT_NBR_UNREACH, p, and reports whether it is honoured: that of another neighbour is to be ignored whole
// [15.3.2-13]. A copy of one that came by unicast is for the neighbourhood, which has not heard it [15.3.2-11].
func (s *Session) unreachable(now time.Time, path netip.Addr, p []byte) bool {
	if !s.path.Known() || !s.parent.silence.NCF(path, s.upstream()) {
		return false
	}
	s.mute(now)
	if s.r.unicast && !now.Before(s.parent.copyAt) && len(p) <= maxUpstream {
		s.parent.copied = append(s.parent.copied[:0], p...)
		s.parent.copyAt = now.Add(copyInterval)
	}
	return true
}

// mute begins a silence, or lets the one that there is go on to its end.
func (s *Session) mute(now time.Time) {
	p := &s.parent
	switch {
	case p.worn:
		p.silence.Regular()
	case p.unmuted.IsZero():
		p.unmuted = now.Add(s.r.c.PeerExpiry)
		s.stats.Silences++
	}
	s.heed(now)
}

// unmute ends a silence that no regular SPM has ended in time.
func (s *Session) unmute(now time.Time) {
	p := &s.parent
	if p.unmuted.IsZero() || now.Before(p.unmuted) {
		return
	}
	p.silence.Regular()
	p.unmuted, p.worn = time.Time{}, true
	s.heed(now)
}

// heed has recovery follow what is known of the back-off now.
func (s *Session) heed(now time.Time) {
	p := &s.parent
	s.recovery.SetBackOff(now, min(p.backOff.Interval(), maxInterval))
	if s.parity != nil {
		s.parity.recovery.SetBackOff(now, min(p.backOff.Interval(), maxInterval))
	}
	withheld := !p.backOff.MayNAK() || p.silence.Active()
	if p.withheld && !withheld {
		s.recovery.Spread(now)
		if s.parity != nil {
			s.parity.recovery.Spread(now)
		}
	}
	p.withheld = withheld
}

// copyNCF multicasts the NCF that waits to be, no further than the neighbourhood [15.3.2-11].
func (s *Session) copyNCF(b *packet.Batch) {
	if p := s.parent.copied; len(p) > 0 && b.Append(s.r.c.Group, 1, p) {
		s.parent.copied = p[:0]
		s.stats.Copies++
	}
}
