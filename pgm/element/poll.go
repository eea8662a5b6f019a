package element

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// handlePOLL answers the parent's poll as any child, and never forwards it [14.1-01].
func (e *Element) handlePOLL(now time.Time, a Arrival, h *packet.Header, body, raw []byte) error {
	var p poll.Packet
	if _, err := p.Parse(h, body); err != nil {
		return err
	}
	s := e.find(h.TSI())
	switch {
	case s == nil:
		return e.stranger(a, h, raw)
	case !s.from(a) || nla(p.Path) != s.upstream() && nla(p.Path) != s.source:
		return refuse(h, ErrInterface)
	}
	s.child.Heard(now, &p, e.c.Rand)
	return nil
}

// reply sends the POLRs that are due [14.5-07].
func (e *Element) reply(now time.Time, s *session) {
	for {
		r, to, ok := s.child.Due(now)
		if !ok {
			return
		}
		e.emitTo(poll.AppendReply(e.scratch[:0], s.tsi, s.dest, r), nla(to), s.in)
		e.stats.POLRs++
	}
}

// handlePOLR takes a reply of a child, or a repairer's offer.
func (e *Element) handlePOLR(now time.Time, a Arrival, h *packet.Header, body []byte) error {
	var r poll.Reply
	opts, err := r.Parse(h, body)
	if err != nil {
		return err
	}
	s := e.find(h.TSI())
	if s == nil {
		return refuse(h, ErrUnknown)
	}
	if o, ok := packet.FindOption(opts, packet.OptRedirect); ok {
		return e.learn(now, s, a, h, r, o)
	}
	p := s.tuning[a.Interface].poller
	if !a.Unicast || p == nil {
		return refuse(h, ErrInterface)
	}
	p.Heard(now, &r)
	return nil
}

// polls has the children on each interface counted, so that NAK_BO_IVL follows their number when there is no loss [15.2.3-01].
func (e *Element) polls(now time.Time, s *session) {
	if e.c.Poll.Period <= 0 || !s.path.Known() {
		return
	}
	for i := range s.tuning {
		t := &s.tuning[i]
		if i == s.in || e.listeners&(1<<i) == 0 {
			t.poller = nil
			continue
		}
		if t.poller == nil {
			c := e.c.Poll
			c.Path = e.addrs[i]
			t.poller = poll.NewPoller(c, e.c.Rand, now)
		}
		if r, ok := t.poller.HandleTimeout(now); ok {
			e.tuner(s, i).Polled(now, r)
		}
		if !t.poller.Due(now) {
			continue
		}
		p := t.poller.Packet().Append(packet.Downstream(packet.TypePOLL, s.tsi, s.dest).Append(e.scratch[:0]))
		packet.Seal(p)
		if !e.emit(p, s.source, 1<<i, 0) {
			return
		}
		t.poller.Sent(now)
		e.stats.POLLs++
	}
}
