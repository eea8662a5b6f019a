package congestion

import "time"

// LeakyBucket bounds the rate of packets that follow each other: "a source MUST bound the maximum rate
// at which successive packets may be transmitted using a leaky bucket scheme drained at a maximum
// transmit rate" (RFC 3208 §5.1.2) [5.1.2-03]. What is sent is poured in and drains at the peak rate;
// there must be room for it. A bucket of one packet spaces packets evenly; a larger one lets as much
// go back to back, for a network interface that takes packets by the batch.
type LeakyBucket struct {
	bucket bucket // of the room
}

// NewLeakyBucket returns an empty bucket. peak is in bytes a second, 0 for no limit; burst, what the
// bucket holds, in bytes. It panics if either is negative.
func NewLeakyBucket(peak, burst int) *LeakyBucket {
	return &LeakyBucket{newBucket("leaky bucket", peak, burst)}
}

// Room returns how many bytes may follow back to back: math.MaxInt if there is no limit.
func (b *LeakyBucket) Room(now time.Time) int { return b.bucket.available(now) }

// Pour says that n bytes are sent. If there is less room, what runs over drains first.
func (b *LeakyBucket) Pour(now time.Time, n int) { b.bucket.spend(now, n) }

// NextAt returns when there will be room for n bytes, if none are poured in until then: now if there
// is, and when the bucket will be empty if it never has room for n.
func (b *LeakyBucket) NextAt(now time.Time, n int) time.Time { return b.bucket.nextAt(now, n) }
