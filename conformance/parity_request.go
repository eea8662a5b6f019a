package conformance

import "github.com/gopgm/gopgm/pgm/packet"

// parityRequestRules are those of parity NAKs, and of what answers them [11.4], [11.5].
var parityRequestRules = []*Rule{
	{
		Name: "parity-nak", Clauses: []string{"11.5-01", "11.5-03"}, types: onNAK, parity: true, Fires: "a parity NAK where no SPM offered parity on demand",
		see: func(p *sight) {
			switch s := p.s; {
			case !p.parity || !s.spms.any:
			case !s.end.parity:
				p.miss("11.5-01", "a parity NAK, and no SPM with OPT_PARITY_PRM")
			case !s.groups.ond:
				p.miss("11.5-03", "a parity NAK, and no SPM with PARITY_PRM_OND")
			}
		},
	},
	{
		Name: "parity-nak-only", Clauses: []string{"11.5-04", "11.1-02"}, types: onNAK,
		Fires: "a selective NAK for a packet of a group that was full long since, where parity is offered on demand",
		see: func(p *sight) {
			s := p.s
			if o := &s.groups; !o.ond || p.at-o.ondAt <= p.c.grace || !p.here() && !p.c.Complete && o.ondSPMs < heardSPMs {
				return
			}
			for n := range p.nak.All() {
				if g := s.groups.at(n); g != nil && g.full != 0 && p.at-g.full > p.c.grace && s.inWindow(g.tg) {
					p.find("11.5-04", "NAK %v without OPT_PARITY, and its group was full %v before", n, duration(p.at-g.full))
					return
				}
			}
		},
	},
	{
		Name: "parity-nak-early", Clauses: []string{"11.5-07", "11.5-13"}, types: onNAK, parity: true,
		Fires: "a parity NAK for a group that has not ended",
		see: func(p *sight) {
			s := p.s
			eachGroup(p, func(g *tgroup, _ int) {
				if !s.known || s.groups.parity && !s.groups.newest.Before(g.tg) || g.ncf != 0 {
					return
				}
				if last := s.groups.last(g); s.lead.Before(last) {
					p.miss("11.5-07", "a parity NAK for group %v, and of its %d packets %v is the newest", g.tg, s.groups.sizeOf(g), s.lead)
				}
			})
		},
	},
	{
		Name: "parity-nak-count", Clauses: []string{"11.5-08", "6.3-12", "11.2-09", "11.3.1-01", "11.5-14"}, types: onNAK, parity: true,
		Fires: "in a capture at the receiver, a parity NAK for more packets than it lacks",
		see: func(p *sight) {
			if !p.here() {
				return
			}
			s := p.s
			eachGroup(p, func(g *tgroup, count int) {
				lacks := int(s.groups.k)
				for i := range packet.SQN(lacks) {
					if r := s.track.at(g.tg + i); r != nil && r.content != 0 && p.at-firstOf(r.sent, r.repair) > p.c.jitter {
						lacks--
					}
				}
				held := g.before
				if p.at-g.last > p.c.jitter {
					held = g.parities()
				}
				switch lacks -= held; {
				case lacks <= 0:
					p.find("6.3-12", "a parity NAK for group %v, of which enough had come", g.tg)
				case count > lacks:
					p.find("11.5-08", "a parity NAK for %d packets of group %v, of which %d are missing", count, g.tg, lacks)
				}
			})
		},
	},
	{
		Name: "parity-ncf", Clauses: []string{"11.4-06", "11.4-14", "11.2-08"}, types: onNAK, parity: true,
		Fires: "parity NAK after parity NAK for a group, no parity NCF, and the source goes on sending",
		see: func(p *sight) {
			eachGroup(p, func(g *tgroup, _ int) {
				if s := p.s; s.end.mute || g.naks < unanswered || s.heard-g.since < p.c.grace || g.repair > g.since {
					return
				}
				p.find("11.4-06", "the %dth parity NAK for group %v in %v, and no parity NCF", g.naks+1, g.tg, duration(p.at-g.since))
				g.naks = 0
			})
		},
	},
	{
		Name: "parity-ncf-count", Clauses: []string{"11.4-06", "11.2-09"}, types: onNCF, parity: true,
		Fires: "in a complete capture, a parity NCF with a count that no parity NAK had",
		see: func(p *sight) {
			if !p.parity || !p.c.Complete || p.s.groups.k == 0 {
				return
			}
			for n := range p.nak.All() {
				tg, count := p.s.groups.k.Requested(n)
				if g := p.s.groups.at(tg); g == nil && !p.s.groups.gone(tg) || g != nil && g.asked[(count-1)/64]&(1<<((count-1)%64)) == 0 {
					p.find("11.4-06", "a parity NCF for %d packets of group %v, which no NAK asked for", count, tg)
				}
			}
		},
	},
	{
		Name: "parity-answers", Clauses: []string{"11.4-08", "11.4-20"}, types: onNCF, parity: true,
		Fires: "parity NCFs for a group in the transmit window, and no parity; in a complete capture, less than was asked for",
		see: func(p *sight) {
			eachGroup(p, func(g *tgroup, _ int) {
				if g.ncfs < 5 || p.at-g.ncfs0 < int64(p.c.Repair) || !p.s.inWindow(g.tg) {
					return
				}
				p.miss("11.4-08", "%d parity NCFs for group %v in %v, and no parity", g.ncfs+1, g.tg, duration(p.at-g.ncfs0))
				g.ncfs = 0
			})
		},
		end: func(s *session) {
			if !s.c.Complete || s.end.mute {
				return
			}
			for i := range s.groups.slots {
				g := &s.groups.slots[i]
				if !g.used || g.ncf == 0 || s.heard-g.ncf < int64(s.c.Repair) || !s.inWindow(g.tg) {
					continue
				}
				if owed := s.groups.k.Owed(g.most(), s.groups.sizeOf(g)); g.repairs < owed {
					s.c.doubt(s, ofSource, 0, s.c.time(s.heard), "11.4-08", "%d parity packets of group %v as RDATA, and %d were asked for", g.repairs, g.tg, owed)
					return // one says enough
				}
			}
		},
	},
	{
		Name: "parity-unasked", Clauses: []string{"11.4-08"}, types: onRDATA, parity: true, Fires: "in a complete capture, parity as RDATA that nobody asked for",
		see: func(p *sight) {
			s, o := p.s, &p.s.groups
			if !p.parity || !p.c.Complete || o.k == 0 {
				return
			}
			g := o.at(p.data.SQN)
			if g == nil && o.gone(p.data.SQN) || g != nil && g.nak != 0 {
				return
			}
			for i := range packet.SQN(o.k) {
				if r := s.track.at(o.k.Group(p.data.SQN) + i); r != nil && r.asked != 0 {
					return
				}
			}
			p.find("11.4-08", "parity of group %v as RDATA, and no NAK for it", o.k.Group(p.data.SQN))
		},
	},
	{
		Name: "parity-repair", Clauses: []string{"11.4-11", "11.1-04", "11.1-03"}, types: onRDATA,
		Fires: "data as RDATA, of a group that was full long since, where parity is offered on demand",
		see: func(p *sight) {
			s, o := p.s, &p.s.groups
			if !o.ond || p.at-o.ondAt <= p.c.grace || p.Src.Addr().Unmap() != s.source {
				return
			}
			if g := o.at(p.data.SQN); g != nil && g.full != 0 && p.at-g.full > p.c.grace && s.inWindow(g.tg) {
				p.find("11.4-11", "RDATA %v without OPT_PARITY, and its group was full %v before", p.data.SQN, duration(p.at-g.full))
			}
		},
	},
}

// heardSPMs is how many SPMs with PARITY_PRM_OND a receiver has heard one of.
const heardSPMs = 8

// gone reports whether the place of the group of n is with a newer one.
func (o *groups) gone(n packet.SQN) bool {
	if len(o.slots) == 0 {
		return true
	}
	tg := o.k.Group(n)
	g := &o.slots[o.place(tg)]
	return g.used && g.tg.After(tg)
}

// eachGroup ranges over what is known of the groups that a parity NAK or NCF is about, with how many packets it is for.
func eachGroup(p *sight, f func(g *tgroup, count int)) {
	if o := &p.s.groups; p.parity && o.k != 0 {
		for n := range p.nak.All() {
			if g := o.at(n); g != nil {
				_, count := o.k.Requested(n)
				f(g, count)
			}
		}
	}
}
