package mld

import "net/netip"

// Family is the protocol: of IPv6 or of IPv4.
type Family uint8

// The families.
const (
	MLD  Family = 6
	IGMP Family = 4
)

// String returns "MLD" or "IGMP".
func (f Family) String() string {
	if f == IGMP {
		return "IGMP"
	}
	return "MLD"
}

// Version is a version of the protocol of either family. A later version is greater.
type Version uint8

// The versions. MLDv1 was made from IGMPv2, and MLDv2 from IGMPv3: each pair does the same and has one value.
const (
	IGMPv1 Version = 1 // RFC 1112: no leaving, general queries only
	IGMPv2 Version = 2 // RFC 2236
	IGMPv3 Version = 3 // RFC 3376
	MLDv1          = IGMPv2
	MLDv2          = IGMPv3
)

// Name returns what the version is called in the family: "MLDv2", "IGMPv3".
func (f Family) Name(v Version) string {
	if f == MLD {
		v--
	}
	return f.String() + "v" + string('0'+rune(v))
}

// AllNodes returns the address that general queries are sent to: ff02::1 or 224.0.0.1.
func (f Family) AllNodes() netip.Addr {
	if f == IGMP {
		return netip.AddrFrom4([4]byte{224, 0, 0, 1})
	}
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 1})
}

// AllRouters returns the address that Done and Leave are sent to: ff02::2 or 224.0.0.2.
func (f Family) AllRouters() netip.Addr {
	if f == IGMP {
		return netip.AddrFrom4([4]byte{224, 0, 0, 2})
	}
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 2})
}

// ReportAddress returns the address that reports of MLDv2 and IGMPv3 are sent to [5.2.14]: ff02::16 or 224.0.0.22.
func (f Family) ReportAddress() netip.Addr {
	if f == IGMP {
		return netip.AddrFrom4([4]byte{224, 0, 0, 22})
	}
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x16})
}

// Unspecified returns :: or 0.0.0.0.
func (f Family) Unspecified() netip.Addr {
	if f == IGMP {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// has reports whether a is an address of the family, without a zone.
func (f Family) has(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && (f == IGMP) == a.Is4() && !a.Is4In6()
}

// Reportable reports whether messages are sent about group. "No MLD messages are ever sent regarding neither the link-scope all-nodes
// multicast address, nor any multicast address of scope 0 (reserved) or 1 (node-local)" [6].
func (f Family) Reportable(group netip.Addr) bool {
	if !f.has(group) || !group.IsMulticast() || group == f.AllNodes() {
		return false
	}
	return f == IGMP || group.As16()[1]&0x0f > 1
}

// linkScope reports whether the group is never forwarded beyond a link: ff02::/16, 224.0.0.0/24.
func (f Family) linkScope(group netip.Addr) bool {
	if f == IGMP {
		b := group.As4()
		return b[0] == 224 && b[1] == 0 && b[2] == 0
	}
	return group.As16()[1]&0x0f <= 2
}

// sourceSpecific reports whether the group is one of those that have no meaning without a source (RFC 4607): ff3x::/32, 232.0.0.0/8.
func (f Family) sourceSpecific(group netip.Addr) bool {
	if f == IGMP {
		return group.As4()[0] == 232
	}
	b := group.As16()
	return b[1]&0xf0 == 0x30 && b[2] == 0 && b[3] == 0
}

// unicast reports whether a can be the source of a multicast packet.
func (f Family) unicast(a netip.Addr) bool {
	return f.has(a) && !a.IsMulticast() && !a.IsUnspecified()
}

// lower reports whether the querier with the address a is elected over the one with b. All queriers of MLD have the prefix fe80::/64, so
// the interface identifier decides: "the last 64 bits of address A, in big-endian bit order" [7.6.2].
func (f Family) lower(a, b netip.Addr) bool {
	if f == IGMP {
		return a.Less(b)
	}
	x, y := a.As16(), b.As16()
	return string(x[8:]) < string(y[8:])
}

// headers returns how many octets of a packet come before the message: the network header with Router Alert.
func (f Family) headers() int {
	if f == IGMP {
		return 24
	}
	return 48
}

// addrLen returns how many octets an address has.
func (f Family) addrLen() int {
	if f == IGMP {
		return 4
	}
	return 16
}
