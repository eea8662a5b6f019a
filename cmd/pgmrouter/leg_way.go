package main

import (
	"net"
	"net/netip"
	"slices"
	"time"

	legs "github.com/gopgm/gopgm/pgm/leg"
)

// claim says that the router beyond a leg forwards what a source sends.
type claim struct {
	link int
	good bool // nothing here knows better
	at   time.Time
}

// A claim is looked at again after wayAge, another leg can have it after claimRest without a packet, and it ends after claimAge.
const (
	claimRest = 15 * time.Second
	claimAge  = 2 * time.Minute
)

// looks is how many claims are looked at in a second: each takes some system calls. Who forges sources by the thousand has the rest not believed.
const looks = 200

// asLeg returns the link's leg, nil if it is an interface.
func (l *link) asLeg() *leg {
	x, _ := l.conn.(*leg)
	return x
}

// openLegs opens the legs of the router, behind its interfaces. In SPM_PATH and as who sends NAKs it is called there as on its first
// interface: what is sent to that comes back over the leg by which the other side heard it, routable or not.
func (r *router) openLegs(h *hub) {
	if h == nil {
		return
	}
	r.claims = make(map[netip.Addr]claim)
	for _, s := range h.sites {
		l := &link{name: s.name, conn: s.leg(r.endpoint.Group, r.links[0].conn.Local().Addr(), r.o.ttl)}
		l.always = slices.Contains(r.o.listen, s.name) || slices.Contains(r.o.listen, "all")
		r.links = append(r.links, l)
	}
}

// listenBeyond learns from the other ends of legs who listens there, and tells them who does here: not of what is known from themselves. Nor of
// the link upstream of a proxy, to which what comes goes, but for which nothing comes: two sites with proxies would keep each other listening.
func (r *router) listenBeyond(now time.Time) {
	hops := make([]int, len(r.links)) // legs to the nearest listener by each link
	for i, l := range r.links {
		x := l.asLeg()
		if x == nil {
			continue
		}
		n, alive := x.wants()
		l.listens = alive && (l.always || n > 0)
		hops[i] = n
	}
	for i, l := range r.links {
		x := l.asLeg()
		if x == nil {
			continue
		}
		nearest := legs.MaxHops
		for k, m := range r.links {
			if k != i && m.listens && (!r.isProxied(m.name) || slices.Contains(r.o.listen, m.name)) {
				nearest = min(nearest, hops[k])
			}
		}
		tell := uint8(0)
		if nearest < legs.MaxHops {
			tell = uint8(nearest + 1)
		}
		x.listen(now, tell)
	}
}

// claim notes that a leg brings what a source sends. Sources may be anywhere, and what is known of their networks here may be a default
// route. The other side has made sure that it comes from where the source is, so it is believed, unless the source's network is at an interface of ours
// or the routing table has a way to it by one, that is neither the way to that side nor the one to everywhere.
func (r *router) claim(now time.Time, source netip.Addr, i int) {
	source = source.Unmap().WithZone("")
	c, ok := r.claims[source]
	if ok && (c.link == i && now.Sub(c.at) < wayAge || c.link != i && c.good && now.Sub(c.at) < claimRest) {
		return
	}
	if now.Sub(r.looked) >= time.Second {
		r.looked, r.looks = now, 0
	}
	if r.looks++; r.looks > looks {
		return
	}
	if !ok && len(r.claims) >= ways {
		clear(r.claims)
	}
	r.claims[source] = claim{i, r.credible(source, r.links[i].asLeg()), now}
}

// credible reports whether a source may be beyond a leg.
func (r *router) credible(source netip.Addr, x *leg) bool {
	by, known := sendsFrom(source)
	for _, l := range r.links {
		for a := range addresses(l.conn.Interface()) {
			if a.Contains(source) {
				return false
			}
			if known && a.Addr() == by {
				peer, _ := sendsFrom(x.site.addr.Addr())
				everywhere, _ := sendsFrom(nowhere(source))
				return by == peer || by == everywhere
			}
		}
	}
	return true
}

// nowhere returns an address that nobody has (RFC 5737, RFC 3849), of the family of a: the way to it is a default route.
func nowhere(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
}

// sendsFrom returns the address that the kernel would send to a host from.
func sendsFrom(to netip.Addr) (netip.Addr, bool) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9))) // nothing is sent
	if err != nil {
		return netip.Addr{}, false
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true
}

// addresses yields the addresses of an interface with their networks.
func addresses(ifi *net.Interface) func(yield func(netip.Prefix) bool) {
	return func(yield func(netip.Prefix) bool) {
		all, _ := ifi.Addrs()
		for _, a := range all {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(n.IP)
			bits, size := n.Mask.Size()
			if ip = ip.Unmap(); ip.Is4() && size == 128 {
				bits -= 96
			}
			if !yield(netip.PrefixFrom(ip, bits)) {
				return
			}
		}
	}
}

// claimed returns the leg that a source is behind.
func (r *router) claimed(now time.Time, source netip.Addr) (i int, ok bool) {
	c, ok := r.claims[source.Unmap().WithZone("")]
	return c.link, ok && c.good && now.Sub(c.at) < claimAge
}
