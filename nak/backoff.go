package nak

import "time"

// SetBackOff changes NAK_BO_IVL, over which back-offs are drawn from now on; it is above zero. Those that run and would outlast the new
// interval are drawn anew [15.2.2-01].
func (r *Recovery) SetBackOff(now time.Time, interval time.Duration) {
	if interval == r.c.BackOff {
		return
	}
	r.c.BackOff = interval
	t := r.since(now)
	for g := range r.backoffs {
		if b := &r.backoffs[g]; b.deadline > t+int64(interval) {
			b.deadline = t + r.draw()
		}
	}
}

// Spread begins a back-off anew for all whose back-off is over. It is for the moment at which NAKs are allowed again that were not:
// who allows them is heard by all receivers at once, and without it all would send what they held back at once.
func (r *Recovery) Spread(now time.Time) {
	t := r.since(now)
	end := t + r.draw() // one for all, so that they make one list
	for g := range r.backoffs {
		if b := &r.backoffs[g]; b.deadline <= t {
			b.born, b.deadline = t, end
		}
	}
}

// draw returns NAK_RB_IVL, uniform over (0, NAK_BO_IVL] [6.3-15].
func (r *Recovery) draw() int64 { return 1 + r.rng.Int64N(int64(r.c.BackOff)) }
