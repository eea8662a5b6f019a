package window

import (
	"math/bits"

	"github.com/gopgm/gopgm/pgm/packet"
)

// NextMissing returns the first SQN in [from, lead] that is covered and not in, and whether there is
// one. What is before the trail is forgotten, not missing; what is beyond the window is neither. It
// looks at 64 SQNs at a time and skips what is full by pages and regions.
func (b *Bitmap) NextMissing(from, lead packet.SQN) (packet.SQN, bool) {
	return b.next(from, lead, true)
}

// NextPresent returns the first SQN in [from, lead] that is in, and whether there is one.
func (b *Bitmap) NextPresent(from, lead packet.SQN) (packet.SQN, bool) {
	return b.next(from, lead, false)
}

// Contiguous returns the first SQN from the trail on that is not in: one past the window if all are.
// Its cost is constant on average: it goes on where it stopped, or at what Remove took out since.
func (b *Bitmap) Contiguous() packet.SQN {
	end := b.trail + packet.SQN(b.max)
	if b.first != end {
		var ok bool
		if b.first, ok = b.NextMissing(b.first, end-1); !ok {
			b.first = end
		}
	}
	return b.first
}

func (b *Bitmap) next(from, lead packet.SQN, missing bool) (packet.SQN, bool) {
	if b.max == 0 || lead.Before(b.trail) {
		return 0, false
	}
	// From here on offsets from the trail are compared: from and lead may be half the circle apart.
	if from.Before(b.trail) {
		from = b.trail
	}
	last := min(uint32(lead-b.trail), b.max-1)
	if uint32(from-b.trail) > last {
		return 0, false
	}

	var flip uint64 // turns what is looked for into ones
	if missing {
		flip = ^uint64(0)
	}
	s, left := from, last-uint32(from-b.trail)+1
	for {
		var step uint32
		if r := b.region(s); r.table == nil {
			if (r.n == 0) == missing {
				return s, true
			}
			step = regionSQNs - uint32(s)%regionSQNs
		} else if p := &r.table[pageIndex(s)]; p.bits == nil {
			if (p.n == 0) == missing {
				return s, true
			}
			step = pageSQNs - uint32(s)%pageSQNs
		} else {
			at := s - s%wordSQNs
			w := (p.bits[wordIndex(s)] ^ flip) &^ (bitMask(s) - 1)
			for i := wordIndex(s) + 1; w == 0 && i < pageWords; i++ {
				at += wordSQNs
				w = p.bits[i] ^ flip
			}
			if w != 0 {
				at += packet.SQN(bits.TrailingZeros64(w))
				return at, uint32(at-s) < left
			}
			step = pageSQNs - uint32(s)%pageSQNs
		}
		if step >= left {
			return 0, false
		}
		s += packet.SQN(step)
		left -= step
	}
}
