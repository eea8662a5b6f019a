package congestion

import "github.com/gopgm/gopgm/pgm/packet"

const (
	// lossConstant is c, the weight of a packet in the loss rate, of 65,536. The draft's line has p_i on both sides and the constant on
	// the wrong term; what it means is p = c x + (1 - c) p [CC-2.6-01].
	lossConstant = 500
	// lossDepth is how many later packets make one that did not come a loss: what TCP takes for reordering.
	lossDepth = 3
	// maxGap is the longest run of packets that is taken for lost; a longer one is another part of the session.
	maxGap = 1 << 20
	// saturated is how many losses in a row leave nothing of the loss rate before them.
	saturated = 2048
)

// lossFilter follows the data packets of a session at a receiver: which of the newest 32 came, and what part was lost lately.
type lossFilter struct {
	started bool
	max     packet.SQN // RX_MAX
	bitmap  uint32     // bit i: max - i came, or is before our time
	p       uint64     // the loss rate, with 32 fractional bits
	lost    uint32
}

// data takes packet n, which came; the first one begins. It reports whether n is newer than all before it.
func (l *lossFilter) data(n packet.SQN) bool {
	if !l.started {
		l.started, l.max, l.bitmap = true, n, ^uint32(0)
		return true
	}
	ahead := n.Sub(l.max)
	switch {
	case ahead == 1 && l.bitmap>>(lossDepth-1)&1 != 0: // by far the most: one packet on, and another leaves unharmed
		l.bitmap = l.bitmap<<1 | 1
		l.p -= l.p * lossConstant >> 16
	case ahead <= 0:
		if ahead > -32 { // it was only late
			l.bitmap |= 1 << -ahead
		}
		return false
	case ahead > maxGap:
		l.max, l.bitmap = n, ^uint32(0)
		return true
	default:
		l.skip(uint32(ahead))
	}
	l.max = n
	return true
}

// skip moves the bitmap on to a packet so many ahead, and judges those that are lossDepth or more behind it and were not before.
func (l *lossFilter) skip(ahead uint32) {
	for i := lossDepth - 1; i >= max(0, lossDepth-int(ahead)); i-- {
		l.sample(l.bitmap>>i&1 != 0)
	}
	if ahead > lossDepth { // of those that were passed over just now, all but the newest
		gone := ahead - lossDepth
		l.lost += gone
		for range min(gone, saturated) {
			l.lose()
		}
	}
	if ahead >= 32 {
		l.bitmap = 1
	} else {
		l.bitmap = l.bitmap<<ahead | 1
	}
}

func (l *lossFilter) sample(came bool) {
	if came {
		l.p -= l.p * lossConstant >> 16
		return
	}
	l.lost++
	l.lose()
}

func (l *lossFilter) lose() { l.p += (1<<32 - l.p) * lossConstant >> 16 }

// rate returns the loss rate as PGMCC and OPT_CR write it.
func (l *lossFilter) rate() uint16 { return uint16(min(l.p>>16, 0xffff)) }
