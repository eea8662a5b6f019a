package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// link is where an endpoint is attached: an interface and the address on it to send from.
type link struct {
	ifi  *net.Interface
	addr netip.Addr
}

func (l link) String() string { return l.ifi.Name + " " + l.addr.WithZone("").String() }

// host is what the choice of an interface asks of the system.
type host interface {
	links() ([]link, error) // one for each interface and address, in the system's order
	// routed is the local address of the route to a group.
	routed(group netip.AddrPort) (netip.Addr, error)
}

// chooseLink chooses the interface and the address for a configuration.
func chooseLink(c Config, h host) (link, error) {
	links, err := h.links()
	if err != nil {
		return link{}, fmt.Errorf("cannot list the interfaces: %w", err)
	}
	group := c.Group.Addr()
	want := c.Interface
	if zone := group.Zone(); want == "" {
		want = zone
	} else if zone != "" && zone != want {
		return link{}, fmt.Errorf("group %v is not of interface %s: leave one of the two out", group, want)
	}
	if zone := c.Source.Zone(); want == "" {
		want = zone // a link-local source is heard on its link
	}
	var l link
	if addr, perr := netip.ParseAddr(want); want == "" {
		l, err = routedLink(c.Group, links, h)
	} else if perr == nil {
		l, err = linkOfAddr(addr.Unmap(), group, links)
	} else {
		l, err = linkOfName(want, group, links)
	}
	if err != nil {
		return link{}, err
	}
	if zone := c.Source.Zone(); zone != "" && !l.isZone(zone) {
		return link{}, fmt.Errorf("source %v is not of interface %s", c.Source, l.ifi.Name)
	}
	return l, nil
}

// isZone reports whether zone, a name or a number, is that of the interface.
func (l link) isZone(zone string) bool {
	return zone == l.ifi.Name || zone == strconv.Itoa(l.ifi.Index)
}

// routedLink chooses where nothing was asked for.
func routedLink(group netip.AddrPort, links []link, h host) (link, error) {
	if addr, err := h.routed(group); err == nil {
		for _, l := range links {
			if l.addr.WithZone("") == addr.WithZone("") && (addr.Zone() == "" || addr.Zone() == l.ifi.Name) && l.problem() == "" {
				return preferred(l, group.Addr(), links), nil
			}
		}
	}
	// There is no route to the group, as on a host without a default route.
	var found []link
	var loopback link
	for _, l := range links {
		switch {
		case !l.fits(group.Addr()):
		case l.ifi.Flags&net.FlagLoopback != 0:
			if loopback.ifi == nil {
				loopback = l
			}
		case len(found) == 0 || found[len(found)-1].ifi.Index != l.ifi.Index:
			found = append(found, preferred(l, group.Addr(), links))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1 && narrow(group.Addr()):
		return link{}, fmt.Errorf("group %v means another on each link: name one of %s", group.Addr(), list(found))
	case len(found) > 1:
		return link{}, fmt.Errorf("no route to %v, and several interfaces would do: name one of %s", group.Addr(), list(found))
	case loopback.ifi != nil:
		return preferred(loopback, group.Addr(), links), nil
	}
	return link{}, fmt.Errorf("no interface is up that has an address for group %v", group.Addr())
}

func linkOfAddr(addr, group netip.Addr, links []link) (link, error) {
	for _, l := range links {
		if l.addr.WithZone("") != addr.WithZone("") || addr.Zone() != "" && addr.Zone() != l.ifi.Name {
			continue
		}
		if p := l.problem(); p != "" {
			return link{}, fmt.Errorf("interface %s, which has address %v, %s; %s", l.ifi.Name, addr, p, advice(group, links))
		}
		if l.addr.Is4() != group.Is4() {
			return link{}, fmt.Errorf("address %v and group %v are not of one address family; %s", addr, group, advice(group, links))
		}
		return l, nil
	}
	return link{}, fmt.Errorf("no interface has address %v; %s", addr, advice(group, links))
}

func linkOfName(name string, group netip.Addr, links []link) (link, error) {
	known := false
	for _, l := range links {
		if !l.isZone(name) {
			continue
		}
		known = true
		if p := l.problem(); p != "" {
			return link{}, fmt.Errorf("interface %s %s; %s", name, p, advice(group, links))
		}
		if l.fits(group) {
			return preferred(l, group, links), nil
		}
	}
	if !known {
		return link{}, fmt.Errorf("no interface is called %q; %s", name, advice(group, links))
	}
	return link{}, fmt.Errorf("interface %s has no %s address; %s", name, family(group), advice(group, links))
}

// problem says why nothing can be sent on the interface; empty if it can. Loopback does not have
// the multicast flag, but carries multicast when it is chosen.
func (l link) problem() string {
	switch {
	case l.ifi.Flags&net.FlagUp == 0:
		return "is down: bring it up"
	case l.ifi.Flags&(net.FlagMulticast|net.FlagLoopback) == 0:
		return "cannot do multicast"
	}
	return ""
}

// fits reports whether the link can send to the group.
func (l link) fits(group netip.Addr) bool {
	return l.problem() == "" && l.addr.IsValid() && l.addr.Is4() == group.Is4()
}

// preferred chooses among the addresses of l's interface: a group of link scope is sent to from an
// address of link scope, a wider one from a wider one, so that unicast answers find their way back.
func preferred(l link, group netip.Addr, links []link) link {
	narrow := narrow(group)
	for _, m := range links {
		if m.ifi.Index == l.ifi.Index && m.fits(group) && m.addr.Is6() && m.addr.IsLinkLocalUnicast() == narrow {
			return m
		}
	}
	return l
}

// narrow reports whether the group is of no more than one link (RFC 4291 §2.7): 224.0.0.0/24, ffx1:: and ffx2::.
func narrow(group netip.Addr) bool {
	return group.IsLinkLocalMulticast() || group.IsInterfaceLocalMulticast()
}

// advice lists the interfaces that would do.
func advice(group netip.Addr, links []link) string {
	var fit []link
	for _, l := range links {
		if l.fits(group) && (len(fit) == 0 || fit[len(fit)-1].ifi.Index != l.ifi.Index) {
			fit = append(fit, l)
		}
	}
	if len(fit) == 0 {
		return "no interface has an " + family(group) + " address and can do multicast"
	}
	return "use one of " + list(fit)
}

// list names the interfaces for a person; not more than fit on a line.
func list(links []link) string {
	var names []string
	for i, l := range links {
		if i == 8 {
			names = append(names, "...")
			break
		}
		names = append(names, l.String())
	}
	return strings.Join(names, ", ")
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// systemHost is the host that the program runs on.
type systemHost struct{}

func (systemHost) links() ([]link, error) {
	ifis, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var links []link
	for i := range ifis {
		addrs, err := ifis[i].Addrs()
		if err != nil {
			continue // it went away in between
		}
		if len(addrs) == 0 {
			links = append(links, link{ifi: &ifis[i]})
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				addr, _ := netip.AddrFromSlice(n.IP)
				addr = addr.Unmap()
				if addr.IsLinkLocalUnicast() && addr.Is6() {
					addr = addr.WithZone(ifis[i].Name)
				}
				links = append(links, link{&ifis[i], addr})
			}
		}
	}
	return links, nil
}

// routed connects a datagram socket, which looks up the route and sends nothing.
func (systemHost) routed(group netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(group))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// checkInterface reports that the interface has gone or is down.
func checkInterface(ifi *net.Interface) error {
	now, err := net.InterfaceByIndex(ifi.Index)
	switch {
	case err != nil || now.Name != ifi.Name:
		return fmt.Errorf("interface %s: %w", ifi.Name, errGone)
	case now.Flags&net.FlagUp == 0:
		return fmt.Errorf("interface %s: %w", ifi.Name, errDown)
	}
	return nil
}

var (
	errGone = errors.New("it is not there any more")
	errDown = errors.New("it is down")
)
