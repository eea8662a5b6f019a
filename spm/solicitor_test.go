package spm

import (
	"math/rand/v2"
	"testing"
	"time"
)

func delay(s *Solicitor, now time.Time) time.Duration { return s.Next().Sub(now) }

// A request waits for a random time within SPMR_BO_IVL [13.5-01].
func TestRequestBacksOff(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var sum time.Duration
	const n = 2000
	for range n {
		var s Solicitor
		if !s.Next().IsZero() || s.Due(start) {
			t.Fatal("a request is due before anything was heard")
		}
		s.Heard(start, rng)
		d := delay(&s, start)
		if d <= 0 || d > 250*ms || s.Due(start) || !s.Due(start.Add(d)) {
			t.Fatalf("the first is due after %v", d)
		}
		s.Heard(start.Add(d/2), rng)
		if delay(&s, start) != d {
			t.Fatal("another packet starts another delay")
		}
		sum += d
	}
	if mean := sum / n; mean < 115*ms || mean > 135*ms {
		t.Errorf("the mean delay is %v, want some 125ms", mean)
	}
}

// After a request, SPMR_SPM_IVL passes, then a new delay [13.5-05].
func TestRequestIsRepeated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := Solicitor{BackOff: 100 * ms, Repeat: 300 * ms}
	s.Heard(start, rng)
	seen := map[time.Duration]bool{}
	for now := s.Next(); len(seen) < 10; now = s.Next() {
		s.Sent(now, rng)
		d := delay(&s, now)
		if d <= 300*ms || d > 400*ms {
			t.Fatalf("the next is due after %v", d)
		}
		if seen[d] {
			t.Fatalf("the same delay again: %v", d)
		}
		seen[d] = true
	}
}

// Somebody else's request takes the place of ours during the delay, and only then [13.5-03].
func TestRequestIsSuppressed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := Solicitor{BackOff: 100 * ms, Repeat: 300 * ms}
	s.Suppress(start)
	if !s.Next().IsZero() {
		t.Fatal("a request is due though no packet was heard")
	}
	s.Heard(start, rng)
	first := delay(&s, start)
	now := start.Add(first / 2)
	s.Suppress(now)
	d := delay(&s, now)
	if d <= 300*ms || d > 400*ms || d == first+300*ms {
		t.Fatalf("suppressed, the next is due after %v", d)
	}
	s.Suppress(now.Add(100 * ms)) // SPMR_SPM_IVL runs
	if delay(&s, now) != d {
		t.Error("a request outside the delay puts ours off")
	}
}

// [13.5-04]
func TestSPMEndsSoliciting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s Solicitor
	s.Heard(start, rng)
	s.SPMSeen()
	s.Suppress(start)
	s.Heard(start, rng)
	s.Sent(start, rng)
	if !s.Next().IsZero() || s.Due(start.Add(time.Hour)) {
		t.Error("a request is due though there was an SPM")
	}
}
