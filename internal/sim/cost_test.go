package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// What the repair of a lost packet costs: how many packets of each type, and how much time after the last data, for how many receivers
// that lose how much independently of each other. A packet is lost if anybody lost it.
func TestCostOfRepair(t *testing.T) {
	needsAllSeeds(t)
	const seeds, packets = 10, 300
	var b strings.Builder
	b.WriteString("receivers  loss  lost of 3000  RDATA/lost  NCF/lost  NAK/lost  all have all after\n")
	for _, receivers := range []int{1, 5, 20, 100} {
		for _, percent := range []int{1, 5, 10} {
			var lost, rdata, ncfs, naks int
			var late time.Duration
			for seed := range uint64(seeds) {
				link := &Link{Delay: time.Millisecond, Loss: float64(percent) / 100}
				x := star(t, FromSeed(seed+1), talk{packets: packets}, receivers, link, hear{})
				var sent time.Time
				observe := x.net.Observe
				x.net.Observe = func(e Event) {
					observe(e)
					if e.Kind == Sent && e.Type() == packet.TypeODATA {
						sent = e.At
					}
				}
				x.run(time.Minute)
				tally := x.net.Tally()
				lost += len(x.missed)
				rdata += int(tally.Count(Sent, packet.TypeRDATA))
				ncfs += int(tally.Count(Sent, packet.TypeNCF))
				naks += int(tally.Count(Sent, packet.TypeNAK))
				late += x.net.Now().Sub(sent)
			}
			per := func(n int) float64 { return float64(n) / float64(lost) }
			fmt.Fprintf(&b, "%9d %4d%% %13d %11.2f %9.2f %9.2f %19v\n",
				receivers, percent, lost, per(rdata), per(ncfs), per(naks), (late / seeds).Round(time.Millisecond/10))
		}
	}
	golden(t, "cost.txt", b.String())
}
