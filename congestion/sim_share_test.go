package congestion

import (
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
