//go:build !netio_portable

package netio

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/netns"
)

// namespace is a host of its own.
type namespace struct {
	*netns.Host
	t testing.TB
}

// newNamespace makes a host that has only loopback, or skips the test.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	return &namespace{netns.Test(t).Host(), t}
}

func (n *namespace) tryOpen(c Config) (conn Conn, err error) {
	n.Do(func() { conn, err = Open(context.Background(), c) })
	return conn, err
}

func (n *namespace) open(c Config) Conn {
	n.t.Helper()
	conn, err := n.tryOpen(c)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// newPair makes two hosts joined by a cable, v0 on each, with addresses 10.9.0.1 and 2, fd09::1 and 2, and fe80::1 and 2.
func newPair(t testing.TB) (a, b *namespace) {
	t.Helper()
	here, there := netns.Test(t).Pair("10.9.0.%d/24", "fd09::%d/64", "fe80::%d/64")
	return &namespace{here, t}, &namespace{there, t}
}

var (
	wideGroup  = netip.MustParseAddrPort("239.192.9.9:7500")
	wideGroup6 = netip.MustParseAddrPort("[ff08::99]:7500")
	linkGroup6 = netip.MustParseAddrPort("[ff02::99%v0]:7500")
)

func TestBetweenHosts(t *testing.T) {
	for _, test := range []struct {
		name     string
		group    netip.AddrPort
		source   string
		from     string
		overhead int
	}{
		{"IPv4", wideGroup, "", "10.9.0.1:7500", 28},
		{"IPv4, one source", wideGroup, "10.9.0.1", "10.9.0.1:7500", 28},
		{"IPv6", wideGroup6, "", "[fd09::1]:7500", 48},
		{"IPv6, one source", wideGroup6, "fd09::1", "[fd09::1]:7500", 48},
		{"IPv6, link", linkGroup6, "", "[fe80::1%v0]:7500", 48},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := newPair(t)
			source, _ := netip.ParseAddr(test.source)
			s, r := a.open(Config{Group: test.group}), b.open(Config{Group: test.group, Receive: true, Source: source})
			if s.Local().String() != test.from || s.Interface().Name != "v0" || s.Overhead() != test.overhead || s.MTU() != 1500 {
				t.Fatalf("sends from %v on %s, overhead %d, MTU %d", s.Local(), s.Interface().Name, s.Overhead(), s.MTU())
			}
			size := s.MTU() - s.Overhead()
			// Router Alert is for raw endpoints: here it takes no room.
			send(t, s, Message{To: s.Group(), TTL: 2, Alert: true, SegmentSize: size, Data: numbered(0, 150, size, 3)})
			got := receive(t, r, r.Readers()[1], 150)
			checkNumbered(t, got, size, 3)
			if got[0].From != s.Local() {
				t.Errorf("from %v, want %v", got[0].From, s.Local())
			}
			send(t, r, Message{To: got[0].From, Data: []byte("NAK")})
			if d := receive(t, s, s.Readers()[0], 1)[0]; string(d.Data) != "NAK" || d.From != r.Local() {
				t.Errorf("unicast %q from %v, want %v", d.Data, d.From, r.Local())
			}
			if n, err := s.WriteBatch([]Message{{To: s.Group(), SegmentSize: size + 1, Data: make([]byte, 5000)}}); n != 0 || !errors.Is(err, unix.EMSGSIZE) ||
				!strings.Contains(err.Error(), fmt.Sprintf("%d bytes does not fit, %d do", size+1, size)) {
				t.Errorf("segments beyond the MTU: took %d, %v", n, err)
			}
			if st := s.Stats(); !st.GSO {
				t.Errorf("the size was at fault, not GSO: %+v", st)
			}
			reader := r.Readers()[1]
			var batch Batch
			msgs := []Message{{To: s.Group(), SegmentSize: size, Data: numbered(0, 10, size, 0)}}
			if n := testing.AllocsPerRun(50, func() {
				if _, err := s.WriteBatch(msgs); err != nil {
					t.Fatal(err)
				}
				for n := 0; n < 10; n += len(batch.Datagrams) {
					if err := reader.ReadBatch(&batch); err != nil {
						t.Fatal(err)
					}
				}
			}); n != 0 {
				t.Errorf("%v allocations for 10 datagrams, want 0", n)
			}
		})
	}
}

// kinds are the endpoints that the rules below hold for: UDP and raw, in both families.
var kinds = []Config{{Group: wideGroup}, {Group: wideGroup6}, {Group: wideGroup, Protocol: testProtocol}, {Group: wideGroup6, Protocol: testProtocol}}

func (c Config) receiving() Config { c.Receive = true; return c }

func (c Config) on(ifi string) Config { c.Interface = ifi; return c }

func TestSourceOnOtherHostIsFiltered(t *testing.T) {
	for _, c := range kinds {
		a, b := newPair(t)
		only := c.receiving()
		only.Source = netip.MustParseAddr("10.9.0.77")
		if c.Group.Addr().Is6() {
			only.Source = netip.MustParseAddr("fd09::77")
		}
		s, all, r := a.open(c), b.open(c.receiving()), b.open(only)
		send(t, s, Message{To: c.Group, Data: []byte("x")})
		receive(t, all, all.Readers()[1], 1)
		silent(t, r.Readers()[1], "a receiver of another source")
	}
}

func TestGroupOnOtherInterfaceDoesNotLeak(t *testing.T) {
	for _, c := range kinds {
		a, b := newPair(t)
		// A second cable, and someone who joins the same group there.
		a.Cable("v1", b.Host, "v1")
		a.Up("v1", "10.8.0.1/24", "fd08::1/64")
		b.Up("v1", "10.8.0.2/24", "fd08::2/64")
		a.Await("v1")
		b.Await("v1")
		s := a.open(c.on("v1"))
		r0, r1 := b.open(c.receiving().on("v0")), b.open(c.receiving().on("v1"))
		send(t, s, Message{To: c.Group, Data: []byte("x")})
		receive(t, r1, r1.Readers()[1], 1)
		silent(t, r0.Readers()[1], "the other interface")
	}
}

func TestOwnHostHearsUnlessToldNotTo(t *testing.T) {
	for _, c := range kinds {
		a, b := newPair(t)
		hush := c
		hush.NoLoopback = true
		s, quiet := a.open(c), a.open(hush)
		here, there := a.open(c.receiving()), b.open(c.receiving())
		msg := Message{To: c.Group, SegmentSize: 1000, Data: numbered(0, 40, 1000, 0)}
		send(t, s, msg)
		checkNumbered(t, receive(t, here, here.Readers()[1], 40), 1000, 0)
		checkNumbered(t, receive(t, there, there.Readers()[1], 40), 1000, 0)
		send(t, quiet, msg)
		checkNumbered(t, receive(t, there, there.Readers()[1], 40), 1000, 0)
		silent(t, here.Readers()[1], "the sender's own host")
	}
}

// The demonstration: a host without any network.
func TestLoopbackOnlyHost(t *testing.T) {
	n := newNamespace(t)
	for _, c := range []Config{{Group: wideGroup}, {Group: wideGroup, Protocol: testProtocol}} {
		s, r := n.open(c), n.open(c.receiving())
		if s.Interface().Name != "lo" {
			t.Fatalf("interface %s", s.Interface().Name)
		}
		send(t, s, Message{To: s.Group(), SegmentSize: 1400, Data: numbered(0, 100, 1400, 0)})
		checkNumbered(t, receive(t, r, r.Readers()[1], 100), 1400, 0)
	}
}

func TestLoopbackIPv6NeedsRoute(t *testing.T) {
	n := newNamespace(t)
	for _, group := range []string{"[ff01::99]:7500", "[ff02::99]:7500", "[ff08::99]:7500"} {
		c := Config{Group: netip.MustParseAddrPort(group), Interface: "lo", Receive: true}
		conn, err := n.tryOpen(c)
		if err == nil {
			defer conn.Close()
			send(t, conn, Message{To: c.Group, Data: []byte("x")})
			t.Skip("this kernel has a route")
		}
		if !strings.Contains(err.Error(), "as root, ip -6 route add local ff00::/8 dev lo table local") {
			t.Fatal(err)
		}
	}
	n.Run("ip -6 route add local ff00::/8 dev lo table local") // as it says
	for _, group := range []string{"[ff01::99]:7500", "[ff02::99]:7500", "[ff08::99]:7500"} {
		c := n.open(Config{Group: netip.MustParseAddrPort(group), Interface: "lo", Receive: true})
		send(t, c, Message{To: c.Group(), Data: []byte("x")})
		receive(t, c, c.Readers()[1], 1)
	}
}

func TestNoRouteToGroup(t *testing.T) {
	a, b := newPair(t) // neither has a default route, nor one for 224.0.0.0/4
	s, r := a.open(Config{Group: wideGroup}), b.open(Config{Group: wideGroup, Receive: true})
	send(t, s, Message{To: s.Group(), Data: []byte("x")})
	receive(t, r, r.Readers()[1], 1)
	on := a.open(Config{Group: wideGroup, Interface: "lo", Receive: true})
	send(t, on, Message{To: on.Group(), Data: []byte("x")})
	receive(t, on, on.Readers()[1], 1)
}

func TestVanishedInterfaceIsNamed(t *testing.T) {
	for _, protocol := range []int{0, testProtocol} {
		for _, test := range []struct{ command, want string }{
			{"ip link set v0 down", "interface v0: it is down"},
			{"ip link del v0", "interface v0: it is not there any more"},
		} {
			a, _ := newPair(t)
			c := a.open(Config{Protocol: protocol, Group: wideGroup, Receive: true})
			send(t, c, Message{To: c.Group(), Data: []byte("x")})
			a.Run(test.command)
			a.Do(func() {
				n, err := c.WriteBatch([]Message{{To: c.Group(), Data: []byte("x")}})
				if n != 0 || err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: took %d, %v; want %q", test.command, n, err, test.want)
				}
				if err := c.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: Check says %v, want %q", test.command, err, test.want)
				}
			})
		}
	}
}

// A group of link scope is another one on each link (RFC 4007 §6), so the choice must not be ours.
func TestGroupOfLinkScopeNeedsInterface(t *testing.T) {
	a, b := newPair(t)
	a.Cable("v1", b.Host, "v1")
	a.Up("v1", "fe80::3/64")
	for _, group := range []string{"[ff02::99]:7500", "[ff12::99]:7500"} {
		for _, protocol := range []int{0, testProtocol} {
			_, err := a.tryOpen(Config{Protocol: protocol, Group: netip.MustParseAddrPort(group)})
			if err == nil || !strings.Contains(err.Error(), "means another on each link: name one of v0 fe80::1, v1 fe80::3") {
				t.Errorf("%s: %v", group, err)
			}
		}
	}
	_, err := a.tryOpen(Config{Group: netip.MustParseAddrPort("[ff12::99%v0]:7500"), Receive: true, Source: netip.MustParseAddr("fe80::9%v1")})
	if err == nil || !strings.Contains(err.Error(), "are of two interfaces") {
		t.Errorf("a source of another link: %v", err)
	}
	b.Up("v1", "fe80::4/64")
	a.Await("v1")
	b.Await("v1")
	c := Config{Protocol: testProtocol, Group: netip.MustParseAddrPort("[ff12::99]:7500")}
	s, r := a.open(c.on("v1")), c.receiving()
	r.Source = netip.MustParseAddr("fe80::3%v1") // says which link
	heard := b.open(r)
	if heard.Interface().Name != "v1" {
		t.Fatalf("chose %s", heard.Interface().Name)
	}
	send(t, s, Message{To: c.Group, Data: []byte("x")})
	if d := receive(t, heard, heard.Readers()[1], 1)[0]; d.From.String() != "[fe80::3%v1]:0" {
		t.Errorf("heard from %v", d.From)
	}
}

func TestOpenNamesInterfaceThatIsDown(t *testing.T) {
	a, _ := newPair(t)
	a.Run("ip link set v0 down")
	_, err := a.tryOpen(Config{Group: wideGroup, Interface: "v0"})
	if err == nil || !strings.Contains(err.Error(), "interface v0 is down: bring it up; use one of lo 127.0.0.1") {
		t.Errorf("got %v", err)
	}
	if c := a.open(Config{Group: wideGroup}); c.Interface().Name != "lo" {
		t.Errorf("chose %s", c.Interface().Name)
	}
}

// The kernel drops what an interface's queue cannot hold without saying so. A send buffer smaller
// than the queue makes the writer wait instead.
func TestWriterWaitsForSlowInterface(t *testing.T) {
	a, b := newPair(t)
	a.Run("tc qdisc add dev v0 root tbf rate 200mbit burst 64kb limit 4mb")
	for _, offload := range []bool{true, false} {
		s, r := a.open(Config{Group: wideGroup, NoOffload: !offload}), b.open(Config{Group: wideGroup, Receive: true})
		const n, size, batches = 400, 1400, 10 // 5.6 MB: 224 ms
		got := make(chan int)
		go func() {
			sum := 0
			var batch Batch
			for sum < n*batches && r.Readers()[1].ReadBatch(&batch) == nil {
				sum += len(batch.Datagrams)
			}
			got <- sum
		}()
		start := time.Now()
		for range batches {
			send(t, s, Message{To: s.Group(), SegmentSize: size, Data: make([]byte, n*size)})
		}
		if d := time.Since(start); d < 50*time.Millisecond {
			t.Errorf("offload %v: 5.6 MB left in %v at 200 Mbit/s", offload, d)
		}
		select {
		case <-got:
		case <-time.After(3 * time.Second):
			r.Close()
			t.Errorf("offload %v: only %d of %d datagrams arrived; %+v", offload, <-got, n*batches, s.Stats())
		}
		r.Close()
		s.Close()
	}
}
