package mroute

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/internal/netns"
)

// protocol is one for experiments (RFC 3692).
const protocol = 253

var group = netip.MustParseAddrPort("239.192.9.9:7500")

// open opens an endpoint for the group, or for what is asked of it, on a host.
func open(t *testing.T, h *netns.Host, c netio.Config) netio.Conn {
	t.Helper()
	c.Protocol, c.Group, c.NoLoopback = protocol, group, true
	var conn netio.Conn
	var err error
	h.Do(func() { conn, err = netio.Open(context.Background(), c) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ear is what a host has heard at a socket of an endpoint.
type ear struct{ heard chan string }

// listen hears what comes to the group, or unicast.
func listen(c netio.Conn, multicast bool) ear {
	e := ear{make(chan string, 100)}
	for _, r := range c.Readers() {
		if r.Multicast() != multicast {
			continue
		}
		go func() {
			var b netio.Batch
			for r.ReadBatch(&b) == nil {
				for _, d := range b.Datagrams {
					e.heard <- string(d.Data)
				}
			}
		}()
	}
	return e
}

// expect hears exactly these, for so long as nothing else would take to come.
func (e ear) expect(t *testing.T, who string, want ...string) {
	t.Helper()
	var got []string
	for limit := time.After(2 * time.Second); len(got) < len(want); {
		select {
		case s := <-e.heard:
			got = append(got, s)
			continue
		case <-limit:
		}
		break
	}
	select {
	case s := <-e.heard:
		got = append(got, s)
	case <-time.After(100 * time.Millisecond):
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s heard %q, want %q", who, got, want)
	}
}

// net3 is a source, a router, and two hosts behind it, each on a link of its own: interface l0, l1 and l2 of the router.
type net3 struct {
	router *netns.Host
	hosts  [3]*netns.Host
	links  []*net.Interface
	source netip.Addr
}

func newNet3(t *testing.T) *net3 {
	t.Helper()
	all := netns.Test(t)
	n := &net3{router: all.Host(), source: netip.MustParseAddr("10.9.0.2")}
	for i := range n.hosts {
		h, name := all.Host(), fmt.Sprintf("l%d", i)
		n.hosts[i] = h
		n.router.Cable(name, h, "v0")
		n.router.Up(name, fmt.Sprintf("10.9.%d.1/24", i))
		h.Up("v0", fmt.Sprintf("10.9.%d.2/24", i))
		h.Run(fmt.Sprintf("ip route add default via 10.9.%d.1", i))
	}
	n.router.Set("ipv4/ip_forward", "1")
	for i, h := range n.hosts {
		name := fmt.Sprintf("l%d", i)
		n.router.Await(name)
		h.Await("v0")
		var l *net.Interface
		var err error
		n.router.Do(func() { l, err = net.InterfaceByName(name) })
		if err != nil {
			t.Fatal(err)
		}
		n.links = append(n.links, l)
	}
	return n
}

func (n *net3) open(t *testing.T) *Table {
	t.Helper()
	var table *Table
	var err error
	n.router.Do(func() { table, err = Open(n.links) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

func send(t *testing.T, c netio.Conn, to netip.AddrPort, alert bool, data string) {
	t.Helper()
	if _, err := c.WriteBatch([]netio.Message{{To: to, TTL: 8, Alert: alert, Data: []byte(data)}}); err != nil {
		t.Fatal(err)
	}
}

// What no entry is for is said, and kept until there is one. Then packets go where it says, and no further; a change holds at once, and
// the end of the table ends it all.
func TestKernelForwardsByEntries(t *testing.T) {
	n := newNet3(t)
	table := n.open(t)
	n.router.Do(func() {
		if _, err := Open(n.links); !errors.Is(err, ErrTaken) {
			t.Errorf("a second table: %v, want %v", err, ErrTaken)
		}
	})
	s := open(t, n.hosts[0], netio.Config{})
	a, b := listen(open(t, n.hosts[1], netio.Config{Receive: true}), true), listen(open(t, n.hosts[2], netio.Config{Receive: true}), true)
	impatient := time.AfterFunc(10*time.Second, func() { table.Close() })
	send(t, s, group, false, "first")
	want := Miss{0, n.source, group.Addr()}
	if m, err := table.Read(); err != nil || m != want {
		t.Fatalf("%+v, %v; want %+v", m, err, want)
	}
	impatient.Stop()
	e := Entry{Source: n.source, Group: group.Addr(), In: 0, Out: 1<<1 | 1<<2}
	set := func(out uint32) {
		e.Out = out
		if err := table.Set(e); err != nil {
			t.Fatal(err)
		}
	}
	set(1<<1 | 1<<2)
	send(t, s, group, false, "second")
	a.expect(t, "the first", "first", "second")
	b.expect(t, "the other", "first", "second")
	set(1 << 2)
	send(t, s, group, false, "third")
	a.expect(t, "who has left")
	b.expect(t, "who stays", "third")
	if c, err := table.Count(n.source, group.Addr()); err != nil || c != (Count{3, 3*20 + 16, 0}) {
		t.Errorf("counted %+v, %v; want 3 packets", c, err)
	}
	e.In = 1 // the way to the source has changed
	set(1 << 2)
	send(t, s, group, false, "astray")
	b.expect(t, "who is not on the way")
	if c, err := table.Count(n.source, group.Addr()); err != nil || c.Astray != 1 {
		t.Errorf("counted %+v, %v; want one astray", c, err)
	}
	if err := table.Delete(n.source, group.Addr()); err != nil {
		t.Error(err)
	}
	if _, err := table.Count(n.source, group.Addr()); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("after Delete: %v", err)
	}
	e.In = 0
	set(1 << 1)
	table.Close()
	if _, err := table.Read(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	send(t, s, group, false, "fourth")
	a.expect(t, "who listens when the table is closed")
	n.router.Do(func() {
		again, err := Open(n.links)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := again.Count(n.source, group.Addr()); !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("an entry has outlived its table: %v", err)
		}
		again.Close()
	})
}

// What bears Router Alert comes to who intercepts it, for his group alone, and the kernel does not forward it; when he joins instead, all comes.
func TestKernelLeavesRouterAlertToInterception(t *testing.T) {
	n := newNet3(t)
	table := n.open(t)
	if err := table.Set(Entry{Source: n.source, Group: group.Addr(), Out: 1<<1 | 1<<2}); err != nil {
		t.Fatal(err)
	}
	s := open(t, n.hosts[0], netio.Config{})
	a := listen(open(t, n.hosts[1], netio.Config{Receive: true}), true)
	conn := open(t, n.router, netio.Config{Interface: "l0", Receive: true, Forward: true, Alert: true})
	element := listen(conn, true)
	n.router.Do(func() {
		if names, err := Joined(group.Addr()); err != nil || len(names) != 0 {
			t.Errorf("interception has joined: %v, %v", names, err)
		}
	})
	send(t, s, group, false, "data")
	send(t, s, group, true, "alert")
	send(t, s, netip.MustParseAddrPort("239.192.9.8:7500"), true, "another group")
	element.expect(t, "the element", "alert")
	a.expect(t, "who listens", "data")
	if err := conn.(interface{ Join() error }).Join(); err != nil {
		t.Fatal(err)
	}
	n.router.Do(func() {
		if names, err := Joined(group.Addr()); err != nil || !slices.Equal(names, []string{"l0"}) {
			t.Errorf("joined on %v, %v", names, err)
		}
	})
	table.Close()
	send(t, s, group, false, "data")
	send(t, s, group, true, "alert")
	element.expect(t, "the element that joined", "data", "alert")
	a.expect(t, "who listens when the table is closed")
}

// Unicast with Router Alert, which interception takes from the kernel, reaches whom it is for, once, and nobody else.
func TestTransitSendsUnicastOn(t *testing.T) {
	n := newNet3(t)
	open(t, n.router, netio.Config{Interface: "l0", Receive: true, Forward: true, Alert: true})
	var transit *Transit
	var err error
	n.router.Do(func() { transit, err = OpenTransit(protocol) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { transit.Close() })
	ended := make(chan error, 1)
	go func() { ended <- transit.Run() }()
	s := open(t, n.hosts[0], netio.Config{})
	to := open(t, n.hosts[1], netio.Config{})
	r := listen(to, false)
	send(t, s, to.Local(), true, "alert")
	r.expect(t, "whom it is for", "alert")
	send(t, s, group, true, "multicast")
	if _, err := s.WriteBatch([]netio.Message{{To: to.Local(), TTL: 1, Alert: true, Data: []byte("dying")}}); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "whom a packet at its end is for")
	if c := transit.Count(); c != 1 {
		t.Errorf("%d sent on, want 1", c)
	}
	transit.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run ended with %v", err)
	}
}

// fragment sends a piece of a packet, which is not its first, from the source to the group.
func (n *net3) fragment(t *testing.T, data string) {
	t.Helper()
	n.hosts[0].Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		source, to := n.source.As4(), group.Addr().As4()
		p := append([]byte{0x45, 6: 0, 7: 9, 8: 8, 9: protocol}, 0, 0)
		p = append(append(append(p, source[:]...), to[:]...), data...)
		if err := errors.Join(
			unix.SetsockoptInet4Addr(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, source),
			unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: to}),
		); err != nil {
			t.Error(err)
		}
	})
}

// A Sampler sees some of the many, and all of the few that bear no alert. A fragment is neither.
func TestSamplerSeesSomeOfMany(t *testing.T) {
	n := newNet3(t)
	var s *Sampler
	var err error
	n.router.Do(func() {
		s, err = OpenSampler(n.links[0], protocol, Kind{At: 1, Mask: 0x0f, Value: 4, OneIn: 8})
	})
	if err != nil {
		t.Fatal(err)
	}
	n.open(t) // it has the interface hear the group
	source := open(t, n.hosts[0], netio.Config{})
	const all = 800
	for range all {
		send(t, source, group, false, "x\x34")
	}
	send(t, source, group, true, "y\x04")
	send(t, source, netip.AddrPortFrom(netip.MustParseAddr("10.9.0.1"), 7500), false, "z\x05")
	n.fragment(t, "f\x05")
	send(t, source, group, false, "end\x05")
	time.AfterFunc(5*time.Second, func() { s.Close() })
	many := 0
	for {
		var b [100]byte
		p, err := s.Read(b[:])
		if err != nil {
			t.Fatal(err)
		}
		if string(p.Payload) == "end\x05" {
			break
		}
		if many++; string(p.Payload) != "x\x34" || p.Source != n.source || p.Group != group.Addr() || p.TTL != 8 {
			t.Errorf("saw %q from %v with the TTL %d", p.Payload, p.Source, p.TTL)
		}
	}
	if many < all/16 || many > all/4 {
		t.Errorf("saw %d of %d, want about one in 8", many, all)
	}
	s.Close()
	if _, err := s.Read(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}
