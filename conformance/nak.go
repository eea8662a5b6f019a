package conformance

import "github.com/gopgm/gopgm/pgm/packet"

var nakRules = []*Rule{
	{
		Name: "nak-list", Clauses: []string{"9.3-03"}, types: onNAK, Fires: "an OPT_NAK_LIST that is not strictly ascending from the header's number on",
		see: func(p *sight) {
			last := p.nak.SQN
			for _, n := range p.nak.List {
				if !n.After(last) {
					p.find("9.3-03", "NAK list with %v behind %v", n, last)
					return
				}
				last = n
			}
		},
	},
	{
		Name: "nak-source", Clauses: []string{"6.3-25", "3.6.3.1-01"}, types: []packet.Type{packet.TypeNAK, packet.TypeNNAK},
		Fires: "a NAK that names another source or group than its session's",
		see: func(p *sight) {
			switch s := p.s; {
			case s.source.IsValid() && p.nak.Source != s.source:
				p.find("6.3-25", "NAK %v with NAK_SRC %v, and the source is %v", p.nak.SQN, p.nak.Source, s.source)
			case s.group.IsValid() && p.nak.Group != s.group:
				p.find("3.6.3.1-01", "NAK %v with NAK_GRP %v, and the group is %v", p.nak.SQN, p.nak.Group, s.group)
			}
		},
	},
	{
		Name: "nak-before-spm", Clauses: []string{"6.2-05"}, types: onNAK, Fires: "a NAK in a session of which there was no SPM from its beginning on",
		see: func(p *sight) {
			if s := p.s; s.beginning && !s.spms.any && s.known {
				p.miss("6.2-05", "NAK %v before any SPM of the session", p.nak.SQN)
			}
		},
	},
	{
		Name: "nak-upstream", Clauses: []string{"6.2-04", "6.3-23", "6.2-03", "13.2-02"}, types: onNAK,
		Fires: "a unicast NAK to another address than the Path NLA of the last SPMs in sequence",
		see: func(p *sight) {
			a := p.Dst.Addr().Unmap()
			if s := p.s; s.spms.any && !a.IsMulticast() && !s.paths.allows(a, p.at, p.c.grace) {
				p.find("6.2-04", "NAK %v sent to %v, which no recent SPM names", p.nak.SQN, a)
			}
		},
	},
	{
		Name: "nak-multicast", Clauses: []string{"6.3-24"}, types: onNAK, Fires: "a multicast NAK with a TTL above 1",
		see: func(p *sight) {
			if p.multicast() && p.TTL > 1 {
				p.find("6.3-24", "NAK %v multicast with TTL %d", p.nak.SQN, p.TTL)
			}
		},
	},
	{
		Name: "nak-trail", Clauses: []string{"6.3-13", "3.4-02", "3.4-01"}, types: onNAK, Fires: "a NAK for a packet that the trailing edge has passed long since",
		see: func(p *sight) {
			trail, ok := p.s.settled(p.at - p.c.grace)
			if !ok {
				return
			}
			for n := range p.nak.All() {
				if n.Before(trail) {
					p.find("6.3-13", "NAK %v, and the trailing edge was %v already %v before", n, trail, duration(p.c.grace))
					return
				}
			}
		},
	},
	{
		Name: "nak-unsent", Clauses: []string{"6.3-01", "6.3-02"}, types: onNAK, Fires: "a NAK for a packet newer than any that the source has spoken of",
		see: func(p *sight) {
			s := p.s
			if !s.known {
				return
			}
			for n := range p.nak.All() {
				if r := s.track.at(n); n.After(s.lead) && (r == nil || r.ncf == 0) {
					p.miss("6.3-01", "NAK %v, and the newest packet that was sent is %v", n, s.lead)
					return
				}
			}
		},
	},
	{
		Name: "nak-repeat", Clauses: []string{"6.3-20", "6.3-10", "6.3-26"}, types: onNAK,
		Fires: "a NAK that a receiver sends again before NAK_RPT_IVL is over",
		see: func(p *sight) {
			eachAsk(p, func(n packet.SQN, a *ask) bool {
				since := p.at - a.last
				if since == 0 || since >= int64(p.c.NAKRepeat) || since < copies {
					return true // a copy to another port, or to the group
				}
				p.find("6.3-20", "NAK %v again after %v", n, duration(since))
				return false
			})
		},
	},
	{
		Name: "nak-confirmed", Clauses: []string{"6.3-21", "6.3-27", "6.3-28"}, types: onNAK,
		Fires: "a NAK for a packet within NAK_RDATA_IVL of its NCF, if that interval is known",
		see: func(p *sight) {
			if p.c.NAKData == 0 {
				return
			}
			for n := range p.nak.All() {
				if r := p.s.track.at(n); r != nil && r.ncf != 0 && p.at-r.ncf > p.c.delay && p.at-r.ncf < int64(p.c.NAKData) {
					p.find("6.3-27", "NAK %v, %v after its NCF", n, duration(p.at-r.ncf))
					return
				}
			}
		},
	},
	{
		Name: "nak-retries", Clauses: []string{"6.3-26", "6.3-10", "6.3-30"}, types: onNAK, Fires: "more NAKs for a packet than NAK_NCF_RETRIES allows, without an NCF",
		see: func(p *sight) {
			eachAsk(p, func(n packet.SQN, a *ask) bool {
				if p.at-a.last < copies {
					return true
				}
				if r := p.s.track.at(n); r != nil && r.ncf > a.last {
					a.retries = 0
					return true
				}
				if a.retries++; int(a.retries) == p.c.NAKRetries+1 {
					p.find("6.3-26", "NAK %v for the %dth time without an NCF", n, a.retries+1)
				}
				return true
			})
		},
	},
	{
		Name: "nak-after-reset", Clauses: []string{"9.8.1-02"}, types: onNAK, Fires: "a NAK long after OPT_RST said that there will be no repairs",
		see: func(p *sight) {
			if e := &p.s.end; e.mute && p.at-e.rstAt > p.c.grace && e.rsts > 1 {
				p.find("9.8.1-02", "NAK %v, %v after OPT_RST with the N bit", p.nak.SQN, duration(p.at-e.rstAt))
			}
		},
	},
}

// copies is within which time equal NAKs of a receiver are copies of one, to several ports or to the group too.
const copies = 100_000 // ns

// eachAsk ranges over what the receiver asked for before, of what it asks for now, until f returns false.
func eachAsk(p *sight, f func(n packet.SQN, a *ask) bool) {
	if p.r == nil {
		return
	}
	for n := range p.nak.All() {
		if len(p.r.asks) == 0 {
			return
		}
		if a := &p.r.asks[int(n)&(len(p.r.asks)-1)]; a.last != 0 && a.sqn == n && !f(n, a) {
			return
		}
	}
}
