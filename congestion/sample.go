package congestion

import (
	"math"
	"time"
)

// sample is what one report tells.
type sample struct {
	probe     *sent
	rtt       time.Duration
	delay     time.Duration // in queues
	standing  time.Duration // the part of it that lasts
	rate      float64       // of arrival, octets a second; 0: unknown
	arrived   float64       // packets since the report before
	missed    float64       // that the network lost
	spilled   float64       // that the socket had no room for
	cause     cause
	congested bool
	heavy     bool // far more was lost than in a calm network, whatever the delay
}

type cause uint8

const (
	none     cause = iota
	queue          // a loss while queues were long
	excess         // far more losses than in a calm network
	overflow       // the receiver's socket had no room
)

const (
	// peakHalf is the time in which the memory of the longest queueing delay halves.
	peakHalf = 10 * time.Second
	// leastThreshold is the shortest queueing delay at which a loss may be congestion. A source's own bursts wait for each other for up to
	// 1.25 ms, see PacerConfig.Burst.
	leastThreshold = time.Millisecond
	// thresholdPart is the part of the longest queueing delay of late from which on a loss counts as congestion: with drop-tail queues,
	// congestion loses packets when they are full, and radio links whenever.
	thresholdPart = 1.0 / 3
	// verdictPackets is over how many packets the loss rate is compared with that of a calm network, which is the least of the last
	// calmLossSpan to twice that, and by how much more is lost for it to be congestion.
	verdictPackets = 256
	calmLossSpan   = 15 * time.Second
	excessLoss     = 0.03
)

// threshold returns from which standing delay on a loss counts as congestion. Delays that differ widely from probe to probe come from busy
// processors rather than from queues, and the threshold is beyond them.
func (e *entry) threshold() time.Duration {
	return max(time.Duration(max(e.peak*thresholdPart, e.jitter)*float64(time.Second)), leastThreshold)
}

// take enters a report about the probe p, of which so many packets have been sent until now. It reports false when the report cannot be.
func (e *entry) take(now time.Time, p *sent, r *Reception, rtt time.Duration, packets uint64) (sample, bool) {
	s := sample{probe: p, rtt: rtt, delay: time.Duration(r.Delay) * time.Microsecond, standing: time.Duration(r.Standing) * time.Microsecond, rate: float64(r.Rate) * RateUnit}
	if s.delay > rtt { // it waited longer in one direction than both take
		s.delay = 0
	}
	s.standing = min(s.standing, s.delay)
	if e.has {
		if r.Timestamp != e.last.Timestamp {
			e.jitter += (2*math.Abs(s.delay.Seconds()-float64(e.last.Delay)/1e6) - e.jitter) / 16
		}
		arrived, missed, spilled := r.Received-e.last.Received, r.Lost-e.last.Lost, r.Overflow-e.last.Overflow
		if arrived > math.MaxInt32 || missed > math.MaxInt32 {
			return s, false // an older report, overtaken
		}
		if uint64(arrived)+uint64(missed) > 4*packets+1000 { // more than there was, repeats included
			e.has = false
			return s, false
		}
		s.arrived, s.missed = float64(arrived), float64(missed)
		if spilled <= math.MaxInt32 {
			s.spilled = float64(spilled)
		}
		// Most of what a socket drops is missed too; what is left was the network's. Repairs that it drops are not missed again.
		s.missed = max(s.missed-s.spilled, 0)
	}
	e.last, e.has, e.heard = *r, true, now
	e.reports++
	e.delay = s.standing
	e.smooth(rtt)
	e.base.add(now, rtt)
	e.judge(now, &s)
	return s, true
}

// judge decides whether a sample shows congestion.
func (e *entry) judge(now time.Time, s *sample) {
	if age := now.Sub(e.peakAt); age > 0 {
		e.peak *= math.Exp2(-age.Seconds() / peakHalf.Seconds())
	}
	e.peakAt = now
	e.peak = max(e.peak, s.standing.Seconds())
	e.arrived += s.arrived
	e.missed += s.missed
	e.loss += (1 - math.Exp2(-(s.arrived+s.missed)/verdictPackets)) * (share(s.missed, s.arrived) - e.loss)
	switch {
	case s.spilled > 0:
		s.cause = overflow
	case e.crowded(now, s):
		s.cause = queue
	}
	if n := e.arrived + e.missed; n >= verdictPackets {
		p := e.missed / n
		calm := e.calmLoss.get()
		if s.heavy = e.windows > 0 && p > 1.5*calm+excessLoss+3*math.Sqrt(max(calm, 1e-3)/n); s.heavy && s.cause == none {
			s.cause = excess
		}
		if e.windows++; e.windows == 1 {
			e.smoothLoss = p
		} else {
			e.smoothLoss += (p - e.smoothLoss) / 4
		}
		e.calmLoss.add(now, e.smoothLoss)
		e.arrived, e.missed = 0, 0
	}
	if s.congested = s.cause != none; s.congested {
		e.congested, e.rate = now, s.rate
	}
}

const (
	// randomPackets is over how many packets the random loss rate is measured, while queues are shorter than the threshold, and randomAge for
	// how long it is believed without that: queues that stay long may be others', and full.
	randomPackets = 1024
	randomAge     = 2 * time.Second
	// randomWindow is from how many times the window that TCP would have with a loss rate, 1.2/√p, that rate is not the doing of flows that
	// compete: there are none.
	randomWindow = 4
	// mostOwn is the part of all packets that may be lost by a queue that overflows, beyond what is lost at random.
	mostOwn = 0.005
	// surplusPart and mostSurplus say how many packets the surplus must be: none where nothing is lost at random.
	surplusPart, mostSurplus = 2000, 6
)

// crowded reports whether something was lost with long queues, and more than the network loses however long they are. Of a path that loses
// one packet in a hundred, every report of a time in which queues were long tells of some; so the sum of what is lost beyond the random
// rate counts, of a time of long queues.
func (e *entry) crowded(now time.Time, s *sample) bool {
	n := s.arrived + s.missed
	if s.standing < e.threshold() {
		// A burst of losses is that of a queue which overflowed all the same: it counts little.
		e.random += (1 - math.Exp2(-n/randomPackets)) * (share(min(s.missed, 1+4*e.random*n), s.arrived) - e.random)
		e.surplus, e.shortAt = 0, now
		return false
	}
	p := min(e.random, 4*e.calmLoss.get()) // the second is the least of many, and so too small for a loss rate that does not change
	if now.Sub(e.shortAt) > randomAge || e.window*math.Sqrt(p) < randomWindow*1.2 {
		p = 0
	}
	e.surplus = max(e.surplus+s.missed-(p+min(p, mostOwn))*n, 0)
	if e.surplus == 0 || e.surplus < min(surplusPart*p, mostSurplus) {
		return false
	}
	e.surplus = 0
	return true
}

// share returns a of a and b together.
func share(a, b float64) float64 {
	if a+b == 0 {
		return 0
	}
	return a / (a + b)
}
