package fec

import (
	"slices"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Run is some parity packets of one group, with consecutive numbers, that a source is to send.
type Run struct {
	Group     packet.SQN // TG_SQN
	Size      int        // data packets of the group
	First, N  int        // the parity packets First..First+N-1
	Proactive bool       // to be sent as ODATA; else as RDATA
}

// Plan is what a source knows of its groups: which are complete, what parity each has had, and what it is owed. It decides which
// parity packets go out next; what is in them is the Encoder's affair, and when they may leave the source's.
//
// Data packets are told of as they are sent for the first time, in order. When the last of a group has gone, its pro-active
// parity is due [11.4-04]; what is asked for waits until that has gone too [11.4-07]. Each parity packet of a group has a number
// that none before had [11.4-10], until there are no more: then the first is sent again, and whoever has it needs another.
//
// Memory is bounded by the transmit window: an octet for each group in it, and some more for each group that was ended early; requests
// by MaxDemand. It is not safe for concurrent use.
type Plan struct {
	k         Size
	h         int
	proactive int

	trail   packet.SQN // of the oldest group
	open    packet.SQN // the leading group, which is not full
	sent    int        // packets of it that were sent
	owed    []Run      // pro-active parity, oldest first
	short   map[packet.SQN]uint8
	next    map[uint32]*numbers // by the number of the first of their groups
	demand  map[packet.SQN]int  // parity packets that were asked for and not sent
	order   []packet.SQN        // of the demand, first asked first
	maximum int
}

// numbers are the numbers of the next parity packet of consecutive groups.
type numbers [pageGroups]uint8

const pageGroups = 256

// MaxDemand is how many groups may wait for parity that was asked for. Beyond, requests are not taken: receivers ask again.
const MaxDemand = 4096

// Demand is what becomes of a parity NAK.
type Demand uint8

// The outcomes of Plan.Request.
const (
	Added   Demand = iota // nothing was asked of the group before, or it was sent
	Raised                // more is asked for than before: the number that waits is raised to it
	Merged                // as much waits already: the NAK is confirmed, and that is all [11.4-15]
	Refused               // there is no room, or no such group
)

// NewPlan returns the plan of a session whose first data packet is first. The Config has passed Check. A first packet that does not begin
// a group leaves its group short at the front: there is no parity for that.
func NewPlan(c Config, first packet.SQN) *Plan {
	c = c.WithDefaults()
	p := &Plan{
		k: Size(c.Group), h: c.Parity, proactive: c.Proactive, maximum: MaxDemand,
		short: map[packet.SQN]uint8{}, next: map[uint32]*numbers{}, demand: map[packet.SQN]int{},
	}
	p.open = p.k.Group(first)
	p.sent = p.k.Index(first)
	if p.trail = p.open; p.sent > 0 {
		p.trail += packet.SQN(p.k)
	}
	return p
}

// SetProactive changes how many parity packets groups that are completed from now on get unasked, at most h.
func (p *Plan) SetProactive(n int) { p.proactive = min(max(n, 0), p.h) }

// Proactive returns how many they are.
func (p *Plan) Proactive() int { return p.proactive }

// Left returns how many data packets the leading group takes before it is full. Pro-active parity is due then, so a source that sends
// several packets at once sends no more than these.
func (p *Plan) Left() int { return int(p.k) - p.sent }

// DataSent says that the next n data packets of the leading group were sent for the first time, at most Left of them.
func (p *Plan) DataSent(n int) {
	if p.sent += n; p.sent > int(p.k) {
		panic("fec: more data packets than the group has room for")
	}
	if p.sent == int(p.k) {
		p.finish(p.sent)
	}
}

// Close ends the leading group early: it has the packets that were sent, and last is the newest of them. The next data packet has the
// number that Next returns [11.2-13]. ok is false when there is nothing to end.
func (p *Plan) Close() (last packet.SQN, size int, ok bool) {
	if p.sent == 0 || p.open.Before(p.trail) {
		return 0, 0, false
	}
	size, last = p.sent, p.open+packet.SQN(p.sent)-1
	p.short[p.open] = uint8(size)
	if n, asked := p.demand[p.open]; asked {
		p.demand[p.open] = p.k.Owed(n, size)
	}
	p.finish(size)
	return last, size, true
}

// Next returns the sequence number that the next data packet has.
func (p *Plan) Next() packet.SQN { return p.open + packet.SQN(p.sent) }

func (p *Plan) finish(size int) {
	tg := p.open
	p.open, p.sent = p.k.Next(p.open), 0
	if !tg.Before(p.trail) {
		p.owe(tg, size)
	}
}

func (p *Plan) owe(tg packet.SQN, size int) {
	if p.proactive > 0 {
		p.owed = append(p.owed, Run{Group: tg, Size: size, N: p.proactive, Proactive: true})
	}
}

// Repeat says that all data packets of the group of s, complete, are sent for another time, unasked: it gets pro-active parity again, with
// other numbers than before.
func (p *Plan) Repeat(s packet.SQN) {
	if tg := p.k.Group(s); p.Complete(tg) {
		p.owe(tg, p.SizeOf(tg))
	}
}

// Complete reports whether all packets of the group of s were sent, and none of them is before the trailing edge.
func (p *Plan) Complete(s packet.SQN) bool {
	tg := p.k.Group(s)
	return tg.Before(p.open) && !tg.Before(p.trail)
}

// SizeOf returns how many data packets the group of s has: k, or what Close left it with. It has that many for the leading group too, as
// far as anybody knows.
func (p *Plan) SizeOf(s packet.SQN) int {
	if n, ok := p.short[p.k.Group(s)]; ok {
		return int(n)
	}
	return int(p.k)
}

// Short returns the size of the group that ends with the data packet s if it was ended early, for OPT_CURR_TGSIZE on SPMs whose
// SPM_LEAD is s and on s when it is repaired [11.4-19]; ok is false for every other packet.
func (p *Plan) Short(s packet.SQN) (size int, ok bool) {
	n, ok := p.short[p.k.Group(s)]
	return int(n), ok && p.k.Index(s) == int(n)-1
}

// Request takes a parity NAK for count packets of the group tg. For the leading group, it waits until that is complete.
func (p *Plan) Request(tg packet.SQN, count int) Demand {
	tg = p.k.Group(tg)
	leading := tg == p.open && p.sent > 0
	if tg.Before(p.trail) || !leading && !p.Complete(tg) {
		return Refused
	}
	if !leading {
		count = p.k.Owed(count, p.SizeOf(tg))
	}
	count = min(count, p.h)
	n, asked := p.demand[tg]
	switch {
	case asked && n >= count:
		return Merged
	case !asked && len(p.demand) >= p.maximum:
		return Refused
	}
	if p.demand[tg] = count; asked {
		return Raised
	}
	p.order = append(p.order, tg)
	return Added
}

// Owed returns what parity is to be sent next; ok is false when there is none. Pro-active parity goes first, then the group that was
// asked for first. Sent must follow, or the same is returned again. No data of a later group should go before pro-active parity.
func (p *Plan) Owed() (r Run, ok bool) {
	if len(p.owed) > 0 {
		return p.number(p.owed[0]), true
	}
	for i, tg := range p.order {
		if tg != p.open {
			p.order[0], p.order[i] = tg, p.order[0]
			return p.number(Run{Group: tg, Size: p.SizeOf(tg), N: p.demand[tg]}), true
		}
	}
	return Run{}, false
}

// Demanded returns how many groups wait for parity that was asked for.
func (p *Plan) Demanded() int { return len(p.demand) }

// Pending returns how many parity packets of the group tg were asked for and not sent.
func (p *Plan) Pending(tg packet.SQN) int { return p.demand[p.k.Group(tg)] }

// number gives the run its numbers: no more than there are before they begin again.
func (p *Plan) number(r Run) Run {
	r.First = int(*p.at(r.Group))
	r.N = min(r.N, p.h-r.First)
	return r
}

// Sent says that the first n parity packets of r, which Owed returned last, were sent.
func (p *Plan) Sent(r Run, n int) {
	if n <= 0 {
		return
	}
	at := p.at(r.Group)
	*at = uint8((int(*at) + n) % p.h)
	if r.Proactive {
		if p.owed[0].N -= n; p.owed[0].N <= 0 {
			p.owed = slices.Delete(p.owed, 0, 1)
		}
		return
	}
	if p.demand[r.Group] -= n; p.demand[r.Group] <= 0 {
		p.drop(0)
	}
}

func (p *Plan) drop(i int) {
	delete(p.demand, p.order[i])
	p.order = slices.Delete(p.order, i, i+1)
}

// at returns where the number of the group's next parity packet is.
func (p *Plan) at(tg packet.SQN) *uint8 {
	n := uint32(tg) / uint32(p.k)
	page := n &^ (pageGroups - 1)
	if p.next[page] == nil {
		p.next[page] = new(numbers)
	}
	return &p.next[page][n%pageGroups]
}

// Advance says that data packets before trail can no longer be loaded: their groups get no more parity.
func (p *Plan) Advance(trail packet.SQN) {
	tg := p.k.Group(trail + packet.SQN(p.k) - 1)
	if !p.trail.Before(tg) {
		return
	}
	old := p.trail
	p.trail = tg
	gone := func(s packet.SQN) bool { return s.Before(tg) }
	p.owed = slices.DeleteFunc(p.owed, func(r Run) bool { return gone(r.Group) })
	for i := len(p.order) - 1; i >= 0; i-- {
		if gone(p.order[i]) {
			p.drop(i)
		}
	}
	for s := range p.short {
		if gone(s) {
			delete(p.short, s)
		}
	}
	const span = pageGroups - 1
	if page := uint32(tg) / uint32(p.k) &^ span; page != uint32(old)/uint32(p.k)&^span {
		for n := range p.next {
			if s := packet.SQN((n+pageGroups)*uint32(p.k)) - 1; gone(s) {
				delete(p.next, n)
			}
		}
	}
}
