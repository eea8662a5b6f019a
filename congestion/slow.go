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

	setter suspect
	since  time.Time
	rate   float64 // with it, smoothed
	trying suspect
	began  time.Time // to try it
	until  time.Time
	signs  int                   // polls in a row that have shown that it is slow
	spared map[suspect]time.Time // made no difference, until when they are not tried again
}

// suspect is a receiver that sets the rate: as the acker, or by what it says that it can take.
type suspect struct {
	addr   netip.Addr
	limits bool
}

const (
	// maxSpared bounds the receivers that Slow remembers to have tried in vain.
	maxSpared = 64
	// surely is how many polls in a row must agree.
	surely = 3
)

// settler is a Controller that knows whether it has found its rate, and only follows it, and whether a receiver that is not the acker sets it.
type settler interface {
	Settled() bool
	Limiter() netip.Addr
}

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
	if s.trying.addr.IsValid() {
		if s.drowns(c) {
			s.signs++
		} else {
			s.signs = 0
		}
		tried := s.trying
		switch {
		case s.signs >= surely:
			s.trying = suspect{}
			return tried.addr, true
		case now.Before(s.until):
			return netip.Addr{}, false
		}
		s.trying = suspect{}
		c.Exclude(tried.addr, false)
		if s.spared == nil || len(s.spared) >= maxSpared {
			s.spared = make(map[suspect]time.Time)
		}
		s.spared[tried] = now.Add(def(&s.Again, time.Minute))
		return netip.Addr{}, false
	}
	k, known := c.(settler)
	setter := suspect{addr: c.Acker()}
	if known && k.Limiter().IsValid() {
		setter = suspect{k.Limiter(), true}
	}
	if setter != s.setter || !setter.addr.IsValid() || known && !k.Settled() {
		s.setter, s.since, s.rate = setter, now, float64(c.Rate())
	}
	s.rate += (float64(c.Rate()) - s.rate) / 4
	if !setter.addr.IsValid() || others < 1 || now.Sub(s.since) < def(&s.After, 400*time.Millisecond) || now.Before(s.spared[setter]) {
		return found, false
	}
	s.trying, s.began, s.until, s.signs = setter, now, now.Add(def(&s.Trial, 2*time.Second)), 0
	c.Exclude(setter.addr, true)
	return found, false
}

// drowns reports whether another receiver gets more by Gain now than there was with the one that is tried, while that one loses at least half
// of what this makes it lose, or says still that it cannot take as much. So a rate that rises for all is not taken for the merit of the trial.
func (s *Slow) drowns(c Controller) bool {
	faster, loses := false, false
	c.Receivers(func(r Receiver) bool {
		switch {
		case r.Addr == s.trying.addr:
			says := r.Limit > 0 && r.Heard.After(s.began) && s.Gain*float64(r.Limit) <= float64(c.Rate())
			loses = loses || says || r.Loss >= (1-1/s.Gain)/2
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
