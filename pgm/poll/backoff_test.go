package poll

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Eligibility over the circle, against a memory that forgets nothing [6.3-16].
func TestEligibilityAgainstAllPolls(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		b := NewBackOff(0, Range{})
		var seen []packet.SQN
		sqn := packet.SQN(rng.Uint32())
		for range 200 {
			sqn += packet.SQN(1 + rng.IntN(4))
			if rng.IntN(4) > 0 {
				b.Polled(&Packet{SQN: sqn})
				seen = append(seen, sqn)
			}
			// Parents advertise what comes from the polls that were sent, or for a while longer, from a poll before.
			advert := Interval{BackOff: 7 * ms, SQN: sqn - packet.SQN(rng.IntN(1000)) + packet.SQN(rng.IntN(3))}
			if advert.SQN == 0 {
				continue
			}
			b.Advertised(advert)
			want := false
			for _, s := range seen {
				want = want || s == advert.SQN || s.Before(advert.SQN)
			}
			if b.MayNAK() != want {
				t.Fatalf("seed %d: interval for poll %v, polls %v: may be used: %v", seed, advert.SQN, seen, b.MayNAK())
			}
		}
	}
}

// A session of more polls than half the circle has numbers still knows the latest.
func TestPollsBeyondHalfTheCircle(t *testing.T) {
	b := NewBackOff(0, Range{})
	for s := packet.SQN(0); ; s += 1 << 28 {
		b.Polled(&Packet{SQN: s})
		if b.Advertised(Interval{BackOff: ms, SQN: max(s, 1)}); !b.MayNAK() {
			t.Fatalf("the interval for poll %v, which was received, may not be used", s)
		}
		if b.last-b.first > maxPolled {
			t.Fatalf("polls %v..%v are remembered", b.first, b.last)
		}
		if s == 15<<28 {
			break
		}
	}
	b.Polled(&Packet{SQN: 13 << 28}) // out of order
	if b.Advertised(Interval{BackOff: ms, SQN: 13<<28 + 1}); !b.MayNAK() {
		t.Error("a poll received out of order does not count")
	}
}

// What is configured: a default outside the default limits moves them.
func TestBackOffDefaults(t *testing.T) {
	for _, tt := range []struct {
		d      time.Duration
		limits Range
		want   time.Duration
	}{
		{0, Range{}, 5 * ms}, {time.Second, Range{}, time.Second}, {1000, Range{}, time.Microsecond}, {1, Range{}, time.Microsecond},
		{time.Second, Range{Max: 10 * ms}, 10 * ms}, {0, Range{Min: 10 * ms}, 10 * ms}, {0, Range{Min: time.Second}, time.Second}, {-1, Range{Max: -1, Min: -1}, 5 * ms},
	} {
		b := NewBackOff(tt.d, tt.limits)
		if got := b.Interval(); got != tt.want || !b.MayNAK() {
			t.Errorf("NewBackOff(%v, %+v): %v, want %v", tt.d, tt.limits, got, tt.want)
		}
	}
}

// Whatever is advertised, the interval is above zero and within the last range that was one.
func FuzzBackOff(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 10, 0, 0, 0, 7, 1, 0, 0, 0, 7, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 9})
	f.Fuzz(func(t *testing.T, ops []byte) {
		b := NewBackOff(0, Range{})
		limits := Range{DefaultBackOffMax, DefaultBackOffMin}
		for ; len(ops) >= 9; ops = ops[9:] {
			d, s := duration(ops[1:]), packet.SQN(micros(duration(ops[5:])))
			switch ops[0] % 3 {
			case 0:
				b.Advertised(Interval{BackOff: d, SQN: s})
				if s == 0 && !b.MayNAK() {
					t.Fatal("an interval for no poll may not be used")
				}
			case 1:
				b.Polled(&Packet{SQN: s, Round: uint16(ops[1])})
			case 2:
				if r := (Range{Max: d, Min: duration(ops[5:])}); b.Range(r) {
					limits = r
				}
			}
			if d := b.Interval(); d <= 0 || d > limits.Max || d < limits.Min {
				t.Fatalf("%v is not within %+v", d, limits)
			}
		}
	})
}
