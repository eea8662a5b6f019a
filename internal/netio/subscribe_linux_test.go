//go:build !netio_portable

package netio

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

// An endpoint that was opened unjoined hears what it has subscribed to, and nothing else.
func TestSubscribe(t *testing.T) {
	self, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.9.9.9")
	group := netip.MustParseAddrPort("239.192.9.77:17577")
	in, err := Open(context.Background(), Config{Interface: "lo", Group: group, Receive: true, Unjoined: true})
	if err != nil {
		t.Skipf("no multicast on lo: %v", err)
	}
	defer in.Close()
	out, err := Open(context.Background(), Config{Interface: "lo", Group: group})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	heard := make(chan int, 16)
	go func() {
		var b Batch
		for in.Readers()[1].ReadBatch(&b) == nil {
			for _, d := range b.Datagrams {
				heard <- len(d.Data)
			}
		}
	}()
	many := make([]netip.Addr, 5000)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
	}
	for i, step := range []struct {
		name    string
		exclude bool
		sources []netip.Addr
		hears   bool
	}{
		{"nothing, to begin with", false, nil, false},
		{"another source", false, []netip.Addr{other}, false},
		{"two sources", false, []netip.Addr{other, self}, true},
		{"all but one", true, []netip.Addr{self}, false},
		{"all", true, nil, true},
		{"nothing", false, nil, false},
		{"nothing again", false, nil, false},
		{"all but another", true, []netip.Addr{other}, true},
		{"one source", false, []netip.Addr{other}, false},
		{"more than the kernel has room for", false, many, true},
	} {
		if err := in.(Subscriber).Subscribe(step.exclude, step.sources); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		size := i + 1
		if _, err := out.WriteBatch([]Message{{To: group, Data: make([]byte, size)}}); err != nil {
			t.Fatal(err)
		}
		select {
		case n := <-heard:
			if n != size || !step.hears {
				t.Errorf("%s: heard %d octets", step.name, n)
			}
		case <-time.After(map[bool]time.Duration{true: 5 * time.Second, false: 50 * time.Millisecond}[step.hears]):
			if step.hears {
				t.Errorf("%s: heard nothing", step.name)
			}
		}
	}
}
