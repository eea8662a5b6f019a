// Package spm implements source path messages: their format (RFC 3208 §8.1), the ambient and heartbeat schedule of a source
// (§5.1.4–5.1.6), their sequencing at a receiver (§6.2), and the requests by which receivers solicit them (§13).
package spm

import (
	"fmt"
	"time"
)

// The defaults of ScheduleConfig: for a network of 1 Gbit/s or more with a round trip below 1 ms.
const (
	DefaultAmbient = time.Second
	DefaultIHBMin  = 10 * time.Millisecond
	DefaultIHBMax  = time.Second
)

// ScheduleConfig says how often a source sends SPMs. Ambient and heartbeat SPMs are set independently of each other [5.1.6-02].
// Fields that are zero have their defaults.
type ScheduleConfig struct {
	Ambient time.Duration // between ambient SPMs, in real time, whatever else is sent [5.1.4-01]
	IHBMin  time.Duration // IHB_MIN: from the last data packet to the first heartbeat; also the least time between answers to SPMRs
	IHBMax  time.Duration // IHB_MAX: the most time between heartbeats
	// Opening is how many SPMs open the session, back to back; default 1. A receiver cannot ask for what it missed before it has heard an
	// SPM [6.2-05], and OpenPGM gives up what it misses before: so more than one must be lost to harm it. OpenPGM itself sends three.
	Opening int
}

// WithDefaults returns c with its zero fields replaced.
func (c ScheduleConfig) WithDefaults() ScheduleConfig {
	if c.Ambient == 0 {
		c.Ambient = DefaultAmbient
	}
	if c.IHBMin == 0 {
		c.IHBMin = min(DefaultIHBMin, c.Ambient)
	}
	if c.IHBMax == 0 {
		c.IHBMax = max(min(DefaultIHBMax, c.Ambient), c.IHBMin)
	}
	c.Opening = max(c.Opening, 1)
	return c
}

// Check returns what is wrong with c, once defaults are in place: intervals must be positive, and IHB_MIN not above IHB_MAX.
func (c ScheduleConfig) Check() error {
	c = c.WithDefaults()
	switch {
	case c.Ambient < 0 || c.IHBMin < 0 || c.IHBMax < 0:
		return fmt.Errorf("spm: negative interval: ambient %v, IHB_MIN %v, IHB_MAX %v", c.Ambient, c.IHBMin, c.IHBMax)
	case c.IHBMin > c.IHBMax:
		return fmt.Errorf("spm: IHB_MIN %v is above IHB_MAX %v", c.IHBMin, c.IHBMax)
	}
	return nil
}

// Schedule decides when a source sends an SPM. One SPM serves every reason there is for it at its time.
type Schedule struct {
	c         ScheduleConfig
	ambient   time.Time     // when the next ambient SPM is due
	heartbeat time.Time     // IHB_TMR: when the next heartbeat is due
	interval  time.Duration // what IHB_TMR was set to
	waits     bool          // data waits for the rate: no heartbeat is due
	urgent    time.Time     // since when an SPM is due for another reason; zero: none
	restart   bool          // the urgent SPM resets the heartbeat [9.7.2-02]
	last      time.Time     // when the last SPM left; zero: none has
	opening   int           // how many of the SPMs that open the session are still to be sent
}

// NewSchedule returns the schedule of a session that opens now; c must pass Check. The first SPM is due at once, heartbeats follow
// it as if it were data: a receiver that is there already need not wait for the ambient interval.
func NewSchedule(c ScheduleConfig, now time.Time) *Schedule {
	s := &Schedule{c: c.WithDefaults()}
	s.opening = s.c.Opening
	s.ambient = now.Add(s.c.Ambient)
	s.SendNow(now)
	return s
}

// DataSent restarts the heartbeat: ODATA or RDATA left [5.1.5-02].
func (s *Schedule) DataSent(now time.Time) {
	s.interval = s.c.IHBMin
	s.heartbeat = now.Add(s.interval)
}

// DataWaits says whether there is data that will leave as soon as the rate allows. While there is, no heartbeat is due: heartbeats are
// for when no data is being sent, so that the loss of the last is noticed [5.1.5-01]; before a packet that would be noticed by the next
// one, they would only take of the rate that this one waits for. Ambient SPMs go on [5.1.4-01].
func (s *Schedule) DataWaits(now time.Time, waits bool) {
	if s.waits && !waits && s.heartbeat.Before(now) {
		s.DataSent(now) // it was given up: what left before it is the tail now
	}
	s.waits = waits
}

// Requested says that an SPMR came. It makes an SPM due, and reports true, unless one left within the last IHB_MIN: that one
// is the answer [13.4-01].
func (s *Schedule) Requested(now time.Time) bool {
	if !s.last.IsZero() && now.Sub(s.last) < s.c.IHBMin || !s.urgent.IsZero() {
		return false
	}
	s.urgent = now
	return true
}

// SendNow makes an SPM due at once and has it reset the heartbeat, as OPT_FIN [9.7.2-02] and OPT_RST [9.8.2-04] ask for.
func (s *Schedule) SendNow(now time.Time) {
	s.urgent, s.restart = now, true
	s.DataSent(now)
}

// Due reports whether an SPM is to be sent now.
func (s *Schedule) Due(now time.Time) bool { return !now.Before(s.Next()) }

// Sent says that an SPM left.
func (s *Schedule) Sent(now time.Time) {
	if !s.waits && !now.Before(s.heartbeat) { // [5.1.5-03]
		s.interval = min(2*s.interval, s.c.IHBMax)
		s.heartbeat = now.Add(s.interval)
	}
	if s.restart {
		s.DataSent(now)
	}
	// Ambient SPMs keep their beat in real time [5.1.6-01]; those that a stall made impossible are not made up for.
	if !now.Before(s.ambient) {
		s.ambient = s.ambient.Add(s.c.Ambient)
		if !now.Before(s.ambient) {
			s.ambient = now.Add(s.c.Ambient)
		}
	}
	s.last, s.urgent, s.restart = now, time.Time{}, false
	if s.opening--; s.opening > 0 {
		s.SendNow(now)
	}
	s.opening = max(s.opening, 0)
}

// Next returns when Due will be true.
func (s *Schedule) Next() time.Time {
	next := s.ambient
	if !s.waits && s.heartbeat.Before(next) {
		next = s.heartbeat
	}
	if !s.urgent.IsZero() && s.urgent.Before(next) {
		next = s.urgent
	}
	return next
}
