package poll

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The defaults of NAK_BO_IVL and its limits: for a network with a round trip below 1 ms.
const (
	DefaultBackOff    = 5 * time.Millisecond   // NAK_BO_IVL_DEFAULT
	DefaultBackOffMin = 500 * time.Microsecond // NAK_BO_IVL_MIN
	DefaultBackOffMax = 100 * time.Millisecond // NAK_BO_IVL_MAX
)

// BackOff is what a receiver knows of the NAK_BO_IVL of one session [15.2.2-01]: its own until the parent says another, within
// limits that the source may set. NewBackOff makes one.
type BackOff struct {
	wanted   time.Duration // what the parent wants, or our own
	limits   Range
	advert   Interval // the last that was heard
	withheld bool     // advert may not be used yet

	// The polls whose round 0 was received lie between these.
	polled      bool
	first, last packet.SQN
}

// NewBackOff returns what is known before the first packet: NAK_BO_IVL is d, within limits. Zero values mean the defaults; a default
// that does not go with the other values gives way.
func NewBackOff(d time.Duration, limits Range) *BackOff {
	if d <= 0 {
		d = DefaultBackOff
	}
	if limits.Min <= 0 {
		limits.Min = min(DefaultBackOffMin, d)
	}
	if limits.Max <= 0 {
		limits.Max = max(DefaultBackOffMax, d)
	}
	limits.Max = max(limits.Max, limits.Min)
	return &BackOff{wanted: d, limits: limits}
}

// Interval returns NAK_BO_IVL. It is above zero.
func (b *BackOff) Interval() time.Duration { return max(b.limits.clamp(b.wanted), time.Microsecond) }

// MayNAK reports whether a NAK may be sent. It may not while the interval that was advertised last is one that must not be used:
// RFC 3208 §15.2.2 says only that; §6.3 adds "(i.e., the receiver MUST NOT NAK)", and so it is here [6.3-16].
func (b *BackOff) MayNAK() bool { return !b.withheld }

// Advertised takes OPT_NAK_BO_IVL of an NCF, SPM or POLL from the parent.
func (b *BackOff) Advertised(i Interval) {
	b.advert = i
	b.adopt()
}

// Polled takes a POLL from the parent. What was advertised for it may be used from now on.
func (b *BackOff) Polled(p *Packet) {
	if p.Round != 0 {
		return
	}
	switch s := p.SQN; {
	case !b.polled || s.After(b.last) && s-b.first > maxPolled || s.Before(b.first) && b.last-s > maxPolled:
		b.first, b.last = s, s
	case s.After(b.last):
		b.last = s
	case s.Before(b.first):
		b.first = s
	}
	b.polled = true
	if b.withheld {
		b.adopt()
	}
}

// maxPolled is how far apart the first and the last poll may be that are remembered: far enough below half the circle.
const maxPolled = 1 << 30

// adopt uses what was advertised last, if that is allowed: "unless either NAK_BO_IVL_SQN is zero, or the receiver has seen
// POLL_RND == 0 for POLL_SQN =< NAK_BO_IVL_SQN within half the sequence number space" (RFC 3208 §6.3).
func (b *BackOff) adopt() {
	s := b.advert.SQN
	b.withheld = s != 0 && !(b.polled && (s-b.first < 1<<31 || s-b.last < 1<<31))
	if !b.withheld {
		b.wanted = b.advert.BackOff
	}
}

// Range takes OPT_NAK_BO_RNG of an SPM, which sets the limits [15.2.2-02]. It reports whether they are a range; others are ignored.
func (b *BackOff) Range(r Range) bool {
	if !r.valid() {
		return false
	}
	b.limits = r
	return true
}
