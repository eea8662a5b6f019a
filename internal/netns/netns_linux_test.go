package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const group4, group6 = "239.9.9.9:7599", "[ff08::99]:7599"

// listen has a host listen to a group by an interface, until the test ends.
func listen(t *testing.T, h *Host, name, group string) *net.UDPConn {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", group)
	if err != nil {
		t.Fatal(err)
	}
	var c *net.UDPConn
	h.Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName(name); err == nil {
			c, err = net.ListenMulticastUDP("udp", ifi, to)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// send sends so many packets to a group, from an address of a host.
func send(t *testing.T, h *Host, from, group string, count int) {
	t.Helper()
	var c net.Conn
	var err error
	h.Do(func() { c, err = (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", group) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range count {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// heard counts what arrives, until that is enough or nothing comes for a while.
func heard(c *net.UDPConn, enough int) (count int) {
	b := make([]byte, 10)
	for ; count < enough; count++ {
		c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
		if _, _, err := c.ReadFrom(b); err != nil {
			break
		}
	}
	return count
}

// The very first packet that is sent between the hosts of a pair arrives, in both families: the cable is in, and every address in use.
func TestFirstPacketOfPairArrives(t *testing.T) {
	for range 5 {
		a, b := Test(t).Pair("10.9.0.%d/24", "fe80::%d/64", "fd09::%d/64")
		four, six := listen(t, b, "v0", group4), listen(t, b, "v0", group6)
		a.Run("ip route add 224.0.0.0/4 dev v0")
		send(t, a, "10.9.0.1", group4, 1)
		send(t, a, "fd09::1", group6, 1)
		if n4, n6 := heard(four, 1), heard(six, 1); n4 != 1 || n6 != 1 {
			t.Fatalf("%d packets of IPv4 and %d of IPv6 arrived, want 1 of each", n4, n6)
		}
	}
}

// What is sent after Await leaves, though the other end of the cable is up only some time after this one.
func TestAwaitWaitsForTheOtherEnd(t *testing.T) {
	n := Test(t)
	a, b := n.Host(), n.Host()
	a.Cable("v0", b, "v1")
	a.Up("v0", "fd09::1/64")
	c := listen(t, b, "v1", group6)
	late := make(chan error)
	go func() {
		time.Sleep(100 * time.Millisecond)
		_, err := b.Try("ip link set v1 up")
		late <- err
	}()
	a.Await("v0")
	send(t, a, "fd09::1", group6, 1)
	if err := <-late; err != nil {
		t.Fatal(err)
	}
	if heard(c, 1) != 1 {
		t.Error("nothing came")
	}
}

// What one host of a star sends to a group reaches every other, from the first packet on.
func TestStarSendsGroupsEverywhere(t *testing.T) {
	_, hosts := Test(t).Star(3, "10.9.0.%d/24", "fd09::%d/64")
	var listeners []*net.UDPConn
	for _, h := range hosts[1:] {
		listeners = append(listeners, listen(t, h, "e0", group4), listen(t, h, "e0", group6))
	}
	send(t, hosts[0], "10.9.0.10", group4, 1)
	send(t, hosts[0], "fd09::10", group6, 1)
	for i, c := range listeners {
		if heard(c, 1) != 1 {
			t.Errorf("listener %d heard nothing", i)
		}
	}
}

// A filter loses what its rules say, in its direction, and counts it; the next takes its place.
func TestFilterLosesAndCounts(t *testing.T) {
	n := Test(t, "nft")
	a, b := n.Pair("10.9.0.%d/24")
	a.Run("ip route add 224.0.0.0/4 dev v0")
	c := listen(t, b, "v0", group4)
	for _, f := range []struct {
		host *Host
		way  Direction
	}{{b, In}, {a, Out}} {
		for _, period := range []int{10, 4} {
			f.host.Filter(f.way, "v0", fmt.Sprintf("ip protocol udp counter numgen inc mod %d == 0 counter drop", period), "ip protocol 113 counter drop")
			send(t, a, "10.9.0.1", group4, 100)
			lost := 100 / period
			if got := heard(c, 101); got != 100-lost {
				t.Errorf("%s, one in %d is lost: %d of 100 arrived, want %d", f.way, period, got, 100-lost)
			}
			if got, err := f.host.Counts(f.way, "v0"); err != nil || fmt.Sprint(got) != fmt.Sprint([]int{100, lost, 0}) {
				t.Errorf("%s: counted %v, %v; want 100 packets, %d lost, and none of protocol 113", f.way, got, err, lost)
			}
		}
		f.host.Filter(f.way, "v0")
		send(t, a, "10.9.0.1", group4, 100)
		if got := heard(c, 101); got != 100 {
			t.Errorf("%s, without rules: %d of 100 arrived", f.way, got)
		}
	}
}

// When a net is closed its programs are killed, and its hosts are gone: of a cable that led to one, this end goes too.
func TestNothingIsLeftOfClosedNet(t *testing.T) {
	n := Test(t)
	stays, other := n.Host(), New(t.Context())
	goes := other.Host()
	stays.Cable("v0", goes, "v0")
	c := exec.Command("sleep", "20")
	if err := goes.Start(c); err != nil || other.Err() != nil {
		t.Fatal(err, other.Err())
	}
	other.Close()
	if err := c.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("the program ended: %v; want it killed", err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := stays.Try("ip link show v0"); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the cable is still in")
		}
	}
}

// After the first error nothing more is done, and the error says what failed, with what it said; the end of the context is such an error.
func TestFirstErrorEndsTheSetUp(t *testing.T) {
	Test(t).Host() // skips who is not root
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := New(ctx)
	defer n.Close()
	h := n.Host()
	file := filepath.Join(t.TempDir(), "file")
	h.Run("ip link show v9\ntouch " + file)
	h.Up("v9", "nonsense")
	if err := n.Err(); err == nil || !strings.HasPrefix(err.Error(), "ip link show v9: exit status 1: Device") {
		t.Errorf("the error is: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the command after it was run")
	}
	ended := New(ctx)
	defer ended.Close()
	cancel()
	if ended.Star(2); !errors.Is(ended.Err(), context.Canceled) {
		t.Errorf("in a context that has ended: %v", ended.Err())
	}
}

// verdict is a test that notes how it was skipped, or failed.
type verdict struct {
	testing.TB
	text string
}

func (v *verdict) Skipf(format string, args ...any) { v.end("skipped", format, args...) }

func (v *verdict) Fatalf(format string, args ...any) { v.end("failed", format, args...) }

func (v *verdict) end(how, format string, args ...any) {
	v.text = how + ": " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// A test that cannot have its net for what the machine lacks is skipped, with the reason; if anything else goes wrong it fails.
func TestOnlyWhatIsMissingSkips(t *testing.T) {
	Test(t).Host()
	for _, c := range []struct {
		want string
		test func(*Net)
	}{
		{"skipped: needs the command no-such-tool", nil},
		{"skipped: cannot set up the network: no-such-tool: exec: ", func(n *Net) { n.Host().Run("no-such-tool") }},
		{"skipped: cannot set up the network: ip link add x0 type nothing: exit status 2: Error: Unknown device type", func(n *Net) { n.Host().Run("ip link add x0 type nothing") }},
		{"failed: setting up the network: false: exit status 1: ", func(n *Net) { n.Host().Run("false") }},
		{"failed: setting up the network: ip link set v9 up: exit status 1: ", func(n *Net) { n.Host().Up("v9") }},
		{"failed: setting up the network: open /proc/sys/net/nothing: no such file", func(n *Net) { n.Host().Set("nothing", "1") }},
		{"failed: setting up the network: write /proc/sys/net/ipv4/ip_forward: invalid argument", func(n *Net) { n.Host().Set("ipv4/ip_forward", "x") }},
		{"failed: setting up the network: nft -f -: exit status 1: ", func(n *Net) { n.Host().Filter(In, "lo", "nonsense") }},
	} {
		v, done := &verdict{TB: t}, make(chan struct{})
		go func() {
			defer close(done)
			if c.test == nil {
				Test(v, "no-such-tool")
			} else {
				c.test(Test(v))
			}
		}()
		if <-done; !strings.HasPrefix(v.text, c.want) {
			t.Errorf("the test %s, want %s", v.text, c.want)
		}
	}
}

// What the system says when it permits no namespaces, or no settings to be changed, is that something is missing; what went wrong is not.
func TestWhatTheMachineLacks(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{os.NewSyscallError("unshare", syscall.EPERM), true},
		{os.NewSyscallError("unshare", syscall.EINVAL), true},
		{os.NewSyscallError("unshare", syscall.ENOSPC), true},
		{os.NewSyscallError("unshare", syscall.ENOSYS), true},
		{errors.ErrUnsupported, true},
		{&os.PathError{Err: syscall.EROFS}, true},
		{&os.PathError{Err: syscall.EACCES}, true},
		{&os.PathError{Err: syscall.EINVAL}, false},
		{&os.PathError{Err: syscall.ENOENT}, false},
		{context.Canceled, false},
		{errors.New("Operation not supported"), false}, // which none of the commands said
	} {
		if got := lacks(fmt.Errorf("setting up: %w", c.err)); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
