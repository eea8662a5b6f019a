package congestion

import (
	"flag"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// joins returns our rate and that of a TCP flow, in octets a second, in the ten seconds after we have come to the queue that it keeps full.
// As a transfer does, we begin with greetings; and while we do, the flow's host is busy for a moment, so that for once the queue is short.
func joins(p path, after time.Duration, seed uint64) (ours, tcp float64) {
	w, _, s := newAutoWorld(seed, p.wire(), AutoConfig{})
	r := w.receiver(wire{})
	s.idle = true
	f := w.tcpFlow(p.rtt, true, 0)
	w.run(3*time.Second + after)
	greet := func() {
		s.idle = false
		s.sleep(w.now)
		w.run(ms)
		s.idle = true
	}
	greet()
	w.run(40 * ms)
	greet()
	f.stopped = true
	w.run(30 * ms)
	f.stopped, s.idle = false, false
	f.send()
	s.sleep(w.now)
	o, c := r.octets, f.octets
	const d = 10
	w.run(d * time.Second)
	return float64(r.octets-o) / d, float64(f.octets-c) / d
}

// Who comes to a queue that TCP keeps full, has a share of it within seconds, though a delay that grows says nothing about what there is
// room for: it grows by others' doing. Where draining does not shorten a queue, only losses end the start.
func TestAutoJoinsTCP(t *testing.T) {
	needsTime(t)
	p := path{mbit: 100, rtt: ms, queue: 50 * ms}
	var ours, tcp float64
	for i := range 6 {
		o, c := joins(p, time.Duration(i)*10*ms, uint64(i+1))
		t.Logf("%s Mbit/s beside %s", mbit(o), mbit(c))
		ours, tcp = ours+o, tcp+c
		if c > 2.5*o {
			t.Errorf("seed %d: we have %s Mbit/s, the TCP flow %s", i+1, mbit(o), mbit(c))
		}
	}
	if ours > 2*tcp || tcp > 2*ours {
		t.Errorf("in all, we have %s Mbit/s, the TCP flow %s", mbit(ours), mbit(tcp))
	}
}

// comes returns our rate over that of a TCP flow (CUBIC) on average, while so many octets are sent to three receivers. The flows have kept a
// queue of 71 ms full for some two seconds when the transfer begins, with greetings. Processors are late by 0.2 ms on average.
func comes(flows, octets int, seed uint64) float64 {
	p := path{mbit: 100, rtt: 300 * time.Microsecond, queue: 71 * ms}
	w, _, s := newAutoWorld(seed, p.wire(), AutoConfig{})
	for range 3 {
		w.receiver(wire{}).noise = 200_000
	}
	s.idle = true
	for i := range flows {
		w.tcpFlow(p.rtt, true, time.Duration(i)*ms)
	}
	w.run(2*time.Second + time.Duration(w.rng.Int64N(int64(300*ms))))
	for range 3 {
		s.idle = false
		s.sleep(w.now)
		w.run(ms)
		s.idle = true
		w.run(40 * ms)
	}
	s.idle = false
	s.sleep(w.now)
	r := s.heirs[0]
	sum := func() (n uint64) {
		for _, f := range w.tcp {
			n += f.octets
		}
		return n
	}
	o, c := r.octets, sum()
	for r.octets-o < uint64(octets) {
		w.run(20 * ms)
	}
	return float64(r.octets-o) / float64(sum()-c) * float64(flows)
}

// A transfer of some seconds to three receivers beside one TCP flow or four, which were there first: what it has on average is within a factor
// of 2 of what a flow has. So few losses fall into its time that it does not get far from where its start has left it: that is to take no more
// than a part of the room that the flows make, and yet not to end because the queue of others grows.
func TestAutoTakesAShareWithinSeconds(t *testing.T) {
	needsTime(t)
	for _, c := range []struct{ flows, octets int }{{1, 100e6}, {4, 50e6}} {
		const seeds = 6
		mean, least, most := 0.0, 1e9, 0.0
		for i := range uint64(seeds) {
			v := comes(c.flows, c.octets, i+1)
			t.Logf("%d flows, seed %d: %.2f of a TCP flow", c.flows, i+1, v)
			mean, least, most = mean+math.Log(v)/seeds, min(least, v), max(most, v)
		}
		if mean = math.Exp(mean); mean > 2 || mean < 0.5 || least < 0.45 || most > 2.2 {
			t.Errorf("%d flows: %.2f of a TCP flow, from %.2f to %.2f", c.flows, mean, least, most)
		}
	}
}

var long = flag.Bool("long", false, "simulate every path of testdata/shares.txt: some minutes")

// among is a path on which we and TCP flows meet, one of which comes three seconds later.
type among struct {
	rtt, queue time.Duration
	flows      int
	late       bool // it is us who come later
}

// shares returns our rate over that of a TCP flow (CUBIC) on average: in the first 15 seconds after both have begun, and in the 40 that follow.
// The bottleneck has 100 Mbit/s, and three receivers are behind it.
func (m among) shares(seed uint64) (first, then float64) {
	w, _, s := newAutoWorld(seed, path{mbit: 100, rtt: m.rtt, queue: m.queue}.wire(), AutoConfig{})
	r := w.receiver(wire{})
	w.receiver(wire{})
	w.receiver(wire{})
	s.idle = m.late
	for i := range m.flows {
		at := time.Duration(i) * 100 * ms
		if !m.late {
			at += 3 * time.Second
		}
		w.tcpFlow(m.rtt, true, at)
	}
	w.run(3 * time.Second)
	s.idle = false
	s.sleep(w.now)
	over := func(d time.Duration) float64 {
		octets := func() (ours, tcp uint64) {
			for _, f := range w.tcp {
				tcp += f.octets
			}
			return r.octets, tcp
		}
		o, c := octets()
		w.run(d)
		o2, c2 := octets()
		return float64(o2-o) / float64(c2-c) * float64(m.flows)
	}
	return over(15 * time.Second), over(40 * time.Second)
}

// On paths with short and long round trips and queues, one flow and several, whoever came first: neither has more than twice what the other
// has once both have settled. Where a queue is shorter than a round trip, it is empty after each decrease, and whoever takes that for a sign
// that nobody else is there has it all.
func TestAutoSharesOnManyPaths(t *testing.T) {
	needsTime(t)
	paths := []among{{ms, 50 * ms, 1, false}, {10 * ms, 10 * ms, 4, true}, {50 * ms, 10 * ms, 1, true}, {100 * ms, 10 * ms, 1, false}, {100 * ms, 50 * ms, 1, true}}
	if *long {
		paths = nil
		for _, rtt := range []time.Duration{ms, 10 * ms, 50 * ms, 100 * ms} {
			for _, queue := range []time.Duration{10 * ms, 50 * ms, 200 * ms} {
				for _, flows := range []int{1, 4} {
					paths = append(paths, among{rtt, queue, flows, false}, among{rtt, queue, flows, true})
				}
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%6s %6s %6s %6s | %6s %6s    our rate over that of a TCP flow: 15 s, then 40 s\n", "RTT", "queue", "flows", "first", "begin", "then")
	for _, m := range paths {
		begin, then := m.shares(1)
		fmt.Fprintf(&b, "%6v %6v %6d %6s | %6.2f %6.2f\n", m.rtt, m.queue, m.flows, map[bool]string{true: "TCP", false: "we"}[m.late], begin, then)
		if !*long && (then > 2 || then < 0.5) {
			t.Errorf("%+v: our rate is %.2f of a TCP flow's", m, then)
		}
	}
	if *long {
		golden(t, "shares.txt", b.String())
	} else {
		t.Log(b.String())
	}
}
