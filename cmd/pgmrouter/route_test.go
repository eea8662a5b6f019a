package main

import (
	"net/netip"
	"testing"
)

// RFC 4291 §2.5.6, RFC 3927 §7: nothing is forwarded from a source whose address is of its link only, whatever --upstream says.
func TestSourcesOfOneLinkAreNotForwarded(t *testing.T) {
	r := &router{o: &options{upstream: "eth0"}, links: []*link{{name: "eth0"}, {name: "eth1"}}}
	for addr, want := range map[string]int{"fe80::1": -1, "169.254.1.1": -1, "2001:db8::1": 0, "192.0.2.1": 0} {
		if got := r.toward(netip.MustParseAddr(addr)); got != want {
			t.Errorf("the link toward %s is %d, want %d", addr, got, want)
		}
	}
}
