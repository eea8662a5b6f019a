package conformance

import "github.com/gopgm/gopgm/pgm/packet"

// requests is what receivers ask of a session: SPMs, and packets by lists.
type requests struct {
	asked   int64 // the first SPMR that no SPM followed yet; 0: none
	last    int64 // the last SPMR
	answers [3]int64
	unicast int64 // the first unicast NCF, because multicast fails, that no SPM followed yet; 0: none
	lists   [64]nakLists
}

func (q *requests) follow(p *sight) {
	if p.multicast() {
		if p.r != nil {
			p.r.group = p.at
		}
		return
	}
	if p.r != nil {
		p.r.spmr = p.at
	}
	if q.asked == 0 {
		q.asked = p.at
	}
	q.last = p.at
	p.s.beat.asked = p.at
}

var requestRules = []*Rule{
	{
		Name: "spmr-multicast", Clauses: []string{"13.5-02"}, types: onSPMR, Fires: "a multicast SPMR with a TTL above 1; in a complete capture, a unicast one with no multicast one in front",
		see: func(p *sight) {
			switch {
			case p.multicast() && p.TTL > 1:
				p.find("13.5-02", "SPMR multicast with TTL %d", p.TTL)
			case !p.multicast() && p.c.Complete && p.r != nil && p.at-p.r.group > p.c.jitter && p.at-p.r.spmr > copies:
				p.find("13.5-02", "SPMR unicast to %v, and none multicast before", p.Dst.Addr())
			}
		},
	},
	{
		Name: "spmr-repeat", Clauses: []string{"13.5-05"}, types: onSPMR, Fires: "a unicast SPMR of a receiver right after another of it",
		see: func(p *sight) {
			if p.r == nil || p.multicast() { // which comes back to the host that sends it, and is in its captures twice
				return
			}
			if since := p.at - p.r.spmr; p.r.spmr != 0 && since > copies && since < int64(spmrInterval) {
				p.find("13.5-05", "SPMR again after %v", duration(since))
			}
		},
	},
	{
		Name: "spmr-answered", Clauses: []string{"13.4-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA},
		Fires: "an SPMR to the source that no SPM follows, though the source sends other packets",
		see: func(p *sight) {
			q := &p.s.request
			if p.h.Type == packet.TypeSPM {
				q.asked = 0
				return
			}
			if q.asked != 0 && p.at-q.asked > p.c.grace {
				p.miss("13.4-01", "no SPM in the %v since an SPMR", duration(p.at-q.asked))
				q.asked = 0
			}
		},
	},
	{
		Name: "spmr-limited", Clauses: []string{"13.4-01"}, types: onSPM, Fires: "SPMR after SPMR answered by SPMs within a fraction of IHB_MIN, if that is known",
		see: func(p *sight) {
			q := &p.s.request
			if q.last == 0 || p.at-q.last > p.c.delay || p.has(packet.OptFin) || p.has(packet.OptRst) {
				return
			}
			q.last = 0
			least := p.s.ihbMin()
			if q.answers[0] != 0 && least != 0 && p.at-q.answers[0] < least {
				p.find("13.4-01", "%d SPMs in answer to SPMRs in %v; IHB_MIN is %v", len(q.answers)+1, duration(p.at-q.answers[0]), duration(least))
			}
			q.answers[0], q.answers[1], q.answers[2] = q.answers[1], q.answers[2], p.at
		},
	},
}

// spmrInterval is the least SPMR_SPM_IVL that makes sense.
const spmrInterval = 20_000_000 // ns
