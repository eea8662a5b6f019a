package spm

import (
	"math/rand/v2"
	"time"
)

// Solicitor decides when a receiver that hears a session, but no SPM of it, asks for one [13.5]. The zero Solicitor has heard
// nothing and works with the defaults.
type Solicitor struct {
	BackOff time.Duration // SPMR_BO_IVL, the range of the random delay; 0: 250 ms
	Repeat  time.Duration // SPMR_SPM_IVL, the least time between requests; 0: 500 ms

	at    time.Time     // when the random delay ends: the request is due
	from  time.Time     // when it begins; before, SPMR_SPM_IVL runs
	spare time.Duration // the next delay, drawn ahead for Suppress
	done  bool          // an SPM has been seen
}

const (
	defaultBackOff = 250 * time.Millisecond
	defaultRepeat  = 500 * time.Millisecond
)

// Heard starts the procedure, if it is not running: a packet of the session came that is not an SPM.
func (s *Solicitor) Heard(now time.Time, rng *rand.Rand) {
	if s.done || !s.at.IsZero() {
		return
	}
	s.from, s.at = now, now.Add(s.draw(rng))
	s.spare = s.draw(rng)
}

// Suppress says that somebody else multicast an identical SPMR. During the random delay it takes the place of our own, and the
// procedure begins again after SPMR_SPM_IVL with another delay [13.5-03], [13.5-05]; at other times it changes nothing.
func (s *Solicitor) Suppress(now time.Time) {
	if s.at.IsZero() || now.Before(s.from) {
		return
	}
	s.from = now.Add(s.repeat())
	s.at = s.from.Add(s.spare)
}

// SPMSeen ends the procedure for good: there is an SPM [13.5-04].
func (s *Solicitor) SPMSeen() {
	s.done, s.at = true, time.Time{}
}

// Due reports whether the request is to be sent now: multicast to the group with TTL 1, then unicast to the source [13.5-02].
func (s *Solicitor) Due(now time.Time) bool { return !s.at.IsZero() && !now.Before(s.at) }

// Sent says that the request left. The next is due after SPMR_SPM_IVL and a new random delay [13.5-05].
func (s *Solicitor) Sent(now time.Time, rng *rand.Rand) {
	if s.done {
		return
	}
	s.from = now.Add(s.repeat())
	s.at = s.from.Add(s.draw(rng))
	s.spare = s.draw(rng)
}

// Next returns when Due will be true; zero: not before Heard is called, or never.
func (s *Solicitor) Next() time.Time { return s.at }

// draw returns a delay that is uniform over (0, SPMR_BO_IVL].
func (s *Solicitor) draw(rng *rand.Rand) time.Duration {
	d := s.BackOff
	if d <= 0 {
		d = defaultBackOff
	}
	return 1 + time.Duration(rng.Int64N(int64(d)))
}

func (s *Solicitor) repeat() time.Duration {
	if s.Repeat <= 0 {
		return defaultRepeat
	}
	return s.Repeat
}
