package congestion

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// bench drives a PGMCC by hand: its packets, and ACKs of one who reports.
type bench struct {
	t   *testing.T
	p   *PGMCC
	now time.Time
	sqn packet.SQN
	rtt time.Duration
}

func newBench(t *testing.T) *bench {
	t.Helper()
	p, err := NewPGMCC(PGMCCConfig{Self: nla4, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, p: p, now: worldStart, sqn: 0xffff_fff0, rtt: 50 * ms}
}

func (b *bench) send(n int) {
	b.p.Stamp(b.now)
	b.p.Sent(b.now, packet.TypeODATA, b.sqn, n, n*1500)
	b.sqn += packet.SQN(n)
}

// ack has who acknowledge up to n packets before the next one, all but those in the mask.
func (b *bench) ack(who string, n int, missing uint32, loss uint16) {
	stamp := b.p.clock(b.now)
	b.now = b.now.Add(b.rtt)
	b.p.Feedback(b.now, &Feedback{
		IsACK: true, ACK: ACK{b.sqn - packet.SQN(n), ^missing}, HasEcho: true,
		Echo: Echo{stamp, loss, netip.MustParseAddr(who)},
	})
}

func (b *bench) want(what string, w, t float64) {
	b.t.Helper()
	if gw, gt := b.p.Window(); math.Abs(gw-w) > 1e-9 || math.Abs(gt-t) > 1e-9 {
		b.t.Errorf("%s: W = %v, T = %v, want %v and %v", what, gw, gt, w, t)
	}
}

const acker, other = "192.0.2.7", "192.0.2.8"

// [CC-2.2-01..04]: the window opens by one for each of the first packets up to SSTHRESH, then by one a round trip.
func TestWindowOpens(t *testing.T) {
	b := newBench(t)
	b.want("at the start", 1, 1)
	if b.p.Tokens() != 1 {
		t.Errorf("%d tokens", b.p.Tokens())
	}
	b.send(1)
	if b.want("a packet", 1, 0); b.p.Tokens() != 0 {
		t.Errorf("%d tokens", b.p.Tokens())
	}
	b.ack(acker, 1, 0, 0) // elected, T + 1; and it acknowledges one: W 2, T + 2
	b.want("the first ACK", 2, 2)
	b.send(2)
	b.ack(acker, 1, 0, 0)
	b.want("two more", 4, 4)
	b.send(4)
	b.ack(acker, 1, 0, 0)
	b.want("a round trip beyond SSTHRESH", 5, 5)
	b.p.Sent(b.now, packet.TypeRDATA, 5, 3, 4500)
	b.want("repairs take no tokens", 5, 5)
}

// [CC-2.2-05]: three later packets make a loss, which halves the window once in a round trip.
func TestLossHalvesTheWindow(t *testing.T) {
	b := newBench(t)
	b.send(1)
	b.ack(acker, 1, 0, 0)
	b.p.w, b.p.t = 16, 16
	b.send(16)
	b.want("16 packets are on their way", 16, 0)
	b.ack(acker, 14, 0b10, 0) // three: the second is missing, with one after it
	w, _ := b.p.Window()
	if w < 16 {
		t.Errorf("W = %v after a packet that was overtaken", w)
	}
	w0, t0 := b.p.Window()
	b.ack(acker, 12, 0b1000, 0) // and now three are
	if w, tt := b.p.Window(); w != w0/2 || math.Abs(tt-(t0+2-w0/2+1)) > 1e-9 {
		t.Errorf("W = %v, T = %v after W = %v, T = %v", w, tt, w0, t0)
	}
	half, _ := b.p.Window()
	b.ack(acker, 6, 0b1010000000, 0) // another one, of the same window
	if w, _ := b.p.Window(); w != half {
		t.Errorf("W = %v, was %v: halved twice in a round trip", w, half)
	}
	b.ack(acker, 1, 0, 0)
	if w, _ := b.p.Window(); w != half {
		t.Errorf("W = %v, was %v: changed before feedback for what was sent since", w, half)
	}
	b.send(1)
	b.ack(acker, 1, 0, 0)
	if w, _ := b.p.Window(); w <= half {
		t.Errorf("W = %v, was %v: still suspended", w, half)
	}
}

// [CC-2.4-01], [CC-2.3-01]: M = RTT sqrt(p) (1 + 9p (1 + 32p²)); a node replaces the acker when M² C² is more than the acker's M².
func TestWorstReceiverBecomesAcker(t *testing.T) {
	for _, tt := range []struct {
		rtt  time.Duration
		p, m float64
	}{{time.Second, 0, 0}, {100 * ms, 0.01, 0.1 * 0.1 * (1 + 0.09*1.0032)}, {time.Second, 0.25, 0.5 * (1 + 2.25*3)}, {2 * time.Second, 1, 2 * (1 + 9*33)}} {
		if got := math.Sqrt(modelM(tt.rtt, tt.p)); math.Abs(got-tt.m) > 1e-9 {
			t.Errorf("M(%v, %v) = %v, want %v", tt.rtt, tt.p, got, tt.m)
		}
	}
	b := newBench(t)
	b.send(1)
	b.ack(acker, 1, 0, 650)
	for i, tt := range []struct {
		loss uint16
		want string
	}{{650, acker}, {800, acker}, {1000, acker}, {1500, other}} { // M² grows with p a little faster than linearly; 1 / C² = 1.78
		b.send(1)
		b.ack(other, 1, 0, tt.loss)
		if got := b.p.Acker().String(); got != tt.want {
			t.Errorf("report %d, of a loss of %d to 650: %s is the acker", i, tt.loss, got)
		}
	}
	if d, ok := b.p.Stamp(b.now); !ok || d.Acker.String() != other { // [CC-2.1.1-01]
		t.Errorf("%+v", d)
	}
	n := 0
	b.p.Receivers(func(r Receiver) bool {
		n++
		if r.Acker != (r.Addr.String() == other) {
			t.Errorf("%+v", r)
		}
		return true
	})
	if n != 2 {
		t.Errorf("%d receivers", n)
	}
}

// [CC-2.7-01], [CC-2.7-02]: a timeout lets one packet go; the second in a row has data name nobody; [CC-2.3.1-02] who reports first then is
// the acker, by a NAK too.
func TestTimeoutsForceAnElection(t *testing.T) {
	b := newBench(t)
	b.send(1)
	if got := b.p.NextTimeout().Sub(b.now); got != 3*time.Second {
		t.Errorf("the first timeout is after %v", got)
	}
	b.ack(acker, 1, 0, 0)
	if !b.p.NextTimeout().IsZero() {
		t.Error("a timeout though nothing is on its way")
	}
	b.p.w, b.p.t = 8, 8
	b.send(8)
	if got := b.p.NextTimeout().Sub(b.now); got != 200*ms { // 50 + 4 × 25 ms is less
		t.Errorf("a timeout after %v", got)
	}
	for i, want := range []bool{true, false} {
		b.now = b.p.NextTimeout()
		b.p.HandleTimeout(b.now.Add(-1))
		b.p.HandleTimeout(b.now)
		b.want("after a timeout", 1, 1)
		d, _ := b.p.Stamp(b.now)
		if d.None() == want {
			t.Errorf("timeout %d: %v is the acker", i, d.Acker)
		}
		b.send(1)
	}
	b.p.Feedback(b.now.Add(b.rtt), &Feedback{HasEcho: true, Echo: Echo{b.p.clock(b.now), 9, netip.MustParseAddr(other)}})
	if b.p.Acker().String() != other {
		t.Errorf("%v is the acker after a NAK", b.p.Acker())
	}
	b.send(1)
	b.p.Feedback(b.now.Add(b.rtt), &Feedback{ // [CC-2.3.2-01]
		IsACK: true, HasEcho: true, Echo: Echo{b.p.clock(b.now), 9, netip.MustParseAddr(other)}, HasReception: true, Reception: Reception{Leaving: true},
	})
	if d, _ := b.p.Stamp(b.now); !d.None() {
		t.Errorf("%v is the acker though it left", d.Acker)
	}
}

// [CC-5-01]: who reports a loss that its ACKs do not show is not kept as the acker.
func TestLyingAckerIsReplaced(t *testing.T) {
	b := newBench(t)
	b.send(1)
	b.ack(acker, 1, 0, 0)
	for i := range 200 {
		b.send(1)
		b.ack(other, 1, 0, 0xf000)
		if d, _ := b.p.Stamp(b.now); d.None() {
			if i < lyingAfter-1 {
				t.Errorf("it is convicted after %d ACKs", i)
			}
			b.send(1)
			b.ack(other, 1, 0, 0xf000)
			b.ack(acker, 1, 0, 0)
			if b.p.Acker().String() != acker {
				t.Errorf("%v is elected", b.p.Acker())
			}
			return
		}
	}
	t.Error("it is believed for ever")
}

// Forged timestamps, ACKs of what was not sent, of long ago, of nobody: none moves the window.
func TestPGMCCIgnoresWhatCannotBe(t *testing.T) {
	b := newBench(t)
	b.send(1)
	b.ack(acker, 1, 0, 0)
	b.p.w, b.p.t = 8, 8
	b.send(4)
	w, tok := b.p.Window()
	good := Feedback{IsACK: true, ACK: ACK{b.sqn - 1, math.MaxUint32}, HasEcho: true, Echo: Echo{b.p.clock(b.now), 0, netip.MustParseAddr(acker)}}
	for _, change := range []func(*Feedback){
		func(f *Feedback) { f.Echo.Timestamp += 1 << 31 },
		func(f *Feedback) { f.Echo.Timestamp += 100 },
		func(f *Feedback) { f.Echo.Timestamp -= 100_000 },
		func(f *Feedback) { f.Max += 1 },
		func(f *Feedback) { f.Max += 1 << 31 },
		func(f *Feedback) { f.Max -= 100 },
		func(f *Feedback) { f.Echo.Receiver = netip.IPv4Unspecified() },
		func(f *Feedback) { f.Echo.Receiver = netip.Addr{} },
		func(f *Feedback) { f.HasEcho = false },
		func(f *Feedback) { f.Echo.Receiver = netip.MustParseAddr(other) },
	} {
		f := good
		change(&f)
		b.p.Feedback(b.now.Add(ms), &f)
		b.want("after what cannot be", w, tok)
	}
	b.p.Feedback(b.now.Add(ms), &good)
	if w2, _ := b.p.Window(); w2 <= w {
		t.Error("and what can be is ignored too")
	}
}

// Our source and our receiver over a simulated bottleneck; receivers like OpenPGM's, which report no loss, drive it too.
func TestPGMCCFillsABottleneck(t *testing.T) {
	p, err := NewPGMCC(PGMCCConfig{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(1, wire{rate: 1.25e6, buffer: 60_000, delay: int64(10 * ms)})
	s := w.source(p, 1500)
	r := w.receiver(wire{})
	w.receiver(wire{loss: 0.001})
	w.run(5 * time.Second)
	before := r.octets
	w.run(10 * time.Second)
	if got := float64(r.octets-before) / 10; got < 0.8*1.25e6 {
		t.Errorf("%s of 10 Mbit/s", mbit(got))
	}
	if lost := float64(w.shared.overrun) / float64(s.sent); lost > 0.01 {
		t.Errorf("%.2f %% lost", lost*100)
	}
	for _, r := range s.heirs { // all go: one packet a timeout, and somebody who comes is heard
		r.deaf = true
	}
	w.run(5 * time.Second)
	sent := s.sent
	w.run(5 * time.Second)
	if n := s.sent - sent; n < 1 || n > 50 {
		t.Errorf("%d packets in 5 s to nobody", n)
	}
	r.deaf = false
	w.run(8 * time.Second)
	before = r.octets
	w.run(5 * time.Second)
	if got := float64(r.octets-before) / 5; got < 0.8*1.25e6 {
		t.Errorf("after an election: %s of 10 Mbit/s", mbit(got))
	}
}
