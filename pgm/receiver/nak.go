package receiver

import (
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// handleNAK takes the packet p: an NCF, or a NAK that another receiver multicast; both suppress ours [6.3-09], [9.3.2-02]. A NAK of our own
// that the host loops back restarts the wait for its NCF when that has just begun, and changes nothing else.
func (r *Receiver) handleNAK(now time.Time, h *packet.Header, body, p []byte) error {
	var a advice
	n := nak.Packet{List: r.list[:0]}
	opts, err := n.Parse(h, body)
	if err == nil && h.Type == packet.TypeNCF {
		err = a.readAll(h.Type, opts)
	}
	if err != nil {
		return r.stats.malformed(err)
	}
	s := r.sessions[h.TSI()]
	if s == nil || !s.active() {
		return nil
	}
	if a.unreachable && !s.unreachable(now, a.path, p) {
		return nil
	}
	if a.hasInterval {
		s.parent.backOff.Advertised(a.interval)
		s.heed(now)
	}
	if h.Type == packet.TypeNCF {
		r.stats.NCFs++
		s.redirect.asked = time.Time{}
	} else {
		r.stats.HeardNAKs++
	}
	if h.Options&packet.FlagParity != 0 {
		for sqn := range n.All() {
			s.heardGroup(now, sqn, h.Type == packet.TypeNCF)
		}
		return nil
	}
	for sqn := range n.All() {
		// "NCFs and NAKs heard for SQNs outside the transmit window or for data already received are discarded" [6.3-31].
		if !s.started || !s.missing(sqn) {
			continue
		}
		if h.Type == packet.TypeNCF {
			s.recovery.Confirmed(now, sqn)
		} else {
			s.recovery.Heard(now, sqn)
		}
	}
	return nil
}

// handleNNAK takes a NNAK, which a repairer sends to the source for what it has repaired itself. It asks for nothing and confirms nothing
// [8.3-05], so it suppresses nothing either, however it came here.
func (r *Receiver) handleNNAK(h *packet.Header, body []byte) error {
	n := nak.Packet{List: r.list[:0]}
	if _, err := n.Parse(h, body); err != nil {
		return r.stats.malformed(err)
	}
	r.stats.NNAKs++
	return nil
}
