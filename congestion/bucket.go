package congestion

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

const (
	// maxLevel bounds depth and debt, so that the distance between them fits in 64 bits.
	maxLevel = math.MaxInt64 / 2

	// maxStepBack is how far back a clock may step and be taken for events out of order, whose time
	// has been counted: the bucket waits until it is past. A clock that steps back further was set,
	// and waiting might take years: time counts from there, and what lies between gives nothing.
	maxStepBack = time.Second
)

// A bucket is filled at a rate up to a depth. What is spent beyond its level is a debt. The level is
// kept to the billionth of a byte, which is what a rate of 1 adds in a nanosecond, so it never drifts.
type bucket struct {
	rate  int64 // bytes a second; 0: no limit
	depth int64
	level int64  // bytes; below zero: debt
	frac  uint64 // billionths of a byte on top, always less than 1e9

	started bool
	last    time.Time // when level was right
	// lowest is the least rate since last, and the time since last counts at it: a new rate is told
	// without the time, and must not work backwards.
	lowest int64
}

// newBucket returns a full bucket. A negative rate or depth is a mistake of the caller's.
func newBucket(kind string, rate, depth int) bucket {
	if rate < 0 || depth < 0 {
		panic(fmt.Sprintf("congestion: %s of %d bytes, %d bytes a second", kind, depth, rate))
	}
	b := bucket{depth: min(int64(depth), maxLevel), rate: int64(rate), lowest: int64(rate)}
	b.level = b.depth
	return b
}

// set changes rate and depth. A bucket never holds more for it than it did.
func (b *bucket) set(rate, depth int) {
	b.rate = int64(rate)
	if b.lowest == 0 || b.rate != 0 && b.rate < b.lowest {
		b.lowest = b.rate
	}
	b.depth = min(int64(depth), maxLevel)
	switch {
	case !b.started:
		b.level, b.lowest = b.depth, b.rate
	case b.level >= b.depth:
		b.level, b.frac = b.depth, 0
	}
}

// update fills the bucket for the time from last to now.
func (b *bucket) update(now time.Time) {
	if !b.started {
		b.started, b.last, b.lowest = true, now, b.rate
		return
	}
	elapsed := now.Sub(b.last)
	if elapsed < 0 && elapsed >= -maxStepBack {
		return
	}
	rate := b.lowest
	b.last, b.lowest = now, b.rate
	if elapsed <= 0 {
		return
	}
	if rate == 0 {
		b.level, b.frac = b.depth, 0
		return
	}
	hi, lo := bits.Mul64(uint64(elapsed), uint64(rate))
	lo, carry := bits.Add64(lo, b.frac, 0)
	hi += carry
	var whole, frac uint64
	switch {
	case hi == 0:
		whole, frac = lo/1e9, lo%1e9
	case hi < 1e9:
		whole, frac = bits.Div64(hi, lo, 1e9)
	default:
		whole = math.MaxUint64
	}
	if whole >= uint64(b.depth-b.level) {
		b.level, b.frac = b.depth, 0
		return
	}
	b.level += int64(whole)
	b.frac = frac
}

// available returns how many bytes may be spent now.
func (b *bucket) available(now time.Time) int {
	b.update(now)
	if b.rate == 0 {
		return math.MaxInt
	}
	return int(min(max(b.level, 0), math.MaxInt))
}

// spend takes n bytes, whether they are there or not.
func (b *bucket) spend(now time.Time, n int) {
	b.update(now)
	if b.rate == 0 || n <= 0 {
		return
	}
	b.level = max(b.level-min(int64(n), maxLevel), -maxLevel)
}

// nextAt returns the first nanosecond, from now on, at which n bytes are available, or the bucket is
// full if it cannot hold n.
func (b *bucket) nextAt(now time.Time, n int) time.Time {
	b.update(now)
	want := min(int64(n), b.depth)
	if b.rate == 0 || b.level >= want {
		return now
	}
	// The time at which the billionths that are missing have come in, rounded up.
	hi, lo := bits.Mul64(uint64(want-b.level), 1e9)
	lo, borrow := bits.Sub64(lo, b.frac, 0)
	hi -= borrow
	lo, carry := bits.Add64(lo, uint64(b.lowest)-1, 0)
	hi += carry
	if hi >= uint64(b.lowest) {
		return b.last.Add(math.MaxInt64)
	}
	wait, _ := bits.Div64(hi, lo, uint64(b.lowest))
	return b.last.Add(time.Duration(min(wait, math.MaxInt64)))
}
