package element

import (
	"errors"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// handleNCF ends the repeats of what it confirms, and anticipates NAKs for what nobody here has asked for yet. It is never forwarded
// [7.5-02].
func (e *Element) handleNCF(now time.Time, a Arrival, h *packet.Header, body, p []byte) error {
	s, opts, count, err := e.request(h, body)
	if err != nil {
		if errors.Is(err, ErrUnknown) {
			return e.stranger(a, h, p)
		}
		return err
	}
	redirected := a.Unicast && s.redirect.is(a) // [9.5.2.2-04]
	switch {
	case a.Interface != s.in && !redirected:
		e.stats.Ignored++ // of another element, or a repairer, to its children [7.5-02]
		return nil
	case !redirected && !a.Unicast && nla(a.From.Addr()) != s.source && nla(a.From.Addr()) != s.upstream() && !s.redirect.is(a):
		// RFC 3208 §7.2 has the source's address on an element's NCF; in UDP some can only send under their own.
		return refuse(h, ErrForeign)
	}
	if _, ok := packet.FindOption(opts, packet.OptNbrUnreach); ok {
		o, _ := packet.FindOption(opts, packet.OptPathNLA)
		path, err := poll.ParsePath(o)
		if err != nil || !s.silence.NCF(path, s.upstream()) { // [15.3.2-04]
			return refuse(h, ErrForeign)
		}
		e.muted(s)
	}
	e.stats.HeardNCFs++
	for _, k := range e.asked() {
		if !e.inside(s, k) {
			continue
		}
		if via, ok := s.repairs.Via(k); redirected && (!ok || via != nak.Repairer) {
			continue
		}
		s.repairs.Confirmed(now, k, count)
	}
	return nil
}
