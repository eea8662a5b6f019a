package packet

import (
	"encoding/binary"
	"net/netip"
)

// The address family identifiers of an NLA [8-18].
const (
	AFIv4 = 1
	AFIv6 = 2
)

// AppendNLA appends an NLA as SPMs, NAKs, NCFs and POLLs hold it: AFI, two reserved octets, address. An address that is neither
// IPv4 nor IPv6 is written as 0.0.0.0. Zones are not sent.
func AppendNLA(b []byte, a netip.Addr) []byte {
	if a.Is6() && !a.Is4In6() {
		b = append(b, 0, AFIv6, 0, 0)
		ip := a.As16()
		return append(b, ip[:]...)
	}
	var ip [4]byte
	if a.IsValid() {
		ip = a.Unmap().As4()
	}
	b = append(b, 0, AFIv4, 0, 0)
	return append(b, ip[:]...)
}

// NLALen returns how many octets AppendNLA appends for a.
func NLALen(a netip.Addr) int {
	if a.Is6() && !a.Is4In6() {
		return 20
	}
	return 8
}

// ParseNLA reads an NLA from the front of b and returns what follows. The name and offset of the field go into the error. An IPv4
// address that came as an IPv4-mapped IPv6 one is returned as IPv4: it names the same host, and addresses are compared.
func ParseNLA(b []byte, t Type, field string, offset int) (a netip.Addr, rest []byte, err error) {
	if len(b) < 4 {
		return a, nil, &Error{t, field, offset, ErrTruncated}
	}
	switch binary.BigEndian.Uint16(b) {
	case AFIv4:
		if len(b) < 8 {
			return a, nil, &Error{t, field, offset, ErrTruncated}
		}
		return netip.AddrFrom4([4]byte(b[4:8])), b[8:], nil
	case AFIv6:
		if len(b) < 20 {
			return a, nil, &Error{t, field, offset, ErrTruncated}
		}
		return netip.AddrFrom16([16]byte(b[4:20])).Unmap(), b[20:], nil
	}
	return a, nil, &Error{t, field + " AFI", offset, ErrReserved}
}
