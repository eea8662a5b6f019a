package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// §6.1, §6.3: every receiver delivers every packet, once, in order unless it wants them as they come, whatever is lost, late or
// repeated, wherever on the circle of SQNs the session is.
func TestEverythingArrives(t *testing.T) {
	Seeds(t, 1000, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		first := packet.SQN(rng.Uint32())
		if rng.IntN(4) == 0 {
			first = packet.SQN(-rng.Int32N(300)) // 2^32 is passed in mid-session
		}
		x.talk(Root, &Link{Delay: time.Millisecond}, talk{first: first, packets: 300})
		down := &Link{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.05, Reorder: 0.02, ReorderBy: 3 * time.Millisecond, Repeat: 0.01}
		up := &Link{Delay: time.Millisecond, Loss: 0.05, Reorder: 0.02, Repeat: 0.01}
		for i := range 20 {
			x.listen(Root, down, up, hear{unordered: i%4 == 3})
		}
		x.run(time.Minute)
	})
}

// The same in nets that nobody thought of: the tree, the links, the sources and the receivers are drawn too.
func TestEverythingArrivesInAnyNet(t *testing.T) {
	Seeds(t, 300, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		maybe := func(p float64) float64 { return max(0, rng.Float64()*2*p-p) } // not at all, half of the time
		span := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
		link := func() *Link {
			l := &Link{
				Delay: span(5 * time.Millisecond), Jitter: span(3 * time.Millisecond),
				Loss: maybe(0.1), Repeat: maybe(0.05), Reorder: maybe(0.1), ReorderBy: 1 + span(5*time.Millisecond),
			}
			switch rng.IntN(4) {
			case 0:
				l.Burst = Burst{Begin: maybe(0.01), End: 0.1 + rng.Float64()/2}
			case 1:
				l.Rate, l.Queue = 1_500_000, 30_000
			case 2: // a plain one
				*l = Link{Delay: l.Delay, Loss: l.Loss}
			}
			return l
		}
		routers := []Router{Root}
		for range rng.IntN(5) {
			routers = append(routers, x.net.Router(routers[rng.IntN(len(routers))], link(), link()))
		}
		for range 1 + rng.IntN(3) {
			x.talk(routers[rng.IntN(len(routers))], link(), talk{
				first: packet.SQN(rng.Uint32()), packets: rng.IntN(150), rate: 20_000 + rng.IntN(400_000),
			})
		}
		for range 1 + rng.IntN(10) {
			c := hear{unordered: rng.IntN(2) == 0, refuse: maybe(0.2)}
			if rng.IntN(3) == 0 {
				c.after = span(500 * time.Millisecond)
			}
			// Where so much is lost, twenty tries can be too few.
			c.receiver.Recovery.NCFRetries, c.receiver.Recovery.DataRetries = -1, -1
			x.listen(routers[rng.IntN(len(routers))], link(), link(), c)
		}
		x.run(5 * time.Minute)
	})
}

// Whatever type of packet the network has something against, the procedures around it make up for it.
func TestEverythingArrivesThoughATypeIsLost(t *testing.T) {
	for _, c := range []struct {
		name     string
		down, up map[packet.Type]float64
		limit    time.Duration // for 300 packets, which take 0.15 s to send
	}{
		{"SPMs", map[packet.Type]float64{packet.TypeSPM: 0.6}, nil, 15 * time.Second},
		{"NCFs", map[packet.Type]float64{packet.TypeNCF: 0.9}, nil, 3 * time.Second},
		{"all NCFs", map[packet.Type]float64{packet.TypeNCF: 1}, nil, 3 * time.Second}, // the repair comes none the less
		{"repairs", map[packet.Type]float64{packet.TypeRDATA: 0.5}, nil, 10 * time.Second},
		{"data", map[packet.Type]float64{packet.TypeODATA: 0.5}, nil, 3 * time.Second},
		{"all data", map[packet.Type]float64{packet.TypeODATA: 1}, nil, 3 * time.Second},
		{"NAKs", nil, map[packet.Type]float64{packet.TypeNAK: 0.3}, 5 * time.Second},
		{"SPMs and SPMRs", map[packet.Type]float64{packet.TypeSPM: 0.5}, map[packet.Type]float64{packet.TypeSPMR: 1}, 15 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
				x := newTrial(t, rng)
				// It lingers longer than by default: who misses every SPM with OPT_FIN does not see the end.
				x.talk(Root, &Link{}, talk{packets: 300, source: source.Config{Linger: 12 * time.Second}})
				for i := range 10 {
					down := &Link{Delay: time.Millisecond, Loss: 0.05, LossOf: c.down}
					up := &Link{Delay: time.Millisecond, LossOf: c.up}
					x.listen(Root, down, up, hear{unordered: i%2 == 0})
				}
				x.run(c.limit)
			})
		})
	}
}

// Losses in bursts, on links of one receiver and on a link that many share.
func TestBurstsAreRepaired(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: 1000, rate: 2_000_000})
		bursts := &Link{Delay: time.Millisecond, Burst: Burst{Begin: 0.005, End: 0.05}} // 9 % in bursts of 20
		own := &Link{Delay: time.Millisecond, Burst: Burst{Begin: 0.002, End: 0.02, Loss: 0.5}}
		for range 2 {
			behind := x.net.Router(Root, bursts, &Link{})
			for i := range 5 {
				x.listen(behind, own, &Link{}, hear{unordered: i%2 == 0})
			}
		}
		x.run(time.Minute)
	})
}

// What an application refuses is offered again: in its turn if it wants order, else with the repairs.
func TestSlowApplicationsGetEverything(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: 300})
		link := &Link{Delay: time.Millisecond, Loss: 0.02}
		for i := range 6 {
			x.listen(Root, link, link, hear{unordered: i%2 == 0, refuse: 0.1})
		}
		x.run(time.Minute)
	})
}
