package pgm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// DefaultEndpoint is what an endpoint is completed from: UDP encapsulation, a group of the organisation-local scope and its port.
const DefaultEndpoint = "epgm://239.192.77.71:7500"

// The default group and port, as values.
var (
	defaultGroup = netip.AddrFrom4([4]byte{239, 192, 77, 71})
	defaultPort  = uint16(7500)
)

// The names of the networks.
const (
	networkUDP = "epgm" // PGM in UDP datagrams
	networkRaw = "pgm"  // PGM as IP protocol 113
)

// Endpoint says where a session is sent or heard: over which interface, to which group and, for a source-specific join, from
// which host. The zero Endpoint is not usable; ParseEndpoint makes one.
type Endpoint struct {
	// Network is "epgm" (PGM in UDP) or "pgm" (PGM as an IP protocol); empty means "epgm".
	Network string
	// Interface is the name of an interface or one of its addresses; empty: the interface of the route to the group.
	Interface string
	// Group is the multicast group and the port: the UDP port and the Data-Destination Port of PGM alike, as deployed stacks have
	// it; with "pgm" there is the latter only. The zone of an IPv6 group names the interface when Interface is empty.
	Group netip.AddrPort
	// Source is the only host to hear, by a source-specific join (RFC 4607); the zero Addr hears all. The zone of a link-local one names
	// the interface when nothing else does.
	Source netip.Addr
}

// ParseEndpoint reads an endpoint as OpenPGM and ZeroMQ users write it:
//
//	[epgm://|pgm://][interface;]group[,source][:port]
//
// The interface is a name or an address. IPv6 groups and sources stand in brackets, with a zone where one is needed. What is missing
// is taken from DefaultEndpoint. For example:
//
//	239.192.0.1:7500
//	epgm://eth0;239.192.0.1:7500
//	pgm://eth0;239.192.0.1:7500
//	epgm://192.0.2.7;232.1.2.3,198.51.100.4:7500
//	epgm://[ff02::77%eth0]:7500
//	epgm://eth0;[ff38::77],[2001:db8::4]:7500
//	eth0;
//
// An error is one line that says what is wrong with s and what would be right.
func ParseEndpoint(s string) (Endpoint, error) {
	ep, _, err := parseEndpoint(s)
	return ep, err
}

// parseEndpoint also reports whether s says the network itself.
func parseEndpoint(s string) (ep Endpoint, explicit bool, err error) {
	fail := func(format string, args ...any) (Endpoint, bool, error) {
		return Endpoint{}, false, fmt.Errorf("pgm: endpoint %q: %s", s, fmt.Sprintf(format, args...))
	}
	ep.Network = networkUDP
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		switch explicit = true; strings.ToLower(scheme) {
		case networkUDP, networkRaw:
			ep.Network, rest = strings.ToLower(scheme), after
		default:
			return fail("unknown scheme %q: want epgm:// or pgm://", scheme)
		}
	}
	if iface, after, ok := strings.Cut(rest, ";"); ok {
		if strings.Contains(after, ";") {
			return fail("more than one semicolon: want [interface;]group[,source]:port")
		}
		if ep.Interface, err = parseInterface(iface); err != nil {
			return fail("%v", err)
		}
		rest = after
	}
	addrs, port, err := splitPort(rest)
	if err != nil {
		return fail("%v", err)
	}
	group, source, hasSource := strings.Cut(addrs, ",")
	ep.Group = netip.AddrPortFrom(defaultGroup, port)
	if group != "" {
		addr, err := parseAddr(group)
		if err != nil && explicit && ep.Interface == "" {
			return fail("group: %v", err)
		} else if err != nil {
			return fail("group: %v (an interface is written before a semicolon: %q)", err, group+";"+defaultGroup.String())
		}
		ep.Group = netip.AddrPortFrom(addr, port)
	}
	if hasSource {
		if ep.Source, err = parseAddr(source); err != nil {
			return fail("source: %v", err)
		}
	}
	if err := ep.check(); err != nil {
		return fail("%v", err)
	}
	return ep, explicit, nil
}

// parseInterface reads the name or address of an interface; the brackets of an IPv6 address are optional.
func parseInterface(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !closed || err != nil || !addr.Is6() {
			return "", fmt.Errorf("interface %q is not an IPv6 address in brackets", s)
		}
		s = inner
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.IsMulticast() {
			return "", fmt.Errorf("interface %s is a multicast address: want an interface's name or its own address", addr)
		}
		return addr.String(), nil
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("/[];,", r) }); i >= 0 {
		return "", fmt.Errorf("interface %q is neither a name nor an address", s)
	}
	return s, nil
}

// splitPort separates the port behind the last colon that is not inside brackets; without one it is the default.
func splitPort(s string) (addrs string, port uint16, err error) {
	colon := strings.LastIndexByte(s, ':')
	if colon < strings.LastIndexByte(s, ']') || colon < 0 {
		return s, defaultPort, nil
	}
	if open := strings.IndexByte(s, '['); open < 0 && strings.Count(s, ":") > 1 {
		return "", 0, errors.New("an IPv6 address stands in brackets: [ff08::77]:7500")
	}
	n, err := strconv.ParseUint(s[colon+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("port %q is not a number from 1 to 65535", s[colon+1:])
	}
	return s[:colon], uint16(n), nil
}

// parseAddr reads an IPv4 address, or an IPv6 address in brackets.
func parseAddr(s string) (netip.Addr, error) {
	inner, bracket := strings.CutPrefix(s, "[")
	if bracket {
		var closed bool
		if inner, closed = strings.CutSuffix(inner, "]"); !closed {
			return netip.Addr{}, fmt.Errorf("%q lacks its closing bracket", s)
		}
	}
	addr, err := netip.ParseAddr(inner)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", inner)
	case addr.Is6() && !bracket:
		return netip.Addr{}, fmt.Errorf("the IPv6 address %s stands in brackets: [%s]", s, s)
	case addr.Is4() && bracket:
		return netip.Addr{}, fmt.Errorf("the IPv4 address %s stands without brackets", inner)
	case addr.Is4In6() && addr.Zone() != "":
		return netip.Addr{}, fmt.Errorf("the IPv4 address %s has no zone", inner)
	}
	if i := strings.IndexFunc(addr.Zone(), func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("/[];,", r) }); i >= 0 {
		return netip.Addr{}, fmt.Errorf("the zone of %q is not the name of an interface", inner)
	}
	return addr.Unmap(), nil
}

// check reports what is wrong with the endpoint, whoever filled it.
func (e Endpoint) check() error {
	group := e.Group.Addr()
	switch {
	case e.Network != "" && e.Network != networkUDP && e.Network != networkRaw:
		return fmt.Errorf("unknown network %q: want epgm or pgm", e.Network)
	case !group.IsValid():
		return errors.New("there is no group")
	case !group.IsMulticast() && group.Is4():
		return fmt.Errorf("%s is not a multicast group: those are 224.0.0.0 to 239.255.255.255", group)
	case !group.IsMulticast():
		return fmt.Errorf("%s is not a multicast group: those begin with ff", group)
	case e.Group.Port() == 0:
		return errors.New("there is no port")
	case group.Zone() != "" && e.Interface != "" && group.Zone() != e.Interface:
		return fmt.Errorf("the interface is %s, but the zone of the group is %s: write one of them", e.Interface, group.Zone())
	}
	switch source := e.Source; {
	case !source.IsValid():
		return nil
	case source.Is4() != group.Is4():
		return fmt.Errorf("the source %s and the group %s are not of one address family", source, group)
	case source.IsMulticast() || source.IsUnspecified():
		return fmt.Errorf("the source %s is not the address of a host", source)
	case source.Zone() != "" && group.Zone() != "" && source.Zone() != group.Zone():
		return fmt.Errorf("the zone of the source is %s, but that of the group is %s: they are of one link", source.Zone(), group.Zone())
	}
	return nil
}

// String returns the endpoint as ParseEndpoint reads it, with nothing left out that has a value.
func (e Endpoint) String() string {
	var b strings.Builder
	b.WriteString(e.network())
	b.WriteString("://")
	if e.Interface != "" {
		if addr, err := netip.ParseAddr(e.Interface); err == nil {
			b.WriteString(bracketed(addr))
		} else {
			b.WriteString(e.Interface)
		}
		b.WriteByte(';')
	}
	b.WriteString(bracketed(e.Group.Addr()))
	if e.Source.IsValid() {
		b.WriteByte(',')
		b.WriteString(bracketed(e.Source))
	}
	b.WriteByte(':')
	b.WriteString(strconv.Itoa(int(e.Group.Port())))
	return b.String()
}

// bracketed writes an address as it stands in an endpoint.
func bracketed(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// network returns the name of the network, the default for an empty one.
func (e Endpoint) network() string {
	if e.Network == "" {
		return networkUDP
	}
	return e.Network
}

// networkName returns the network that an error is about which was asked for, the default for none.
func networkName(asked string) string {
	if asked == "" {
		return networkUDP
	}
	return asked
}

// raw reports whether the network is "pgm".
func (e Endpoint) raw() bool { return e.network() == networkRaw }

// protocol returns the IP protocol number of PGM [8-01] for "pgm", 0 for UDP.
func (e Endpoint) protocol() int {
	if e.raw() {
		return ipProtocol
	}
	return 0
}

// ipProtocol is PGM's number among IP protocols [8-01].
const ipProtocol = 113

// addr returns the group as an Addr.
func (e Endpoint) addr() Addr { return Addr{AddrPort: e.Group, raw: e.raw()} }

// MarshalText writes the endpoint as String does.
func (e Endpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the endpoint as ParseEndpoint does.
func (e *Endpoint) UnmarshalText(text []byte) error {
	ep, err := ParseEndpoint(string(text))
	if err == nil {
		*e = ep
	}
	return err
}

// resolve reads an endpoint as Dial, Listen and ListenPacket take it, with the network that they are given: "epgm", "epgm4", "epgm6",
// the same for "pgm", or "" for that of the endpoint.
func resolve(network, endpoint string) (Endpoint, error) {
	ep, explicit, err := parseEndpoint(endpoint)
	if err != nil {
		return Endpoint{}, err
	}
	name := strings.TrimRight(network, "46")
	switch {
	case network == "":
		return ep, nil
	case name != networkUDP && name != networkRaw, len(network) > len(name)+1:
		return Endpoint{}, net.UnknownNetworkError(network)
	case explicit && ep.Network != name:
		return Endpoint{}, fmt.Errorf("pgm: the network is %s, but the endpoint %s names another", network, ep)
	case network == name+"4" && !ep.Group.Addr().Is4():
		return Endpoint{}, fmt.Errorf("pgm: the network %s is IPv4, but the group %s is not", network, ep.Group.Addr())
	case network == name+"6" && !ep.Group.Addr().Is6():
		return Endpoint{}, fmt.Errorf("pgm: the network %s is IPv6, but the group %s is not", network, ep.Group.Addr())
	}
	ep.Network = name
	return ep, nil
}
