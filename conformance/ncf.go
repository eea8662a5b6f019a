package conformance

import (
	"slices"

	"github.com/gopgm/gopgm/pgm/packet"
)

var ncfRules = []*Rule{
	{
		Name: "ncf-source", parity: true, Clauses: []string{"3.6.4.1-01", "8.3-04", "3.1-03"}, types: onNCF, Fires: "an NCF from another address than the source's, or that names another source or group",
		see: func(p *sight) {
			s := p.s
			if !s.source.IsValid() || p.has(packet.OptNbrUnreach) {
				return
			}
			switch a := p.Src.Addr().Unmap(); {
			case p.multicast() && a != s.source:
				p.find("8.3-04", "NCF %v from %v, and the source is %v", p.nak.SQN, a, s.source)
			case p.nak.Source != s.source:
				p.find("3.6.4.1-01", "NCF %v with NCF_SRC %v, and the source is %v", p.nak.SQN, p.nak.Source, s.source)
			case s.group.IsValid() && p.nak.Group != s.group:
				p.find("3.6.4.1-01", "NCF %v with NCF_GRP %v, and the group is %v", p.nak.SQN, p.nak.Group, s.group)
			}
		},
	},
	{
		Name: "ncf-group", parity: true, Clauses: []string{"5.2-01", "3.6.4.1-01"}, types: onNCF, Fires: "a unicast NCF from the source, without OPT_NBR_UNREACH",
		see: func(p *sight) {
			if !p.multicast() && p.Src.Addr().Unmap() == p.s.source && !p.has(packet.OptNbrUnreach) {
				p.find("5.2-01", "NCF %v unicast to %v", p.nak.SQN, p.Dst.Addr())
			}
		},
	},
	{
		Name: "ncf-list", Clauses: []string{"9.3.4-01", "8.3-06", "3.6.4.1-01"}, types: []packet.Type{packet.TypeNAK, packet.TypeNCF},
		Fires: "an NCF whose list is not that of a NAK with its number",
		see: func(p *sight) {
			l := &p.s.request.lists[int(p.nak.SQN)%len(p.s.request.lists)]
			if p.h.Type == packet.TypeNAK {
				l.note(p)
				return
			}
			if l.n > 0 && l.sqn == p.nak.SQN && p.at-l.at <= p.c.grace && (l.since == 0 || p.at-l.since > p.c.grace) && !l.has(p.nak.List) {
				p.missAsked("9.3.4-01", "NCF %v with a list of %d, and no NAK %v had that list", p.nak.SQN, len(p.nak.List), p.nak.SQN)
			}
		},
	},
	{
		Name: "ncf-answers", Clauses: []string{"5.2-01"}, types: onNAK, Fires: "NAK after NAK for a packet, no NCF, and the source goes on sending",
		see: func(p *sight) {
			s := p.s
			if s.end.mute {
				return
			}
			for n := range p.nak.All() {
				r := s.track.at(n)
				if r == nil || r.naks < unanswered || s.heard-r.since < p.c.grace || r.repair > r.since {
					continue
				}
				p.find("5.2-01", "the %dth NAK for packet %v in %v, and no NCF", r.naks+1, n, duration(p.at-r.since))
				r.naks = 0
			}
		},
	},
	{
		Name: "ncf-prompt", Clauses: []string{"5.2-01", "5.1.3-01"}, types: onNCF, Fires: "an NCF long after its NAK, of a source that was at work meanwhile",
		see: func(p *sight) {
			for n := range p.nak.All() {
				r := p.s.track.at(n)
				if r == nil || r.naks == 0 || r.ncf > r.since {
					continue
				}
				if r.naks == 1 && (p.s.busy(r.since, p.at) > p.c.delay+p.c.jitter || p.at-r.since > heldUp*p.c.grace) {
					p.miss("5.2-01", "NCF %v, %v after its NAK", n, duration(p.at-r.since))
					return
				}
			}
		},
	},
	{
		Name: "ncf-first", Clauses: []string{"5.1.3-01", "5.1-01"}, types: onNCF, Fires: "data sent while a NAK waited for its NCF",
		see: func(p *sight) {
			r := p.s.track.at(p.nak.SQN)
			if r == nil || r.naks == 0 || r.ncf > r.since || r.naks > 1 {
				return
			}
			if last := p.s.beat.data; p.s.busy(r.since, last) > p.c.delay+p.c.jitter {
				p.miss("5.1.3-01", "NCF %v, %v after its NAK, and data sent meanwhile", p.nak.SQN, duration(p.at-r.since))
			}
		},
	},
	{
		Name: "ncf-storm", Clauses: []string{"5.2-02"}, types: onNCF, Fires: "hundreds of NCFs for one packet in a second",
		see: func(p *sight) {
			if r := p.s.track.at(p.nak.SQN); r != nil && r.ncfs >= 250 && p.at-r.ncfs0 < 1e9 {
				p.find("5.2-02", "%d NCFs for packet %v in %v", r.ncfs, p.nak.SQN, duration(p.at-r.ncfs0))
				r.ncfs = 0
			}
		},
	},
	{
		Name: "ncf-unasked", Clauses: []string{"5.2-01"}, types: onNCF, Fires: "in a complete capture, an NCF that no NAK called for",
		see: func(p *sight) {
			if !p.c.Complete {
				return
			}
			if r := p.s.track.at(p.nak.SQN); r == nil || r.asked == 0 && r.nnak == 0 {
				p.find("5.2-01", "NCF %v, and there was no NAK for it", p.nak.SQN)
			}
		},
	},
}

// unanswered is how many NAKs for a packet, at different times, must be answered by an NCF that the capture shows. Fewer may have
// been lost on their way, or their NCFs.
const unanswered = 6

// heldUp is for how many times the grace a source may seem to be held up, and not to have sent its NCF by intent.
const heldUp = 4

// nakLists are the lists of the last NAKs whose header has the number sqn, by their fingerprints.
type nakLists struct {
	sqn   packet.SQN
	at    int64
	since int64 // when sqn took the place of another; what came before is not known
	n     int
	lists [8]uint64
}

func (l *nakLists) note(p *sight) {
	if l.n > 0 && l.sqn != p.nak.SQN {
		l.n, l.since = 0, p.at
	}
	l.sqn, l.at = p.nak.SQN, p.at
	sum := fingerprint(p.nak.List)
	if !slices.Contains(l.lists[:min(l.n, len(l.lists))], sum) {
		l.lists[l.n%len(l.lists)] = sum
		l.n++
	}
}

// has reports whether one of the lists may be this: of more than are remembered, any may.
func (l *nakLists) has(list []packet.SQN) bool {
	return l.n > len(l.lists) || slices.Contains(l.lists[:l.n], fingerprint(list))
}

func fingerprint(list []packet.SQN) uint64 {
	sum := uint64(14695981039346656037)
	for _, n := range list {
		sum = (sum ^ uint64(n)) * 1099511628211
	}
	return sum
}
