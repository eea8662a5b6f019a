package congestion

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// pgmccRecovers runs a source of PGMCC at a bottleneck of 10 Mbit/s and 20 ms, does harm to it for two seconds, and wants it back at 80 % of
// the bottleneck within a time after that. All the while it keeps to its ceiling, and sends something at least each three seconds.
func pgmccRecovers(t *testing.T, within time.Duration, harm func(w *world, p *PGMCC, at int)) {
	t.Helper()
	const rate, ceiling, step = 1_250_000, 2_500_000, 5 * ms
	p, err := NewPGMCC(PGMCCConfig{Self: nla4, Ceiling: ceiling, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(1, wire{rate: rate, buffer: rate / 20, delay: int64(10 * ms)})
	s := w.source(p, 1500)
	r := w.receiver(wire{})
	w.receiver(wire{loss: 0.001})
	silent := 0
	run := func(d time.Duration, each func(i int)) (got float64) {
		before := r.octets
		for i := range int(d / step) {
			each(i)
			sent := s.sent
			w.run(step)
			n := s.sent - sent
			if v := p.Rate(); v <= 0 || v > ceiling || float64(n)*1500 > ceiling*step.Seconds()+2*maxBurst {
				t.Fatalf("a rate of %d, and %d packets in %v", v, n, step)
			}
			if silent++; n > 0 {
				silent = 0
			}
			if silent > int(p.c.Initial/step)+1 {
				t.Fatalf("nothing left in %v, %v is the acker", p.c.Initial, p.Acker())
			}
		}
		return float64(r.octets-before) / d.Seconds() / rate
	}
	nothing := func(int) {}
	run(4*time.Second, nothing)
	if got := run(time.Second, nothing); got < 0.9 {
		t.Fatalf("%.2f of the bottleneck before any harm", got)
	}
	during := run(2*time.Second, func(i int) { harm(w, p, i) })
	run(within, nothing)
	after := run(4*time.Second, nothing)
	if after < 0.8 {
		t.Errorf("%.2f of the bottleneck, %v is the acker", after, p.Acker())
	}
	t.Logf("%.2f of the bottleneck during the harm, %.2f after", during, after)
}

// claimed is feedback of a stranger in the group: it knows the newest timestamp, and says to lose everything.
func claimed(w *world, p *PGMCC, who string) *Feedback {
	f := &Feedback{IsACK: true, ACK: ACK{p.lead, math.MaxUint32}, HasEcho: true}
	f.Echo = Echo{Timestamp: p.clock(w.src.clock()), Loss: math.MaxUint16, Receiver: netip.MustParseAddr(who)}
	return f
}

func TestPGMCCRecovers(t *testing.T) {
	const stranger = "192.0.2.66"
	setClock := func(d time.Duration) func(*world, *PGMCC, int) {
		return func(w *world, _ *PGMCC, i int) {
			if i == 0 {
				w.src.skew = d
				w.src.wake()
			}
		}
	}
	for _, tt := range []struct {
		name   string
		within time.Duration
		harm   func(w *world, p *PGMCC, i int)
	}{
		{"ACKs of everything, forged in the name of the acker", 2 * time.Second, func(w *world, p *PGMCC, _ int) {
			if p.Acker().IsValid() {
				f := claimed(w, p, p.Acker().String())
				f.Echo.Loss = 0
				p.Feedback(w.src.clock(), f)
			}
		}},
		{"ACKs of what was not sent, and of long ago", 0, func(w *world, p *PGMCC, i int) {
			if p.Acker().IsValid() {
				f := claimed(w, p, p.Acker().String())
				f.Max, f.Bitmap, f.Echo.Loss = f.Max+packetsBeyond[i%len(packetsBeyond)], w.rng.Uint32(), 0
				p.Feedback(w.src.clock(), f)
			}
		}},
		{"ACKs with holes, forged in the name of the acker", 2 * time.Second, func(w *world, p *PGMCC, _ int) {
			if p.Acker().IsValid() {
				f := claimed(w, p, p.Acker().String())
				f.Bitmap = 0xaaaa_aaaa
				p.Feedback(w.src.clock(), f)
			}
		}},
		{"absurd timestamps", 0, func(w *world, p *PGMCC, i int) {
			f := claimed(w, p, stranger)
			f.Echo.Timestamp += []uint32{1, 1 << 31, w.rng.Uint32() | 1<<20}[i%3]
			if p.Feedback(w.src.clock(), f); p.Acker() == f.Echo.Receiver {
				t.Error("the stranger is elected")
			}
		}},
		{"a stranger that reports 100 % loss, by NAKs", 2 * time.Second, func(w *world, p *PGMCC, _ int) {
			f := claimed(w, p, stranger)
			f.IsACK = false
			p.Feedback(w.src.clock(), f)
		}},
		{"a stranger that reports 100 % loss, and acknowledges", 2 * time.Second, func(w *world, p *PGMCC, _ int) {
			p.Feedback(w.src.clock(), claimed(w, p, stranger))
		}},
		{"a thousand strangers that do", 2 * time.Second, func(w *world, p *PGMCC, i int) {
			for n := range 5 {
				p.Feedback(w.src.clock(), claimed(w, p, fmt.Sprintf("192.0.%d.%d", 2+n, i%200)))
			}
		}},
		{"a stranger a minute away", 2 * time.Second, func(w *world, p *PGMCC, _ int) {
			f := claimed(w, p, stranger)
			f.Echo.Timestamp -= 59_000
			p.Feedback(w.src.clock(), f)
		}},
		{"a stranger a minute away, that is elected and vanishes", 6 * time.Second, func(w *world, p *PGMCC, i int) {
			if i < 40 {
				f := claimed(w, p, stranger)
				f.Echo.Timestamp -= uint32(59_000 * (i % 2))
				p.Feedback(w.src.clock(), f)
			}
		}},
		{"the acker vanishes", 2 * time.Second, func(w *world, p *PGMCC, i int) {
			if i == 0 {
				for _, r := range w.src.heirs {
					if r.addr == p.Acker() { // it goes on counting for the test, but nobody hears it
						r.mute = true
					}
				}
			}
		}},
		{"the acker says that it leaves, again and again", 2 * time.Second, func(w *world, p *PGMCC, _ int) {
			if p.Acker().IsValid() {
				f := claimed(w, p, p.Acker().String())
				f.HasReception, f.Reception.Leaving, f.Echo.Loss = true, true, 0
				p.Feedback(w.src.clock(), f)
			}
		}},
		{"no feedback comes through", 3 * time.Second, func(w *world, _ *PGMCC, i int) {
			for _, r := range w.src.heirs {
				r.mute = i < 395
			}
		}},
		{"the source's clock is set ahead by an hour", 2 * time.Second, setClock(time.Hour)},
		{"the source's clock is set back by an hour", 2 * time.Second, setClock(-time.Hour)},
		{"NAKs of a stack without congestion control", 0, func(w *world, p *PGMCC, _ int) {
			p.Feedback(w.src.clock(), &Feedback{Requested: 60})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { pgmccRecovers(t, tt.within, tt.harm) })
	}
}

// packetsBeyond are distances from the newest packet to where no ACK can be of.
var packetsBeyond = [...]packet.SQN{1, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 100_000}
