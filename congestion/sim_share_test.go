package congestion

import (
	"flag"
	"fmt"
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
