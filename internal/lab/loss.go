//go:build linux

package main

import (
	"fmt"
	"math"

	"github.com/gopgm/gopgm/internal/netns"
)

// lossScale is the granularity of a loss: 100 % is lossScale of lossScale.
const lossScale = 100_000

// A portCount is what the hook of one receiver's port saw: multicast packets
// on their way to the receiver, and how many of these it dropped.
type portCount struct {
	Seen    int64 `json:"seen"`
	Dropped int64 `json:"dropped"`
}

// setLoss makes the port of each receiver drop multicast packets at random,
// independently of the other ports, each packet on its own or so many in a row,
// and sets the counters to zero. Unicast, such
// as NAKs on their way to the sender, is left alone. With percent 0 there are no
// hooks, since they cost time.
func (r *rig) setLoss(percent float64, burst int) error {
	for i := 1; i < len(r.hosts); i++ {
		r.sw.Filter(netns.Out, bridgePort(i), lossRules(i, percent, burst)...)
	}
	return r.net.Err()
}

// lossRules is the filter of the port of receiver i for a loss.
func lossRules(i int, percent float64, burst int) []string {
	limit := int(math.Round(percent / 100 * lossScale))
	if limit <= 0 {
		return nil
	}
	draw := fmt.Sprintf("random mod %d < %d", lossScale, limit)
	if burst > 0 {
		// Counted, not drawn: a run of burst packets at the end of each period. The periods differ from port to port, by
		// little, so that the runs of two receivers drift against each other.
		period := int(math.Round(float64(burst)*100/percent)) + 7*(i-1)
		draw = fmt.Sprintf("inc mod %d >= %d", period, period-burst)
	}
	return []string{fmt.Sprintf("ip daddr 239.0.0.0/8 counter numgen %s counter drop", draw)}
}

// lossCounts reads the counters since setLoss, one for each receiver.
func (r *rig) lossCounts() ([]portCount, error) {
	var counts []portCount
	for i := 1; i < len(r.hosts); i++ {
		c, err := r.sw.Counts(netns.Out, bridgePort(i))
		if err != nil {
			return nil, err
		}
		if len(c) != 2 { // before the draw and after it
			return nil, fmt.Errorf("%s has %d counters, want 2", bridgePort(i), len(c))
		}
		counts = append(counts, portCount{Seen: int64(c[0]), Dropped: int64(c[1])})
	}
	return counts, nil
}
