package fec

import (
	"fmt"
	"slices"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Groups is what a receiver knows of the transmission groups of one session: it holds the parity of each until there is as much as
// packets are missing, and hands the group out as a Job. Which data packets are there, it asks the receiver.
//
// It holds each parity packet once, copied as it comes, and no data. Memory is bounded by GroupsConfig; what does not fit is refused
// and counted, and asked for again by who needs it. What comes costs time linear in its length and in k. It is not safe for
// concurrent use.
type Groups struct {
	c     GroupsConfig
	k     Size
	open  map[packet.SQN]*group // those of which parity is there
	short map[packet.SQN]uint8  // the sizes of those that were ended early
	ready []packet.SQN          // those that can be decoded, first ready first; others too, which could
	trail packet.SQN            // what is before it is of no interest, once moved is true
	moved bool

	unused []*group
	jobs   []*Job
	spare  [][]byte // blocks
	held   int      // octets of the blocks that are not spare
	stats  GroupsStats
}

// GroupsConfig says what groups a session has, and bounds Groups.
type GroupsConfig struct {
	Size   Size // PARITY_PRM_TGS
	Memory int  // octets of parity that are held, those in Jobs included; default 16 MiB
	Open   int  // groups with parity at once, and groups that are known to be short; default 4096
	// Has reports whether the data packet s is there, so that it can be loaded for decoding. It is called from within the methods.
	// Packets that do not exist, behind the last of a short group, are not asked for once that is known.
	Has func(s packet.SQN) bool
}

// GroupsStats counts what became of parity packets and groups.
type GroupsStats struct {
	Held        uint64 // parity packets that were kept
	Complete    uint64 // for groups that lack nothing
	Duplicate   uint64 // that were there already
	Surplus     uint64 // more than are missing, or while the group is decoded
	Stale       uint64 // for groups before the trailing edge
	NoRoom      uint64 // for which Memory or Open had no room; sizes of groups too
	Disagree    uint64 // whose length or options are not those of others of the group
	Contradict  uint64 // that claim another size of the group; other such claims too
	Decoded     uint64 // groups
	Rebuilt     uint64 // packets in them
	Undecodable uint64 // groups whose packets disagreed, or became nonsense: their parity was forgotten
	NotLoaded   uint64 // groups of which a data packet was not to be had
}

// group is a group of which parity is there, or is being used.
type group struct {
	tg      packet.SQN
	size    int
	shape   shape
	present [MaxGroup / 64]uint64
	missing int
	indexes []int // of the parity packets,
	blocks  [][]byte
	taken   [(MaxPackets + 63) / 64]uint64 // the set of indexes, those that a Job took included
	against int                            // parity packets that disagree with these
	job     *Job
	queued  bool // in ready
	closed  bool // while the Job runs
}

// Verdict is what became of a parity packet.
type Verdict uint8

// The verdicts.
const (
	Kept      Verdict = iota // more is needed
	Decodable                // as much is there as is missing: Next will have the group
	Useless                  // it is not needed, or no longer
	Rejected                 // it disagrees with what is known, or there is no room
)

// NewGroups returns Groups of which nothing is known. It panics when c.Size is not Valid or c.Has is missing.
func NewGroups(c GroupsConfig) *Groups {
	if !c.Size.Valid() || c.Has == nil {
		panic(fmt.Sprintf("fec: the groups of a session have %d packets, Has is %t", c.Size, c.Has != nil))
	}
	if c.Memory <= 0 {
		c.Memory = 16 << 20
	}
	if c.Open <= 0 {
		c.Open = 4096
	}
	return &Groups{c: c, k: c.Size, open: map[packet.SQN]*group{}, short: map[packet.SQN]uint8{}}
}

// Size returns PARITY_PRM_TGS.
func (g *Groups) Size() Size { return g.k }

// Stats returns the counters.
func (g *Groups) Stats() GroupsStats { return g.stats }

// Open returns how many groups there is parity of.
func (g *Groups) Open() int { return len(g.open) }

// Memory returns how many octets of parity are held, those in Jobs included.
func (g *Groups) Memory() int { return g.held }

// Learn takes OPT_CURR_TGSIZE of a data packet, which is the last of its group [11.2-15], of an SPM, whose SPM_LEAD is, or of a parity packet:
// last is that packet, or the group's first plus size less one. It reports whether it is news that the group is short: the
// packets behind last, up to the next group, do not exist, and are neither missing nor waited for [11.2-14]. What contradicts what
// is known, or a data packet that is there, is counted and ignored.
func (g *Groups) Learn(last packet.SQN, size int) (news bool) {
	tg := g.k.Group(last)
	if g.moved && tg.Before(g.trail) || size == int(g.k) {
		return false
	}
	known, ok := g.short[tg]
	if ok && int(known) == size {
		return false
	}
	if ok || size < 1 || g.k.Index(last) != size-1 || g.there(tg, size, int(g.k)) {
		g.stats.Contradict++
		return false
	}
	if p := g.open[tg]; p != nil { // its parity says that it is full
		g.stats.Contradict++
		if !g.outvoted(p) {
			return false
		}
		g.close(p)
	}
	if len(g.short) >= g.c.Open {
		g.stats.NoRoom++
		return false
	}
	g.short[tg] = uint8(size)
	return true
}

// Refute says that the data packet s has come. If its group was said to be too short for it, that was not so: it is forgotten, with the
// parity that came with it, and counted. It reports whether it was.
func (g *Groups) Refute(s packet.SQN) bool {
	if len(g.short) == 0 {
		return false
	}
	size, ok := g.Short(s)
	if !ok || g.k.Index(s) < size {
		return false
	}
	g.stats.Contradict++
	delete(g.short, g.k.Group(s))
	if p := g.open[g.k.Group(s)]; p != nil {
		g.close(p)
	}
	return true
}

// there reports whether any of the packets from..to-1 of a group is there.
func (g *Groups) there(tg packet.SQN, from, to int) bool {
	for i := from; i < to; i++ {
		if g.c.Has(tg + packet.SQN(i)) {
			return true
		}
	}
	return false
}

// Short returns the size of the group of s if it is known to have been ended early.
func (g *Groups) Short(s packet.SQN) (size int, ok bool) {
	n, ok := g.short[g.k.Group(s)]
	return int(n), ok
}

// Need returns for how many packets a parity NAK for the group of s asks: what is missing, and what the group is short of, less the parity
// that is there [11.5-14]. It is 0 when nothing is missing, and while the group is decoded.
func (g *Groups) Need(s packet.SQN) int {
	tg := g.k.Group(s)
	size, _ := g.Short(tg)
	held, missing := 0, 0
	if p := g.open[tg]; p != nil {
		if p.job != nil || len(p.indexes) >= p.missing {
			return 0
		}
		size, held, missing = p.size, len(p.indexes), p.missing
	} else {
		span := size
		if span == 0 {
			span = int(g.k)
		}
		for i := range span {
			if !g.c.Has(tg + packet.SQN(i)) {
				missing++
			}
		}
	}
	if missing == 0 {
		return 0
	}
	return g.k.Missing(missing, size, held)
}

// Have says that the data packet s is there now, after Has would say so. It costs next to nothing when there is no parity of its group.
func (g *Groups) Have(s packet.SQN) {
	p := g.open[g.k.Group(s)]
	if p == nil {
		return
	}
	i := g.k.Index(s)
	if i >= p.size {
		g.stats.Contradict++
		return
	}
	if p.has(i) {
		return
	}
	p.present[i/64] |= 1 << (i % 64)
	p.missing--
	g.settle(p)
}

func (p *group) has(i int) bool { return p.present[i/64]>>(i%64)&1 != 0 }

// count finds out what of p is there.
func (g *Groups) count(p *group) {
	p.present, p.missing = [len(p.present)]uint64{}, 0
	for i := range p.size {
		if g.c.Has(p.tg + packet.SQN(i)) {
			p.present[i/64] |= 1 << (i % 64)
		} else {
			p.missing++
		}
	}
}

// Parity takes a parity packet, which Parse read with the same size. Whoever wants to hear of short groups calls Learn first.
func (g *Groups) Parity(q *Parity) Verdict {
	if g.moved && q.Group.Before(g.trail) {
		g.stats.Stale++
		return Useless
	}
	if q.Size < int(g.k) {
		g.Learn(q.Group+packet.SQN(q.Size)-1, q.Size)
	}
	p := g.open[q.Group]
	size, ok := g.Short(q.Group)
	if !ok {
		size = int(g.k)
	}
	if q.Size != size {
		if q.Size == int(g.k) { // else Learn has counted it
			g.stats.Contradict++
		}
		return Rejected
	}
	fresh := p == nil
	if fresh {
		if p = g.newGroup(q); p.missing == 0 {
			g.stats.Complete++
			g.recycle(p)
			return Useless
		}
	} else if p.shape != q.shape() {
		g.stats.Disagree++
		if !g.outvoted(p) {
			return Rejected
		}
		g.freeBlocks(p)
		p.shape, p.against, p.taken = q.shape(), 0, [len(p.taken)]uint64{}
	}
	word, bit := q.Index/64, uint64(1)<<(q.Index%64)
	switch {
	case p.taken[word]&bit != 0:
		g.stats.Duplicate++
		return Useless
	case p.job != nil || len(p.indexes) >= p.missing:
		g.stats.Surplus++
		return Useless
	}
	block := g.newBlock(p.shape.width())
	if block == nil || fresh && len(g.open) >= g.c.Open {
		g.stats.NoRoom++
		g.freeBlock(block)
		if fresh {
			g.recycle(p)
		}
		return Rejected
	}
	if fresh {
		g.open[p.tg] = p
	}
	p.taken[word] |= bit
	p.indexes = append(p.indexes, q.Index)
	p.blocks = append(p.blocks, q.block(block))
	g.stats.Held++
	return g.settle(p)
}

// outvoted reports whether more parity packets disagree with those of p that are there than these are: a packet that does not belong to
// the group, and came first, must not keep all others away.
func (g *Groups) outvoted(p *group) bool {
	p.against++
	return p.job == nil && p.against > len(p.indexes)
}

// newGroup returns the group of q, which is not open yet.
func (g *Groups) newGroup(q *Parity) *group {
	var p *group
	if n := len(g.unused); n > 0 {
		p, g.unused = g.unused[n-1], g.unused[:n-1]
	} else {
		p = new(group)
	}
	*p = group{tg: q.Group, size: q.Size, shape: q.shape(), indexes: p.indexes[:0], blocks: p.blocks[:0]}
	g.count(p)
	return p
}

// settle has p decoded if it can be, and closes it if it need not be.
func (g *Groups) settle(p *group) Verdict {
	switch {
	case p.missing == 0:
		g.close(p)
		return Useless
	case p.job != nil || len(p.indexes) < p.missing:
		return Kept
	case !p.queued:
		p.queued = true
		if len(g.ready) > 2*len(g.open)+16 { // with groups that were closed, or opened again, since
			g.ready = slices.DeleteFunc(g.ready, func(tg packet.SQN) bool { return g.open[tg] == nil || !g.open[tg].queued })
		}
		g.ready = append(g.ready, p.tg)
	}
	return Decodable
}

// close forgets the group p.
func (g *Groups) close(p *group) {
	delete(g.open, p.tg)
	g.freeBlocks(p)
	if p.job != nil {
		p.closed = true
		return
	}
	g.recycle(p)
}

func (g *Groups) recycle(p *group) { g.unused = append(g.unused, p) }

// Advance says that packets before trail are of no interest any more.
func (g *Groups) Advance(trail packet.SQN) {
	tg := g.k.Group(trail)
	if g.moved && !g.trail.Before(tg) {
		return
	}
	g.trail, g.moved = tg, true
	for s, p := range g.open {
		if s.Before(tg) {
			g.close(p)
		}
	}
	for s := range g.short {
		if s.Before(tg) {
			delete(g.short, s)
		}
	}
}

// newBlock returns a block of so many octets; nil when there is no room for it.
func (g *Groups) newBlock(width int) []byte {
	if g.held+width > g.c.Memory {
		return nil
	}
	g.held += width
	for n := len(g.spare); n > 0; n = len(g.spare) {
		b := g.spare[n-1]
		g.spare[n-1] = nil
		if g.spare = g.spare[:n-1]; cap(b) >= width {
			return b[:width]
		}
	}
	return make([]byte, width)
}

// freeBlock takes a block back that newBlock returned.
func (g *Groups) freeBlock(b []byte) {
	if b != nil {
		g.held -= len(b)
		g.spare = append(g.spare, b)
	}
}

func (g *Groups) freeBlocks(p *group) {
	for i, b := range p.blocks {
		g.freeBlock(b)
		p.blocks[i] = nil
	}
	p.indexes, p.blocks = p.indexes[:0], p.blocks[:0]
}
