package congestion

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newPacer(t testing.TB, c PacerConfig) *Pacer {
	t.Helper()
	p, err := NewPacer(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drive sends packets for a while as a source with a backlog does, waking when NextAt of ask bytes
// says, and late by late, and returns what it reached in bytes a second.
func drive(t *testing.T, p *Pacer, packet, ask int, whole, late func() time.Duration) float64 {
	t.Helper()
	now, end, sent := epoch, epoch.Add(whole()), 0
	for now.Before(end) {
		for p.Budget(now) >= packet {
			p.Spend(now, packet)
			sent += packet
		}
		next := p.NextAt(now, ask)
		if !next.After(now) {
			t.Fatalf("after %v: a packet may leave now, with %d in the budget", now.Sub(epoch), p.Budget(now))
		}
		now = next.Add(late())
	}
	return float64(sent) / now.Sub(epoch).Seconds()
}

var paces = []struct {
	name string
	rate int
}{{"64kbit", 8_000}, {"1Mbit", 125_000}, {"10Mbit", 1_250_000}, {"100Mbit", 12_500_000}, {"1Gbit", 125_000_000}}

// [5.1.2-01] At every rate and packet size a source with a backlog is within 2 % of its rate: if it
// wakes on time, for a packet or for a burst, and if it is late by up to a millisecond.
func TestPacerKeepsItsRate(t *testing.T) {
	onTime := func() time.Duration { return 0 }
	for _, pace := range paces {
		for _, packet := range []int{200, 1400, 8900} {
			t.Run(fmt.Sprintf("%s/%d", pace.name, packet), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, uint64(packet)))
				late := func() time.Duration { return time.Duration(rng.Int64N(int64(time.Millisecond) + 1)) }
				// At least 200 packets, so that the bucket that is full at first is little of it.
				span := func() time.Duration {
					return max(3*time.Second/2, 200*time.Duration(packet)*time.Second/time.Duration(pace.rate))
				}
				c := PacerConfig{Rate: pace.rate, Packet: packet}
				// What a late source finds when it wakes must fit in the bucket: at 1 Gbit/s, 64 KiB do not.
				roomy := c
				if need := packet + pace.rate/800; need > maxBurst {
					roomy.Burst = need
				}
				for _, tt := range []struct {
					name   string
					config PacerConfig
					ask    int
					late   func() time.Duration
				}{
					{"packet by packet", c, packet, onTime},
					{"by bursts", c, newPacer(t, c).Burst(), onTime},
					{"late", roomy, packet, late},
					{"late, at its peak", PacerConfig{Rate: pace.rate, Peak: pace.rate, Packet: packet, Burst: roomy.Burst}, packet, late},
				} {
					got := drive(t, newPacer(t, tt.config), packet, tt.ask, span, tt.late)
					if off := got/float64(pace.rate) - 1; math.Abs(off) > 0.02 {
						t.Errorf("%s: %.0f bytes a second, %+.2f %% of the rate", tt.name, got, 100*off)
					}
				}
			})
		}
	}
}

// A rate that changes on the way is kept from then on.
func TestPacerKeepsANewRate(t *testing.T) {
	p := newPacer(t, PacerConfig{Rate: 10_000_000, Packet: 1400})
	now := epoch
	for _, rate := range []int{10_000_000, 500_000, 100_000_000, 8_000, 1_000_000} {
		p.SetRate(rate)
		start, sent := now, 0
		end := now.Add(max(time.Second, 300*1400*time.Second/time.Duration(rate)))
		for now.Before(end) {
			for p.Budget(now) >= 1400 {
				p.Spend(now, 1400)
				sent += 1400
			}
			now = p.NextAt(now, 1400)
		}
		got := float64(sent) / now.Sub(start).Seconds()
		if off := got/float64(rate) - 1; math.Abs(off) > 0.02 {
			t.Errorf("%.0f bytes a second, want %d", got, rate)
		}
	}
}

func drawConfig(t *rapid.T) PacerConfig {
	c := PacerConfig{Rate: drawRate(t, "rate"), Packet: rapid.IntRange(1, 9000).Draw(t, "packet")}
	if rapid.Bool().Draw(t, "given peak") {
		c.Peak = c.Rate + rapid.IntRange(0, c.Rate).Draw(t, "peak")
	}
	if rapid.Bool().Draw(t, "given burst") {
		c.Burst = c.Packet + rapid.IntRange(0, 1e5).Draw(t, "burst")
	}
	if rapid.Bool().Draw(t, "given depth") {
		c.Depth = max(c.Packet, c.Burst) + rapid.IntRange(0, 1e6).Draw(t, "depth")
	}
	return c
}

// [5.1.2-02, 5.1.2-03] In any interval no more leaves than Depth + Rate × t, and no more than Burst +
// Peak × t, however the source wakes and however the rate is changed.
func TestPacerHoldsInEveryInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		p, err := NewPacer(c)
		if err != nil {
			t.Fatal(err)
		}
		peak, burst, depth := c.limits(c.Rate)
		tokens, room, rate, now := newLimit(depth), newLimit(burst), c.Rate, epoch
		pass := func(d time.Duration) {
			now = now.Add(d)
			tokens.pass(rate, d)
			room.pass(peak, d)
		}
		spend := func(t *rapid.T, n int) {
			p.Spend(now, n)
			if !tokens.send(n) {
				t.Fatalf("%d bytes are more than depth and rate allow", n)
			}
			if !room.send(n) {
				t.Fatalf("%d bytes are more than burst and peak allow", n)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"pause": func(t *rapid.T) { pass(drawPause(t)) },
			"wait": func(t *rapid.T) {
				n := rapid.IntRange(1, c.Packet).Draw(t, "n")
				pass(p.NextAt(now, n).Sub(now))
				if got := p.Budget(now); got < n {
					t.Fatalf("%d of %d bytes when they should be there", got, n)
				}
				spend(t, n)
			},
			"spend": func(t *rapid.T) { spend(t, rapid.IntRange(0, p.Budget(now)).Draw(t, "n")) },
			"spend all": func(t *rapid.T) {
				spend(t, p.Budget(now))
				if got := p.Budget(now); got != 0 {
					t.Fatalf("%d bytes are left of all", got)
				}
			},
			"set rate": func(t *rapid.T) {
				rate = drawRate(t, "rate")
				p.SetRate(rate)
				peak, burst, depth = c.limits(rate)
				tokens.allowDepth(depth)
				room.allowDepth(burst)
			},
		})
	})
}

// A new rate does not work on the time before it, however long nothing was asked.
func TestSetRateDoesNotWorkBackwards(t *testing.T) {
	p := newPacer(t, PacerConfig{Rate: 1000, Packet: 1000, Depth: 1_000_000, Burst: 1_000_000})
	p.Spend(epoch, 1_000_000)
	p.SetRate(1_000_000)
	if got := p.Budget(epoch.Add(time.Second)); got != 1000 {
		t.Errorf("after a second at the old rate: %d bytes, want 1000", got)
	}
	if got := p.Budget(epoch.Add(1100 * time.Millisecond)); got != 101_000 {
		t.Errorf("after 100 ms at the new one: %d bytes, want 101000", got)
	}
}

// No limit for no time gives nothing.
func TestSetRateThereAndBack(t *testing.T) {
	p := newPacer(t, PacerConfig{Rate: 1000, Packet: 1000})
	p.Spend(epoch, p.Burst())
	p.SetRate(0)
	if got := p.Budget(epoch); got != math.MaxInt {
		t.Errorf("without limit: %d bytes, want MaxInt", got)
	}
	p.SetRate(1000)
	if got := p.Budget(epoch.Add(time.Second / 2)); got != 500 {
		t.Errorf("half a second after: %d bytes, want 500", got)
	}
}

// What is more than may ever leave at once may begin as soon as a burst may.
func TestPacerNextAtOfMoreThanABurst(t *testing.T) {
	p := newPacer(t, PacerConfig{Rate: 1_000_000, Packet: 1000, Burst: 2000, Depth: 10_000})
	p.Spend(epoch, 2000)
	p.tokens.spend(epoch, 8000)
	if got := p.NextAt(epoch, 5000).Sub(epoch); got != 2*time.Millisecond {
		t.Errorf("after %v, want 2ms", got)
	}
}

// A debt of less than a packet is paid before the next may leave.
func TestPacerPaysItsDebt(t *testing.T) {
	p := newPacer(t, PacerConfig{Rate: 1_000_000, Packet: 1000, Burst: 1500, Depth: 1500})
	p.Spend(epoch, 1000)
	p.Spend(epoch, 1000)
	if got := p.Budget(epoch); got != 0 {
		t.Errorf("%d bytes in debt, want 0", got)
	}
	if got := p.NextAt(epoch, 1000).Sub(epoch); got != 1500*time.Microsecond {
		t.Errorf("the next packet may leave after %v, want 1.5ms", got)
	}
}

func TestPacerWithoutLimit(t *testing.T) {
	p := newPacer(t, PacerConfig{})
	for range 3 {
		p.Spend(epoch, 1<<40)
	}
	if got := p.Budget(epoch); got != math.MaxInt {
		t.Errorf("Budget = %d, want MaxInt", got)
	}
	if got := p.NextAt(epoch, 1<<40); !got.Equal(epoch) {
		t.Errorf("NextAt = %v, want now", got)
	}
	p.SetRate(1000) // a limit from here on: a full bucket, no debt from before
	if got, want := p.Budget(epoch.Add(time.Second)), p.Burst(); got != want {
		t.Errorf("with a limit: %d bytes, want %d", got, want)
	}
	p.Spend(epoch.Add(time.Second), 1500)
	p.SetRate(0)
	if got := p.Budget(epoch.Add(time.Second)); got != math.MaxInt {
		t.Errorf("without again: %d bytes, want MaxInt", got)
	}
}

func TestPacerDefaults(t *testing.T) {
	for _, tt := range []struct {
		name               string
		config             PacerConfig
		peak, burst, depth int
	}{
		{"64 kbit/s", PacerConfig{Rate: 8_000}, 10_000, 1510, 1510},
		{"64 kbit/s, jumbo", PacerConfig{Rate: 8_000, Packet: 8900}, 10_000, 8910, 8910},
		{"10 Mbit/s", PacerConfig{Rate: 1_250_000, Packet: 1400}, 1_562_500, 2962, 10_000},
		{"1 Gbit/s", PacerConfig{Rate: 125_000_000}, 156_250_000, 65_536, 1_000_000},
		{"given", PacerConfig{Rate: 1000, Peak: 2000, Packet: 100, Burst: 300, Depth: 500}, 2000, 300, 500},
		{"given depth", PacerConfig{Rate: 125_000_000, Depth: 2000}, 156_250_000, 2000, 2000},
		{"the largest", PacerConfig{Rate: math.MaxInt}, math.MaxInt, 65_536, math.MaxInt / 125},
	} {
		p := newPacer(t, tt.config)
		peak, burst, depth := int(p.room.rate), p.Burst(), int(p.tokens.depth)
		if peak != tt.peak || burst != tt.burst || depth != tt.depth {
			t.Errorf("%s: peak %d, burst %d, depth %d; want %d, %d, %d", tt.name, peak, burst, depth, tt.peak, tt.burst, tt.depth)
		}
	}
}

func TestPacerRefusesWhatCannotBe(t *testing.T) {
	for name, c := range map[string]PacerConfig{
		"negative rate":         {Rate: -1},
		"negative packet":       {Packet: -1},
		"peak below rate":       {Rate: 10, Peak: 9},
		"burst below a packet":  {Rate: 10, Burst: 1499},
		"depth below a packet":  {Rate: 10, Packet: 9000, Depth: 8999},
		"depth below the burst": {Rate: 10, Burst: 3000, Depth: 2999},
	} {
		if p, err := NewPacer(c); err == nil {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

func TestPacerAllocatesNothing(t *testing.T) {
	p, now := newPacer(t, PacerConfig{Rate: 125_000_000}), epoch
	if got := testing.AllocsPerRun(100, func() {
		for p.Budget(now) >= 1400 {
			p.Spend(now, 1400)
		}
		now = p.NextAt(now, 1400)
		p.SetRate(p.Rate() + 1)
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

// One packet: Budget, Spend, NextAt.
func BenchmarkPacer(b *testing.B) {
	p, now := newPacer(b, PacerConfig{Rate: 125_000_000}), epoch
	b.ReportAllocs()
	for b.Loop() {
		if p.Budget(now) >= 1400 {
			p.Spend(now, 1400)
		}
		now = p.NextAt(now, 1400)
	}
}

func ExamplePacer() {
	p, err := NewPacer(PacerConfig{Rate: 1_000_000, Packet: 1400, Burst: 2800})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Unix(0, 0)
	for range 3 {
		n := 0
		for p.Budget(now) >= 1400 {
			p.Spend(now, 1400)
			n++
		}
		fmt.Println(now.Sub(time.Unix(0, 0)), "packets:", n)
		now = p.NextAt(now, 2800)
	}
	// Output:
	// 0s packets: 2
	// 2.24ms packets: 2
	// 4.48ms packets: 2
}
