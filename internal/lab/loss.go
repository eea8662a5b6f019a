//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// lossTable is the name of the nftables table that holds the hooks.
const lossTable = "gopgm_lab"

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
func (r *rig) setLoss(ctx context.Context, percent float64, burst int) error {
	script := lossScript(r.receivers, percent, burst)
	_, err := commandOutput(ctx, []byte(script), "ip", "netns", "exec", r.bridge(), "nft", "-f", "-")
	return err
}

// lossScript is the nftables text for a loss. Adding the table before it is
// deleted makes the script right whether or not the table is there.
func lossScript(receivers int, percent float64, burst int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "add table netdev %s\ndelete table netdev %[1]s\n", lossTable)
	limit := int(math.Round(percent / 100 * lossScale))
	if limit <= 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "table netdev %s {\n", lossTable)
	for i := 1; i <= receivers; i++ {
		fmt.Fprintf(&b, "\tchain to%d {\n", i)
		fmt.Fprintf(&b, "\t\ttype filter hook egress device %q priority 0; policy accept;\n", bridgePort(i))
		draw := fmt.Sprintf("random mod %d < %d", lossScale, limit)
		if burst > 0 {
			// Counted, not drawn: a run of burst packets at the end of each period. The periods differ from port to port, by
			// little, so that the runs of two receivers drift against each other.
			period := int(math.Round(float64(burst)*100/percent)) + 7*(i-1)
			draw = fmt.Sprintf("inc mod %d >= %d", period, period-burst)
		}
		fmt.Fprintf(&b, "\t\tip daddr 239.0.0.0/8 counter numgen %s counter drop\n", draw)
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// lossCounts reads the counters since setLoss, one for each receiver.
func (r *rig) lossCounts(ctx context.Context) ([]portCount, error) {
	out, err := commandOutput(ctx, nil, "ip", "netns", "exec", r.bridge(), "nft", "-j", "list", "table", "netdev", lossTable)
	if err != nil {
		return nil, err
	}
	return parseLossCounts(out, r.receivers)
}

// parseLossCounts finds the two counters of each receiver's rule in the JSON of
// nft: before the draw and after it.
func parseLossCounts(text []byte, receivers int) ([]portCount, error) {
	var list struct {
		Nftables []struct {
			Rule *struct {
				Chain string `json:"chain"`
				Expr  []struct {
					Counter *struct {
						Packets int64 `json:"packets"`
					} `json:"counter"`
				} `json:"expr"`
			} `json:"rule"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("nft: %w", err)
	}
	counts := make([]portCount, receivers)
	for _, o := range list.Nftables {
		if o.Rule == nil {
			continue
		}
		number, _ := strings.CutPrefix(o.Rule.Chain, "to")
		i, err := strconv.Atoi(number)
		if err != nil || i < 1 || i > receivers {
			return nil, fmt.Errorf("nft: unexpected chain %q", o.Rule.Chain)
		}
		var packets []int64
		for _, e := range o.Rule.Expr {
			if e.Counter != nil {
				packets = append(packets, e.Counter.Packets)
			}
		}
		if len(packets) != 2 {
			return nil, fmt.Errorf("nft: chain %s has %d counters, want 2", o.Rule.Chain, len(packets))
		}
		counts[i-1] = portCount{Seen: packets[0], Dropped: packets[1]}
	}
	return counts, nil
}
