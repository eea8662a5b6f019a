package receiver

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// redirect is where NAKs of a session go in the place of the parent: to a designated local repairer [9.5.4].
type redirect struct {
	addr   netip.Addr // not valid: to the parent
	parity bool       // it repairs by parity too
	asked  time.Time  // since when it owes an NCF; zero: it owes none
	failed netip.Addr // who did not confirm
	until  time.Time  // and is not believed again before
}

// suspicion is for how long a repairer is not asked that did not confirm a NAK.
const suspicion = 10 * time.Second

// handlePOLR takes a POLR: of another child, which is none of ours, or of a repairer that offers itself. The offer confirms nothing
// [9.5.3.2-03], and one from our own subnet has likely lost what we have [9.5.4-01].
func (r *Receiver) handlePOLR(now time.Time, h *packet.Header, body []byte) error {
	r.stats.HeardPOLRs++
	s := r.sessions[h.TSI()]
	if r.c.Redirect == nil || s == nil || !s.active() {
		return nil
	}
	var p poll.Reply
	opts, err := p.Parse(h, body)
	if err != nil {
		return r.stats.malformed(err)
	}
	o, ok := packet.FindOption(opts, packet.OptRedirect)
	if !ok {
		return nil
	}
	addr, err := poll.ParseRedirect(o)
	if err != nil {
		return r.stats.malformed(err)
	}
	d := &s.redirect
	if addr.Is4() != r.c.Group.Addr().Unmap().Is4() || addr == d.failed && now.Before(d.until) || !r.c.Redirect(addr) {
		return nil
	}
	if d.addr != addr {
		*d = redirect{addr: addr, failed: d.failed, until: d.until}
	}
	d.parity = h.Options&packet.FlagParity != 0
	return nil
}

// target returns where the next NAK goes: "If a corresponding NCF is not received within NAK_RPT_IVL, the receiver MUST discard the
// redirecting information for the TSI" (RFC 3208 §9.5.4).
func (s *Session) target(now time.Time, parity bool) netip.Addr {
	d := &s.redirect
	if !d.asked.IsZero() && now.Sub(d.asked) >= s.repeatInterval() {
		*d = redirect{failed: d.addr, until: now.Add(suspicion)}
	}
	if !d.addr.IsValid() || parity && !d.parity {
		return s.upstream()
	}
	if d.asked.IsZero() {
		d.asked = now
	}
	return d.addr
}

// repeatInterval returns NAK_RPT_IVL.
func (s *Session) repeatInterval() time.Duration {
	if d := s.r.c.Recovery.Repeat; d > 0 {
		return d
	}
	return 20 * time.Millisecond
}
