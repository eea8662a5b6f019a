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

func hostileAuto(t testing.TB) *Auto {
	t.Helper()
	a, err := NewAuto(AutoConfig{Self: nla4, Ceiling: 1_250_000, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func hostilePGMCC(t testing.TB) *PGMCC {
	t.Helper()
	p, err := NewPGMCC(PGMCCConfig{Self: nla4, Ceiling: 1_250_000, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// recovers runs a source at a bottleneck of 100 Mbit/s and 10 ms, does harm to it for two seconds, and wants it back at 80 % of the
// bottleneck within a time after that. All the while the rate is never zero and never beyond the ceiling.
func recovers(t *testing.T, within time.Duration, harm func(w *world, a *Auto, at int)) {
	t.Helper()
	const rate, ceiling = 12_500_000, 25_000_000
	w, a, _ := newAutoWorld(1, wire{rate: rate, buffer: rate / 50, delay: int64(5 * ms)}, AutoConfig{Ceiling: ceiling})
	r := w.receiver(wire{})
	w.receiver(wire{})
	run := func(d time.Duration, each func(i int)) (got float64) {
		before := r.octets
		steps := int(d / (5 * ms))
		for i := range steps {
			each(i)
			w.run(5 * ms)
			if v := a.Rate(); v < DefaultFloor || v > ceiling {
				t.Fatalf("a rate of %d", v)
			}
		}
		return float64(r.octets-before) / d.Seconds() / rate
	}
	nothing := func(int) {}
	run(3*time.Second, nothing)
	if got := run(time.Second, nothing); got < 0.9 {
		t.Fatalf("%.2f of the bottleneck before any harm", got)
	}
	during := run(2*time.Second, func(i int) { harm(w, a, i) })
	run(within, nothing)
	if got := run(2*time.Second, nothing); got < 0.8 {
		t.Errorf("%.2f of the bottleneck, acker %v, %+v", got, a.Acker(), a.Stats())
	}
	t.Logf("%.2f of the bottleneck during the harm, %v", during, a.Stats())
}

// forged is feedback of a stranger, with the timestamp of the newest probe: as good as one that is in the group can make it.
func forged(a *Auto, who string) *Feedback {
	f := &Feedback{IsACK: true, HasEcho: true, HasReception: true}
	f.Echo = Echo{Receiver: netip.MustParseAddr(who), Loss: 0xffff}
	f.Reception = Reception{ID: 666, Timestamp: a.probes.stamp}
	return f
}

func TestAutoRecovers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		within time.Duration
		harm   func(w *world, a *Auto, i int)
	}{
		{"forged ACKs of the acker with a rate and counters beyond reason", time.Second, func(w *world, a *Auto, i int) {
			if e := a.current(); e != nil {
				f := forged(a, e.addr.String())
				f.Reception.ID = e.id
				f.Reception.Rate, f.Reception.Received = math.MaxUint32, uint32(i)*1e6
				a.Feedback(w.time().Add(ms), f)
			}
		}},
		{"absurd timestamps", 0, func(w *world, a *Auto, i int) {
			f := forged(a, "192.0.2.66")
			f.Reception.Timestamp = w.rng.Uint32()
			a.Feedback(w.time(), f)
			f.Reception.Timestamp, f.Reception.Held = a.probes.stamp, math.MaxUint32
			a.Feedback(w.time(), f)
		}},
		{"a stranger that reports 100 % loss, and to get nothing", 3 * time.Second, func(w *world, a *Auto, i int) {
			f := forged(a, "192.0.2.66")
			f.Reception.Lost, f.Reception.Delay, f.Reception.Standing = uint32(i*60), 1<<30, 1<<30
			a.Feedback(w.time().Add(ms), f)
		}},
		{"a stranger that seems to be behind a full queue, where most is lost", 5 * time.Second, func(w *world, a *Auto, i int) {
			f := forged(a, "192.0.2.66")
			f.Reception.Timestamp = a.probes.ring[(a.probes.count-8)%128].stamp // which makes for a long round trip
			f.Reception.Received, f.Reception.Lost = uint32(i), uint32(i*60)
			f.Reception.Delay, f.Reception.Standing, f.Reception.Rate = 20_000, 20_000, 1
			a.Feedback(w.time().Add(ms), f)
		}},
		{"a thousand strangers that do", 3 * time.Second, func(w *world, a *Auto, i int) {
			for range 10 {
				f := forged(a, fmt.Sprintf("192.0.%d.%d", 2+w.rng.IntN(4), w.rng.IntN(256)))
				f.Reception.Lost, f.Reception.Standing, f.Reception.Overflow = uint32(i*60), 1<<20, uint32(i)
				a.Feedback(w.time().Add(ms), f)
			}
		}},
		{"a stranger with a limit of nearly nothing", 5 * time.Second, func(w *world, a *Auto, i int) {
			f := forged(a, "192.0.2.66")
			f.Reception.Limit = 1
			a.Feedback(w.time().Add(ms), f)
		}},
		{"the acker vanishes", 2 * time.Second, func(w *world, a *Auto, i int) {
			if i == 0 {
				for _, r := range w.src.heirs {
					if r.addr == a.Acker() && r != w.src.heirs[0] {
						r.deaf = true
					} else if r.addr == a.Acker() {
						r.mute = true // it goes on counting for the test, but nobody hears it
					}
				}
			}
		}},
		{"the source's clock is set back by an hour", 3 * time.Second, func(w *world, a *Auto, i int) {
			if i == 0 {
				w.src.skew = -time.Hour
				w.src.wake()
			}
		}},
		{"the source's clock is set ahead by an hour", 3 * time.Second, func(w *world, a *Auto, i int) {
			if i == 0 {
				w.src.skew = time.Hour
				w.src.wake()
			}
		}},
		{"no feedback comes through", 2 * time.Second, func(w *world, a *Auto, i int) {
			for _, r := range w.src.heirs {
				r.mute = i < 395
			}
		}},
		{"NAKs of a stack without congestion control", 0, func(w *world, a *Auto, i int) {
			a.Feedback(w.time(), &Feedback{Requested: 60})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { recovers(t, tt.within, tt.harm) })
	}
}

// Without any answer the rate stays what it was at the beginning; receivers that only ask for repairs can lower it, but not for ever.
func TestAutoWithoutReportsHoldsItsRate(t *testing.T) {
	a := hostileAuto(t)
	now := worldStart
	step := func(d time.Duration, requested int) {
		for end := now.Add(d); now.Before(end); now = now.Add(10 * ms) {
			a.Sent(now, packet.TypeODATA, 1, 7, 10_500)
			if at := a.ProbeAt(); !at.IsZero() && !now.Before(at) {
				if d, _ := a.Probe(now); !d.None() {
					t.Fatal("somebody is named")
				}
			}
			if requested > 0 {
				a.Feedback(now, &Feedback{Requested: requested})
			}
			a.HandleTimeout(now)
		}
	}
	step(time.Minute, 0)
	if a.Rate() != DefaultInitial {
		t.Errorf("a rate of %d", a.Rate())
	}
	if spacing := a.ProbeAt().Sub(now); spacing < quietSpacing/2 {
		t.Errorf("probes every %v though nobody answers", spacing)
	}
	step(30*time.Second, 5)
	if low := a.Rate(); low > DefaultInitial/10 || low < DefaultFloor {
		t.Errorf("a rate of %d though most is asked for again", low)
	}
	for range 600 { // now and then one that asks for a packet
		step(100*ms, 0)
		a.Feedback(now, &Feedback{Requested: 0})
	}
	if a.Rate() < DefaultInitial*9/10 {
		t.Errorf("a rate of %d when all is well again", a.Rate())
	}
}

// Memory is bounded, however many receivers there seem to be.
func TestRosterIsBounded(t *testing.T) {
	a := hostileAuto(t)
	now := worldStart
	a.Sent(now, packet.TypeODATA, 1, 100, 150_000)
	a.Probe(now)
	for i := range 100_000 {
		f := forged(a, "192.0.2.66")
		f.Reception.ID = uint32(i)
		a.Feedback(now.Add(ms), f)
	}
	if n := len(a.table.entries); n != maxReceivers || len(a.table.index) != maxReceivers {
		t.Errorf("%d receivers, %d of them known", n, len(a.table.index))
	}
	if a.current().id != 0 {
		t.Errorf("the acker is %d", a.current().id)
	}
}

// No packet costs an allocation, on either side.
func TestNothingAllocates(t *testing.T) {
	a, p := hostileAuto(t), hostilePGMCC(t)
	r := newTestReporter(t, nla4, 1)
	now := worldStart
	sqn := packet.SQN(1)
	b := make([]byte, 0, 2048)
	opts := packet.BeginOptions(nil)
	var h packet.Header
	var f Feedback
	got := testing.AllocsPerRun(2000, func() {
		now = now.Add(4 * ms)
		for _, c := range []Controller{a, p} {
			c.Sent(now, packet.TypeODATA, sqn, 1, 1500)
			c.HandleTimeout(now)
			d, probe := c.Probe(now)
			r.Data(sqn, 1448, false)
			if d.None() {
				d.Acker = nla4
			}
			if c == Controller(a) {
				r.Probe(now, d, probe)
			} else {
				r.Stamp(now, d)
				r.Flush()
			}
			for r.Owed() > 0 {
				b = r.AppendACK(now, b[:0], tsiOfWorld, 7500)
				body, err := h.Parse(b)
				if err == nil {
					err = f.ParseACK(&h, body)
				}
				if err != nil {
					t.Fatal(err)
				}
				c.Feedback(now, &f)
			}
			b = r.AppendOptions(now, append(b[:0], opts...))
			if err := f.ParseNAK(1, b); err != nil {
				t.Fatal(err)
			}
			c.Feedback(now, &f)
		}
		sqn++
	})
	if got != 0 {
		t.Errorf("%.2f allocations", got)
	}
}
