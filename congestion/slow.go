package congestion

import (
	"net/netip"
	"time"
)

// Slow finds receivers that hold up the others, for a source that does not wait for everybody: it tries out what the rate is without the one
// that sets it. The zero value has the defaults and has found nobody. It is for a Controller of one session.
type Slow struct {
	After time.Duration // for how long a receiver sets the rate before it is tried without it; default 400 ms
	Trial time.Duration // how long that takes at most; default 2 s
	Gain  float64       // how many times faster the others must be; default 1.5
	Again time.Duration // after how long one that made no difference is tried again; default 60 s

	acker  netip.Addr
	since  time.Time
	rate   float64 // with it, smoothed
	trying netip.Addr
	until  time.Time
	signs  int                      // polls in a row that have shown that it is slow
	spared map[netip.Addr]time.Time // made no difference, until when they are not tried again
}

const (
	// maxSpared bounds the receivers that Slow remembers to have tried in vain.
	maxSpared = 64
	// surely is how many polls in a row must agree.
	surely = 3
)

// settler is a Controller that knows whether it has found its rate, and only follows it.
type settler interface{ Settled() bool }

// Settled reports whether the start is over.
func (a *Auto) Settled() bool { return a.phase == cruising }

// Poll returns the receiver that has just turned out to hold up the others: it is excluded, and counts no more. It is to be called some times
// a second, with the number of receivers that there are besides the acker and those excluded, and while there is enough to send.
func (s *Slow) Poll(now time.Time, c Controller, others int) (found netip.Addr, ok bool) {
	def := func(d *time.Duration, v time.Duration) time.Duration {
		if *d == 0 {
			*d = v
		}
		return *d
	}
	if s.Gain == 0 {
		s.Gain = 1.5
	}
	if s.trying.IsValid() {
		if s.drowns(c) {
			s.signs++
		} else {
			s.signs = 0
		}
		switch found = s.trying; {
		case s.signs >= surely:
			s.trying = netip.Addr{}
			return found, true
		case now.Before(s.until):
			return netip.Addr{}, false
		}
		s.trying = netip.Addr{}
		c.Exclude(found, false)
		if s.spared == nil || len(s.spared) >= maxSpared {
			s.spared = make(map[netip.Addr]time.Time)
		}
		s.spared[found] = now.Add(def(&s.Again, time.Minute))
		return netip.Addr{}, false
	}
	k, known := c.(settler)
	if a := c.Acker(); a != s.acker || !a.IsValid() || known && !k.Settled() {
		s.acker, s.since, s.rate = a, now, float64(c.Rate())
	}
	s.rate += (float64(c.Rate()) - s.rate) / 4
	if !s.acker.IsValid() || others < 1 || now.Sub(s.since) < def(&s.After, 400*time.Millisecond) || now.Before(s.spared[s.acker]) {
		return found, false
	}
	s.trying, s.until, s.signs = s.acker, now.Add(def(&s.Trial, 2*time.Second)), 0
	c.Exclude(s.trying, true)
	return found, false
}

// drowns reports whether another receiver gets more by Gain now than there was with the one that is tried, while that one loses at least half
// of what this makes it lose. So a rate that rises for all is not taken for the merit of the trial.
func (s *Slow) drowns(c Controller) bool {
	faster, loses := false, false
	c.Receivers(func(r Receiver) bool {
		switch {
		case r.Addr == s.trying:
			loses = loses || r.Loss >= (1-1/s.Gain)/2
		case r.Acker:
			rate := r.Rate
			if rate == 0 { // it does not say
				rate = c.Rate()
			}
			faster = float64(rate) >= s.Gain*s.rate
		}
		return true
	})
	return faster && loses
}
