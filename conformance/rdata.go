package conformance

import "github.com/gopgm/gopgm/pgm/packet"

var rdataRules = []*Rule{
	{
		Name: "rdata-content", Clauses: []string{"3.6.2.2-01"}, types: onRDATA, Fires: "RDATA whose TSDU or OPT_FRAGMENT differs from that of the packet it repairs",
		see: func(p *sight) {
			if r := p.s.track.at(p.data.SQN); r != nil && r.content != 0 && r.content != p.content() {
				p.find("3.6.2.2-01", "RDATA %v with other data than the packet that it repairs", p.data.SQN)
			}
		},
	},
	{
		Name: "rdata-unsent", Clauses: []string{"5.3-01"}, types: onRDATA, Fires: "RDATA newer than any data that was sent",
		see: func(p *sight) {
			if s := p.s; s.hasData && p.data.SQN.After(s.lead) {
				p.miss("5.3-01", "RDATA %v, and the newest data sent is %v", p.data.SQN, s.lead)
			}
		},
	},
	{
		Name: "rdata-confirmed", Clauses: []string{"5.3-01", "5.2-01"}, types: onRDATA, Fires: "RDATA in answer to a NAK that was not confirmed",
		see: func(p *sight) {
			r := p.s.track.at(p.data.SQN)
			if r != nil && r.naks > 0 && r.ncf <= r.repair && p.at-r.since <= p.c.grace {
				p.miss("5.3-01", "RDATA %v, %v after a NAK for it, with no NCF between them", p.data.SQN, duration(p.at-r.since))
			}
		},
	},
	{
		Name: "rdata-answers", Clauses: []string{"5.3-01", "9.3.4-02"}, types: []packet.Type{packet.TypeNCF},
		Fires: "NCF after NCF for a packet in the transmit window, and no RDATA",
		see: func(p *sight) {
			for n := range p.nak.All() {
				r := p.s.track.at(n)
				if p.s.groups.ond { // parity may answer
					return
				}
				if r == nil || r.ncfs < 5 || p.at-r.ncfs0 < int64(p.c.Repair) || r.repair > r.ncfs0 || !p.s.inWindow(n) {
					continue
				}
				p.miss("5.3-01", "%d NCFs for packet %v in %v, and no RDATA", r.ncfs+1, n, duration(p.at-r.ncfs0))
				r.ncfs = 0
			}
		},
		end: func(s *session) {
			if !s.known || s.groups.ond {
				return
			}
			for i := range s.track.slots {
				r := &s.track.slots[i]
				if !r.used || r.ncfs == 0 || r.repair > r.ncf || s.heard-r.ncf < int64(s.c.Repair) || !s.inWindow(r.sqn) || s.end.mute {
					continue
				}
				s.c.doubt(s, ofSource, 0, s.c.time(s.heard), "5.3-01", "an NCF for packet %v, and no RDATA in the %v that followed", r.sqn, duration(s.heard-r.ncf))
				return // one says enough
			}
		},
	},
	{
		Name: "rdata-unasked", Clauses: []string{"5.3-01"}, types: onRDATA, Fires: "in a complete capture, RDATA that nobody asked for",
		see: func(p *sight) {
			if !p.c.Complete {
				return
			}
			if r := p.s.track.at(p.data.SQN); len(p.s.track.slots) > 0 && (r == nil && p.data.SQN.After(p.s.dataLead-maxTrack/2) || r != nil && r.asked == 0) {
				p.find("5.3-01", "RDATA %v, which no NAK asked for", p.data.SQN)
			}
		},
	},
	{
		Name: "nnak", Clauses: []string{"8.3-05"}, types: []packet.Type{packet.TypeRDATA, packet.TypeNCF}, Fires: "an NCF or RDATA in answer to a NNAK",
		see: func(p *sight) {
			n := p.nak.SQN
			if p.h.Type == packet.TypeRDATA {
				n = p.data.SQN
			}
			if r := p.s.track.at(n); r != nil && r.nnak != 0 && p.at-r.nnak <= p.c.grace && r.asked == 0 {
				p.miss("8.3-05", "%v %v, for which there was a NNAK and no NAK", p.h.Type, n)
			}
		},
	},
}
