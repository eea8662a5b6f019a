package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// Histories are linearizable while hosts are cut off, one way or both, replicas are killed and stopped, and one packet in a hundred is lost.
func TestLinearizableThroughPartitions(t *testing.T) {
	const n = 3
	_, hosts := netns.Test(t, "nft").Star(n, "10.80.0.%d/24")
	const lose, cutOff = "ip protocol udp numgen random mod 100 < 1 drop", "ip protocol udp drop"
	for _, h := range hosts {
		h.Filter(netns.In, "e0", lose)
	}
	c := newCluster(t, n, hosts)
	for i := range n {
		c.await(i, n)
	}
	cut := func(i int, in, out bool) {
		if out {
			hosts[i].Filter(netns.Out, "e0", cutOff)
		}
		if in {
			hosts[i].Filter(netns.In, "e0", cutOff)
		}
		time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
		hosts[i].Filter(netns.Out, "e0")
		hosts[i].Filter(netns.In, "e0", lose)
	}
	did := map[string]int{}
	history(t, c, n, func(end time.Time) {
		for round := 0; time.Until(end) > 1500*time.Millisecond; round++ {
			time.Sleep(300 * time.Millisecond)
			i, what := rand.IntN(n), []string{"cut", "kill", "deaf", "stop", "dumb"}[round%5]
			switch did[what]++; what {
			case "kill", "stop":
				c.harm(i, what == "kill")
			default:
				cut(i, what != "dumb", what != "deaf")
			}
			for i := range n {
				c.await(i, n)
			}
		}
	})
	t.Logf("done to replicas: %v", did)
}
