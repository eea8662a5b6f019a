package conformance

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// spms is what is known of the SPMs of a session.
type spms struct {
	any     bool
	sqn     packet.SQN // the newest
	at      int64      // when it came
	last    int64      // when any came
	content uint64     // of the newest, without its path
}

func (m *spms) follow(s *session, p *sight) {
	m.last = p.at
	n := p.spm.SQN
	switch {
	case !m.any:
	case n.After(m.sqn):
		s.missing += uint64(n.Sub(m.sqn) - 1)
	default:
		if n != m.sqn && s.missing > 0 {
			s.missing--
		}
		return
	}
	m.any, m.sqn, m.at, m.content = true, n, p.at, p.window()
}

// window returns a fingerprint of what an SPM says of the window.
func (p *sight) window() uint64 { return uint64(p.spm.Trail)<<32 | uint64(p.spm.Lead) }

// paths are the upstream neighbours that the SPMs of a session named lately.
type paths struct {
	named [4]upstream
}

type upstream struct {
	addr  netip.Addr
	sqn   packet.SQN
	until int64 // when a newer SPM named another; 0: none did
}

func (h *paths) follow(p *sight) {
	addr, n := p.spm.Path, p.spm.SQN
	if n != p.s.spms.sqn {
		return // out of sequence
	}
	if !host(addr) {
		addr = p.Src.Addr().Unmap() // all there is to go by
	}
	place := &h.named[0]
	for i := range h.named {
		e := &h.named[i]
		if e.addr == addr {
			e.sqn, e.until = n, 0
			place = nil
			continue
		}
		if e.addr.IsValid() && e.until == 0 && n.After(e.sqn) {
			e.until = p.at
		}
		if place != nil && place.addr.IsValid() && (!e.addr.IsValid() || e.sqn.Before(place.sqn)) {
			place = e
		}
	}
	if place != nil {
		*place = upstream{addr: addr, sqn: n}
	}
}

// is reports whether addr is the upstream neighbour that the last SPM named.
func (h *paths) is(addr netip.Addr) bool {
	for i := range h.named {
		if e := &h.named[i]; e.addr == addr && e.until == 0 {
			return true
		}
	}
	return false
}

// allows reports whether a NAK that comes now may have been sent to a, as somebody may see it for whom news takes grace.
func (h *paths) allows(a netip.Addr, now, grace int64) bool {
	for _, e := range h.named {
		if e.addr == a && a.IsValid() && (e.until == 0 || now-e.until <= grace) {
			return true
		}
	}
	return false
}

var spmRules = []*Rule{
	{
		Name: "spm-sqn", Clauses: []string{"3.6.1.1-01"}, types: onSPM,
		Fires: "an SPM_SQN that is used again or goes back; in a complete capture, one that is skipped",
		see: func(p *sight) {
			m, n := &p.s.spms, p.spm.SQN
			if !m.any || p.has(packet.OptNbrUnreach) {
				return
			}
			switch d := n.Sub(m.sqn); {
			case d == 0 && p.window() != m.content:
				p.find("3.6.1.1-01", "SPM_SQN %v again, for the window %v..%v", n, p.spm.Trail, p.spm.Lead)
			case d == 0 && p.c.Complete:
				p.find("3.6.1.1-01", "SPM_SQN %v again", n)
			case d < 0 && p.at-m.at > p.s.late():
				p.find("3.6.1.1-01", "SPM_SQN %v after %v", n, m.sqn)
			case d > 1 && p.c.Complete:
				p.find("3.6.1.1-01", "SPM_SQN %v after %v", n, m.sqn)
			}
		},
	},
	{
		Name: "spm-path", Clauses: []string{"8.1-02"}, types: onSPM, Fires: "a Path NLA that is no host's address",
		see: func(p *sight) {
			if !host(p.spm.Path) {
				p.find("8.1-02", "SPM with Path NLA %v", p.spm.Path)
			}
		},
	},
	{
		Name: "spm-lead", Clauses: []string{"8.1-03", "3.3-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA},
		Fires: "an SPM_LEAD older than data that was sent before, or newer than data that is sent later",
		see: func(p *sight) {
			s := p.s
			switch {
			case p.h.Type == packet.TypeSPM:
				if p.spm.NoWindow() || !s.hasData || p.has(packet.OptNbrUnreach) || s.spms.any && !p.spm.SQN.After(s.spms.sqn) {
					return
				}
				if l := p.spm.Lead; l.Before(s.dataLead) && p.at-s.leadAt > s.late() {
					p.find("8.1-03", "SPM_LEAD %v after ODATA %v", l, s.dataLead)
				}
			case s.spms.any && !p.data.SQN.After(s.lead) && p.at-s.leadAt > s.late():
				// Known from an SPM alone: no data as new was seen.
				if !s.hasData || p.data.SQN.After(s.dataLead) {
					p.find("8.1-03", "ODATA %v after an SPM with SPM_LEAD %v", p.data.SQN, s.lead)
				}
			}
		},
	},
	{
		Name: "spm-ambient", Clauses: []string{"5.1.4-01", "5.1.6-03", "5.1-01"}, types: onODATA, Fires: "data that flows for long without an SPM",
		see: func(p *sight) {
			s := p.s
			last := max(s.spms.last, s.first)
			if p.at-last <= int64(p.c.Ambient)*3/2+p.c.jitter {
				return
			}
			p.find("5.1.4-01", "ODATA %v, and no SPM for %v", p.data.SQN, duration(p.at-last))
			s.spms.last = p.at // once for each such time
		},
	},
}
