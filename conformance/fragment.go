package conformance

import "github.com/gopgm/gopgm/pgm/packet"

// fragments is the APDU that a session's ODATA is in the middle of.
type fragments struct {
	first, last packet.SQN
	next        uint32 // the offset that follows
	length      uint32
	open        bool // it goes on behind last
}

var fragmentRules = []*Rule{
	{
		Name: "fragment-fields", Clauses: []string{"9.2.2-02", "9.2.4-02"}, types: onData,
		Fires: "an OPT_FRAGMENT whose packet exceeds its APDU, or cannot be behind the first packet that it names",
		see: func(p *sight) {
			o, ok := p.option(packet.OptFragment)
			if !ok || len(o.octet) != packet.FragmentLen {
				return
			}
			_, err := packet.ParseFragment(packet.Option{Type: o.t, Body: o.octet[4:]}, p.data.SQN, len(p.data.TSDU))
			if err != nil {
				clause := "9.2.2-02"
				if e, ok := err.(*packet.Error); ok && e.Err == packet.ErrWindow {
					clause = "9.2.4-02"
				}
				p.find(clause, "%v %v of %d octets with OPT_FRAGMENT % x", p.h.Type, p.data.SQN, len(p.data.TSDU), o.octet[4:])
			}
		},
	},
	{
		Name: "fragment-run", Clauses: []string{"9.2.2-01", "9.2.2-02", "9.2.4-02"}, types: onODATA,
		Fires: "ODATA that does not go on where the fragment in front of it ended",
		see:   func(p *sight) { p.s.fragment.see(p) },
	},
}

func (a *fragments) see(p *sight) {
	f, ok := p.fragment()
	n := p.data.SQN
	follows := a.open && n == a.last+1
	if follows {
		switch {
		case !ok || f.First == n && f.Offset == 0:
			p.find("9.2.2-01", "ODATA %v begins an APDU, and octets %d to %d of that of packet %v are still to come", n, a.next, a.length, a.first)
		case f.First != a.first:
			p.find("9.2.4-02", "ODATA %v says that its APDU began with packet %v, the one in front of it with %v", n, f.First, a.first)
		case f.Offset != a.next || f.Length != a.length:
			p.find("9.2.2-02", "ODATA %v has offset %d of %d octets, where %d of %d follows", n, f.Offset, f.Length, a.next, a.length)
		}
	}
	if !ok {
		if follows || n.After(a.last) {
			a.open = false
		}
		return
	}
	if !follows && f.Offset == 0 && f.First != n {
		p.find("9.2.4-02", "ODATA %v has the first octet of an APDU that began with packet %v", n, f.First)
	}
	*a = fragments{first: f.First, last: n, next: f.Offset + uint32(len(p.data.TSDU)), length: f.Length}
	a.open = a.next < a.length
}
