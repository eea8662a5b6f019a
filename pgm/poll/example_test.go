package poll_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// A parent polls its three children until it knows how many they are.
func ExamplePoller() {
	tsi := packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 7500}
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	parent := poll.NewPoller(poll.PollerConfig{Path: netip.MustParseAddr("192.0.2.1")}, rng, now)
	children := []poll.Child{{NodeID: rng.Uint32()}, {NodeID: rng.Uint32()}, {NodeID: rng.Uint32()}}
	for {
		if parent.Due(now) {
			wire := parent.Packet().Append(packet.Downstream(packet.TypePOLL, tsi, 7500).Append(nil))
			packet.Seal(wire)
			parent.Sent(now)

			var h packet.Header
			var p poll.Packet
			body, _ := h.Parse(wire)
			p.Parse(&h, body)
			for i := range children {
				children[i].Heard(now, &p, rng)
			}
		}
		for i := range children {
			if r, _, ok := children[i].Due(now); ok {
				parent.Heard(now, &r) // from poll.AppendReply by way of Reply.Parse
			}
		}
		if r, ok := parent.HandleTimeout(now); ok {
			fmt.Printf("%d children after %v and %d POLLs", r.Population, now.Sub(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)), parent.Stats().Polls)
			break
		}
		now = now.Add(time.Millisecond)
	}
	// Output: 3 children after 504ms and 5 POLLs
}
