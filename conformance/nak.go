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
		Name: "nak-source", parity: true, Clauses: []string{"6.3-25", "3.6.3.1-01"}, types: []packet.Type{packet.TypeNAK, packet.TypeNNAK},
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
		Name: "nak-before-spm", parity: true, Clauses: []string{"6.2-05"}, types: onNAK, Fires: "a NAK in a session of which there was no SPM from its beginning on",
		see: func(p *sight) {
			switch s := p.s; {
			case s.spms.any || !s.known:
			case p.here():
				p.find("6.2-05", "NAK %v before any SPM", p.nak.SQN)
			case s.beginning:
				p.miss("6.2-05", "NAK %v before any SPM of the session", p.nak.SQN)
			}
		},
	},
	{
		Name: "nak-upstream", parity: true, Clauses: []string{"6.2-04", "6.3-23", "6.2-03", "8.3-03", "13.2-02"}, types: onNAK,
		Fires: "a unicast NAK to another address than the Path NLA of the last SPMs in sequence",
		see: func(p *sight) {
			a := p.Dst.Addr().Unmap()
			if s := p.s; s.spms.any && !a.IsMulticast() && !s.paths.allows(a, p.at, p.c.grace) {
				p.find("6.2-04", "NAK %v sent to %v, which no recent SPM names", p.nak.SQN, a)
			}
		},
	},
	{
		Name: "nak-multicast", parity: true, Clauses: []string{"6.3-24"}, types: onNAK, Fires: "a multicast NAK with a TTL above 1",
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
		Fires: "a unicast NAK that a receiver sends again before NAK_RPT_IVL is over",
		see: func(p *sight) {
			if p.multicast() { // which comes back to the host that sends it, and is in its captures twice
				return
			}
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
		Fires: "in a capture at the receiver, a NAK for a packet within NAK_RDATA_IVL of its NCF, if that interval is known",
		see: func(p *sight) {
			if p.c.NAKData == 0 || !p.here() {
				return
			}
			for n := range p.nak.All() {
				if r := p.s.track.at(n); r != nil && r.known != 0 && p.at-r.known > p.c.jitter && p.at-r.known < int64(p.c.NAKData) {
					p.find("6.3-27", "NAK %v, %v after its NCF", n, duration(p.at-r.known))
					return
				}
			}
		},
	},
	{
		Name: "nak-held", Clauses: []string{"6.3-12", "6.3-31"}, types: onNAK, Fires: "in a capture at the receiver, a NAK for a packet that it has",
		see: func(p *sight) {
			if !p.here() {
				return
			}
			for n := range p.nak.All() {
				r := p.s.track.at(n)
				if r == nil || r.content == 0 {
					continue
				}
				if came := firstOf(r.sent, r.repair); p.at-came > p.c.jitter {
					p.find("6.3-12", "NAK %v, which had come %v before", n, duration(p.at-came))
					return
				}
			}
		},
	},
	{
		Name: "nak-join", Clauses: []string{"6.1-02", "9.4-01"}, types: onNAK,
		Fires: "in a capture at the receiver, a NAK for what was sent before it joined, though OPT_JOIN does not offer it",
		see: func(p *sight) {
			s := p.s
			if !p.here() || !s.joined || s.trail.After(s.init) {
				return
			}
			for n := range p.nak.All() {
				if n.Before(s.init) {
					p.find("6.1-02", "NAK %v, and the receiver may ask for %v and what follows", n, s.init)
					return
				}
			}
		},
	},
	{
		Name: "nak-backoff", Clauses: []string{"6.3-15", "6.3-08"}, types: onNAK, Fires: "NAK after NAK of a receiver at one and the same delay behind the packet that shows the gap",
		see: func(p *sight) {
			r := p.s.track.at(p.nak.SQN)
			if p.r == nil || r != nil && (r.asked != 0 || r.ncf != 0) {
				return
			}
			next := p.s.track.at(p.nak.SQN + 1)
			if next == nil || next.sent == 0 {
				return
			}
			d := p.at - next.sent
			if p.r.drawn == 0 || max(p.r.most, d)-min(p.r.least, d) > copies {
				p.r.least, p.r.most, p.r.drawn = d, d, 0
			}
			p.r.least, p.r.most = min(p.r.least, d), max(p.r.most, d)
			if p.r.drawn++; p.r.drawn == sameDraws {
				p.find("6.3-15", "%d NAKs in a row %v to %v after the gap", sameDraws, duration(p.r.least), duration(p.r.most))
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
		Name: "nak-after-reset", parity: true, Clauses: []string{"9.8.1-02"}, types: onNAK, Fires: "a NAK long after OPT_RST said that there will be no repairs",
		see: func(p *sight) {
			if e := &p.s.end; e.mute && p.at-e.rstAt > p.c.grace && e.rsts > 1 {
				p.find("9.8.1-02", "NAK %v, %v after OPT_RST with the N bit", p.nak.SQN, duration(p.at-e.rstAt))
			}
		},
	},
}

// copies is within which time equal NAKs of a receiver are copies of one, to several ports or to the group too.
const copies = 100_000 // ns

// sameDraws is how many back-offs in a row that agree to within copies are not drawn at random.
const sameDraws = 16

// firstOf returns the earlier of two times, of which 0 is none.
func firstOf(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

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
