package netns

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// patience is how long the kernel may take until it has noticed that a cable is in.
const patience = 5 * time.Second

// indexes is by how many ends of cables the indexes have risen that this process gives them.
var indexes atomic.Int32

// Cable joins two hosts, of one net or two: each gets an interface of the given name, which is not up. It will have the addresses that it is
// given, and none of the kernel's making.
func (h *Host) Cable(name string, to *Host, toName string) {
	// If both ends had the same index, each on its host, the kernel would take its time to note that the cable is in: up to a second.
	index := 1000 + indexes.Add(2)
	h.Run(fmt.Sprintf("ip link add %s index %d type veth peer name %s index %d netns %d", name, index, toName, index+1, to.tid))
	h.Run("ip link set " + name + " addrgenmode none")
	to.Run("ip link set " + toName + " addrgenmode none")
}

// Up gives an interface addresses, with the lengths of their prefixes, and brings it up. An address of IPv6 is there at once, without a
// search for others that have it.
func (h *Host) Up(name string, addresses ...string) {
	for _, a := range addresses {
		p, err := netip.ParsePrefix(a)
		if h.net.failed(err) {
			return
		}
		if p.Addr().Is6() {
			a += " nodad"
		}
		h.Run("ip addr add " + a + " dev " + name)
	}
	h.Run("ip link set " + name + " up")
}

// Await waits until what is sent by an interface leaves: the kernel takes note of a cable some time after both of its ends are up, and
// before that drops packets of IPv4, and has no routes for those of IPv6.
func (h *Host) Await(name string) {
	h.net.await(name+" does not come up", func() (ready bool, err error) {
		h.Do(func() {
			var ifi *net.Interface
			if ifi, err = net.InterfaceByName(name); err != nil || ifi.Flags&net.FlagRunning == 0 {
				return
			}
			// Where there is no IPv6 there is no such file.
			routes, none := os.ReadFile("/proc/thread-self/net/ipv6_route")
			ready = none != nil || hasGroups(string(routes), name)
		})
		return ready, err
	})
}

// hasGroups looks for the route to ff00::/8 by an interface in the text of /proc/net/ipv6_route.
func hasGroups(routes, name string) bool {
	for line := range strings.Lines(routes) {
		f := strings.Fields(line)
		if strings.HasPrefix(line, "ff000000000000000000000000000000 08 ") && f[len(f)-1] == name {
			return true
		}
	}
	return false
}

// AwaitPorts waits until every port of a bridge passes packets on.
func (h *Host) AwaitPorts(bridge string) {
	h.net.await("the ports of "+bridge+" are not up", func() (bool, error) {
		ports, err := h.Try("ip -d -o link show master " + bridge) // a line for each
		return strings.Count(ports, "state forwarding") == strings.Count(ports, "\n"), err
	})
}

// await waits until something is so.
func (n *Net) await(failure string, f func() (bool, error)) {
	for end := time.Now().Add(patience); !n.failed(n.ctx.Err()); time.Sleep(2 * time.Millisecond) {
		if ready, err := f(); ready || n.failed(err) {
			return
		}
		if time.Now().After(end) {
			n.failed(fmt.Errorf("after %v, %s", patience, failure))
			return
		}
	}
}

// Pair adds two hosts, joined by a cable that is in, v0 on each. Their addresses are the given ones with N in the place of %d: "10.9.0.%d/24".
func (n *Net) Pair(addresses ...string) (a, b *Host) {
	a, b = n.Host(), n.Host()
	a.Cable("v0", b, "v0")
	a.Up("v0", numbered(addresses, 1)...)
	b.Up("v0", numbered(addresses, 2)...)
	a.Await("v0")
	b.Await("v0")
	return a, b
}

// Star adds so many hosts and a switch between them that sends groups everywhere, as one does that knows no better. The hosts have e0, by
// which they reach all groups; host N of 0 and up is at port pN of the switch. Their addresses are the given ones with 10 and up in the
// place of %d.
func (n *Net) Star(hosts int, addresses ...string) (sw *Host, around []*Host) {
	sw = n.Host()
	sw.Run("ip link add br0 type bridge mcast_snooping 0 stp_state 0 forward_delay 0\nip link set br0 addrgenmode none up")
	for i := range hosts {
		h, port := n.Host(), fmt.Sprintf("p%d", i)
		around = append(around, h)
		h.Cable("e0", sw, port)
		sw.Run("ip link set " + port + " master br0 up")
		h.Up("e0", numbered(addresses, 10+i)...)
		h.Run("ip route add 224.0.0.0/4 dev e0")
	}
	sw.AwaitPorts("br0")
	for _, h := range around {
		h.Await("e0")
	}
	return sw, around
}

// numbered returns addresses with a number in the place of %d.
func numbered(addresses []string, number int) []string {
	var out []string
	for _, a := range addresses {
		out = append(out, fmt.Sprintf(a, number))
	}
	return out
}
