package poll

import (
	"math"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// "(RAND_NODE_ID & POLL_MASK) == (POLL_RAND & POLL_MASK)" for every bit there is [14.5-02].
func TestRandomConditionOfEachBit(t *testing.T) {
	rng := newRand()
	for bit := range 32 {
		for range 100 {
			id, m := rng.Uint32(), rng.Uint32()|1<<bit
			for _, flip := range []bool{false, true} {
				c := Child{NodeID: id}
				r := id&m | rng.Uint32()&^m
				want := Scheduled
				if flip {
					r, want = r^1<<bit, Unselected
				}
				if got := c.Heard(start, &Packet{SQN: 1, Path: path4, Rand: r, Mask: m}, rng); got != want {
					t.Fatalf("node %#x, rand %#x, mask %#x: %v, want %v", id, r, m, got, want)
				}
			}
		}
	}
}

// Of N children, N/2^B answer a mask of B bits, whichever bits these are: within five standard deviations [14.4-05].
func TestRepliesHalveWithEachBit(t *testing.T) {
	rng := newRand()
	const n = 20000
	children := make([]Child, n)
	for i := range children {
		children[i].NodeID = rng.Uint32()
	}
	for b := range 13 {
		replies, polls := 0, 4
		for k := range polls {
			p := Packet{SQN: packet.SQN(100*b + k + 1), Path: path4, Rand: rng.Uint32(), Mask: mask(b, rng)}
			for i := range children {
				if children[i].Heard(start, &p, rng) == Scheduled {
					replies++
				}
			}
		}
		p := math.Ldexp(1, -b)
		want := p * n * float64(polls)
		if off := math.Abs(float64(replies) - want); off > 5*math.Sqrt(want*(1-p)) {
			t.Errorf("%d bits: %d replies of %d children to %d polls, want about %.0f", b, replies, n, polls, want)
		}
	}
}

// POLL_MASK has the bits asked for, at places that are all as likely.
func TestMaskBits(t *testing.T) {
	rng := newRand()
	var at [32]int
	const n = 3200
	for b := range 33 {
		for range n / 32 {
			m := mask(b, rng)
			if bits.OnesCount32(m) != b {
				t.Fatalf("mask(%d) is %#x", b, m)
			}
		}
	}
	for range n {
		at[bits.TrailingZeros32(mask(1, rng))]++
	}
	for i, k := range at {
		if k < 50 || k > 150 { // 100 +- 5 standard deviations
			t.Errorf("bit %d is the only one %d times of %d", i, k, n)
		}
	}
}

// The delay is uniform over [0, POLL_BO_IVL] [14.5-06]: the greatest distance from that distribution is what chance allows once in
// ten thousand times (Kolmogorov-Smirnov).
func TestReplyDelayIsUniform(t *testing.T) {
	rng := newRand()
	for _, interval := range []time.Duration{2 * time.Microsecond, 50 * ms, math.MaxUint32 * time.Microsecond} {
		const n = 5000
		delays := make([]float64, n)
		for i := range delays {
			var c Child
			c.Heard(start, &Packet{SQN: 1, Path: path4, BackOff: interval}, rng)
			d := c.Next().Sub(start)
			if d < 0 || d > interval {
				t.Fatalf("a delay of %v within %v", d, interval)
			}
			delays[i] = (float64(d) + .5) / (float64(interval) + 1)
		}
		slices.Sort(delays)
		worst := 0.0
		for i, d := range delays {
			worst = max(worst, math.Abs(d-float64(i)/n), math.Abs(d-float64(i+1)/n))
		}
		if limit := 2.23 / math.Sqrt(n); worst > limit {
			t.Errorf("within %v: off by %.4f, more than %.4f", interval, worst, limit)
		}
	}
}

// A parent that opens rounds without end leaves a bounded number of replies pending: the newest.
func TestPendingRepliesAreBounded(t *testing.T) {
	var c Child
	rng := newRand()
	for round := range uint16(1000) {
		c.Heard(start, &Packet{SQN: 1, Round: round, Path: path4, BackOff: time.Second}, rng)
	}
	var got []uint16
	for r, _, ok := c.Due(start.Add(time.Second)); ok; r, _, ok = c.Due(start.Add(time.Second)) {
		got = append(got, r.Round)
	}
	if len(got) != maxPending || slices.Min(got) != 1000-maxPending {
		t.Errorf("%d replies wait, for rounds %v", len(got), got)
	}
	if !c.Next().IsZero() {
		t.Error("another is due")
	}
}

// Early is harmless, and what is due leaves once.
func TestReplyIsDueOnce(t *testing.T) {
	var c Child
	if _, _, ok := c.Due(start); ok || !c.Next().IsZero() {
		t.Error("a reply before the first POLL")
	}
	c.Heard(start, &Packet{SQN: 3, Path: path6, BackOff: time.Second}, newRand())
	at := c.Next()
	if _, _, ok := c.Due(at.Add(-1)); ok {
		t.Error("a reply before its time")
	}
	if r, to, ok := c.Due(at); !ok || to != path6 || r != (Reply{SQN: 3}) {
		t.Errorf("at its time: %+v to %v, %v", r, to, ok)
	}
	if _, _, ok := c.Due(at.Add(time.Hour)); ok {
		t.Error("the reply leaves again")
	}
}

// Whatever is heard, a child neither panics nor keeps more than it may.
func FuzzChild(f *testing.F) {
	f.Add(unhex(f, polls[0].want), uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, id uint32) {
		c := Child{NodeID: id, DLR: id&1 != 0}
		rng := newRand()
		for ; len(b) >= 12; b = b[min(len(b), 12):] {
			p := Packet{SQN: packet.SQN(b[0]), Round: uint16(b[1]), Subtype: Subtype(b[2]), Path: path4, BackOff: duration(b[3:]), Rand: uint32(b[7]), Mask: uint32(b[8])}
			v := c.Heard(start, &p, rng)
			if v == Scheduled && (c.NodeID^p.Rand)&p.Mask != 0 || len(c.pending) > maxPending || v.String() == "" {
				t.Fatalf("%+v: %v, %d pending", p, v, len(c.pending))
			}
			for _, q := range c.pending {
				if q.reply.SQN != p.SQN {
					t.Fatalf("a reply to poll %v waits after poll %v", q.reply.SQN, p.SQN)
				}
			}
		}
	})
}
