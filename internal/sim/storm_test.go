package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// storm lets so many receivers lose one packet of 40 at once, on a link that all of them are behind, and returns how many NAKs
// reached the source, and what it answered. Each has its own delay, from a tenth of far up to it.
func storm(t testing.TB, rng *rand.Rand, receivers int, far time.Duration) (naks, ncfs, repairs uint64) {
	x := newTrial(t, rng)
	x.talk(Root, &Link{}, talk{packets: 40})
	shared := &Link{LossOf: map[packet.Type]float64{packet.TypeODATA: 0}}
	behind := x.net.Router(Root, shared, &Link{})
	for i := range receivers {
		link := &Link{Delay: far/20 + time.Duration(rng.Int64N(int64(far/2-far/20)))}
		x.listen(behind, link, link, hear{unordered: i%2 == 0})
	}
	count := 0
	observe := x.net.Observe
	x.net.Observe = func(e Event) {
		observe(e)
		if e.Kind == Sent && e.Type() == packet.TypeODATA {
			if count++; count == 20 {
				shared.LossOf[packet.TypeODATA] = 1
			} else {
				shared.LossOf[packet.TypeODATA] = 0
			}
		}
	}
	x.run(time.Minute)
	if len(x.missed) != 1 {
		t.Fatalf("%d packets were lost, want 1", len(x.missed))
	}
	tally := x.net.Tally()
	return tally.Count(Delivered, packet.TypeNAK), tally.Count(Sent, packet.TypeNCF), tally.Count(Sent, packet.TypeRDATA)
}

// How many NAKs reach a source when all its receivers lose one packet: those whose back-off ends before the NCF for the first is
// there. It is the price of a net without elements.
func TestStormOfNAKs(t *testing.T) {
	needsAllSeeds(t)
	const seeds = 3
	var b strings.Builder
	b.WriteString("receivers  round trip   NAKs    NCFs  RDATA     for one lost packet, NAK_BO_IVL 5 ms\n")
	for _, receivers := range []int{10, 100, 1000} {
		for _, far := range []time.Duration{200 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
			var naks, ncfs, repairs uint64
			for seed := range uint64(seeds) {
				a, n, r := storm(t, FromSeed(seed+1), receivers, far)
				naks, ncfs, repairs = naks+a, ncfs+n, repairs+r
			}
			mean := func(n uint64) float64 { return float64(n) / seeds }
			fmt.Fprintf(&b, "%9d %11v %6.1f %7.1f %6.1f\n", receivers, far, mean(naks), mean(ncfs), mean(repairs))
		}
	}
	golden(t, "storm.txt", b.String())
}

// §5.1: whatever receivers ask for, a source does not send more than its rate, and gives new data its share. (Every trial holds sources
// to their rate; here is one that is asked for far more.)
func TestStormDoesNotRaiseTheRate(t *testing.T) {
	Seeds(t, 5, func(t *testing.T, rng *rand.Rand) {
		const packets, rate = 400, 250_000
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: packets, rate: rate})
		for i := range 100 {
			// Each loses a quarter: everything is to be sent several times.
			x.listen(Root, &Link{Delay: time.Millisecond, Loss: 0.25}, &Link{}, hear{unordered: i%2 == 0, receiver: patient})
		}
		var last time.Duration
		octets := 0
		observe := x.net.Observe
		x.net.Observe = func(e Event) {
			observe(e)
			if e.Kind == Sent && e.Type() == packet.TypeODATA {
				last = e.At.Sub(epoch)
				octets += len(e.Data) + Overhead
			}
		}
		x.run(time.Minute)
		// Half of the rate is for repairs, a quarter at most for NCFs: a quarter is left for new data in the worst case.
		if share := float64(octets) / last.Seconds() / rate; share < 0.24 {
			t.Errorf("new data had %.2f of the rate", share)
		}
	})
}
