package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// What a link that all receivers are behind does to a session, with a queue of 100 packets in front of it, at rates below and above its
// own: how long the session takes, compared with the data alone on the full link, and what is sent in vain.
func TestBottleneck(t *testing.T) {
	needsAllSeeds(t)
	const link, packets, seeds = 500_000, 2000, 3
	var b strings.Builder
	b.WriteString("rate/link  loss    time   overflows  RDATA/lost    time: of the session, against that of its data alone on the link\n")
	for _, percent := range []int{98, 150, 300} {
		for _, loss := range []int{0, 1, 5} {
			var took time.Duration
			var overflows, repairs, lost, octets int
			for seed := range uint64(seeds) {
				x := newTrial(t, FromSeed(seed+1))
				x.talk(Root, &Link{}, talk{packets: packets, rate: link * percent / 100})
				behind := x.net.Router(Root, &Link{Delay: time.Millisecond, Rate: link, Queue: 25_000}, &Link{Delay: time.Millisecond})
				own := &Link{Delay: 100 * time.Microsecond, Loss: float64(loss) / 100}
				for i := range 3 {
					x.listen(behind, own, &Link{}, hear{unordered: i%2 == 0})
				}
				observe := x.net.Observe
				x.net.Observe = func(e Event) {
					observe(e)
					if e.Kind == Sent && e.Type() == packet.TypeODATA {
						octets += len(e.Data) + Overhead
					}
				}
				x.run(time.Minute)
				tally := x.net.Tally()
				took += x.net.Elapsed()
				lost += len(x.missed)
				repairs += int(tally.Count(Sent, packet.TypeRDATA))
				for p := range packet.Type(16) {
					overflows += int(tally.Count(Overflowed, p))
				}
				if percent < 100 && overflows > 0 {
					t.Errorf("below the rate of the link, %d packets met a full queue", overflows)
				}
			}
			alone := time.Duration(octets) * time.Second / link
			fmt.Fprintf(&b, "%8d%% %4d%% %6.2f %11d %11.2f\n", percent, loss, float64(took)/float64(alone), overflows/seeds, float64(repairs)/float64(max(lost, 1)))
		}
	}
	golden(t, "bottleneck.txt", b.String())
}

// Two sources that share a link which is too narrow for both get everything through all the same.
func TestSourcesShareABottleneck(t *testing.T) {
	Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: 500, rate: 300_000})
		x.talk(Root, &Link{}, talk{packets: 500, rate: 300_000})
		narrow := &Link{Delay: time.Millisecond, Rate: 400_000, Queue: 20_000}
		behind := x.net.Router(Root, narrow, narrow)
		for i := range 6 {
			x.listen(behind, &Link{Loss: 0.01}, &Link{}, hear{unordered: i%2 == 0})
		}
		x.run(time.Minute)
	})
}
