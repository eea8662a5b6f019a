//go:build !netio_portable

package netio

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A router sends under the address of a source, with the time to live that is left, one datagram or many in a message; who forwards further
// sees with what time to live it came. In UDP and raw, over IPv4 and IPv6.
func TestForwarderSendsAsTheSource(t *testing.T) {
	for _, c := range kinds {
		a, b := newPair(t)
		c.Forward = true
		router, next := a.open(c.on("v0").receiving()), b.open(c.on("v0").receiving())
		source := netip.MustParseAddr("192.0.2.9")
		if c.Group.Addr().Is6() {
			source = netip.MustParseAddr("2001:db8::9")
		}
		one, many := numbered(0, 1, 100, 0), numbered(0, 3, 100, 0)
		send(t, router,
			Message{To: router.Group(), TTL: 7, Data: one, Source: source},
			Message{To: router.Group(), TTL: 9, Data: many, SegmentSize: 100, Source: source},
			Message{To: router.Group(), TTL: 5, Data: one, Alert: true, Source: source},
			Message{To: router.Group(), Data: one})
		done := time.AfterFunc(5*time.Second, func() { next.Close() })
		var got []Datagram
		for r, b := next.Readers()[1], new(Batch); len(got) < 6; {
			if err := r.ReadBatch(b); err != nil {
				t.Fatalf("%v: %v", c.Group, err)
			}
			got = append(got, slices.Clone(b.Datagrams)...)
		}
		done.Stop()
		for i, d := range got {
			from, ttl := source, []int{7, 9, 9, 9, 5, defaultTTL}[i]
			if i == 5 {
				from = router.Local().Addr()
			}
			if d.From.Addr() != from || d.TTL != ttl || len(d.Data) != 100 {
				t.Errorf("protocol %d, %v: datagram %d of %d octets is from %v with a time to live of %d, want %v and %d", c.Protocol, c.Group, i, len(d.Data), d.From, d.TTL, from, ttl)
			}
		}
	}
}
