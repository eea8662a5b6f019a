package conformance

import (
	"math/bits"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// polls is what the parents of a session, the source or network elements, asked their children.
type polls struct {
	parents [4]parent // whose POLL_PATHs differ
	recent  [16]asking
	n       int // POLLs that were taken note of; the last is recent[(n-1)%16]
}

// parent is who polls by one POLL_PATH.
type parent struct {
	path netip.Addr
	last poll.Packet
	at   int64
}

// asking is one POLL.
type asking struct {
	poll.Packet
	at int64
}

// of returns the parent with that path, an empty one if it is new, and nil if there are too many.
func (q *polls) of(path netip.Addr) *parent {
	for i := range q.parents {
		if u := &q.parents[i]; u.path == path || !u.path.IsValid() {
			return u
		}
	}
	return nil
}

// asked returns the last POLL that r answers, nil if it is not remembered.
func (q *polls) asked(r poll.Reply) *asking {
	for i := q.n - 1; i >= 0 && i >= q.n-len(q.recent); i-- {
		if a := &q.recent[i%len(q.recent)]; a.SQN == r.SQN && a.Round == r.Round {
			return a
		}
	}
	return nil
}

// newest returns the POLL that came last from the parent with that path, nil if there was none.
func (q *polls) newest(path netip.Addr) *parent {
	if u := q.of(path); u != nil && u.path.IsValid() {
		return u
	}
	return nil
}

func (q *polls) follow(p *sight) {
	u := q.of(p.poll.Path)
	if u == nil {
		p.c.unjudged[unjudgedParent]++
		return
	}
	if u.path.IsValid() && (p.poll.SQN.Before(u.last.SQN) || p.poll.SQN == u.last.SQN && p.poll.Round <= u.last.Round) {
		return
	}
	u.path, u.last, u.at = p.poll.Path, p.poll, p.at
	q.recent[q.n%len(q.recent)] = asking{p.poll, p.at}
	q.n++
}

// followReply takes note of what the answer to a POLL says of who sent it.
func (q *polls) followReply(p *sight) {
	a := q.asked(p.reply)
	if a == nil || p.r == nil {
		return
	}
	p.r.reply, p.r.replied = p.reply, p.at
	p.r.nodeBits = p.r.nodeBits&^a.Mask | a.Rand&a.Mask
	p.r.nodeMask |= a.Mask
}

var (
	onPOLL = []packet.Type{packet.TypePOLL}
	onPOLR = []packet.Type{packet.TypePOLR}
)

var pollRules = []*Rule{
	{
		Name: "poll-sqn", Clauses: []string{"14.4-01", "14.2.1-01"}, types: onPOLL,
		Fires: "a POLL with an older number or round than one before; in a complete capture, one that is not the next",
		see: func(p *sight) {
			u := p.s.polls.newest(p.poll.Path)
			if u == nil || p.at-u.at < copies {
				return
			}
			step, round := p.poll.SQN.Sub(u.last.SQN), int(p.poll.Round)-int(u.last.Round)
			switch {
			case step == 0 && round == 1, step == 1 && p.poll.Round == 0:
			case p.c.Complete, (step < 0 || step == 0 && round <= 0) && p.at-u.at > p.s.late():
				p.find("14.4-01", "POLL %v in round %d, and the one before was %v in round %d", p.poll.SQN, p.poll.Round, u.last.SQN, u.last.Round)
			}
		},
	},
	{
		Name: "poll-group", Clauses: []string{"14.4-06"}, types: onPOLL,
		Fires: "a POLL that is not sent to the group from the source's address, or over IPv4 itself without the Router Alert option",
		see: func(p *sight) {
			s := p.s
			switch a := p.Src.Addr().Unmap(); {
			case !p.multicast():
				p.find("14.4-06", "POLL %v unicast to %v", p.poll.SQN, p.Dst.Addr())
			case s.group.IsValid() && p.Dst.Addr().Unmap() != s.group:
				p.find("14.4-06", "POLL %v to %v, and the group is %v", p.poll.SQN, p.Dst.Addr(), s.group)
			case s.source.IsValid() && a != s.source:
				p.find("14.4-06", "POLL %v from %v, and the source is %v", p.poll.SQN, a, s.source)
			case !p.UDP && !p.RouterAlert && p.Dst.Addr().Unmap().Is4():
				p.find("14.4-06", "POLL %v without Router Alert", p.poll.SQN)
			}
		},
	},
	{
		Name: "poll-rand", Clauses: []string{"14.4-04"}, types: onPOLL, Fires: "a POLL with the POLL_RAND of the one before",
		see: func(p *sight) {
			u := p.s.polls.newest(p.poll.Path)
			if u != nil && (p.poll.SQN != u.last.SQN || p.poll.Round != u.last.Round) && p.poll.Rand == u.last.Rand {
				p.find("14.4-04", "POLL %v in round %d with POLL_RAND %#08x, as the one before", p.poll.SQN, p.poll.Round, p.poll.Rand)
			}
		},
	},
	{
		Name: "poll-spacing", Clauses: []string{"14.4-07", "14.4-10"}, types: onPOLL,
		Fires: "another poll within POLL_BO_IVL of the last, that is not to abort it: no fewer are to reply",
		see: func(p *sight) {
			u := p.s.polls.newest(p.poll.Path)
			if u == nil || !p.poll.SQN.After(u.last.SQN) || bits.OnesCount32(p.poll.Mask) > bits.OnesCount32(u.last.Mask) {
				return
			}
			if since := p.at - u.at; since+p.c.jitter < int64(u.last.BackOff) {
				p.find("14.4-07", "POLL %v, %v after POLL %v with POLL_BO_IVL %v", p.poll.SQN, duration(since), u.last.SQN, u.last.BackOff)
			}
		},
	},
	{
		Name: "polr-asked", Clauses: []string{"14.5-08", "14.2.2-02"}, types: onPOLR, Fires: "in a complete capture, a POLR with a number and round that no POLL had",
		see: func(p *sight) {
			if p.c.Complete && p.s.polls.asked(p.reply) == nil && p.s.polls.n <= len(p.s.polls.recent) {
				p.find("14.5-08", "POLR %v for round %d, and there was no such POLL", p.reply.SQN, p.reply.Round)
			}
		},
	},
	{
		Name: "polr-late", Clauses: []string{"14.5-06", "14.2.1-02"}, types: onPOLR, Fires: "a POLR later than POLL_BO_IVL after its POLL",
		see: func(p *sight) {
			a := p.s.polls.asked(p.reply)
			if a != nil && p.at-a.at > int64(a.BackOff)+p.c.grace {
				p.find("14.5-06", "POLR %v, %v after its POLL with POLL_BO_IVL %v", p.reply.SQN, duration(p.at-a.at), a.BackOff)
			}
		},
	},
	{
		Name: "polr-once", Clauses: []string{"14.5-06"}, types: onPOLR, Fires: "two POLRs of one receiver for one POLL",
		see: func(p *sight) {
			if r := p.r; p.UDP && r != nil && r.replied != 0 && r.reply == p.reply && p.at-r.replied > copies {
				p.find("14.5-06", "POLR %v for round %d again, after %v", p.reply.SQN, p.reply.Round, duration(p.at-r.replied))
			}
		},
	},
	{
		Name: "polr-path", Clauses: []string{"14.5-07"}, types: onPOLR, Fires: "a POLR that does not go to the POLL_PATH of its POLL",
		see: func(p *sight) {
			a := p.s.polls.asked(p.reply)
			if to := p.Dst.Addr().Unmap().WithZone(""); p.multicast() || a != nil && a.Path != to && p.s.polls.newest(to) == nil {
				path := "not a group"
				if a != nil {
					path = a.Path.String()
				}
				p.find("14.5-07", "POLR %v to %v, and POLL_PATH is %s", p.reply.SQN, to, path)
			}
		},
	},
	{
		Name: "polr-node", Clauses: []string{"14.5-02", "14.5-01", "14.5-03"}, types: onPOLR,
		Fires: "POLRs of one receiver to POLLs that no RAND_NODE_ID matches all of",
		see: func(p *sight) {
			a := p.s.polls.asked(p.reply)
			if !p.UDP || a == nil || p.r == nil || p.r.reply == p.reply {
				return
			}
			if both := a.Mask & p.r.nodeMask; (p.r.nodeBits^a.Rand)&both != 0 {
				p.find("14.5-02", "POLR %v to a POLL that asks for the bits %#08x of %#08x, and those of its earlier POLRs are %#08x", p.reply.SQN,
					a.Rand&a.Mask, a.Mask, p.r.nodeBits&p.r.nodeMask)
			}
		},
	},
	{
		Name: "polr-subtype", Clauses: []string{"14.3.2-03"}, types: onPOLR, Fires: "a POLR to a POLL of a sub-type that has no meaning",
		see: func(p *sight) {
			if a := p.s.polls.asked(p.reply); a != nil && a.Subtype > poll.DLR {
				p.find("14.3.2-03", "POLR %v to a POLL of sub-type %d", p.reply.SQN, a.Subtype)
			}
		},
	},
	{
		Name: "polr-cancelled", Clauses: []string{"14.3.1-06", "14.3.1-05"}, types: onPOLR,
		Fires: "a POLR of the receiver at which the capture was taken, after a POLL with another number",
		see: func(p *sight) {
			u := p.s.polls.newest(p.Dst.Addr().Unmap().WithZone(""))
			if p.here() && u != nil && u.last.SQN != p.reply.SQN && p.at-u.at > p.c.jitter {
				p.find("14.3.1-06", "POLR %v, %v after POLL %v", p.reply.SQN, duration(p.at-u.at), u.last.SQN)
			}
		},
	},
	{
		Name: "polr-round", Clauses: []string{"14.5-04"}, types: onPOLR,
		Fires: "a POLR of the receiver at which the capture was taken to a later round of a poll whose first it did not hear",
		see: func(p *sight) {
			if !p.here() || p.reply.Round == 0 || p.s.polls.n > len(p.s.polls.recent) || p.s.polls.asked(p.reply) == nil {
				return
			}
			if p.s.polls.asked(poll.Reply{SQN: p.reply.SQN}) == nil {
				p.find("14.5-04", "POLR %v for round %d, and there was no POLL of round 0", p.reply.SQN, p.reply.Round)
			}
		},
	},
}
