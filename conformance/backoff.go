package conformance

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// advice is what a parent says of NAK_BO_IVL [15.4], and of multicast that fails [15.3].
type advice struct {
	limits poll.Range
	ranged bool  // limits were advertised
	silent int64 // when NAKs were forbidden by an NCF or SPM from the parent; 0: they are not
}

// body returns an option as its decoder takes it.
func (o option) body() packet.Option {
	return packet.Option{Type: o.t, Body: o.octet[4:]}
}

var backOffRules = []*Rule{
	{
		Name: "backoff-poll", Clauses: []string{"14.4-12"}, types: []packet.Type{packet.TypeSPM, packet.TypeNCF},
		Fires: "OPT_NAK_BO_IVL that rests on a poll newer than any",
		see: func(p *sight) {
			o, ok := p.option(packet.OptNAKBOIvl)
			if !ok {
				return
			}
			i, err := poll.ParseInterval(o.body())
			u := p.s.polls.newest(p.s.polls.parents[0].path)
			if err == nil && i.SQN != 0 && u != nil && p.s.polls.parents[1].at == 0 && i.SQN.After(u.last.SQN) {
				p.miss("14.4-12", "%v with NAK_BO_IVL_SQN %v, and the last POLL is %v", p.h.Type, i.SQN, u.last.SQN)
			}
		},
	},
	{
		Name: "backoff-range", Clauses: []string{"15.2.1-02"}, types: []packet.Type{packet.TypeSPM, packet.TypeNCF},
		Fires: "OPT_NAK_BO_IVL outside of what OPT_NAK_BO_RNG of the source allows",
		see: func(p *sight) {
			o, ok := p.option(packet.OptNAKBOIvl)
			l := p.s.advice.limits
			if !ok || !p.s.advice.ranged || p.has(packet.OptNAKBORng) {
				return
			}
			if i, err := poll.ParseInterval(o.body()); err == nil && (i.BackOff < l.Min || i.BackOff > l.Max) {
				p.find("15.2.1-02", "%v with NAK_BO_IVL %v, and the limits are %v and %v", p.h.Type, i.BackOff, l.Min, l.Max)
			}
		},
	},
	{
		Name: "unreachable-path", Clauses: []string{"15.3.2-03"}, types: onNCF, Fires: "an NCF with OPT_NBR_UNREACH and without OPT_PATH_NLA",
		see: func(p *sight) {
			if p.has(packet.OptNbrUnreach) && !p.has(packet.OptPathNLA) {
				p.find("15.3.2-03", "NCF %v with OPT_NBR_UNREACH and without OPT_PATH_NLA", p.nak.SQN)
			}
		},
	},
	{
		Name: "unreachable-copy", Clauses: []string{"15.3.2-11"}, types: onNCF, Fires: "a multicast NCF with OPT_NBR_UNREACH of another host than the source, with a TTL above 1",
		see: func(p *sight) {
			if a := p.Src.Addr().Unmap(); p.has(packet.OptNbrUnreach) && p.multicast() && p.s.source.IsValid() && a != p.s.source && p.TTL > 1 {
				p.find("15.3.2-11", "NCF %v passed on by %v with TTL %d", p.nak.SQN, a, p.TTL)
			}
		},
	},
	{
		Name: "unreachable-spm", Clauses: []string{"15.3.2-01"}, types: []packet.Type{packet.TypeNCF, packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA},
		Fires: "unicast NCFs of the source, because multicast fails, and no SPM",
		see: func(p *sight) {
			v := &p.s.request.unicast
			switch {
			case p.h.Type == packet.TypeSPM:
				*v = 0
			case p.h.Type == packet.TypeNCF && *v == 0 && p.has(packet.OptNbrUnreach) && !p.multicast() && p.Src.Addr().Unmap() == p.s.source:
				*v = p.at
			case *v != 0 && p.at-*v > p.c.grace:
				p.miss("15.3.2-01", "no SPM in the %v since a unicast NCF with OPT_NBR_UNREACH", duration(p.at-*v))
				*v = 0
			}
		},
	},
	{
		Name: "unreachable-nak", Clauses: []string{"15.3.2-10"}, types: onNAK,
		Fires: "a NAK of the receiver at which the capture was taken, after its parent said that it cannot reach its children, and before another SPM",
		see: func(p *sight) {
			if v := p.s.advice.silent; p.here() && v != 0 && p.at-v > p.c.jitter {
				p.find("15.3.2-10", "NAK %v, %v after OPT_NBR_UNREACH", p.nak.SQN, duration(p.at-v))
			}
		},
	},
}

// follow takes note of what an SPM or NCF of the session says, before the SPM becomes the last in sequence.
func (a *advice) follow(p *sight) {
	if o, ok := p.option(packet.OptNAKBORng); ok && p.h.Type == packet.TypeSPM {
		if r, err := poll.ParseRange(o.body()); err == nil && r.Min <= r.Max && r.Max > time.Duration(0) {
			a.limits, a.ranged = r, true
		}
	}
	unreachable := p.has(packet.OptNbrUnreach)
	switch {
	case p.h.Type == packet.TypeSPM && !unreachable && p.inSequence():
		a.silent = 0
	case p.h.Type == packet.TypeSPM && unreachable && p.s.paths.is(p.spm.Path) && a.silent == 0:
		a.silent = p.at
	case p.h.Type == packet.TypeNCF && unreachable && a.silent == 0:
		if o, ok := p.option(packet.OptPathNLA); ok {
			if path, err := poll.ParsePath(o.body()); err == nil && p.s.paths.is(path) {
				a.silent = p.at
			}
		}
	}
}
