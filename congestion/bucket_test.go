package congestion

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2001, 12, 1, 0, 0, 0, 0, time.UTC)

const year = 365 * 24 * time.Hour

// limit follows what one bucket let out: in no interval more than depth and what the rate gave.
type limit struct {
	depth *big.Int // billionths of a byte, like all that follow
	given *big.Int // the integral of the rate
	sent  *big.Int
	least *big.Int // of what was sent before each moment less what was given by then
}

func newLimit(depth int) *limit {
	return &limit{depth: billionths(depth), given: new(big.Int), sent: new(big.Int), least: new(big.Int)}
}

func billionths(n int) *big.Int { return new(big.Int).Mul(big.NewInt(int64(n)), big.NewInt(1e9)) }

func (l *limit) pass(rate int, d time.Duration) {
	l.given.Add(l.given, new(big.Int).Mul(big.NewInt(int64(rate)), big.NewInt(int64(d))))
}

func (l *limit) allowDepth(depth int) {
	if d := billionths(depth); d.Cmp(l.depth) > 0 {
		l.depth = d
	}
}

// send reports whether n bytes more keep to the limit in every interval that ends now.
func (l *limit) send(n int) bool {
	if at := new(big.Int).Sub(l.sent, l.given); at.Cmp(l.least) < 0 {
		l.least = at
	}
	l.sent.Add(l.sent, billionths(n))
	inside := new(big.Int).Sub(l.sent, l.given)
	return inside.Sub(inside, l.least).Cmp(l.depth) <= 0
}

func drawRate(t *rapid.T, label string) int {
	return rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(1, 1e6), rapid.IntRange(1, 1e10)).Draw(t, label)
}

func drawPause(t *rapid.T) time.Duration {
	return time.Duration(rapid.OneOf(
		rapid.Just(int64(0)), rapid.Int64Range(0, 1000), rapid.Int64Range(0, 1e6), rapid.Int64Range(0, 1e10), rapid.Int64Range(0, 1e15),
	).Draw(t, "pause"))
}

// [5.1.2-02] "Over any arbitrarily chosen interval, the number of bytes the source may transmit MUST
// NOT exceed the token bucket size plus the product of the token rate and the chosen interval."
func TestTokenBucketHoldsInEveryInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, depth := drawRate(t, "rate"), rapid.IntRange(0, 1e6).Draw(t, "depth")
		b, l, now := NewTokenBucket(rate, depth), newLimit(depth), epoch
		t.Repeat(map[string]func(*rapid.T){
			"pause": func(t *rapid.T) {
				d := drawPause(t)
				now = now.Add(d)
				l.pass(rate, d)
			},
			"take": func(t *rapid.T) {
				n := rapid.IntRange(0, depth).Draw(t, "n")
				there := b.Available(now)
				if got := b.Take(now, n); got != (n <= there) {
					t.Fatalf("Take(%d) = %v of %d", n, got, there)
				} else if got && !l.send(n) {
					t.Fatalf("%d bytes are more than depth and rate allow", n)
				}
			},
			"take all": func(t *rapid.T) {
				if n := b.Available(now); !b.Take(now, n) || !l.send(n) {
					t.Fatalf("%d bytes are more than depth and rate allow", n)
				}
			},
		})
	})
}

// What accrues is exact to the billionth of a byte, in however many steps it is looked at.
func TestTokenBucketDoesNotDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := drawRate(t, "rate")
		b := NewTokenBucket(rate, math.MaxInt)
		debt := rapid.IntRange(0, 1e6).Draw(t, "debt")
		b.Force(epoch, maxLevel) // all there is
		b.Force(epoch, debt)
		now := epoch
		for range rapid.IntRange(1, 1000).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 2e6).Draw(t, "step")))
			b.Available(now)
		}
		want := billionths(-debt)
		want.Add(want, new(big.Int).Mul(big.NewInt(int64(rate)), big.NewInt(int64(now.Sub(epoch)))))
		want.Div(want, big.NewInt(1e9))
		if got := b.Available(now); int64(got) != max(0, want.Int64()) {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}

// NextAt is the first nanosecond at which the bytes are there, whatever was forced before.
func TestNextAtIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, depth := drawRate(t, "rate"), rapid.IntRange(1, 1e6).Draw(t, "depth")
		b := NewTokenBucket(rate, depth)
		b.Available(epoch)
		now := epoch
		for range rapid.IntRange(1, 5).Draw(t, "spends") {
			now = now.Add(drawPause(t))
			b.Force(now, rapid.IntRange(0, 2*depth).Draw(t, "spend"))
		}
		n := rapid.IntRange(1, depth).Draw(t, "n")
		at := b.NextAt(now, n)
		early, late := *b, *b
		if got := late.Available(at); got < n {
			t.Fatalf("%d of %d bytes at %v", got, n, at.Sub(now))
		}
		if at.Equal(now) {
			return
		}
		if got := early.Available(at.Add(-1)); got >= n {
			t.Fatalf("%d of %d bytes a nanosecond before %v", got, n, at.Sub(now))
		}
	})
}

// A bucket that never holds so much says when it is as full as it gets.
func TestNextAtOfMoreThanTheDepth(t *testing.T) {
	b := NewTokenBucket(1000, 500)
	b.Force(epoch, 500)
	if got := b.NextAt(epoch, 501).Sub(epoch); got != 500*time.Millisecond {
		t.Errorf("got %v, want 500ms", got)
	}
}

// Debt is paid off before there are tokens again.
func TestTokenBucketForce(t *testing.T) {
	b := NewTokenBucket(1000, 500)
	b.Force(epoch, 1500)
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {time.Second, 0}, {1100 * time.Millisecond, 100}, {time.Hour, 500}} {
		if got := b.Available(epoch.Add(tt.after)); got != tt.want {
			t.Errorf("after %v: %d, want %d", tt.after, got, tt.want)
		}
	}
}

// [5.1.2-03] With room for one packet, successive packets are size / peak apart.
func TestLeakyBucketSpacesPackets(t *testing.T) {
	b := NewLeakyBucket(1_000_000, 1500)
	now, last := epoch, epoch.Add(-year)
	for i := range 1000 {
		size := 100 + i*7%1400
		now = b.NextAt(now, size)
		if b.Room(now) < size {
			t.Fatalf("packet %d: room for %d of %d bytes", i, b.Room(now), size)
		}
		b.Pour(now, 1500) // as long as the bucket is deep: the next finds it full
		if gap, want := now.Sub(last), time.Duration(size)*time.Microsecond; gap < want {
			t.Fatalf("packet %d: %v after the one before, want %v", i, gap, want)
		}
		last = now
	}
}

func TestRateZeroIsNoLimit(t *testing.T) {
	tokens, leaky := NewTokenBucket(0, 10), NewLeakyBucket(0, 10)
	tokens.Force(epoch, 1<<40)
	leaky.Pour(epoch, 1<<40)
	if !tokens.Take(epoch, 1<<40) || tokens.Available(epoch) != math.MaxInt || !tokens.NextAt(epoch, 1<<40).Equal(epoch) {
		t.Error("the token bucket limits")
	}
	if leaky.Room(epoch) != math.MaxInt || !leaky.NextAt(epoch, 1<<40).Equal(epoch) {
		t.Error("the leaky bucket limits")
	}
}

func TestNegativeRatesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"rate":  func() { NewTokenBucket(-1, 10) },
		"depth": func() { NewTokenBucket(10, -1) },
		"peak":  func() { NewLeakyBucket(-1, 10) },
		"burst": func() { NewLeakyBucket(10, -1) },
		"set":   func() { (&Pacer{}).SetRate(-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Whatever the clock does, nothing panics and no more than the depth goes at once.
func TestAnyClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		depth := rapid.OneOf(rapid.IntRange(0, 1e6), rapid.Just(math.MaxInt)).Draw(t, "depth")
		b := NewTokenBucket(rapid.IntRange(0, math.MaxInt).Draw(t, "rate"), depth)
		now := epoch
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "jump") {
				now = time.Unix(rapid.Int64().Draw(t, "to"), 0)
			} else {
				now = now.Add(time.Duration(rapid.Int64().Draw(t, "by")))
			}
			n := b.Available(now)
			if b.bucket.rate != 0 && n > depth {
				t.Fatalf("%d bytes, more than the depth", n)
			}
			b.NextAt(now, rapid.Int().Draw(t, "n"))
			b.Force(now, rapid.OneOf(rapid.Just(n), rapid.Int()).Draw(t, "spend"))
			if b.bucket.level > b.bucket.depth || b.bucket.level < -maxLevel || b.bucket.frac >= 1e9 {
				t.Fatalf("got %+v", b.bucket)
			}
		}
	})
}

// Times out of order give nothing twice.
func TestTimesOutOfOrderGiveNothing(t *testing.T) {
	b := NewTokenBucket(1_000_000, 10_000)
	b.Force(epoch, 10_000)
	for i := range 1000 {
		b.Available(epoch.Add(time.Duration(i%2) * time.Millisecond))
	}
	if got := b.Available(epoch.Add(time.Millisecond)); got != 1000 {
		t.Errorf("got %d bytes after 1 ms, want 1000", got)
	}
}

// A clock that is set back by a year does not stop the source for a year, and gives it nothing.
func TestClockSetBack(t *testing.T) {
	b := NewTokenBucket(1_000_000, 10_000)
	b.Force(epoch, 10_000)
	back := epoch.Add(-year)
	if got := b.Available(back); got != 0 {
		t.Errorf("got %d bytes, want 0", got)
	}
	if got := b.NextAt(back, 5000).Sub(back); got != 5*time.Millisecond {
		t.Errorf("the next bytes are there after %v, want 5ms", got)
	}
}

// A clock that jumps ahead fills the bucket, no more.
func TestClockSetAhead(t *testing.T) {
	b := NewTokenBucket(1<<40, 10_000)
	b.Force(epoch, 10_000)
	for _, ahead := range []time.Duration{100 * year, math.MaxInt64} {
		if got := b.Available(epoch.Add(ahead)); got != 10_000 {
			t.Errorf("after %v: %d bytes, want 10000", ahead, got)
		}
	}
}
