package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// patient never gives a packet up as long as its source keeps it: how a receiver of files is configured.
var patient = receiver.Config{Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1}}

// State is kept for each TSI: sessions of several sources, at other places and rates and with overlapping SQNs, do not disturb
// each other.
func TestSourcesDoNotDisturbEachOther(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		link := &Link{Delay: time.Millisecond, Loss: 0.03, Reorder: 0.02, Repeat: 0.01}
		lan := x.net.Router(Root, link, link)
		for i := range 5 {
			at := Root
			if i%2 == 1 {
				at = lan
			}
			x.talk(at, &Link{Delay: time.Millisecond}, talk{first: packet.SQN(i * 50), packets: 50 + 100*i, rate: 100_000 << i})
		}
		for i := range 6 {
			at := Root
			if i%2 == 1 {
				at = lan
			}
			x.listen(at, link, link, hear{unordered: i%3 == 0})
		}
		x.run(time.Minute)
	})
}

// A receiver that hears nothing for two seconds still gets everything, because the window is the file: before, after and in the
// middle of what is sent meanwhile.
func TestReceiverThatWasAwayGetsEverything(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		// The source sends for 1.7 s, and then lingers long enough to see those again that left at the end.
		x.talk(Root, &Link{}, talk{packets: 2000, rate: 300_000, source: source.Config{Linger: 4 * time.Second}})
		link := &Link{Delay: time.Millisecond, Loss: 0.02}
		for i := range 8 {
			e := x.listen(Root, link, &Link{Delay: time.Millisecond}, hear{unordered: i%2 == 0, receiver: patient})
			if i < 4 {
				leave := time.Duration(rng.Int64N(int64(2 * time.Second)))
				x.net.After(leave, func() { x.net.Cut(e.host, true) })
				x.net.After(leave+2*time.Second, func() { x.net.Cut(e.host, false) })
			}
		}
		x.run(20 * time.Second)
	})
}

// A source that the network loses for a second goes on where it was.
func TestSourceThatWasAwayGoesOn(t *testing.T) {
	Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		x := star(t, rng, talk{packets: 1500, rate: 300_000}, 10, &Link{Delay: time.Millisecond, Loss: 0.05}, hear{receiver: patient})
		x.net.After(200*time.Millisecond, func() { x.net.Cut(x.talkers[0].host, true) })
		x.net.After(1200*time.Millisecond, func() { x.net.Cut(x.talkers[0].host, false) })
		x.run(20 * time.Second)
	})
}

// A source that dies in mid-session ends it at every receiver when the expiry is over, no sooner; the session that it opens when it
// returns, with another TSI and other SQNs, is complete.
func TestSourceDiesAndReturns(t *testing.T) {
	Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, talk{port: 1, packets: 1000, rate: 300_000})
		died := 300 * time.Millisecond
		for i := range 10 {
			x.listen(Root, &Link{Delay: time.Millisecond, Loss: 0.05}, &Link{}, hear{
				unordered: i%2 == 0,
				lossy:     true, // of the first session, what nobody is there to repair
				receiver:  receiver.Config{PeerExpiry: 2 * time.Second},
				ends: func(w *witness, end receiver.End) bool {
					if w.c.port == 2 {
						return end == receiver.Finished && w.lost == 0 && w.count == w.c.packets
					}
					silence := x.net.Elapsed() - died
					return end == receiver.Expired && silence > 1900*time.Millisecond && silence < 2100*time.Millisecond
				},
			})
		}
		x.net.After(died, func() { x.net.Start(k.host, nil) })
		x.net.After(died+time.Second, func() {
			x.pending += len(x.ears)
			k.open(talk{port: 2, first: 77, packets: 500})
		})
		x.run(20 * time.Second)
		for _, e := range x.ears {
			if len(e.witnesses) != 2 {
				t.Errorf("receiver %d heard %d sessions, want 2", e.host, len(e.witnesses))
			}
		}
	})
}

// The source's reset reaches every receiver, though SPMs are lost, and is the end of the session.
func TestResetReachesEveryReceiver(t *testing.T) {
	Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, talk{packets: 1000})
		for range 10 {
			x.listen(Root, &Link{Delay: time.Millisecond, Loss: 0.3}, &Link{}, hear{
				lossy: true,
				ends:  func(_ *witness, end receiver.End) bool { return end == receiver.Reset },
			})
		}
		x.net.After(100*time.Millisecond, func() {
			k.Reset(x.net.Now(), 5, true)
			x.net.Wake(k.host)
		})
		x.run(3 * time.Second)
	})
}

// The defaults outlast what passes: a network that is down for two seconds while repairs are under way loses nothing that the source keeps.
func TestOutageLosesNothing(t *testing.T) {
	Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		x := star(t, rng, talk{packets: 1500, rate: 300_000, source: source.Config{Linger: 5 * time.Second}}, 10,
			&Link{Delay: time.Millisecond, Loss: 0.05}, hear{})
		x.net.After(200*time.Millisecond, func() { x.net.Cut(x.talkers[0].host, true) })
		x.net.After(2200*time.Millisecond, func() { x.net.Cut(x.talkers[0].host, false) })
		x.run(20 * time.Second)
	})
}

// Nor does a source that is so slow that a repair waits for seconds.
func TestSlowSourceRepairsEverything(t *testing.T) {
	Seeds(t, 20, func(t *testing.T, rng *rand.Rand) {
		lossy := &Link{Delay: 10 * time.Millisecond, Loss: 0.1, Burst: Burst{Begin: 0.01, End: 0.03}}
		// A burst may last for 200 packets, which are 5 s.
		h := hear{receiver: receiver.Config{EndExpiry: 20 * time.Second}}
		x := star(t, rng, talk{packets: 300, rate: 8000}, 5, lossy, h) // 64 kbit/s: 9 s without repairs
		x.run(time.Minute)
		tally := x.net.Tally()
		t.Logf("%d NAKs, %d NCFs and %d RDATA for %d packets in %v", tally.Count(Sent, packet.TypeNAK), tally.Count(Sent, packet.TypeNCF),
			tally.Count(Sent, packet.TypeRDATA), len(x.missed), x.net.Elapsed())
	})
}
