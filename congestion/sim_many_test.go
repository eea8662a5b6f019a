package congestion

import (
	"net/netip"
	"testing"
	"time"
)

// The rate is that of the receiver with the narrowest way, and follows when that leaves; who has a lossy way but a wide one does not count.
func TestAutoFollowsTheSlowest(t *testing.T) {
	needsTime(t)
	w, a, s := newAutoWorld(1, wire{rate: 125e6, buffer: 1e6, delay: int64(2 * ms)}, AutoConfig{})
	slow := w.receiver(wire{rate: 2.5e6, buffer: 1e5, delay: int64(5 * ms)})
	lossy := w.receiver(wire{delay: int64(20 * ms), loss: 0.05})
	fair := w.receiver(wire{rate: 12.5e6, buffer: 3e5, delay: int64(10 * ms)})
	rate := func(r *receiverModel, d time.Duration) float64 {
		before := r.octets
		w.run(d)
		return float64(r.octets-before) / d.Seconds()
	}
	w.run(4 * time.Second)
	if got := rate(slow, 4*time.Second); got < 0.85*2.5e6 || a.Acker() != slow.addr {
		t.Errorf("%s Mbit/s to the slowest of 20 Mbit/s, acker %v, %+v", mbit(got), a.Acker(), a.Stats())
	}
	if lost := float64(slow.own.overrun) / float64(s.sent); lost > 0.03 {
		t.Errorf("%.1f %% lost before the slowest", lost*100)
	}
	slow.rep.Leave()
	slow.talk()
	slow.deaf = true
	w.run(3 * time.Second)
	if got := rate(fair, 4*time.Second); got < 0.8*12.5e6 || a.Acker() != fair.addr {
		t.Errorf("%s Mbit/s to the slowest but one of 100 Mbit/s, acker %v, %+v", mbit(got), a.Acker(), a.Stats())
	}
	fair.deaf = true // without a word
	w.run(5 * time.Second)
	if got := rate(lossy, 4*time.Second); got < 0.7*0.95*125e6 || a.Acker() != lossy.addr {
		t.Errorf("%s Mbit/s to the last of 1 Gbit/s and 5 %% loss, acker %v, %+v", mbit(got), a.Acker(), a.Stats())
	}
}

// A thousand receivers that come, lose, and go, acker or not: the rate stays near that of the bottleneck, and the source hears little.
func TestAutoWithAThousandReceivers(t *testing.T) {
	needsTime(t)
	const rate = 0.5e6
	w, a, s := newAutoWorld(1, wire{rate: rate, buffer: rate / 20, delay: int64(5 * ms)}, AutoConfig{})
	for range 1000 {
		w.receiver(wire{delay: int64(w.rng.Int64N(int64(20 * ms))), loss: 0.0002})
	}
	watch := w.receiver(wire{})
	w.run(2 * time.Second)
	before, heard, least, most := watch.octets, s.control, 1e18, 0.0
	for range 8 {
		for _, r := range s.heirs { // every half second the acker goes, and a few others with it
			if r != watch && (r.addr == a.Acker() || w.rng.IntN(100) == 0) {
				r.deaf = true
			} else if r != watch && w.rng.IntN(100) == 0 {
				r.deaf = false
			}
		}
		at := watch.octets
		w.run(500 * ms)
		v := float64(watch.octets-at) * 2 / rate
		least, most = min(least, v), max(most, v)
	}
	if mean := float64(watch.octets-before) / 4 / rate; mean < 0.8 || least < 0.4 {
		t.Errorf("%.2f of the bottleneck, at the least %.2f; %+v", mean, least, a.Stats())
	}
	if per := float64(s.control-heard) / 4; per > 1000 {
		t.Errorf("%.0f reports a second", per)
	}
	if s.ctrl != Controller(a) || a.Stats().Elections < 5 {
		t.Errorf("%d elections", a.Stats().Elections)
	}
	t.Logf("%.2f .. %.2f of the bottleneck, %.0f reports a second, %+v", least, most, float64(s.control-heard)/4, a.Stats())
}

// All of a thousand receivers hear that nobody is the acker; few of them answer.
func TestElectionDoesNotImplode(t *testing.T) {
	w, _, s := newAutoWorld(1, wire{delay: int64(ms)}, AutoConfig{Ceiling: 100_000})
	for range 1000 {
		w.receiver(wire{})
	}
	w.run(60 * ms)
	t.Logf("%d of 1,000 receivers answer", s.control)
	if s.control < 1 || s.control > 100 {
		t.Errorf("%d of 1,000 receivers answer", s.control)
	}
}

// What a receiver's socket has no room for is told from what the network loses: the rate settles at what the receiver can take, and little
// is dropped.
func TestAutoFindsWhatAReceiverTakes(t *testing.T) {
	for _, loss := range []float64{0, 0.02} {
		w, a, s := newAutoWorld(1, wire{delay: 100_000, loss: loss}, AutoConfig{Ceiling: 250e6})
		r := w.receiver(wire{})
		r.take, r.buffer = 62.5e6, 200_000 // 3 ms: it is full before a queue is noticed
		w.run(2 * time.Second)
		before, sent, spilled := r.octets, s.sent, r.spilled
		w.run(4 * time.Second)
		got := float64(r.octets-before) / 4 / 62.5e6
		dropped := float64(r.spilled-spilled) / float64(s.sent-sent)
		if got < 0.75 || dropped > 0.01 || a.Stats().Overflow == 0 && a.Stats().Queue == 0 {
			t.Errorf("loss %v: %.2f of what it takes, %.2f %% dropped, %+v", loss, got, dropped*100, a.Stats())
		}
	}
}

// A receiver whose disk takes 10 MB/s says so, and gets that; when it has gone, the others get more.
func TestAutoHeedsALimit(t *testing.T) {
	w, a, _ := newAutoWorld(1, wire{rate: 125e6, buffer: 1e6, delay: int64(ms)}, AutoConfig{})
	fast, slow := w.receiver(wire{}), w.receiver(wire{})
	slow.rep.SetLimit(10e6)
	w.run(3 * time.Second)
	before := fast.octets
	w.run(2 * time.Second)
	if got := float64(fast.octets-before) / 2; got > 10.2e6 || got < 8e6 {
		t.Errorf("%.1f MB/s, %+v", got/1e6, a.Stats())
	}
	slow.rep.SetLimit(0)
	w.run(6 * time.Second)
	before = fast.octets
	w.run(2 * time.Second)
	if got := float64(fast.octets-before) / 2; got < 0.8*125e6 {
		t.Errorf("without the limit: %.1f MB/s, %+v", got/1e6, a.Stats())
	}
}

// What one receiver can take bounds the rate as soon as it says so, and no longer than until it says otherwise.
func TestAutoFollowsALimit(t *testing.T) {
	w, a, _ := newAutoWorld(1, wire{rate: 125e6, buffer: 1e6, delay: int64(ms)}, AutoConfig{})
	r := w.receiver(wire{})
	for _, limit := range []float64{10e6, 2e6, 2.45e6, 40e6, 1e6, 0} {
		r.rep.SetLimit(int(limit))
		w.run(time.Second)
		before := r.octets
		w.run(500 * ms)
		want := limit
		if limit == 0 {
			want = 125e6
		}
		if got := float64(r.octets-before) * 2; got < 0.85*want || got > 1.02*want {
			t.Errorf("%.1f MB/s, want %.1f: %+v", got/1e6, want/1e6, a.Stats())
		}
	}
}

// Who is slow because its program reads slowly, or not at all, loses nothing on the way and is not the acker. It is found as the others are, and
// counts again once it is no longer excluded.
func TestSlowProgramIsFound(t *testing.T) {
	for _, limit := range []int{1.25e6, 1} {
		w, a, _ := newAutoWorld(1, wire{rate: 12.5e6, buffer: 2e5, delay: int64(ms)}, AutoConfig{})
		fast, _, slow := w.receiver(wire{}), w.receiver(wire{}), w.receiver(wire{})
		var s Slow
		var found []netip.Addr
		poll := func(d time.Duration) float64 {
			before := fast.octets
			for range int(d / (50 * ms)) {
				w.run(50 * ms)
				if who, ok := s.Poll(w.time(), a, 2); ok {
					found = append(found, who)
				}
			}
			return float64(fast.octets-before) / d.Seconds()
		}
		if poll(4 * time.Second); len(found) > 0 {
			t.Fatalf("found %v though nobody is slow", found)
		}
		slow.rep.SetLimit(limit)
		poll(7 * time.Second)
		if got := poll(4 * time.Second); len(found) != 1 || found[0] != slow.addr || got < 0.85*12.5e6 {
			t.Fatalf("a limit of %d: found %v, the others get %s of 100 Mbit/s, %+v", limit, found, mbit(got), a.Stats())
		}
		a.Exclude(slow.addr, false)
		w.run(time.Second)
		before := fast.octets
		w.run(time.Second)
		if got, most := float64(fast.octets-before), max(float64(limit), DefaultFloor); got > 1.2*most+3000 {
			t.Errorf("a limit of %d, and it counts again: the others get %s Mbit/s", limit, mbit(got))
		}
	}
}

// A receiver that is ten times slower than the others is found within some seconds, and no longer counts; one that is not is kept.
func TestSlowReceiverIsFound(t *testing.T) {
	w, a, _ := newAutoWorld(1, wire{rate: 12.5e6, buffer: 2e5, delay: int64(ms)}, AutoConfig{})
	slow, fast := w.receiver(wire{rate: 1.25e6, buffer: 5e4}), w.receiver(wire{})
	w.receiver(wire{})
	var s Slow
	var found []netip.Addr
	poll := func(d time.Duration) {
		for range int(d / (100 * ms)) {
			w.run(100 * ms)
			if who, ok := s.Poll(w.time(), a, 1); ok {
				found = append(found, who)
			}
		}
	}
	poll(8 * time.Second)
	before := fast.octets
	poll(20 * time.Second)
	if len(found) != 1 || found[0] != slow.addr {
		t.Fatalf("found %v, acker %v", found, a.Acker())
	}
	if got := float64(fast.octets-before) / 20; got < 0.85*12.5e6 {
		t.Errorf("the others get %s of 100 Mbit/s, %+v", mbit(got), a.Stats())
	}
	excluded := 0
	a.Receivers(func(r Receiver) bool {
		if r.Excluded {
			excluded++
		}
		return true
	})
	if excluded != 1 {
		t.Errorf("%d receivers are excluded", excluded)
	}
}

// A pause, and the rate is looked for again; a short one changes nothing.
func TestAutoAfterAPause(t *testing.T) {
	w, a, s := newAutoWorld(1, wire{rate: 12.5e6, buffer: 2e5, delay: int64(5 * ms)}, AutoConfig{})
	r := w.receiver(wire{})
	w.run(3 * time.Second)
	for _, pause := range []time.Duration{300 * ms, 30 * time.Second} {
		s.idle = true
		w.run(pause)
		if at := a.ProbeAt(); !at.IsZero() {
			t.Errorf("a probe is due at %v though nothing is sent", at)
		}
		if pause > time.Second && s.wakes > 1e6 {
			t.Errorf("woken %d times", s.wakes)
		}
		s.idle = false
		s.sleep(w.now)
		w.run(time.Second)
		before := r.octets
		w.run(2 * time.Second)
		if got := float64(r.octets-before) / 2; got < 0.9*12.5e6 {
			t.Errorf("after %v: %s of 100 Mbit/s, %+v", pause, mbit(got), a.Stats())
		}
	}
}
