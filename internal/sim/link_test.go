package sim

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestLossIsAsLikelyAsTheLinkSays(t *testing.T) {
	const count = 60000
	for _, c := range []struct {
		name string
		link Link
		want float64
	}{
		{"none", Link{}, 0},
		{"independent", Link{Loss: 0.05}, 0.05},
		{"with jitter", Link{Loss: 0.05, Jitter: time.Millisecond}, 0.05},
		// Bad one time in Begin/(Begin+End).
		{"bursts", Link{Burst: Burst{Begin: 0.02, End: 0.2}}, 0.02 / 0.22},
		{"bursts of half loss", Link{Burst: Burst{Begin: 0.02, End: 0.2, Loss: 0.5}}, 0.01 / 0.22},
		{"all", Link{Loss: 1}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, from, out, in := pair(t, &c.link)
			burst(n, from, out, count, 100, 10*time.Microsecond)
			got := 1 - float64(len(in.heard))/count
			if math.Abs(got-c.want) > 0.015*math.Sqrt(min(1, c.want*20)) {
				t.Errorf("lost %.4f of the packets, want %.4f", got, c.want)
			}
			if lost := n.Tally().Count(Lost, 0); int(lost)+len(in.heard) != count {
				t.Errorf("%d lost and %d delivered of %d", lost, len(in.heard), count)
			}
		})
	}
}

// Gilbert and Elliott: losses come in runs of 1/End packets on average.
func TestBurstsAreAsLongAsTheLinkSays(t *testing.T) {
	n, from, out, in := pair(t, &Link{Burst: Burst{Begin: 0.01, End: 0.1}})
	const count = 50000
	burst(n, from, out, count, 100, 10*time.Microsecond)
	runs, next := 0, 0
	for _, a := range in.heard {
		if a.n != next {
			runs++
		}
		next = a.n + 1
	}
	if length := float64(count-len(in.heard)) / float64(runs); length < 8 || length > 12 {
		t.Errorf("%d packets were lost in %d bursts of %.1f; want 10", count-len(in.heard), runs, length)
	}
}

func TestJitterKeepsTheOrderAndReorderDoesNot(t *testing.T) {
	overtaken := func(l *Link) (pairs int) {
		n, from, out, in := pair(t, l)
		burst(n, from, out, 5000, 100, 100*time.Microsecond)
		for i, a := range in.heard[1:] {
			if a.n < in.heard[i].n {
				pairs++
			}
			sent := time.Duration(a.n) * 100 * time.Microsecond
			if late := a.at - sent; late < l.Delay || late > l.Delay+l.Jitter+l.ReorderBy {
				t.Fatalf("packet %d took %v", a.n, late)
			}
		}
		if len(in.heard) != 5000 {
			t.Fatalf("%d packets arrived of 5000", len(in.heard))
		}
		return pairs
	}
	if got := overtaken(&Link{Delay: time.Millisecond, Jitter: 2 * time.Millisecond}); got != 0 {
		t.Errorf("with jitter alone, %d packets were overtaken", got)
	}
	if got := overtaken(&Link{Delay: time.Millisecond, Reorder: 0.1, ReorderBy: 5 * time.Millisecond}); got < 300 || got > 600 {
		t.Errorf("%d of 5000 packets were overtaken, want about 490", got)
	}
}

func TestRepeatDeliversTwice(t *testing.T) {
	n, from, out, in := pair(t, &Link{Repeat: 0.1})
	burst(n, from, out, 5000, 100, time.Millisecond)
	times := map[int]int{}
	for _, a := range in.heard {
		times[a.n]++
	}
	twice := 0
	for _, k := range times {
		if k > 2 {
			t.Fatalf("a packet arrived %d times", k)
		}
		twice += k - 1
	}
	if len(times) != 5000 || twice < 400 || twice > 600 {
		t.Errorf("%d packets arrived, %d of them twice; want 5000 and about 500", len(times), twice)
	}
}

// A link of 100,000 octets a second takes 1 ms for each 100 octets, queues what comes meanwhile, and drops what does not fit.
func TestLinkQueuesAndDropsTheTail(t *testing.T) {
	n, from, out, in := pair(t, &Link{Rate: 100_000, Queue: 500, Delay: 10 * time.Millisecond})
	size := 100 - Overhead
	for i := range 8 {
		out.out = append(out.out, parcel{Group, 0, numbered(i, size)})
	}
	n.Wake(from)
	n.Run(time.Second)
	if got, want := in.numbers(), []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("arrived: %v, want %v", got, want)
	}
	for i, a := range in.heard {
		if want := time.Duration(i+1)*time.Millisecond + 10*time.Millisecond; a.at != want {
			t.Errorf("packet %d at %v, want %v", a.n, a.at, want)
		}
	}
	if got := n.Tally().Count(Overflowed, 0); got != 3 {
		t.Errorf("%d overflowed, want 3", got)
	}
}
