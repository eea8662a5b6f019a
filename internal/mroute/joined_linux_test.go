package mroute

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// The groups of an interface follow its line.
func TestJoinedReadsInterfaces(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the text is of hosts with the least octet first")
	}
	const text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n" +
		"1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n" +
		"4\teth0      :     2      V3\n\t\t\t\t0909C0EF     2 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n" +
		"5\teth1      :     1      V2\n\t\t\t\t0909C0EF     1 0:00000000\t\t1\n" +
		"6\tenx0a0b0c0d0e0f:     1      V3\n\t\t\t\t0709C0EF     1 0:00000000\t\t0\n"
	for group, want := range map[string][]string{"239.192.9.9": {"eth0", "eth1"}, "224.0.0.1": {"lo", "eth0"}, "239.192.9.8": nil, "239.192.9.7": {"enx0a0b0c0d0e0f"}} {
		if got, err := joined(strings.NewReader(text), netip.MustParseAddr(group)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: on %v, %v; want %v", group, got, err, want)
		}
	}
}

// A packet that is sent on has one hop less, and none when that was its last.
func TestTransitAges(t *testing.T) {
	header := func(ttl byte) []byte {
		return append([]byte{0x46, 8: ttl, 9: 113, 10: 0xab, 11: 0xcd}, make([]byte, 12)...)
	}
	if p, ok := age(header(2)); !ok || p[8] != 1 || p[10] != 0 || p[11] != 0 {
		t.Errorf("a packet with two hops left: % x, %v", p, ok)
	}
	for _, p := range [][]byte{header(1), header(0), header(2)[:19], {0x60, 23: 1}} {
		if _, ok := age(p); ok {
			t.Errorf("% x was sent on", p)
		}
	}
}
