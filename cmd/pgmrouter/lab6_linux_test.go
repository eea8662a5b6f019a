package main

import (
	"fmt"
	"testing"
)

// §7 over IPv6, in UDP and as an IP protocol: one loss on one leaf is one NAK at the source, and one repair, on that leaf.
func TestElementsInNamespacesIPv6(t *testing.T) {
	l := newLab(t)
	l.v6 = true
	for _, raw := range []bool{false, true} {
		l.raw = raw
		t.Run(map[bool]string{false: "in UDP", true: "as protocol 113"}[raw], func(t *testing.T) {
			l.routers(t)
			l.watch(map[string]string{"sw/p10": l.onePer200()})
			l.transfer(t, 500_000, "50M", nil)
			leaf := func(k int) int { return l.counter("sw", fmt.Sprintf("p%d0", k), "seen") }
			lost, naks := l.counter("sw", "p10", "lost"), l.naks()
			if lost == 0 || naks != lost || leaf(1) != lost || leaf(2)+leaf(3) != 0 {
				t.Errorf("%d lost on one leaf: %d NAKs at the source, repairs on the leaves: %d, %d, %d", lost, naks, leaf(1), leaf(2), leaf(3))
			}
		})
	}
}
