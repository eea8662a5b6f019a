package element

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// request reads a NAK, NNAK or NCF for a session that is known into e.nak, and what it asks for, as keys of repair state, into e.keys;
// count is for how many parity packets, or 1.
func (e *Element) request(h *packet.Header, body []byte) (s *session, opts []byte, count int, err error) {
	n := &e.nak
	n.List = e.list[:0]
	if opts, err = n.Parse(h, body); err != nil {
		return nil, nil, 0, err
	}
	s = e.find(h.TSI())
	switch {
	case s == nil:
		return nil, nil, 0, refuse(h, ErrUnknown)
	case n.Source != s.source || n.Group != e.group: // [7.7-01]
		return nil, nil, 0, refuse(h, ErrForeign)
	case h.Options&packet.FlagParity == 0:
		for i, q := range e.sqns() {
			e.keys[i] = nak.Key{SQN: q}
		}
		return s, opts, 1, nil
	case s.group == 0 || len(n.List) > 0:
		return nil, nil, 0, &packet.Error{Type: h.Type, Field: "OPT_PARITY", Offset: 5, Err: packet.ErrReserved}
	}
	tg, count := s.group.Requested(n.SQN)
	e.keys[0] = nak.Key{SQN: tg, Parity: true}
	return s, opts, count, nil
}

// sqns ranges over the sequence numbers in e.nak.
func (e *Element) sqns() func(yield func(int, packet.SQN) bool) {
	return func(yield func(int, packet.SQN) bool) {
		i := 0
		for q := range e.nak.All() {
			if !yield(i, q) {
				return
			}
			i++
		}
	}
}

// asked returns the keys that request has read.
func (e *Element) asked() []nak.Key { return e.keys[:e.nak.Count()] }

// handleNAK confirms a NAK, adds its interface to the repair state, and forwards it unless it is to be eliminated [7.2-7.4].
func (e *Element) handleNAK(now time.Time, a Arrival, h *packet.Header, body, p []byte) error {
	if !a.Unicast {
		e.stats.Ignored++ // a copy, for other children of the same parent [7.3-08]
		return nil
	}
	s, opts, count, err := e.request(h, body)
	if err != nil {
		return err
	}
	if a.Interface == s.in { // repairs come from there: two elements that take each other for their parent, or a forgery
		return refuse(h, ErrLoop)
	}
	if p, err = e.screen(h, p, opts); err != nil {
		return err
	}
	keys := e.asked()
	for _, k := range keys {
		if !e.inside(s, k) {
			return refuse(h, ErrOutside)
		}
	}
	if e.c.Shed > 0 && !e.child(now, a.From.Addr()).take(now, e.c.Shed, len(keys)) {
		e.stats.Shed++
		return nil
	}
	e.stats.NAKs++
	failed := e.tuner(s, a.Interface).Heard(now, e.nak.SQN, e.nak.List)
	if failed {
		e.stats.Failures++
	}
	rest, left := e.echoes(now, s, a, h, p)
	if !left {
		return nil
	}
	if keys = e.asked(); len(rest) != len(p) {
		p, opts = rest, nil
	}
	confirm, forward, full := false, false, 0
	for _, k := range keys {
		r := s.repairs.Heard(now, k, a.Interface, count)
		if r.Full {
			full++
			continue
		}
		confirm = confirm || r.Confirm
		forward = forward || r.Forward || s.redirect.is(a) && s.repairs.Asked(k, nak.Repairer) // [9.5.3.2-07]
		if k.Parity {
			count = r.Count
		}
	}
	switch {
	case full == len(keys):
		e.stats.Full++
		return nil // without repair state, nobody must believe that it is asked for
	case full > 0: // what there was room for is forwarded with it; the rest is not confirmed in vain for long
		e.stats.Full++
	}
	if confirm {
		e.confirm(now, s, a, h, count)
	}
	if report, ok := e.report(s, opts); ok { // [12.6.1-01]
		forward = e.merge(s, report, e.ports[a.Interface].load.Value(), &p, opts, forward)
	}
	if forward {
		e.forward(now, s, h, p)
	} else {
		e.stats.Eliminated++
	}
	e.discover(now, s)
	return nil
}

// inside reports whether what k stands for may be in the source's window: what is not is not repaired, whoever asks. The element may be
// behind the source by what was lost on the way, so a little is allowed in front.
func (e *Element) inside(s *session, k nak.Key) bool {
	last := s.lead + ahead
	if k.Parity { // its group may begin before the window
		return s.started && !(k.SQN + packet.SQN(s.group) - 1).Before(s.trail) && !k.SQN.After(last)
	}
	return s.started && k.SQN.InWindow(s.trail, last)
}

// ahead is how far behind the source the element may be. When more is lost, the next SPM tells.
const ahead = 1024

// confirm sends an NCF with what the NAK at hand asks for, on its interface alone [7.2-02], [9.3.3-01]. Where multicast is presumed not to
// reach the children, it goes to the child [15.3.2-01].
func (e *Element) confirm(now time.Time, s *session, a Arrival, h *packet.Header, count int) {
	if !e.ports[a.Interface].ncfs.Take(now, 1) {
		e.stats.NCFsHeld++
		return
	}
	n := e.nak
	if h.Options&packet.FlagParity != 0 {
		n.SQN = s.group.Request(e.keys[0].SQN, count) // [11.6-03]
	}
	e.ncf(now, s, a, h, n)
}

// ncf sends n as an NCF for the NAK with the header h.
func (e *Element) ncf(now time.Time, s *session, a Arrival, h *packet.Header, n nak.Packet) {
	out := packet.Downstream(packet.TypeNCF, s.tsi, h.DataDestPort())
	out.Options = h.Options & packet.FlagParity
	var extra [poll.IntervalLen + 4 + 20]byte
	n.Extra = extra[:0]
	if v, ok := s.advert(now, a.Interface); ok {
		n.Extra = v.AppendTo(n.Extra)
	}
	e.stats.NCFs++
	if !e.tuner(s, a.Interface).Unicast(now) {
		e.emit(nak.Append(e.scratch[:0], out, &n), s.source, 1<<a.Interface, 0)
		return
	}
	n.Extra = poll.AppendPath(poll.AppendUnreachable(n.Extra), e.addrs[a.Interface])
	e.emitTo(nak.Append(e.scratch[:0], out, &n), nla(a.From.Addr()), a.Interface)
}

// forward sends the NAK p on, as it came [7.7-01], to a repairer or upstream. A parity NAK asks for the most that anybody asked for
// [11.6-07].
func (e *Element) forward(now time.Time, s *session, h *packet.Header, p []byte) {
	if s.silence.Active() { // [15.3.2-05]
		e.stats.Withheld++
		return
	}
	if !s.naks.Take(now, 1) {
		e.stats.Limited++
		return
	}
	keys := e.asked()
	if k := keys[0]; k.Parity {
		if q := s.group.Request(k.SQN, s.repairs.Largest(k)); q != e.nak.SQN {
			p = append(e.scratch[:0], p...)
			binary.BigEndian.PutUint32(p[packet.HeaderLen:], uint32(q))
			packet.Seal(p)
		}
	}
	via := s.redirect.choose(s, keys)
	to, i := s.target(via)
	if !e.emitTo(p, to, i) {
		return
	}
	for _, k := range keys {
		s.repairs.Forwarded(now, k, via)
	}
	e.stats.Forwarded++
}

// target returns where NAKs go that are for via, and by which interface.
func (s *session) target(via nak.Via) (to netip.Addr, i int) {
	if via == nak.Repairer {
		d := s.redirect.current()
		return d.addr, d.port
	}
	return s.upstream(), s.in
}

// repeat asks once more for what was not confirmed: packets with as few NAKs as their number takes, parity by a NAK for each group. What
// was asked of a repairer that is no longer known is asked for upstream when its time is over.
func (e *Element) repeat(now time.Time, s *session, via nak.Via) {
	for {
		keys := s.repairs.Due(now, via, e.keys[:0])
		if len(keys) == 0 {
			return
		}
		to, i := s.target(via)
		if s.silence.Active() || !to.IsValid() {
			continue
		}
		n := nak.Packet{Source: s.source, Group: e.group, List: e.list[:0]}
		plain := 0
		for _, k := range keys {
			switch {
			case k.Parity:
				h := packet.Upstream(packet.TypeNAK, s.tsi, s.dest)
				h.Options |= packet.FlagParity
				one := nak.Packet{SQN: s.group.Request(k.SQN, s.repairs.Largest(k)), Source: s.source, Group: e.group}
				if s.naks.Take(now, 1) && e.emitTo(nak.Append(e.scratch[:0], h, &one), to, i) {
					e.stats.Repeated++
				}
				continue
			case plain == 0:
				n.SQN = k.SQN
			default:
				n.List = append(n.List, k.SQN)
			}
			plain++
		}
		if plain > 0 && s.naks.Take(now, 1) &&
			e.emitTo(nak.Append(e.scratch[:0], packet.Upstream(packet.TypeNAK, s.tsi, s.dest), &n), to, i) {
			e.stats.Repeated++
		}
	}
}

// handleNNAK passes on what a repairer tells the source, once [9.5.3.2-09..11].
func (e *Element) handleNNAK(now time.Time, a Arrival, h *packet.Header, body, p []byte) error {
	s, opts, count, err := e.request(h, body)
	switch {
	case err != nil:
		return err
	case !a.Unicast || a.Interface == s.in:
		return refuse(h, ErrInterface)
	}
	if p, err = e.screen(h, p, opts); err != nil {
		return err
	}
	forward := false
	for _, k := range e.asked() {
		if !e.inside(s, k) {
			return refuse(h, ErrOutside)
		}
		if s.redirect.is(a) && s.repairs.Asked(k, nak.Repairer) {
			forward = true
		} else if s.repairs.Null(now, k, count) {
			forward = true
		}
	}
	if !forward {
		e.stats.Eliminated++
		return nil
	}
	if !s.naks.Take(now, 1) {
		e.stats.Limited++
		return nil
	}
	if e.emitTo(p, s.upstream(), s.in) {
		e.stats.NNAKs++
	}
	return nil
}

// report returns the OPT_CR among opts, with the load of our own worst link in it [12.2-01].
func (e *Element) report(s *session, opts []byte) (r congestion.Report, ok bool) {
	o, ok := packet.FindOption(opts, packet.OptCR)
	if !ok {
		return r, false
	}
	r, err := congestion.ParseReport(o)
	if err != nil {
		return r, false
	}
	for m := e.listeners &^ (1 << s.in); m != 0; m &= m - 1 {
		r.WorstLink = max(r.WorstLink, e.ports[bits.TrailingZeros32(m)].load.Value())
	}
	return r, true
}

// merge puts into the NAK p the congestion that is known of the subtree, in the place of what its receiver knows, and reports whether it
// is to be forwarded [12.6]; load is that of the interface that the NAK came by [12.3-01].
func (e *Element) merge(s *session, r congestion.Report, load uint16, p *[]byte, opts []byte, forward bool) bool {
	before := s.worst
	out, changed := s.worst.Merge(r, load)
	if !forward && !changed {
		s.worst = before // it is not sent upstream
		return false
	}
	at := 4
	for o := range packet.Options(opts) {
		if o.Type == packet.OptCR && 4+len(o.Body) == congestion.ReportLen(out.Receiver) {
			offset := len(*p) - len(opts) + at
			*p = append(e.scratch[:0], *p...)
			end := (*p)[offset] & 0x80
			out.AppendTo((*p)[:offset])
			(*p)[offset] |= end
			packet.Seal(*p)
			break
		}
		at += 4 + len(o.Body)
	}
	return true
}
