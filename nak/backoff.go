package nak

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

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
			b.deadline = t + r.draw(interval)
		}
	}
}

// Spread begins a back-off anew for all whose back-off is over. It is for the moment at which NAKs are allowed again that were not:
// who allows them is heard by all receivers at once, and without it all would send what they held back at once.
func (r *Recovery) Spread(now time.Time) {
	t := r.since(now)
	end := t + r.draw(r.c.BackOff) // one for all, so that they make one list
	for g := range r.backoffs {
		if b := &r.backoffs[g]; b.deadline <= t {
			b.born, b.deadline = t, end
		}
	}
}

// Bias has back-offs drawn over a part of NAK_BO_IVL: f returns it for the packet s, above zero. So what much depends on is asked for sooner
// [6.3-17]. nil ends that.
func (r *Recovery) Bias(f func(backOff time.Duration, s packet.SQN) time.Duration) { r.bias = f }

// draw returns NAK_RB_IVL, uniform over (0, ivl] [6.3-15].
func (r *Recovery) draw(ivl time.Duration) int64 { return 1 + r.rng.Int64N(int64(ivl)) }
