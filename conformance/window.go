package conformance

import (
	"errors"

	"github.com/gopgm/gopgm/pgm/packet"
)

var windowRules = []*Rule{
	{
		Name: "window-size", Clauses: []string{"3.3-02", "3.3-03"}, types: onSPM, raw: true, Fires: "an SPM whose window is of more than 2^31 - 1 packets",
		see: func(p *sight) {
			if p.err != nil && errors.Is(p.err, packet.ErrWindow) {
				p.find("3.3-02", "SPM with the window %v..%v", p.spm.Trail, p.spm.Lead)
			}
		},
	},
	{
		Name: "data-window", Clauses: []string{"6.1-11", "3.3-02"}, types: onData, raw: true, Fires: "data with a trailing edge ahead of its own number",
		see: func(p *sight) {
			if p.err != nil && errors.Is(p.err, packet.ErrWindow) {
				p.find("6.1-11", "%v %v with the trailing edge %v", p.h.Type, p.data.SQN, p.data.Trail)
			}
		},
	},
	{
		Name: "trail-back", Clauses: []string{"16.1-04", "3.6.2.1-01", "3.6.2.2-01", "8.1-03", "2.1-01"}, types: onSession,
		Fires: "a trailing edge older than one that was advertised before",
		see: func(p *sight) {
			s := p.s
			trail, clause := p.data.Trail, "3.6.2.1-01"
			switch p.h.Type {
			case packet.TypeSPM:
				if trail, clause = p.spm.Trail, "8.1-03"; p.spm.NoWindow() || p.has(packet.OptNbrUnreach) || s.spms.any && !p.spm.SQN.After(s.spms.sqn) {
					return
				}
			case packet.TypeRDATA:
				clause = "3.6.2.2-01"
			}
			if s.known && trail.Before(s.trail) && p.at-s.trailAt > s.late() {
				p.find(clause, "%v with the trailing edge %v, after %v was advertised", p.h.Type, trail, s.trail)
			}
		},
	},
	{
		Name: "join-window", Clauses: []string{"9.4.3-01"}, types: onSession, Fires: "an OPT_JOIN that names a packet outside the transmit window",
		see: func(p *sight) {
			o, ok := p.option(packet.OptJoin)
			if !ok || len(o.octet) != 8 {
				return
			}
			trail, next := p.data.Trail, p.s.lead+1
			if p.h.Type == packet.TypeSPM {
				if p.spm.NoWindow() {
					return
				}
				trail, next = p.spm.Trail, p.spm.Lead+1
			} else if p.data.SQN.After(p.s.lead) || !p.s.known {
				next = p.data.SQN + 1
			}
			join, err := packet.ParseJoin(packet.Option{Type: o.t, Body: o.octet[4:]})
			if err == nil && join-trail > next-trail {
				p.find("9.4.3-01", "OPT_JOIN %v in %v, and the window is %v..%v", join, p.h.Type, trail, next-1)
			}
		},
	},
}
