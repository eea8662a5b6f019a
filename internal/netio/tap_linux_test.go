//go:build !netio_portable

package netio

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A tap sees the group's packets with their TTL, and no others, whoever has joined.
func TestTapSeesTheGroupAndNothingElse(t *testing.T) {
	a, b := newPair(t)
	for _, c := range []struct {
		group, other string
		ttl          int // where the TTL is
	}{{"239.9.9.9:7500", "239.9.9.8:7500", 8}, {"[ff08::99]:7500", "[ff08:1::99]:7500", 7}} {
		group := netip.MustParseAddrPort(c.group)
		var tap *Tap
		var err error
		b.Do(func() {
			var ifi *net.Interface
			if ifi, err = net.InterfaceByName("v0"); err == nil {
				tap, err = OpenTap(ifi, group.Addr())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer tap.Close()
		send := a.open(Config{Interface: "v0", Group: group})
		for _, m := range []Message{
			{To: netip.MustParseAddrPort(c.other), TTL: 9, Data: []byte("other")},
			{To: group, TTL: 7, Data: make([]byte, 1000)},
		} {
			if _, err := send.WriteBatch([]Message{m}); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(5*time.Second, func() { tap.Close() })
		var p [2000]byte
		n, err := tap.Read(p[:])
		if err != nil || n != tapHead || p[c.ttl] != 7 {
			t.Errorf("%s: %d octets, TTL %d, %v; want the head of the packet with TTL 7", c.group, n, p[c.ttl], err)
		}
		tap.Close()
		if _, err := tap.Read(p[:]); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}
