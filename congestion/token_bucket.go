package congestion

import "time"

// TokenBucket regulates a sustained rate: "Over any arbitrarily chosen interval, the number of bytes
// the source may transmit MUST NOT exceed the token bucket size plus the product of the token rate and
// the chosen interval" (RFC 3208 §5.1.2) [5.1.2-01, 5.1.2-02].
type TokenBucket struct{ bucket bucket }

// NewTokenBucket returns a full bucket. rate is in bytes a second, 0 for no limit; depth, the token
// bucket size, in bytes. It panics if either is negative.
func NewTokenBucket(rate, depth int) *TokenBucket {
	return &TokenBucket{newBucket("token bucket", rate, depth)}
}

// Take takes n bytes if there are n, and reports whether there were.
func (b *TokenBucket) Take(now time.Time, n int) bool {
	if b.bucket.available(now) < n {
		return false
	}
	b.bucket.spend(now, n)
	return true
}

// Available returns how many bytes there are: math.MaxInt if there is no limit, 0 while in debt.
func (b *TokenBucket) Available(now time.Time) int { return b.bucket.available(now) }

// NextAt returns when n bytes will be there, if none are taken until then: now if they are, and when
// the bucket will be full if it never holds n.
func (b *TokenBucket) NextAt(now time.Time, n int) time.Time { return b.bucket.nextAt(now, n) }

// Force takes n bytes though there may be fewer: what is missing is a debt that tokens pay off first.
func (b *TokenBucket) Force(now time.Time, n int) { b.bucket.spend(now, n) }
