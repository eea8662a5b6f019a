package conformance

import "github.com/gopgm/gopgm/pgm/packet"

var odataRules = []*Rule{
	{
		Name: "odata-order", Clauses: []string{"3.2-01", "5.1.1-01"}, types: onODATA,
		Fires: "ODATA long after newer ODATA; in a complete capture, any that does not count by one",
		see: func(p *sight) {
			s, n := p.s, p.data.SQN
			if !s.hasData {
				return
			}
			d := n.Sub(s.dataLead)
			switch {
			case d > 1 && s.c.Complete && !p.skips():
				p.find("3.2-01", "ODATA %v after %v", n, s.dataLead)
			case d > 0:
			case s.c.Complete:
				p.find("3.2-01", "ODATA %v after %v", n, s.dataLead)
			case d < 0 && p.at-s.passedAt(n) > s.late():
				p.find("5.1.1-01", "ODATA %v, %v after newer ODATA", n, duration(p.at-s.passedAt(n)))
			}
		},
	},
	{
		Name: "odata-content", Clauses: []string{"3.2-01"}, types: onODATA, Fires: "ODATA with a number that was used for other data",
		see: func(p *sight) {
			if r := p.s.track.at(p.data.SQN); r != nil && r.content != 0 && r.sent != 0 && r.content != p.content() {
				p.find("3.2-01", "ODATA %v with other data than before", p.data.SQN)
			}
		},
	},
}

// skips reports whether the packet may leave out numbers: those behind a transmission group that was cut short.
func (p *sight) skips() bool {
	s := p.s
	return s.end.parity && (s.groups.k == 0 || s.groups.k.Next(s.dataLead) == p.data.SQN)
}

// passedAt returns since when ODATA newer than n had been seen, as far as that is remembered.
func (s *session) passedAt(n packet.SQN) int64 {
	for i := packet.SQN(1); i <= 8; i++ {
		if r := s.track.at(n + i); r != nil && r.sent != 0 {
			return r.sent
		}
	}
	return s.leadAt
}
