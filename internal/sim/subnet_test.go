package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// subnet has 300 receivers of one subnet, far from the source, all lose the same few packets, and returns how many NAKs reached the
// source, and how many packets they sent for it in all.
func subnet(t *testing.T, rng *rand.Rand, multicast bool) (arrived, sent uint64) {
	x := newTrial(t, rng)
	x.talk(Root, &Link{}, talk{packets: 60})
	far := &Link{Delay: 20 * time.Millisecond, LossOf: map[packet.Type]float64{packet.TypeODATA: 0}}
	lan := x.net.Router(Root, far, &Link{Delay: 20 * time.Millisecond})
	for i := range 300 {
		link := &Link{Delay: 50*time.Microsecond + time.Duration(rng.Int64N(int64(50*time.Microsecond)))}
		x.listen(lan, link, link, hear{unordered: i%2 == 0, receiver: receiver.Config{MulticastNAKs: multicast}})
	}
	count := 0
	observe := x.net.Observe
	x.net.Observe = func(e Event) {
		observe(e)
		if e.Kind == Sent && e.Type() == packet.TypeODATA {
			count++
			far.LossOf[packet.TypeODATA] = 0
			if count%20 == 0 && count < 60 {
				far.LossOf[packet.TypeODATA] = 1
			}
		}
	}
	x.run(time.Minute)
	if len(x.missed) != 2 {
		t.Fatalf("%d packets were lost, want 2", len(x.missed))
	}
	tally := x.net.Tally()
	source := uint64(0)
	for _, e := range x.ears {
		source += e.Stats().NAKs
	}
	return source, tally.Count(Sent, packet.TypeNAK)
}

// §6.3: the NCF for the first NAK is 40 ms away, and comes too late for all the others. The multicast NAKs of neighbours do not: 300
// receivers send fewer NAKs in all, copies to the subnet included.
func TestMulticastNAKsSuppressTheNeighbours(t *testing.T) {
	Seeds(t, 3, func(t *testing.T, rng *rand.Rand) {
		seed := rng.Uint64()
		silent, silentSent := subnet(t, FromSeed(seed), false)
		heard, heardSent := subnet(t, FromSeed(seed), true)
		t.Logf("to the source %d NAKs without, %d with; sent in all: %d and %d", silent, heard, silentSent, heardSent)
		if silent < 600 || heardSent*3 > silentSent {
			t.Errorf("multicast NAKs: %d NAKs, in %d packets; without, %d in %d", heard, heardSent, silent, silentSent)
		}
	})
}
