package congestion

import (
	"math"
	"time"
)

// cubic is a window that grows as CUBIC does (RFC 9438), with a decrease that depends on how much of the round trip was queue. All
// windows are in packets.
type cubic struct {
	w     float64
	peak  float64 // W_max: where the last decrease began
	beta  float64 // of the last decrease
	k     float64 // seconds until w is at peak again
	reno  float64 // W_est: what AIMD would have
	age   float64 // seconds of growth since the last decrease
	begun bool
}

const (
	// cubicC is CUBIC's C, in packets a second³.
	cubicC = 0.4
	// A decrease that just empties the queue leaves the network busy. It is no deeper than CUBIC's, and not so shallow that a flow
	// which comes later waits long for its share.
	leastBeta, mostBeta = 0.7, 0.8
	cubicBeta           = 0.7
	// mostGrowth is by how much a window grows in a round trip at most.
	mostGrowth = 0.25
)

// set begins anew from a window that is known to fit.
func (c *cubic) set(w float64) { *c = cubic{w: w, peak: w, reno: w, beta: leastBeta, begun: true} }

// scale follows a change of the round trip that leaves the rate as it is.
func (c *cubic) scale(by float64) {
	c.w *= by
	c.peak *= by
	c.reno *= by
	c.plan()
}

// decrease reacts to congestion, where the round trip without queues is the part base of what it is.
func (c *cubic) decrease(base float64) {
	c.beta = min(max(base, leastBeta), mostBeta)
	before := c.w
	if c.w < c.peak { // "fast convergence": room for whoever takes it away
		c.peak = c.w * (1 + c.beta) / 2
	} else {
		c.peak = c.w
	}
	c.w = max(before*c.beta, 1)
	c.reno, c.age = c.w, 0
	c.plan()
}

// factor returns C for the depth of the last decrease. With AVG_W = (C (3+β) / (4 (1-β)))^(1/4) (RTT/p)^(3/4) (RFC 9438 §5.1), the window
// that results from a given loss rate is the same for every β.
func (c *cubic) factor() float64 {
	return cubicC * (3 + cubicBeta) / (1 - cubicBeta) * (1 - c.beta) / (3 + c.beta)
}

func (c *cubic) plan() { c.k = math.Cbrt(max(c.peak-c.w, 0) / c.factor()) }

// grow lets the window grow for the time dt, in which all of it was used; more is how much faster than the round trip rtt TCP would do it,
// because ours is measured coarsely.
func (c *cubic) grow(dt, rtt time.Duration, more float64) {
	s := dt.Seconds()
	c.age += s
	// "α_cubic = 3 (1-β) / (1+β)" packets a round trip, as AIMD that decreases by β must if it is to be as fast as Reno's.
	c.reno += 3 * (1 - c.beta) / (1 + c.beta) * s / rtt.Seconds() * more
	d := c.age - c.k
	target := max(c.factor()*d*d*d+c.peak, c.reno)
	if limit := c.w * (1 + mostGrowth*min(s/rtt.Seconds(), 1)); target > limit {
		target = limit
	}
	c.w = max(c.w, target)
}

// lift takes the window up beyond its law, to w: the network has shown that it has room.
func (c *cubic) lift(w float64) {
	if w <= c.w {
		return
	}
	c.w = w
	c.reno = max(c.reno, w)
	if w >= c.peak {
		c.peak, c.age, c.k = w, 0, 0
		return
	}
	// The decrease turned out to be smaller, so growth must be slower, as if it had been so from the beginning.
	c.beta = min(max(c.beta, w/c.peak), nearPeak)
	c.age = 0
	c.plan()
}
