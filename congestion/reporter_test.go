package congestion

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

func newTestReporter(t testing.TB, self netip.Addr, seed uint64) *Reporter {
	t.Helper()
	r, err := NewReporter(ReporterConfig{Self: self, Overhead: 28, Rand: rand.New(rand.NewPCG(seed, 7))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said returns what the ACKs say that r owes.
func said(t testing.TB, r *Reporter, now time.Time) (all []Feedback) {
	t.Helper()
	for r.Owed() > 0 {
		var h packet.Header
		b := r.AppendACK(now, nil, tsiOfWorld, 7500)
		body, err := h.Parse(b)
		if err != nil || h.TSI() != tsiOfWorld || len(b) > ACKLen {
			t.Fatalf("an ACK of %d octets of %v: %v", len(b), h.TSI(), err)
		}
		var f Feedback
		if err := f.ParseACK(&h, body); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// [CC-4-01]: an ACK for each data packet that names us, at once if they come one by one, and none from anybody else. [CC-2.5.1-01]: the
// timestamp comes back, plus the time that it was held.
func TestAckerAcknowledges(t *testing.T) {
	other := netip.MustParseAddr("192.0.2.9")
	r := newTestReporter(t, nla4, 1)
	now := worldStart
	for n := range packet.SQN(10) {
		if n == 6 || n == 7 {
			continue
		}
		r.Data(n, 1448, false)
		r.Stamp(now, Data{1000 + uint32(n), nla4})
		r.Flush()
		got := said(t, r, now.Add(3*ms))
		if len(got) != 1 || got[0].Max != n || got[0].Echo != (Echo{1003 + uint32(n), r.loss.rate(), nla4}) || got[0].HasReception {
			t.Fatalf("packet %v: %+v", n, got)
		}
		if n == 8 && got[0].Bitmap != 0xfffffff9 {
			t.Errorf("bitmap %08x", got[0].Bitmap)
		}
	}
	r.Data(10, 1448, false)
	r.Stamp(now, Data{1010, other})
	r.Flush()
	if got := said(t, r, now); len(got) != 0 || !r.NextTimeout().IsZero() {
		t.Errorf("to another acker: %+v", got)
	}
}

// At a high packet rate one ACK speaks for many packets, but no bitmap misses one.
func TestAcksOfABatch(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	for n := range packet.SQN(100) {
		r.Data(n, 1448, false)
		r.Stamp(worldStart, Data{1, nla4})
	}
	r.Flush()
	got := said(t, r, worldStart)
	if len(got) != 7 || got[0].Max != 15 || got[6].Max != 99 {
		t.Fatalf("%d ACKs: %+v", len(got), got)
	}
	for range 40 * ackEvery { // far more than are kept
		r.Data(r.loss.max+1, 1448, false)
		r.Stamp(worldStart, Data{1, nla4})
	}
	if got = said(t, r, worldStart); len(got) != maxACKs || got[maxACKs-1].Max != r.loss.max {
		t.Errorf("%d ACKs wait", len(got))
	}
}

// [CC-2.3.1-01]: when nobody is the acker, a receiver reports after a random time, unless somebody is named before.
func TestElectionIsSpread(t *testing.T) {
	none := Data{Timestamp: 1, Acker: netip.IPv4Unspecified()}
	early, late := 0, 0
	for seed := range uint64(1000) {
		r := newTestReporter(t, nla4, seed)
		r.Data(1, 1448, false)
		r.Probe(worldStart, none, Probe{Timestamp: 1})
		at := r.NextTimeout()
		if r.Owed() > 0 || at.IsZero() || at.After(worldStart.Add(defaultBackOff)) {
			t.Fatalf("owes %d, reports at %v", r.Owed(), at)
		}
		if at.Sub(worldStart) < defaultBackOff/4 {
			early++
		}
		if at.Sub(worldStart) > defaultBackOff*3/4 {
			late++
		}
		if seed%2 == 0 {
			r.HandleTimeout(at)
			if got := said(t, r, at); len(got) != 1 || !got[0].HasReception || got[0].Reception.Timestamp != 1 {
				t.Fatalf("%+v", got)
			}
			continue
		}
		r.Probe(worldStart.Add(ms), Data{2, netip.MustParseAddr("192.0.2.9")}, Probe{Timestamp: 2, Threshold: 1000})
		if r.HandleTimeout(at); r.Owed() > 0 {
			t.Fatal("it reports though somebody is the acker")
		}
	}
	if early > 50 || late < 500 {
		t.Errorf("of 1,000 receivers, %d report in the first quarter of the time and %d in the last", early, late)
	}
}

// One of several receivers at an address is meant by its ID.
func TestAckerIsNamedByID(t *testing.T) {
	a, b := newTestReporter(t, nla4, 1), newTestReporter(t, nla4, 2)
	for _, r := range []*Reporter{a, b} {
		r.Probe(worldStart, Data{1, nla4}, Probe{Timestamp: 1, Acker: a.id, Threshold: 1000})
	}
	if a.Owed() != 1 || b.Owed() != 0 {
		t.Errorf("they owe %d and %d ACKs", a.Owed(), b.Owed())
	}
}

// A receiver whose queue is longer than the source has reason to think says so, though it is not asked: once, and then not for a while.
func TestTroubledReceiverReports(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	now := worldStart
	other := Data{1, netip.MustParseAddr("192.0.2.9")}
	reports := 0
	for i := range 200 {
		now = now.Add(10 * ms)
		p := Probe{Timestamp: uint32(i) * 10_000, RTT: 1000, Threshold: 5000}
		delay := time.Duration(0)
		if i > 50 {
			delay = min(time.Duration(i-50)*ms, 20*ms) // longer and longer
		}
		r.Probe(now.Add(delay), other, p)
		r.HandleTimeout(now.Add(delay))
		reports += len(said(t, r, now))
		if i <= 55 && reports > 0 {
			t.Fatalf("it reports a delay of %v", delay)
		}
	}
	if reports < 2 || reports > 7 {
		t.Errorf("%d reports in 1.5 s", reports)
	}
}

// [CC-2.3.2-01]: the acker that leaves says so; another receiver has nothing to say.
func TestLeavingAckerSaysSo(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	r.Leave()
	r.Probe(worldStart, Data{1, nla4}, Probe{Timestamp: 1})
	said(t, r, worldStart)
	r.Leave()
	r.Leave()
	if got := said(t, r, worldStart); len(got) != 1 || !got[0].Reception.Leaving {
		t.Errorf("%+v", got)
	}
}

// What NAKs bear: nothing to a source that does not ask, what ACKs bear to one that does [CC-2.1.2-01].
func TestNAKsReport(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	r.Data(1, 1448, false)
	if b := r.AppendOptions(worldStart, nil); len(b) != 0 {
		t.Errorf("%x", b)
	}
	r.Stamp(worldStart, Data{1000, netip.IPv4Unspecified()})
	if b := r.AppendOptions(worldStart.Add(5*ms), nil); len(b) != EchoLen(nla4) {
		t.Errorf("%x", b)
	}
	r.Probe(worldStart, Data{1000, netip.IPv4Unspecified()}, Probe{Timestamp: 77})
	r.SetOverflow(1<<32 + 5)
	r.SetLimit(1_500_001)
	var f Feedback
	if err := f.ParseNAK(3, r.AppendOptions(worldStart.Add(5*ms), packet.BeginOptions(nil))); err != nil {
		t.Fatal(err)
	}
	want := Reception{ID: r.id, Timestamp: 77, Held: 5000, Received: 1, Overflow: 5, Limit: 1501}
	if f.IsACK || f.Requested != 3 || f.Echo != (Echo{1005, 0, nla4}) || f.Reception != want {
		t.Errorf("%+v, want %+v", f, want)
	}
}

// A clock that is set at either end is no queue.
func TestDelaySurvivesAClockThatIsSet(t *testing.T) {
	d := newTransit()
	now, arrival, stamp := worldStart, uint32(0xffff_0000), uint32(12345)
	step := func(n int, extra uint32) {
		for range n {
			now, arrival, stamp = now.Add(10*ms), arrival+10_000, stamp+10_000
			d.add(now, arrival+extra, stamp)
		}
	}
	step(10, 0)
	step(3, 4000)
	if d.queue() != 4000 || d.standing() != 4000 {
		t.Errorf("a queue of 4 ms is taken for %d µs, standing %d", d.queue(), d.standing())
	}
	stamp -= 60_000_000 // the source's clock is set back
	step(1, 0)
	if d.queue() != 0 {
		t.Errorf("set back: %d µs", d.queue())
	}
	stamp += 3_000_000_000
	step(1, 0)
	step(5, 2000)
	if d.queue() != 2000 {
		t.Errorf("set ahead: %d µs", d.queue())
	}
}
