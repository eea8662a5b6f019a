package fec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The table of the law, for groups of 64: 1 % of the groups of the worst receiver need more.
func TestNeededParityFollowsTheLoss(t *testing.T) {
	for _, row := range []struct {
		p    float64
		want int
	}{{0, 0}, {0.0001, 0}, {0.001, 1}, {0.01, 3}, {0.02, 5}, {0.05, 8}, {0.1, 14}, {0.2, 27}, {0.5, 32}, {1, 32}} {
		got := needed(64, 32, row.p, adaptResidue)
		if got != row.want {
			t.Errorf("loss %v: %d parity packets, want %d", row.p, got, row.want)
		}
		// Held against the definition, by drawing.
		if row.p == 0 || got == 32 {
			continue
		}
		if row.p < adaptNothing {
			continue
		}
		r := rand.New(rand.NewPCG(1, 2))
		asks := func(n int) float64 {
			const groups = 20_000
			more := 0
			for range groups {
				lost := 0
				for range 64 + n {
					if r.Float64() < row.p {
						lost++
					}
				}
				if lost > n {
					more++
				}
			}
			return float64(more) / groups
		}
		if with, without := asks(got), asks(got-1); with > adaptResidue*1.3 || without < adaptResidue*0.7 {
			t.Errorf("loss %v: %.4f of the groups need more than %d parity packets, %.4f more than %d", row.p, with, got, without, got-1)
		}
	}
}

// drive reports, for each interval, what each receiver loses of a number of groups.
func drive(a *Adapter, r *rand.Rand, intervals, groups int, loss ...float64) (n []int) {
	for range intervals {
		for _, p := range loss {
			lost := 0
			for range groups * 64 {
				if r.Float64() < p {
					lost++
				}
			}
			a.Report(lost, groups*64)
		}
		n = append(n, a.Interval())
	}
	return n
}

// Parity rises within a few intervals of a loss, stays about where it should, and goes when the loss goes; where more can be asked for, it
// stays where half of the groups need more, instead of one in 100.
func TestParityFollowsTheWorstReceiver(t *testing.T) {
	for _, c := range []struct {
		name     string
		onDemand bool
		residue  float64
		most     int // at a loss of 5 %, with groups of 64
	}{{"pro-active alone", false, adaptResidue, 8}, {"and on demand", true, adaptDemand, 3}} {
		t.Run(c.name, func(t *testing.T) {
			if n := needed(64, 32, 0.05, c.residue); n != c.most {
				t.Fatalf("for 5 %%: %d, want %d", n, c.most)
			}
			r := rand.New(rand.NewPCG(3, 4))
			a := NewAdapter(Config{Group: 64, OnDemand: c.onDemand, Adaptive: true})
			if n := drive(a, r, 5, 50, 0, 0, 0); n[4] != 0 {
				t.Errorf("without a loss: %v", n)
			}
			n := drive(a, r, 40, 50, 0.001, 0.05, 0)
			if n[5] < c.most {
				t.Errorf("5 %% for six intervals: %v", n[:6])
			}
			for _, x := range n[10:] {
				if math.Abs(float64(x-c.most)) > 2 {
					t.Errorf("5 %%: %v", n)
					break
				}
			}
			began := a.Proactive()
			last := began
			n = drive(a, r, 60, 50, 0, 0, 0)
			for _, x := range n {
				if x > last || x < last-1 {
					t.Errorf("after the loss, not one by one: %v", n)
					break
				}
				last = x
			}
			if n[3] < began-4 || n[3] < 1 || n[59] != 0 {
				t.Errorf("after the loss: %v", n)
			}
			a.Report(25, 64) // of which half is believed
			a.Interval()
			a.Report(0, 1<<20)
			if before := a.Proactive(); a.Interval() < before-1 {
				t.Errorf("from %d to %d in one interval", before, a.Proactive())
			}
		})
	}
}

// Who loses everything is heard at once, by half; an interval without a report changes nothing, and what cannot be is not believed.
func TestParityRisesAtOnceAndSilenceChangesNothing(t *testing.T) {
	a := NewAdapter(Config{Group: 64, Adaptive: true})
	a.Report(64, 64)
	if a.Interval(); a.Loss() != 0.5 || a.Proactive() != 32 {
		t.Errorf("one total loss: %v, %d", a.Loss(), a.Proactive())
	}
	before := a.Loss()
	for range 10 {
		a.Interval()
	}
	if a.Loss() != before {
		t.Error("silence was taken for contentment")
	}
	for _, row := range [][2]int{{-1, 10}, {20, 10}, {5, 0}, {5, -5}} {
		a.Report(row[0], row[1])
	}
	if a.Interval(); a.Loss() > 1 || a.Loss() < 0 {
		t.Errorf("impossible reports: %v", a.Loss())
	}
}

func TestAdapterBeginsWithWhatWasConfigured(t *testing.T) {
	a := NewAdapter(Config{Group: 64, Proactive: 8, Adaptive: true})
	if a.Proactive() != 8 || needed(64, 32, a.Loss(), adaptResidue) != 8 {
		t.Errorf("%d, for a loss of %v", a.Proactive(), a.Loss())
	}
	if a := NewAdapter(Config{Group: 4, Parity: 1, Proactive: 1, Adaptive: true}); a.Proactive() != 1 {
		t.Errorf("%d of 1", a.Proactive())
	}
}
