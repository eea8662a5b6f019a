//go:build linux

package main

import (
	"reflect"
	"strings"
	"testing"
)

// Losses in a row are counted: 20 in every 2,000 are 1 %, and the ports do not lose the same ones for long.
func TestLossScriptOfBursts(t *testing.T) {
	got := lossScript(2, 1, 20)
	for _, want := range []string{"numgen inc mod 2000 >= 1980", "numgen inc mod 2007 >= 1987"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not in\n%s", want, got)
		}
	}
}

func TestLossScriptHasOneDrawForEachReceiver(t *testing.T) {
	const want = `add table netdev gopgm_lab
delete table netdev gopgm_lab
table netdev gopgm_lab {
	chain to1 {
		type filter hook egress device "p1" priority 0; policy accept;
		ip daddr 239.0.0.0/8 counter numgen random mod 100000 < 1500 counter drop
	}
	chain to2 {
		type filter hook egress device "p2" priority 0; policy accept;
		ip daddr 239.0.0.0/8 counter numgen random mod 100000 < 1500 counter drop
	}
}
`
	if got := lossScript(2, 1.5, 0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNoLossNeedsNoHook(t *testing.T) {
	const want = "add table netdev gopgm_lab\ndelete table netdev gopgm_lab\n"
	if got := lossScript(3, 0, 0); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLossCountsAreReadFromNft(t *testing.T) {
	const text = `{"nftables": [{"metainfo": {"version": "1.1.3"}}, {"table": {"family": "netdev", "name": "gopgm_lab"}},
{"chain": {"name": "to2"}},
{"rule": {"chain": "to2", "expr": [{"match": {"op": "=="}}, {"counter": {"packets": 200, "bytes": 1}}, {"match": {}}, {"counter": {"packets": 21, "bytes": 1}}, {"drop": null}]}},
{"rule": {"chain": "to1", "expr": [{"counter": {"packets": 100, "bytes": 1}}, {"counter": {"packets": 9, "bytes": 1}}]}}]}`
	got, err := parseLossCounts([]byte(text), 2)
	if want := []portCount{{100, 9}, {200, 21}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", `{"nftables": [{"rule": {"chain": "to3", "expr": []}}]}`, `{"nftables": [{"rule": {"chain": "to1", "expr": []}}]}`} {
		if got, err := parseLossCounts([]byte(bad), 2); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}
