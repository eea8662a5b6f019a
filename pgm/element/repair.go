package element

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// toGroup sends p to the group as if the source did: "In order to propagate on exactly the same distribution tree as ODATA, RDATA and POLR
// packets transmitted by DLRs MUST bear the ODATA source's NLA" (RFC 3208 §9.5.2.1).
func (r *Repairer) toGroup(s *repaired, p []byte) bool {
	r.out.Route = packet.Route{Source: s.source, Interfaces: 1}
	return r.out.Append(r.c.Group, 0, p)
}

// toHost unicasts p, under our own address [9.5.2.2-04].
func (r *Repairer) toHost(to netip.Addr, p []byte) bool {
	if to.Is6() && to.IsLinkLocalUnicast() {
		to = to.WithZone(r.c.Addr.Zone())
	}
	r.out.Route = packet.Route{Interfaces: 1}
	return r.out.Append(netip.AddrPortFrom(to, r.c.Group.Port()), 0, p)
}

// send sends p as the NAK at hand asks for it: to the group, or to the parent that asked.
func (r *Repairer) send(s *repaired, parent bool, p []byte) bool {
	if parent {
		return r.toHost(s.parent(), p)
	}
	return r.toGroup(s, p)
}

// handleNAK answers a NAK as a source would: with an NCF, and RDATA for what is held [9.5.2.1-06]. The source is told by a NNAK, which
// goes first [9.5.2.2-06]. What is not held is asked for.
func (r *Repairer) handleNAK(now time.Time, a Arrival, s *repaired, h *packet.Header, body []byte) error {
	n := &r.nak
	n.List = r.list[:0]
	switch _, err := n.Parse(h, body); {
	case err != nil:
		return err
	case h.Options&packet.FlagParity != 0 && s.parity.k == 0:
		return &packet.Error{Type: h.Type, Field: "OPT_PARITY", Offset: 5, Err: packet.ErrReserved}
	case n.Source != s.source || n.Group != r.group:
		return refuse(h, ErrForeign)
	case s.cache.slots == nil:
		return refuse(h, ErrOutside)
	}
	parent := nla(a.From.Addr()) == s.parent() // [9.5.2.3-01]
	r.stats.NAKs++
	if h.Options&packet.FlagParity != 0 {
		return r.handleParityNAK(now, s, parent, n)
	}
	here, lacking, octets := r.due[:0], r.lacking[:0], 0
	for q := range n.All() {
		switch e := s.cache.get(q); {
		case e != nil && e.sent != 0 && r.since(now)-e.sent < int64(r.c.Hold):
			r.stats.Held++
		case e != nil:
			here = append(here, q)
			octets += len(e.data)
		case q.InWindow(s.cache.trail, s.cache.next+ahead):
			lacking = append(lacking, q)
		default:
			return refuse(h, ErrOutside)
		}
	}
	if octets > r.rate.Available(now) || octets+1024 > r.out.Room() { // without its NCF, nobody waits for it
		r.stats.Limited += uint64(len(here))
		return nil
	}
	r.send(s, parent, nak.Append(r.scratch[:0], packet.Downstream(packet.TypeNCF, s.tsi, s.dest), n))
	if len(lacking) > 0 {
		r.stats.Lacking += uint64(len(lacking))
		// "If it cannot provide the RDATA it forwards the NAK to the upstream PGM neighbor as usual"; off the tree, that is the parent
		// whose NAK it is, and who knows by it that there is nothing to be had here [9.5.2.2-07].
		r.request(s, packet.TypeNAK, 0, lacking)
		for _, q := range lacking {
			s.recovery.Heard(now, q)
		}
	}
	if len(here) == 0 {
		return nil
	}
	r.request(s, packet.TypeNNAK, 0, here)
	r.stats.NNAKs++
	for _, q := range here {
		e := s.cache.get(q)
		p := append(r.scratch[:0], e.data...)
		p[4] = p[4]&0xf0 | byte(packet.TypeRDATA) // with all its options [9.6.3-01], [9.7.3-01]
		binary.BigEndian.PutUint32(p[packet.HeaderLen+4:], uint32(s.cache.trail))
		packet.Seal(p)
		if r.send(s, parent, p) {
			r.rate.Force(now, len(p))
			e.sent = r.since(now)
			r.stats.Repairs++
		}
	}
	return nil
}

func (r *Repairer) since(now time.Time) int64 { return max(int64(now.Sub(r.began)), 1) }

// request sends a NAK or NNAK for the packets to the parent, or for the parity, if flags say so.
func (r *Repairer) request(s *repaired, t packet.Type, flags packet.Flags, sqns []packet.SQN) {
	n := nak.Packet{SQN: sqns[0], List: sqns[1:], Source: s.source, Group: r.group}
	h := packet.Upstream(t, s.tsi, s.dest)
	h.Options |= flags
	r.toHost(s.parent(), nak.Append(r.scratch[:0], h, &n))
}

// ask sends the NAKs for what we miss ourselves.
func (r *Repairer) ask(now time.Time, s *repaired) {
	for !s.silence.Active() && r.out.Room() > 1024 {
		due := s.recovery.Due(now, r.due[:0])
		if len(due) == 0 {
			return
		}
		r.request(s, packet.TypeNAK, 0, due)
		r.stats.Asked += uint64(len(due))
	}
}

// handleNCF takes an NCF. One of our parent for what we hold, and have not asked for, says that somebody behind it asks: we offer ourselves
// to the group [9.5.2.1-01..04].
func (r *Repairer) handleNCF(now time.Time, a Arrival, s *repaired, h *packet.Header, body []byte) error {
	n := &r.nak
	n.List = r.list[:0]
	opts, err := n.Parse(h, body)
	switch {
	case err != nil:
		return err
	case h.Options&packet.FlagParity != 0 && s.parity.k == 0:
		return nil
	}
	if o, ok := packet.FindOption(opts, packet.OptNbrUnreach); ok {
		p, _ := packet.FindOption(opts, packet.OptPathNLA)
		path, err := poll.ParsePath(p)
		if err != nil || len(o.Body) > 0 || !s.silence.NCF(path, s.parent()) {
			return refuse(h, ErrForeign)
		}
	}
	all := true // what we hold; an NCF that completes a NAK of ours is for what we do not
	for q := range n.All() {
		if h.Options&packet.FlagParity != 0 {
			tg, _ := s.parity.k.Requested(q)
			all = all && s.whole(tg)
			continue
		}
		if _, ok := s.recovery.State(q); ok {
			s.recovery.Confirmed(now, q)
		}
		all = all && s.cache.get(q) != nil
	}
	if !all || a.Unicast || !s.offered.IsZero() && now.Sub(s.offered) < r.c.Offer {
		return nil
	}
	s.offered, s.upstream = now, true
	if r.toGroup(s, poll.AppendRedirection(r.scratch[:0], s.tsi, s.dest, poll.Reply{}, r.addr, s.parity.k > 0)) {
		r.stats.Offers++
	}
	return nil
}

// answer sends the POLRs that are due to a parent that looks for repairers [9.5.2.2-01].
func (r *Repairer) answer(now time.Time, s *repaired) {
	for {
		reply, to, ok := s.child.Due(now)
		if !ok {
			return
		}
		if nla(to) != s.parent() {
			continue
		}
		s.offTree = true
		if r.toHost(nla(to), poll.AppendRedirection(r.scratch[:0], s.tsi, s.dest, reply, r.addr, s.parity.k > 0)) {
			r.stats.Offers++
		}
	}
}
