package element

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// handleSPM records the path that an SPM tells, and forwards it with a new one [7.1].
func (e *Element) handleSPM(now time.Time, a Arrival, h *packet.Header, body, p []byte) error {
	var m spm.Packet
	opts, err := m.Parse(h, body)
	if err != nil {
		return err
	}
	source := nla(a.From.Addr())
	switch {
	case m.Path.Is4() != e.group.Is4():
		return &packet.Error{Type: packet.TypeSPM, Field: "NLA AFI", Offset: 28, Err: packet.ErrReserved}
	case e.own(m.Path): // we forwarded it, and it is here again
		return refuse(h, ErrLoop)
	case a.Unicast || e.c.Toward(source) != a.Interface:
		return refuse(h, ErrInterface)
	}
	if p, err = e.screen(h, p, opts); err != nil {
		return err
	}
	s := e.find(h.TSI())
	if s != nil && s.source != source { // a session has one source [3.1-01], and no other moves its path
		return refuse(h, ErrMoved)
	}
	if _, special := packet.FindOption(opts, packet.OptNbrUnreach); special {
		if s == nil || !s.silence.SPM(m.SQN, m.Path, s.path.Last(), s.upstream()) { // [15.3.2-09]
			return refuse(h, ErrUnknown)
		}
		e.forwardSPM(now, s, a, p, opts)
		return nil
	}
	if s == nil {
		if s = e.open(now, h.TSI(), h.DestPort, source, a.Interface); s == nil {
			if e.spread(a, p) {
				e.stats.Strangers++
			}
			return nil
		}
	}
	if !s.path.Accept(&m) {
		return refuse(h, ErrSequence)
	}
	s.heard, s.in, s.dest = now, a.Interface, h.DestPort
	s.silence.Regular()
	for i := range s.tuning {
		if t := s.tuning[i].tuner; t != nil {
			t.Regular()
		}
	}
	if !m.NoWindow() {
		s.saw(m.Trail, m.Lead)
	}
	if o, ok := packet.FindOption(opts, packet.OptParityPrm); ok {
		prm, err := fec.ParseParams(o)
		if err == nil && prm.Group.Valid() {
			s.group = prm.Group
			s.shortened(opts)
		}
	}
	e.forwardSPM(now, s, a, p, opts)
	return nil
}

// The offset of SPM_PATH in an SPM, behind its AFI.
const pathAt = packet.HeaderLen + 12 + 4

// forwardSPM sends a copy of the SPM p to each interface on which someone listens, with the address there in SPM_PATH [7.1-02], and our
// NAK_BO_IVL in the place of that for our own link [15.2.1-05].
func (e *Element) forwardSPM(now time.Time, s *session, a Arrival, p, opts []byte) {
	if a.TTL == 1 {
		e.stats.Expiries++
		return
	}
	interval := 0 // where OPT_NAK_BO_IVL is
	at := 4
	for o := range packet.Options(opts) {
		if o.Type == packet.OptNAKBOIvl && 4+len(o.Body) == poll.IntervalLen {
			interval = len(p) - len(opts) + at
			break
		}
		at += 4 + len(o.Body)
	}
	copied := append(e.scratch[:0], p...)
	for i := range e.ports {
		if e.listeners&(1<<i) == 0 || i == a.Interface {
			continue
		}
		copy(copied[pathAt:], e.addrs[i].AsSlice())
		if interval > 0 {
			v := e.tuner(s, i).Advert(now)
			binary.BigEndian.PutUint32(copied[interval+4:], uint32(v.BackOff/time.Microsecond))
			binary.BigEndian.PutUint32(copied[interval+8:], uint32(v.SQN))
		}
		packet.Seal(copied) // [8-14]
		if e.emit(copied, s.source, 1<<i, max(a.TTL-1, 0)) {
			e.stats.SPMs++
		}
	}
}

// muted tells the receivers of a session that NAKs are not forwarded: by an SPM that bears the number of the last regular one and no
// window [15.3.2-06..08]. So no more of them come until the source's next.
func (e *Element) muted(s *session) {
	h := packet.Downstream(packet.TypeSPM, s.tsi, s.dest)
	for i := range e.ports {
		if e.listeners&(1<<i) == 0 || i == s.in {
			continue
		}
		m := spm.Packet{SQN: s.path.Last(), Trail: spm.NoTrail, Lead: spm.NoLead, Path: e.addrs[i]}
		p := m.Append(h.Append(e.scratch[:0]))
		p = poll.AppendUnreachable(packet.BeginOptions(p))
		packet.EndOptions(p, len(p)-8)
		packet.Seal(p)
		if e.emit(p, s.source, 1<<i, 0) {
			e.stats.SPMs++
		}
	}
}

// Sessions returns the path state of all sessions, for a status display.
func (e *Element) Sessions() []Path {
	paths := make([]Path, 0, len(e.order))
	for _, s := range e.order {
		d := s.redirect
		paths = append(paths, Path{
			TSI: s.tsi, Source: s.source, Interface: s.in, Upstream: s.upstream(), Trail: s.trail, Lead: s.lead,
			Repairs: s.repairs.Len(), Repairers: slices.DeleteFunc([]netip.Addr{d.upstream.addr, d.offTree.addr}, func(a netip.Addr) bool { return !a.IsValid() }),
		})
	}
	return paths
}

// Path is the source path state of one session.
type Path struct {
	TSI         packet.TSI
	Source      netip.Addr
	Interface   int        // towards the source
	Upstream    netip.Addr // the PGM neighbour there
	Trail, Lead packet.SQN // of the window, as far as it is known
	Repairs     int        // repair states
	Repairers   []netip.Addr
}
