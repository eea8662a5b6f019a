package mroute

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/netio"
)

// protocol is one for experiments (RFC 3692).
const protocol = 253

var group = netip.MustParseAddrPort("239.192.9.9:7500")

// host is a thread in a network namespace of its own, which goes with the test.
type host struct {
	t    *testing.T
	tid  int
	work chan func()
}

func newHost(t *testing.T) *host {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the ip command, of package iproute2")
	}
	h := &host{t: t, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		h.tid = unix.Gettid()
		ready <- err
		for f := range h.work {
			f()
		}
	}()
	t.Cleanup(func() { close(h.work) })
	if err := <-ready; err != nil {
		t.Skip("needs root, to make network namespaces: ", err)
	}
	h.run("ip link set lo up")
	return h
}

func (h *host) do(f func()) {
	done := make(chan struct{})
	h.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (h *host) run(command string) {
	h.t.Helper()
	h.do(func() {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			h.t.Errorf("%s: %v: %s", command, err, out)
		}
	})
}

// open opens an endpoint for the group, or for what is asked of it.
func (h *host) open(c netio.Config) netio.Conn {
	h.t.Helper()
	c.Protocol, c.Group, c.NoLoopback = protocol, group, true
	var conn netio.Conn
	var err error
	h.do(func() { conn, err = netio.Open(context.Background(), c) })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
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
	router *host
	hosts  [3]*host
	links  []*net.Interface
	source netip.Addr
}

func newNet3(t *testing.T) *net3 {
	n := &net3{router: newHost(t), source: netip.MustParseAddr("10.9.0.2")}
	for i := range n.hosts {
		h := newHost(t)
		n.hosts[i] = h
		n.router.run(fmt.Sprintf("ip link add l%d type veth peer name v0 netns %d", i, h.tid))
		n.router.run(fmt.Sprintf("ip addr add 10.9.%d.1/24 dev l%d", i, i))
		n.router.run(fmt.Sprintf("ip link set l%d up", i))
		h.run(fmt.Sprintf("ip addr add 10.9.%d.2/24 dev v0", i))
		h.run("ip link set v0 up")
		h.run(fmt.Sprintf("ip route add default via 10.9.%d.1", i))
	}
	n.router.run("sysctl -qw net.ipv4.ip_forward=1")
	for i := range n.hosts {
		var l *net.Interface
		var err error
		n.router.do(func() { l, err = net.InterfaceByName(fmt.Sprintf("l%d", i)) })
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
	n.router.do(func() { table, err = Open(n.links) })
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
	n.router.do(func() {
		if _, err := Open(n.links); !errors.Is(err, ErrTaken) {
			t.Errorf("a second table: %v, want %v", err, ErrTaken)
		}
	})
	s := n.hosts[0].open(netio.Config{})
	a, b := listen(n.hosts[1].open(netio.Config{Receive: true}), true), listen(n.hosts[2].open(netio.Config{Receive: true}), true)
	send(t, s, group, false, "first")
	want := Miss{0, n.source, group.Addr()}
	if m, err := table.Read(); err != nil || m != want {
		t.Fatalf("%+v, %v; want %+v", m, err, want)
	}
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
	n.router.do(func() {
		again, err := Open(n.links)
		if err != nil {
			t.Fatal(err)
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
	s := n.hosts[0].open(netio.Config{})
	a := listen(n.hosts[1].open(netio.Config{Receive: true}), true)
	conn := n.router.open(netio.Config{Interface: "l0", Receive: true, Forward: true, Alert: true})
	element := listen(conn, true)
	n.router.do(func() {
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
	n.router.do(func() {
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
	n.router.open(netio.Config{Interface: "l0", Receive: true, Forward: true, Alert: true})
	var transit *Transit
	var err error
	n.router.do(func() { transit, err = OpenTransit(protocol) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { transit.Close() })
	ended := make(chan error, 1)
	go func() { ended <- transit.Run() }()
	s := n.hosts[0].open(netio.Config{})
	to := n.hosts[1].open(netio.Config{})
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

// A Sampler sees some of the many, and all of the few that bear no alert.
func TestSamplerSeesSomeOfMany(t *testing.T) {
	n := newNet3(t)
	var s *Sampler
	var err error
	n.router.do(func() {
		s, err = OpenSampler(n.links[0], protocol, Kind{At: 1, Mask: 0x0f, Value: 4, OneIn: 8})
	})
	if err != nil {
		t.Fatal(err)
	}
	n.open(t) // it has the interface hear the group
	source := n.hosts[0].open(netio.Config{})
	const all = 800
	for range all {
		send(t, source, group, false, "x\x34")
	}
	send(t, source, group, true, "y\x04")
	send(t, source, netip.AddrPortFrom(netip.MustParseAddr("10.9.0.1"), 7500), false, "z\x05")
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
