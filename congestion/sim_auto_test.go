package congestion

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the tables in testdata and the plots in docs anew with what was measured")

func newAutoWorld(seed uint64, shared wire, c AutoConfig) (*world, *Auto, *sourceModel) {
	w := newWorld(seed, shared)
	c.Rand = rand.New(rand.NewPCG(seed, 4))
	a, err := NewAuto(c)
	if err != nil {
		panic(err)
	}
	return w, a, w.source(a, max(c.Packet, 1500))
}

// path is a way from the source to a receiver.
type path struct {
	mbit  float64       // of the bottleneck
	rtt   time.Duration // without queues
	queue time.Duration // that the buffer of the bottleneck holds
	loss  float64       // at random
	size  int           // of packets, with their headers
}

func (p path) rate() float64 { return p.mbit * 1e6 / 8 }

func (p path) wire() wire {
	return wire{rate: p.rate(), buffer: max(p.rate()*p.queue.Seconds(), 20*float64(max(p.size, 1500))), delay: int64(p.rtt / 2), loss: p.loss}
}

// alone is what becomes of a source that has a bottleneck to itself.
type alone struct {
	at90       float64 // seconds until a tenth of a second brings 90 % of what can come
	mean       float64 // from the third second on, of what can come
	least      float64 // of any half second from the fifth second on
	most       float64
	ownLoss    float64 // of all that was sent, what the bottleneck had no room for
	feedback   float64 // ACKs and NAKs a second
	congestion uint64
	series     []float64
}

func (p path) alone(d time.Duration) alone {
	w, a, s := newAutoWorld(1, p.wire(), AutoConfig{Packet: max(p.size, 1500)})
	r := w.receiver(wire{})
	full := p.rate() * (1 - p.loss)
	out := alone{at90: -1, least: 1e9}
	var at, atHalf, at3 uint64
	for i := 1; time.Duration(i)*100*time.Millisecond <= d; i++ {
		w.run(100 * time.Millisecond)
		v := float64(r.octets-at) * 10 / full
		at = r.octets
		out.series = append(out.series, v)
		if out.at90 < 0 && v >= 0.9 {
			out.at90 = float64(i) / 10
		}
		if i == 30 {
			at3 = at
		}
		if i%5 == 0 {
			if half := float64(at-atHalf) * 2 / full; i > 50 {
				out.least, out.most = min(out.least, half), max(out.most, half)
			}
			atHalf = at
		}
	}
	out.mean = float64(r.octets-at3) / (d.Seconds() - 3) / full
	out.ownLoss = float64(w.shared.overrun) / float64(s.sent)
	out.feedback = float64(s.control) / d.Seconds()
	out.congestion = a.stats.Queue + a.stats.Excess
	return out
}

const ms = time.Millisecond

// alonePaths are the paths that the golden table has.
var alonePaths = []path{
	{10, ms, 50 * ms, 0, 0}, {10, 50 * ms, 50 * ms, 0, 0}, {10, 300 * ms, 300 * ms, 0, 0},
	{100, ms, 10 * ms, 0, 0}, {100, 50 * ms, 50 * ms, 0, 0}, {100, 50 * ms, 10 * ms, 0, 0}, {100, 300 * ms, 300 * ms, 0, 0},
	{1000, ms, 5 * ms, 0, 0}, {1000, 50 * ms, 50 * ms, 0, 9000}, {1000, 50 * ms, 10 * ms, 0, 9000}, {1000, 300 * ms, 150 * ms, 0, 9000},
	{10000, ms, 5 * ms, 0, 9000}, {10000, 50 * ms, 50 * ms, 0, 9000}, {10000, 50 * ms, 10 * ms, 0, 9000},
	{100, ms, 10 * ms, 0.01, 0}, {100, 50 * ms, 50 * ms, 0.01, 0}, {100, 50 * ms, 50 * ms, 0.05, 0}, {100, 300 * ms, 300 * ms, 0.05, 0}, {100, 50 * ms, 50 * ms, 0.1, 0},
	{1000, ms, 5 * ms, 0.01, 0}, {1000, ms, 5 * ms, 0.05, 9000}, {1000, 50 * ms, 50 * ms, 0.01, 9000}, {1000, 50 * ms, 50 * ms, 0.1, 9000}, {10000, 50 * ms, 50 * ms, 0.01, 9000},
}

// One source, one receiver, one bottleneck: 90 % of it within 3 s where the round trip is up to 50 ms, less than 1 % lost by its own
// doing where a second is more than some round trips, no collapse by random loss, and no oscillation beyond a factor of 2.
func TestAutoFillsABottleneck(t *testing.T) {
	needsTime(t)
	var b strings.Builder
	fmt.Fprintf(&b, "%8s %7s %7s %6s | %7s %6s %6s %6s %8s %9s\n", "Mbit/s", "RTT", "queue", "loss", "90 % at", "mean", "least", "most", "own loss", "reports/s")
	for _, p := range alonePaths {
		d := 10 * time.Second
		if p.rtt > 50*ms {
			d = 20 * time.Second // which is but 67 round trips
		}
		o := p.alone(d)
		fmt.Fprintf(&b, "%8.0f %7v %7v %5.0f%% | %6.1fs %6.2f %6.2f %6.2f %7.2f%% %9.0f\n",
			p.mbit, p.rtt, p.queue, p.loss*100, o.at90, o.mean, o.least, o.most, o.ownLoss*100, o.feedback)
		within, lost := 3.0, 0.01
		if p.rtt > 50*ms {
			within, lost = 5, 0.02 // of so few round trips the start is a larger part
		}
		if o.at90 < 0 || o.at90 > within {
			t.Errorf("%+v: 90 %% after %.1f s", p, o.at90)
		}
		if o.ownLoss > lost {
			t.Errorf("%+v: %.2f %% lost by our own doing", p, o.ownLoss*100)
		}
		if least := 0.95; o.mean < least {
			t.Errorf("%+v: %.2f of what can come, want %.2f", p, o.mean, least)
		}
		if o.most > 2*o.least {
			t.Errorf("%+v: oscillates between %.2f and %.2f", p, o.least, o.most)
		}
		if o.feedback > 700 {
			t.Errorf("%+v: %.0f reports a second", p, o.feedback)
		}
	}
	golden(t, "alone.txt", b.String())
}

// rivals are TCP flows that share a bottleneck with us.
type rivals struct {
	path
	flows int
	cubic bool
	late  bool // it is us who come second
}

// share returns our rate and that of a TCP flow on average, in octets a second, over a time d after some to settle.
func (r rivals) share(settle, d time.Duration) (ours, tcp float64, series [][]float64) {
	w, _, s := newAutoWorld(1, r.wire(), AutoConfig{})
	recv := w.receiver(wire{})
	s.idle = r.late
	for i := range r.flows {
		start := time.Duration(i) * 100 * ms
		if !r.late {
			start += 3 * time.Second
		}
		w.tcpFlow(r.rtt, r.cubic, start)
	}
	if r.late {
		w.run(3 * time.Second)
		s.idle = false
		s.sleep(w.now)
	}
	w.run(settle)
	sum := func() (n uint64) {
		for _, f := range w.tcp {
			n += f.octets
		}
		return n
	}
	o, c := recv.octets, sum()
	for at := time.Duration(0); at < d; at += 500 * ms {
		po, pc := recv.octets, sum()
		w.run(500 * ms)
		series = append(series, []float64{float64(recv.octets-po) * 2 / r.rate(), float64(sum()-pc) * 2 / r.rate() / float64(r.flows)})
	}
	return float64(recv.octets-o) / d.Seconds(), float64(sum()-c) / d.Seconds() / float64(r.flows), series
}

// Beside TCP on one bottleneck, neither has more than twice what the other has (some more beside Reno), whoever came first.
func TestAutoSharesWithTCP(t *testing.T) {
	needsTime(t)
	var b strings.Builder
	fmt.Fprintf(&b, "%8s %6s %6s %6s %8s %8s %8s %6s\n", "Mbit/s", "RTT", "queue", "first", "TCP", "a TCP", "we", "ratio")
	for _, p := range []path{{mbit: 10, rtt: 30 * ms, queue: 60 * ms}, {mbit: 100, rtt: ms, queue: 10 * ms}, {mbit: 100, rtt: 20 * ms, queue: 20 * ms}, {mbit: 1000, rtt: ms, queue: 10 * ms}} {
		for _, flows := range []int{1, 4} {
			for _, cubic := range []bool{true, false} {
				for _, late := range []bool{false, true} {
					r := rivals{p, flows, cubic, late}
					settle, d := 10*time.Second, 30*time.Second
					if p.mbit >= 100 && late != cubic { // half of them: a second of such a network costs a tenth of ours
						continue
					}
					if p.mbit >= 1000 {
						settle, d = 6*time.Second, 8*time.Second
					}
					ours, tcp, _ := r.share(settle, d)
					kind := map[bool]string{true: "CUBIC", false: "Reno"}[cubic]
					first := map[bool]string{true: "TCP", false: "we"}[late]
					fmt.Fprintf(&b, "%8.0f %6v %6v %6s %2d %5s %8s %8s %6.2f\n", p.mbit, p.rtt, p.queue, first, flows, kind, mbit(tcp), mbit(ours), ours/tcp)
					most := 2.0
					if !cubic {
						most = 2.2 // CUBIC flows have up to 1.6 times what Reno has on the same path
					}
					if ours > most*tcp || tcp > most*ours {
						t.Errorf("%+v: we have %s Mbit/s, a TCP flow %s", r, mbit(ours), mbit(tcp))
					}
				}
			}
		}
	}
	golden(t, "rivals.txt", b.String())
}

// golden holds what was measured against the table in testdata: a change of either is looked at.
func golden(t *testing.T, name, got string) {
	t.Helper()
	t.Logf("%s:\n%s", name, got)
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if runtime.GOARCH != "amd64" {
		return // others round products and sums in one, and what follows is another story with the same ending
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is measured now (go test -rewrite, and read the difference):\n%s", file, got)
	}
}

// needsTime skips simulations that take seconds where there is no time for them.
func needsTime(t *testing.T) {
	t.Helper()
	if testing.Short() || raceDetector {
		t.Skip("a simulation of some seconds: without the race detector and -short only")
	}
}
