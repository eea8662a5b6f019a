package netio

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Config says which sockets an endpoint opens. Zero fields mean the default.
type Config struct {
	// Protocol is the IP protocol number, 1 to 255, of a raw endpoint: the datagrams lie in IP packets themselves, and there are no
	// ports, so that each endpoint of a protocol on a host hears all that comes to its address or group. It is for Linux and
	// needs CAP_NET_RAW. 0: UDP.
	Protocol int
	// Interface is the name or an address of the interface to send on and join on. Empty: that of
	// the group's zone, else that of the kernel's route to the group, else the only interface that
	// can do multicast, else, on a host that has only loopback, lo.
	Interface string
	Group     netip.AddrPort // multicast group and UDP port, the port not 0; a raw endpoint only reports the port
	Source    netip.Addr     // source-specific join: hear this source only; zero: any source
	Receive   bool           // join the group and read it
	TTL       int            // time to live of multicast, 1 to 255; default 16
	// NoLoopback keeps what the endpoint sends from other endpoints on this host. It has no effect
	// on the loopback interface.
	NoLoopback bool
	// RecvBuffer and SendBuffer are socket buffers in bytes; default 16 MiB and 1 MiB. The kernel
	// may grant less: see Stats.
	RecvBuffer, SendBuffer int
	// Forward is for a router: the endpoint hears unicast at the group's port, datagrams say with what time to live they came, and
	// messages can be sent under the address of another host. It is for Linux and needs CAP_NET_ADMIN or CAP_NET_RAW.
	Forward bool
	// Alert has a raw endpoint of IPv4 that receives not join the group: it takes what bears Router Alert for the group out of the way of what
	// the kernel forwards, and leaves the rest. It is for Linux. Its Join ends that.
	Alert bool
	// Unjoined opens an endpoint that receives without having it join the group: what it wants to hear, it says as a Subscriber. It is for
	// Linux.
	Unjoined bool
	// Beside is another UDP endpoint on the same interface, at whose unicast address and port this one is too: it sends from there, and
	// leaves to Beside to read what comes, and its Readers are the group's only. So a router may have several groups on one port, at
	// which its neighbours look for it. Beside must be closed after it. It is for Linux.
	Beside Conn
	// NoOffload leaves UDP_SEGMENT and UDP_GRO unused, for drivers that get them wrong and for
	// comparison.
	NoOffload bool
}

const (
	defaultTTL        = 16
	defaultRecvBuffer = 16 << 20
	// A send buffer of 1 MiB holds fewer packets than the usual queue of an interface (1000), so a
	// writer waits for the interface; with a bigger one the kernel would drop, and not say so, what
	// the queue cannot hold.
	defaultSendBuffer = 1 << 20
)

// unicastPorts returns the ports to try for unicast. Who asks a source for a repair, and knows only
// its address, asks at the group's port. One endpoint on a host can have it, and it is left to
// sources, which do not read the group; the others take any port, and are answered there because
// their packets come from there. Raw endpoints have none.
func (c *Config) unicastPorts() []uint16 {
	if c.Forward && c.Protocol == 0 {
		return []uint16{c.Group.Port()}
	}
	if c.Receive || c.Protocol != 0 {
		return []uint16{0}
	}
	return []uint16{c.Group.Port(), 0}
}

// Open opens an endpoint, UDP-encapsulated or raw. Its errors are one line that says which interface or
// address is wrong and what to do. They do not name this package, nor do the other errors here: users of package pgm see them as they are.
func Open(ctx context.Context, c Config) (Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	l, err := chooseLink(c, systemHost{})
	if err != nil {
		return nil, err
	}
	conn, err := openLink(ctx, c, l)
	if err != nil {
		return nil, fmt.Errorf("group %v on %s: %w", c.Group, l.ifi.Name, err)
	}
	return conn, nil
}

// complete checks the configuration and fills in the defaults.
func (c Config) complete() (Config, error) {
	group := c.Group.Addr().Unmap()
	c.Group = netip.AddrPortFrom(group, c.Group.Port())
	c.Source = c.Source.Unmap()
	switch {
	case !group.IsValid():
		return c, errors.New("no group given")
	case !group.IsMulticast():
		return c, fmt.Errorf("%v is not a multicast group: use 224.0.0.0/4 (239.192.0.0/14 for your own) or ff00::/8", group)
	case c.Group.Port() == 0:
		return c, fmt.Errorf("group %v has no port", group)
	case c.Source.IsValid() && (c.Source.Is4() != group.Is4()):
		return c, fmt.Errorf("source %v and group %v are not of one address family", c.Source, group)
	case c.Source.IsValid() && (c.Source.IsMulticast() || c.Source.IsUnspecified()):
		return c, fmt.Errorf("source %v is not the address of a host", c.Source)
	case c.Source.Zone() != "" && group.Zone() != "" && c.Source.Zone() != group.Zone():
		return c, fmt.Errorf("source %v and group %v are of two interfaces", c.Source, group)
	case c.Protocol < 0 || c.Protocol > 255:
		return c, fmt.Errorf("IP protocol %d is not in 1 to 255", c.Protocol)
	case c.Alert && (c.Protocol == 0 || !group.Is4() || !c.Receive):
		return c, errors.New("packets with Router Alert are taken out of the kernel's way by raw endpoints of IPv4 only")
	case c.TTL < 0 || c.TTL > 255:
		return c, fmt.Errorf("TTL %d is not in 1 to 255", c.TTL)
	case c.RecvBuffer < 0 || c.SendBuffer < 0:
		return c, fmt.Errorf("socket buffers of %d and %d bytes", c.RecvBuffer, c.SendBuffer)
	}
	if c.TTL == 0 {
		c.TTL = defaultTTL
	}
	if c.RecvBuffer == 0 {
		c.RecvBuffer = defaultRecvBuffer
	}
	if c.SendBuffer == 0 {
		c.SendBuffer = defaultSendBuffer
	}
	return c, nil
}

// overhead is the length in bytes of the IP and UDP headers in front of a datagram.
func (c Config) overhead() int {
	n := 40
	if c.Group.Addr().Is4() {
		n = 20
	}
	if c.Protocol == 0 {
		n += 8
	}
	return n
}

// alertOverhead is how many bytes Router Alert adds to that.
func (c Config) alertOverhead() int {
	switch {
	case c.Protocol == 0:
		return 0
	case c.Group.Addr().Is4():
		return len(alert4)
	}
	return len(alert6)
}

// Router Alert, as it stands behind an IPv4 header (RFC 2113) and in a hop-by-hop header of IPv6 (RFC 2711), of which the kernel
// fills in the first octet. Of the values that say for whom a packet is, the one of IPv4 is for all. Those of IPv6 name a
// protocol, and this is one of those for protocols that have none of their own (RFC 5350 §3.2). It must not be 0, which is MLD's:
// Linux forwards no multicast that says so.
var (
	alert4 = [4]byte{148, 4, 0, 0}
	alert6 = [8]byte{0, 0, 5, 2, 65503 >> 8, 65503 & 0xff, 1, 0}
)
