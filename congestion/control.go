package congestion

import "time"

// control moves the rate by a report of the acker.
func (a *Auto) control(now time.Time, e *entry, s *sample) {
	dt := min(max(now.Sub(a.last), 0), a.patience())
	a.last, a.misses = now, 0
	a.timeout = now.Add(a.patience())
	// The round trip over which the window is spread follows within one of itself, however dense reports are.
	a.rtt += time.Duration(float64(max(s.rtt, leastRTT)-a.rtt) * min(max(dt.Seconds()/a.rtt.Seconds(), 0.25), 1))
	used := a.used(s.probe)
	a.roundPeak = max(a.roundPeak, s.standing)
	a.roundBusy = a.roundBusy && used
	a.roundBad = a.roundBad || s.congested
	if a.hold && !s.probe.at.Before(a.holdTo) {
		a.hold = false
	}
	switch a.phase {
	case starting:
		a.start(now, e, s, used)
	case draining:
		a.drain(now, e, s)
	case cruising:
		if a.arrived > 0 && !a.hold {
			a.makeRoom(e)
		}
		switch {
		case s.congested && !a.hold:
			a.decrease(now, e, s)
		case used && !a.hold:
			a.grow(e, dt)
		}
		a.rate = a.spread()
		if s.rate > 0 { // the clock of TCP's ACKs: no more leaves than a little beyond what arrives
			a.measured = max(0.9*a.measured, s.rate/(1-min(e.loss, 0.5)))
			// Of what is allowed, not all need have been data: that is not missing from what arrived.
			a.rate = min(a.rate, (1+mostGrowth)*a.measured+max(s.probe.rate-a.offered(s.probe), 0))
		}
	}
	if int32(s.probe.number-a.round) >= 0 && (a.phase != starting || s.probe.packets-a.roundFrom >= 2*leastPackets) {
		a.endRound(now, e)
	}
	a.bound()
	if a.phase == cruising { // a window that the bounds keep from being used says nothing, and must not grow
		a.window.w = min(a.window.w, max((1+mostGrowth)*a.rate*a.rtt.Seconds()/float64(a.c.Packet), 1))
	}
}

// used reports whether the source sent about as much before the probe p as it was allowed to.
func (a *Auto) used(p *sent) bool {
	q := a.probes.before(p)
	if q == nil {
		return true
	}
	// A source that has nothing to send, or a processor that cannot: either way a higher rate would not be tried out.
	return float64(p.octets-q.octets)+4*float64(a.c.Packet) >= 0.7*min(p.rate, q.rate)*p.at.Sub(q.at).Seconds()
}

// offered returns the rate at which data were sent before the probe p, over the time in which a receiver measures the rate of arrival.
func (a *Auto) offered(p *sent) float64 {
	window := max(a.rtt/4, leastWindow)
	for q := a.probes.before(p); q != nil; q = a.probes.before(q) {
		if span := p.at.Sub(q.at); span >= window && p.packets-q.packets >= leastPackets {
			return float64(p.octets-q.octets) / span.Seconds()
		}
	}
	return 0
}

// endRound counts the rounds in which the network was calm. A round ends with the report of a probe that was sent after it began.
func (a *Auto) endRound(now time.Time, e *entry) {
	if a.phase == starting && a.roundBusy {
		a.plateau(now)
	}
	switch {
	case a.roundBad || a.roundPeak > e.threshold()/2:
		a.calm = 0
	case a.roundBusy:
		a.calm++
	}
	a.round, a.roundFrom = a.probes.count, a.packets
	a.roundPeak, a.roundBusy, a.roundBad = 0, true, false
}

// follows is the part of what is sent that arrives, in the same time, while there is room for it.
const follows = 0.85

// drainGain is the part of what arrives that is sent until the queue of the start is gone.
const drainGain = 0.6

// start looks for the rate of the network: it sends twice what arrives.
func (a *Auto) start(now time.Time, e *entry, s *sample, used bool) {
	over := min(max(e.base.get()/8, 4*time.Millisecond), 16*time.Millisecond)
	switch {
	case s.cause == overflow, s.heavy, !a.contested && s.delay > 4*over:
		a.exits += 2
	case a.contested && s.congested, !a.contested && s.delay > over && s.rate < follows*a.offered(s.probe):
		a.exits++
	case !a.contested: // a single loss is what others bring about as well, but the second one counts whenever it comes
		a.exits = 0
	}
	a.measured = max(a.measured*0.7, s.rate)
	if a.exits >= 2 && s.rate > 0 {
		a.count(s.cause)
		if a.contested {
			a.settle(now)
			return
		}
		a.before = max(e.base.get(), leastRTT)
		a.window.set(a.holds(a.measured, a.before))
		a.phase, a.drainFrom, a.drainEnd, a.drained = draining, now, now.Add(a.rtt), 0
		a.rate = drainGain * a.measured
		return
	}
	if used && (a.exits == 0 || a.contested) {
		a.rate = max(a.rate, startGain*min(s.rate, s.probe.rate))
	}
}

// drain waits until the queue that the start has left is gone. If a round trip of less being sent does not shorten it by half of what that
// should do, it is not ours, and its length was no sign: the start goes on until losses end it, as that of TCP does.
func (a *Auto) drain(now time.Time, e *entry, s *sample) {
	at := s.probe.at
	if at.Before(a.drainFrom) && s.rate > a.measured { // What was sent last arrives only now: of a rate that doubled meanwhile, the start saw half.
		a.measured += (s.rate - a.measured) / 4
	}
	switch {
	case s.delay < e.threshold()/2:
		a.cruise(now)
	case at.Before(a.drainFrom):
	case a.drained == 0:
		a.drainFrom, a.drained = at, s.delay
	case at.Before(a.drainEnd):
	case s.cause == none && a.drained-s.delay < time.Duration(float64(at.Sub(a.drainFrom))*(1-drainGain)/2):
		a.restart()
		a.contested = true
	default:
		a.cruise(now)
	}
}

// plateau ends the start when what arrives no longer grows, though more is sent: behind a queue that others keep full there is no other sign,
// because neither delay nor loss was ever less.
func (a *Auto) plateau(now time.Time) {
	if a.measured >= plateauGrowth*a.reached {
		a.reached, a.flat = a.measured, 0
		return
	}
	if a.flat++; a.flat < plateauRounds {
		return
	}
	a.settle(now)
}

// settle ends the start where others keep a queue full: what arrives now is our share of it.
func (a *Auto) settle(now time.Time) {
	a.window.set(a.holds(min(a.measured, a.rate), a.rtt))
	a.phase, a.calm, a.arrived = cruising, 0, 0
	a.forgive()
	a.suspend(now)
}

const (
	plateauGrowth = 1.25
	plateauRounds = 3
)

// cruise begins to follow the window, which is what arrives, and what is lost at random, in the shortest round trip.
func (a *Auto) cruise(now time.Time) {
	e := a.current()
	a.phase = cruising
	a.rtt = max(e.base.get(), leastRTT)
	a.arrived = a.measured / (1 - min(e.calmLoss.get(), 0.5))
	a.window.set(a.holds(a.arrived, a.rtt))
	a.rate = a.spread()
	a.calm = 0
	a.forgive()
	a.suspend(now)
}

// forgive has all receivers forget the losses of the start.
func (a *Auto) forgive() {
	for i := range a.table.entries {
		a.table.entries[i].forgive()
	}
}

// holds returns the window with which a rate leaves in the round trip rtt.
func (a *Auto) holds(rate float64, rtt time.Duration) float64 {
	return max(rate*rtt.Seconds()/float64(a.c.Packet), 2)
}

// makeRoom takes the window down to what it is over the shortest round trip, if that has become shorter since the start ended: then others have
// made room, who kept a queue full that seemed to be a part of the way. They come back, and each of them has as much right to it as we; how
// many they are, nobody knows, so the window becomes smaller as by a loss.
func (a *Auto) makeRoom(e *entry) {
	if base := max(e.base.get(), leastRTT); base < a.before*9/10 {
		if w := a.holds(leastBeta*a.arrived, base); w < a.window.w {
			a.window.set(w)
		}
	}
	a.arrived = 0
}

// spread returns the rate at which a window leaves in a round trip.
func (a *Auto) spread() float64 { return a.window.w * float64(a.c.Packet) / a.rtt.Seconds() }

// suspend has the window stay until the report of a probe comes that saw what the change has led to: "all window manipulation is suspended
// for the subsequent RTT" [CC-2.2-05]. The queue of the moment takes another round trip to drain.
func (a *Auto) suspend(now time.Time) { a.hold, a.holdTo = true, now.Add(a.rtt) }

// decrease reacts to congestion.
func (a *Auto) decrease(now time.Time, e *entry, s *sample) {
	a.count(s.cause)
	base := max(e.base.get(), leastRTT).Seconds()
	switch s.cause {
	case queue:
		a.window.decrease(base / (base + s.delay.Seconds()))
	default:
		a.window.decrease(mostBeta)
	}
	// What arrives all the same is what the network, or the receiver, can take.
	if most := s.rate * (base + s.delay.Seconds()) / float64(a.c.Packet); s.cause != queue && s.rate > 0 && most < a.window.w {
		a.window.w = max(most, a.window.w/2)
		a.window.plan()
	}
	a.calm = 0
	a.suspend(now)
}

func (a *Auto) count(c cause) {
	switch c {
	case queue:
		a.stats.Queue++
	case excess:
		a.stats.Excess++
	case overflow:
		a.stats.Overflow++
	}
}

// grow lets the window grow for a time in which all of the rate was used.
func (a *Auto) grow(e *entry, dt time.Duration) {
	more := a.rtt.Seconds() / max(e.srtt, leastRTT/4).Seconds()
	a.window.grow(dt, a.rtt, min(max(more*more, 1), 4))
	rounds := dt.Seconds() / a.rtt.Seconds()
	switch {
	case a.calm >= returnAfter && a.window.w < nearPeak*a.window.peak:
		// There is room, and the window was larger: go back to near where it was.
		a.window.lift(min(a.window.w+(nearPeak*a.window.peak-a.window.w)*min(rounds/2, 1), nearPeak*a.window.peak))
	case a.calm >= exploreAfter && a.window.age >= a.window.k:
		a.window.lift(a.window.w * (1 + min(float64(a.calm-exploreAfter+1)/64, mostGrowth)*min(rounds, 1)))
	}
}

// nearPeak is the part of the window before the last decrease to which calm brings it back.
const nearPeak = 0.9

// foreign takes feedback of a stack without our options: it asks for packets, and that is all that is known. While nobody else is the
// acker, the rate stays at its initial value, and below it while more than a twentieth of what is sent is asked for again.
func (a *Auto) foreign(now time.Time, f *Feedback) {
	if a.acker >= 0 || f.IsACK {
		return
	}
	a.asked += float64(f.Requested)
	if a.askedAt.IsZero() || now.Before(a.askedAt) {
		a.askedAt, a.askedSent = now, a.packets
		return
	}
	if now.Sub(a.askedAt) < time.Second {
		return
	}
	sent := float64(a.packets - a.askedSent)
	switch part := a.asked / max(sent, 1); {
	case part > 0.05:
		a.rate *= leastBeta
	case part < 0.01:
		a.rate = min(a.rate*1.1, max(a.rate, float64(a.c.Initial)))
	}
	a.asked, a.askedAt, a.askedSent = 0, now, a.packets
	a.bound()
}
