package congestion

import (
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The rate is never beyond the ceiling, though the network has room for more.
func TestRateKeepsToItsCeiling(t *testing.T) {
	const ceiling = 2_000_000
	w, a, _ := newAutoWorld(1, wire{rate: 5_000_000, buffer: 100_000, delay: int64(2 * ms)}, AutoConfig{Ceiling: ceiling})
	r := w.receiver(wire{})
	for range 200 {
		w.run(10 * ms)
		if v := a.Rate(); v > ceiling {
			t.Fatalf("a rate of %d", v)
		}
	}
	if got := float64(r.octets) / 2; got < ceiling/2 || got > ceiling {
		t.Errorf("%.0f octets a second", got)
	}
	p := hostilePGMCC(t)
	p.w, p.srtt = 1000, ms
	if v := p.Rate(); v != 1_250_000 {
		t.Errorf("PGMCC: a rate of %d", v)
	}
}

// A report that has more packets in it than were sent is not counted, whoever sends it.
func TestReportsOfWhatWasNotSentDoNotCount(t *testing.T) {
	a := hostileAuto(t)
	now := worldStart
	for i, received := range []uint32{10, 2_000_000} {
		now = now.Add(10 * ms)
		a.Sent(now, packet.TypeODATA, packet.SQN(1+100*i), 100, 150_000)
		a.Probe(now)
		f := forged(a, "192.0.2.66")
		f.Reception.Received = received
		now = now.Add(ms)
		a.Feedback(now, f)
	}
	if n := a.Stats(); n.Reports != 1 || n.Stale != 1 {
		t.Errorf("%d reports counted and %d did not, want 1 and 1", n.Reports, n.Stale)
	}
}

// [CC-3-01]: who is elected is sent a packet, though no token was left: "T = T + 1".
func TestElectionBringsAToken(t *testing.T) {
	b := newBench(t)
	b.send(1)
	b.want("nobody is elected", 1, 0)
	b.p.Feedback(b.now.Add(time.Millisecond), &Feedback{HasEcho: true, Echo: Echo{b.p.clock(b.now), 9, netip.MustParseAddr(acker)}})
	b.want("elected by a NAK", 1, 1)
}

// What a receiver's socket has no room for counts as congestion, however short queues are.
func TestOverflowIsCongestion(t *testing.T) {
	for _, spilled := range []float64{0, 1} {
		e, s := entry{}, sample{arrived: 100, spilled: spilled, rate: 1}
		if e.judge(worldStart, &s); s.congested != (spilled > 0) || s.congested && s.cause != overflow {
			t.Errorf("%v packets without room: %+v", spilled, s)
		}
	}
}

// After a pause the source begins with what it began with, and not with what the network took then.
func TestPauseAgesTheRate(t *testing.T) {
	a, err := NewAuto(AutoConfig{})
	if err != nil {
		t.Fatal(err)
	}
	a.Sent(worldStart, packet.TypeODATA, 1, 1, 1500)
	a.rate = 10 * DefaultInitial
	a.Sent(worldStart.Add(500*ms), packet.TypeODATA, 2, 1, 1500)
	if v := a.Rate(); v != 10*DefaultInitial {
		t.Errorf("after half a second, a rate of %d", v)
	}
	a.Sent(worldStart.Add(20*time.Second), packet.TypeODATA, 3, 1, 1500)
	if v := a.Rate(); v != DefaultInitial {
		t.Errorf("after twenty seconds, a rate of %d", v)
	}
}
