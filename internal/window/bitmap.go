package window

import (
	"math/bits"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Bitmap is the set of the SQNs that are in a window of a fixed size whose trailing edge moves.
//
// It is a tree of three levels over the whole circle: a root of regions (2^20 SQNs), each a table of
// 128 pages (2^13 SQNs, 1 KiB). A region or page in which nothing is, or everything, has no storage,
// so memory is one bit for each SQN near which some are in and some are not: a window of 2^31-1
// packets costs 64 KiB empty, a file nearly complete next to nothing.
//
// The zero Bitmap has no window: nothing can be added to it, but UnmarshalBinary fills it.
type Bitmap struct {
	trail packet.SQN
	max   uint32 // the window is [trail, trail+max)
	n     uint32 // how many are in
	// first is where Contiguous goes on: everything in [trail, first) is in.
	first packet.SQN

	// root has a slot for each region that a window can touch at once, so a region's number modulo
	// the power of two that is len(root) finds it, across the wrap of SQNs too.
	root []region

	// Storage that was given back, kept so that a window that moves allocates nothing.
	pages  [sparePages]*pageBits
	spares int
	table  *pageTable
}

const (
	wordShift   = 6
	pageShift   = 13
	regionShift = 20

	wordSQNs   = 1 << wordShift
	pageSQNs   = 1 << pageShift
	regionSQNs = 1 << regionShift

	pageWords   = pageSQNs / wordSQNs
	regionPages = regionSQNs / pageSQNs

	sparePages = 8
)

// A region without a table is empty (n is 0) or full (n is regionSQNs). So is a page without bits.
// Bits before the trail are never looked at: n counts them or not, as long as n says what is stored.
type region struct {
	table *pageTable
	n     uint32
}

type page struct {
	bits *pageBits
	n    uint32
}

type (
	pageTable [regionPages]page
	pageBits  [pageWords]uint64
)

// NewBitmap returns an empty set over [trail, trail+max). It panics unless 1 <= max <= 2^31-1.
func NewBitmap(trail packet.SQN, max int) *Bitmap {
	b := &Bitmap{trail: trail, max: checkMax("Bitmap", max), first: trail}
	b.root = make([]region, rootLen(b.max))
	return b
}

// rootLen returns how many regions a window of max SQNs touches at most, as a power of two.
func rootLen(max uint32) int {
	if max == 0 {
		return 0
	}
	touched := (max-1+regionSQNs-1)/regionSQNs + 1 // one more than it fills, unless it begins on an edge
	return 1 << bits.Len32(touched-1)
}

func (b *Bitmap) region(s packet.SQN) *region {
	return &b.root[int(s>>regionShift)&(len(b.root)-1)]
}

func pageIndex(s packet.SQN) uint32 { return uint32(s) >> pageShift % regionPages }
func wordIndex(s packet.SQN) uint32 { return uint32(s) >> wordShift % pageWords }
func bitMask(s packet.SQN) uint64   { return 1 << (uint32(s) % wordSQNs) }

// Trail returns the oldest SQN covered.
func (b *Bitmap) Trail() packet.SQN { return b.trail }

// Max returns how many SQNs are covered, in or not.
func (b *Bitmap) Max() int { return int(b.max) }

// Len returns how many SQNs are in.
func (b *Bitmap) Len() int { return int(b.n) }

// Has reports whether s is in. What is outside the window is not.
func (b *Bitmap) Has(s packet.SQN) bool {
	if uint32(s-b.trail) >= b.max {
		return false
	}
	r := b.region(s)
	if r.table == nil {
		return r.n != 0
	}
	p := &r.table[pageIndex(s)]
	if p.bits == nil {
		return p.n != 0
	}
	return p.bits[wordIndex(s)]&bitMask(s) != 0
}

// Add puts s in. It returns false, and does nothing, if s is in already or outside the window.
func (b *Bitmap) Add(s packet.SQN) bool {
	if uint32(s-b.trail) >= b.max {
		return false
	}
	r := b.region(s)
	if r.table == nil {
		if r.n != 0 {
			return false
		}
		r.table = b.newTable()
	}
	p := &r.table[pageIndex(s)]
	if p.bits == nil {
		if p.n != 0 {
			return false
		}
		p.bits = b.newPage()
	}
	w, mask := &p.bits[wordIndex(s)], bitMask(s)
	if *w&mask != 0 {
		return false
	}
	*w |= mask
	p.n++
	r.n++
	b.n++
	if p.n == pageSQNs {
		b.settle(r, p)
	}
	return true
}

// Remove takes s out, if it is in.
func (b *Bitmap) Remove(s packet.SQN) {
	if !b.Has(s) {
		return
	}
	r := b.region(s)
	if r.table == nil {
		r.table = b.newTable()
		// The pages that the trail has passed stay empty: nothing would clear them any more before
		// their place in the root is used again.
		from := uint32(0)
		if (s^b.trail)>>regionShift == 0 {
			from = pageIndex(b.trail)
		}
		for i := from; i < regionPages; i++ {
			r.table[i].n = pageSQNs
		}
		r.n = (regionPages - from) * pageSQNs
	}
	p := &r.table[pageIndex(s)]
	if p.bits == nil {
		p.bits = b.newPage()
		for i := range p.bits {
			p.bits[i] = ^uint64(0)
		}
	}
	p.bits[wordIndex(s)] &^= bitMask(s)
	p.n--
	r.n--
	b.n--
	if p.n == 0 {
		b.settle(r, p)
	}
	if s.Before(b.first) {
		b.first = s
	}
}

// Advance makes trail the oldest SQN covered and forgets what is before it. A trail that is not
// ahead changes nothing: a trailing edge never goes back (§3.3).
func (b *Bitmap) Advance(trail packet.SQN) {
	if !b.trail.Before(trail) {
		return
	}
	if b.root == nil {
		b.trail, b.first = trail, trail
		return
	}
	for b.trail != trail {
		r := b.region(b.trail)
		if r.table == nil {
			step := min(uint32(trail-b.trail), regionSQNs-uint32(b.trail)%regionSQNs)
			b.trail += packet.SQN(step)
			if r.n != 0 {
				b.n -= step
				if uint32(b.trail)%regionSQNs == 0 {
					r.n = 0
				}
			}
			continue
		}
		p := &r.table[pageIndex(b.trail)]
		step := min(uint32(trail-b.trail), pageSQNs-uint32(b.trail)%pageSQNs)
		b.n -= p.count(b.trail, step)
		b.trail += packet.SQN(step)
		if uint32(b.trail)%pageSQNs == 0 {
			r.n -= p.n
			p.n = 0
			b.settle(r, p)
		}
	}
	if b.first.Before(trail) {
		b.first = trail
	}
}

// count returns how many of the n SQNs from s on are in; all of them belong to p.
func (p *page) count(s packet.SQN, n uint32) uint32 {
	if p.bits == nil {
		if p.n == 0 {
			return 0
		}
		return n
	}
	var in int
	for n > 0 {
		w := p.bits[wordIndex(s)] >> (uint32(s) % wordSQNs)
		step := min(n, wordSQNs-uint32(s)%wordSQNs)
		in += bits.OnesCount64(w << (wordSQNs - step)) // step is at least 1
		s += packet.SQN(step)
		n -= step
	}
	return uint32(in)
}

// settle gives back the storage of p, and of r, if their counts now say all there is to say.
func (b *Bitmap) settle(r *region, p *page) {
	if p.bits != nil && (p.n == 0 || p.n == pageSQNs) {
		if b.spares < sparePages {
			b.pages[b.spares] = p.bits
			b.spares++
		}
		p.bits = nil
	}
	if r.n == 0 || r.n == regionSQNs {
		b.table, r.table = r.table, nil
	}
}

func (b *Bitmap) newPage() *pageBits {
	if b.spares == 0 {
		return new(pageBits)
	}
	b.spares--
	p := b.pages[b.spares]
	b.pages[b.spares] = nil
	clear(p[:])
	return p
}

func (b *Bitmap) newTable() *pageTable {
	t := b.table
	if t == nil {
		return new(pageTable)
	}
	b.table = nil
	clear(t[:])
	return t
}
