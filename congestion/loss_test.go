package congestion

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// [CC-2.6-01]: p = c x + (1 - c) p over lost (x = 1) and received (x = 0) packets, with a memory of some 131 packets.
func TestLossRateConverges(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.1, 0.5, 0.9} {
		rng := rand.New(rand.NewPCG(1, 2))
		var l lossFilter
		sum, samples, lost := 0.0, 0, 0
		for n := range packet.SQN(200_000) {
			if n > 10 && rng.Float64() < loss {
				lost++
				continue
			}
			l.data(n - 1000) // across the wrap
			if n > 2000 {
				sum += float64(l.p) / (1 << 32)
				samples++
			}
		}
		if got := sum / float64(samples); math.Abs(got-loss) > 0.01+loss/20 {
			t.Errorf("loss %.2f is reported as %.3f", loss, got)
		}
		if math.Abs(float64(int(l.lost)-lost)) > 3 {
			t.Errorf("%d of %d losses counted", l.lost, lost)
		}
	}
}

// A packet that is overtaken by fewer than three is not lost; the bitmap says what came.
func TestReorderingIsNoLoss(t *testing.T) {
	var l lossFilter
	for _, n := range []packet.SQN{1, 2, 3, 5, 6, 4, 7, 8, 9, 10, 11} {
		l.data(n)
	}
	if l.lost != 0 || l.p != 0 || l.max != 11 || l.bitmap != math.MaxUint32 {
		t.Errorf("%+v", l)
	}
	l.data(15) // 12, 13, 14 are passed over: 12 by three
	if l.lost != 1 || l.bitmap != 0xfffffff1 {
		t.Errorf("after a gap of three: lost %d, bitmap %08x", l.lost, l.bitmap)
	}
	l.data(16)
	l.data(12) // too late to be no loss, but it is there
	if l.lost != 2 || l.bitmap != 0xfffffff3 {
		t.Errorf("one on: lost %d, bitmap %08x", l.lost, l.bitmap)
	}
}

// The loss filter agrees with one that remembers every packet.
func TestLossFilterMatchesAPlainOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var l lossFilter
		came := map[packet.SQN]bool{}
		first := packet.SQN(rng.Uint32())
		top := first
		judged := first
		lost := 0
		for range 300 {
			n := top + packet.SQN(rng.IntN(9)) - 2
			if rng.IntN(50) == 0 {
				n = top + packet.SQN(rng.IntN(100))
			}
			if n.Before(first) {
				continue
			}
			if len(came) == 0 {
				n = first
			}
			came[n] = true
			l.data(n)
			if top.Before(n) {
				top = n
			}
			for ; top.Sub(judged) >= lossDepth; judged++ {
				if !came[judged] {
					lost++
				}
			}
			for i := range packet.SQN(32) {
				want := came[top-i] || (top - i).Before(first)
				if got := l.bitmap>>i&1 != 0; got != want {
					t.Fatalf("packet %v below %v: %v, want %v", i, top, got, want)
				}
			}
			if l.max != top || int(l.lost) != lost {
				t.Fatalf("max %v, lost %d; want %v, %d", l.max, l.lost, top, lost)
			}
		}
	}
}

func TestJumpIsNoLoss(t *testing.T) {
	var l lossFilter
	l.data(1)
	l.data(1 + maxGap + 1)
	if l.lost != 0 || l.p != 0 {
		t.Errorf("%+v", l)
	}
	l.data(l.max + maxGap)
	if l.lost != maxGap-lossDepth || l.rate() < 0xfff0 {
		t.Errorf("lost %d, rate %04x", l.lost, l.rate())
	}
}

func BenchmarkReporterData(b *testing.B) {
	r := newTestReporter(b, nla4, 1)
	b.ReportAllocs()
	for n := range packet.SQN(b.N) {
		r.Data(n, 1448, false)
	}
}
