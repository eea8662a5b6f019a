package congestion

import (
	"net/netip"
	"time"
)

// Slow finds receivers that hold up the others, for a source that does not wait for everybody: it tries out what the rate is without the one
// that sets it. The zero value has the defaults and has found nobody. It is for a Controller of one session.
type Slow struct {
	After time.Duration // for how long a receiver sets the rate before it is tried without it; default 2 s
	Trial time.Duration // how long that takes; default 2 s
	Gain  float64       // how many times faster the others must be; default 1.5
	Again time.Duration // after how long one that made no difference is tried again; default 60 s

	acker  netip.Addr
	since  time.Time
	rate   int // with it
	trying netip.Addr
	until  time.Time
	spared map[netip.Addr]time.Time // made no difference, until when they are not tried again
}

// maxSpared bounds the receivers that Slow remembers to have tried in vain.
const maxSpared = 64

// Poll returns the receiver that has just turned out to hold up the others: it is excluded, and counts no more. It is to be called some
// times a second, with the number of receivers that there are besides the acker and those excluded, and while there is enough to send.
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
		if now.Before(s.until) {
			return found, false
		}
		found, s.trying = s.trying, netip.Addr{}
		if float64(c.Rate()) >= s.Gain*float64(s.rate) {
			return found, true
		}
		c.Exclude(found, false)
		if s.spared == nil || len(s.spared) >= maxSpared {
			s.spared = make(map[netip.Addr]time.Time)
		}
		s.spared[found] = now.Add(def(&s.Again, time.Minute))
		return netip.Addr{}, false
	}
	if a := c.Acker(); a != s.acker || !a.IsValid() {
		s.acker, s.since = a, now
	}
	if !s.acker.IsValid() || others < 1 || now.Sub(s.since) < def(&s.After, 2*time.Second) || now.Before(s.spared[s.acker]) {
		return found, false
	}
	s.trying, s.rate, s.until = s.acker, c.Rate(), now.Add(def(&s.Trial, 2*time.Second))
	c.Exclude(s.trying, true)
	return found, false
}
