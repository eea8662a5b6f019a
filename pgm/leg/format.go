// Package leg carries the PGM packets of multicast groups between two routers that have no multicast between them, in UDP unicast: the
// format in which packets cross such a leg, and the procedure by which each side knows that the other lives, who listens there, and that
// what comes is from there. RFC 3208 has nothing of the kind; docs/element.md describes it. A [Peer] is pure: packets and the time go
// in, packets come out.
//
// # Forged packets
//
// Each side chooses a random number of 64 bits when it starts, its cookie, and takes only what bears it. It is told to nobody but the
// configured address, and the other side's is believed only from what bears one's own. So whoever cannot read what passes between the two can
// forge the address of the other side, and still neither inject a packet nor keep one back. Who can read it, can do both: a leg over a
// network that is not trusted belongs into a tunnel that encrypts.
package leg

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// What can be wrong with what arrives.
var (
	ErrTruncated = errors.New("leg: truncated")
	ErrMagic     = errors.New("leg: not a packet of a leg")
	ErrVersion   = errors.New("leg: of another version")
	ErrField     = errors.New("leg: an impossible value")
	ErrCookie    = errors.New("leg: not for this peer as it now is, or forged")
	ErrHello     = errors.New("leg: too many hellos")
)

// Version is the version of the format.
const Version = 1

// magic is what every packet of a leg begins with: "PL".
const magic = 0x504c

// kind is what a packet of a leg is.
type kind uint8

const (
	hello   kind = 1 // who listens; that the sender lives
	toGroup kind = 2 // a PGM packet that was multicast
	toPeer  kind = 3 // a PGM packet that is for the router at the other side
)

// headerLen is the length of what all packets begin with.
const headerLen = 12

// The least and the greatest length of what is put in front of a PGM packet.
const (
	MinOverhead = headerLen + 4 + 2*4
	MaxOverhead = headerLen + 4 + 2*16
)

// minData is the length of the PGM header.
const minData = 16

// Packet is a PGM packet as it crosses a leg.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     'P'       |      'L'      |Version| Kind  |      TTL      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                  Cookie of the other side                     |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Family     |   reserved    |          Group's port         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Group (4 or 16 octets)                    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                    Source (4 or 16 octets)                    |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          PGM packet                           |
//
// Family is 4 or 6, and that of both addresses. The reserved octet is sent as 0 and ignored.
type Packet struct {
	Unicast bool           // it is for the router at the other side; else it was multicast
	TTL     uint8          // with which it leaves, 1 to 255: less by one at each router, so that it ends if legs form a ring
	Group   netip.AddrPort // the group, and its port in UDP
	Source  netip.Addr     // of the network header: of a multicast packet that of its source
	Data    []byte         // the PGM packet
}

// appendPacket appends p with the cookie of the other side.
func (p *Packet) appendPacket(b []byte, cookie uint64) []byte {
	k := toGroup
	if p.Unicast {
		k = toPeer
	}
	b = appendHeader(b, k, p.TTL, cookie)
	b = appendGroup(b, p.Group, 0)
	b = appendAddress(b, p.Source)
	return append(b, p.Data...)
}

// parse reads what follows the header of a packet. Data aliases b.
func (p *Packet) parse(k kind, ttl uint8, b []byte) error {
	group, _, b, err := parseGroup(b)
	if err != nil {
		return err
	}
	size := group.Addr().BitLen() / 8
	if len(b) < size+minData {
		return ErrTruncated
	}
	source, _ := netip.AddrFromSlice(b[:size])
	if ttl == 0 || source.IsUnspecified() || source.IsMulticast() || source.Is4In6() {
		return ErrField
	}
	*p = Packet{Unicast: k == toPeer, TTL: ttl, Group: group, Source: source, Data: b[size:]}
	return nil
}

func appendHeader(b []byte, k kind, ttl uint8, cookie uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, magic)
	b = append(b, Version<<4|byte(k), ttl)
	return binary.BigEndian.AppendUint64(b, cookie)
}

// parseHeader returns what the header says, and what follows it.
func parseHeader(b []byte) (k kind, ttl uint8, cookie uint64, rest []byte, err error) {
	switch {
	case len(b) < headerLen:
		return 0, 0, 0, nil, ErrTruncated
	case binary.BigEndian.Uint16(b) != magic:
		return 0, 0, 0, nil, ErrMagic
	case b[2]>>4 != Version:
		return 0, 0, 0, nil, ErrVersion
	}
	k = kind(b[2] & 0xf)
	if k < hello || k > toPeer {
		return 0, 0, 0, nil, ErrField
	}
	return k, b[3], binary.BigEndian.Uint64(b[4:]), b[headerLen:], nil
}

// appendGroup appends a group with the octet between its family and its port.
func appendGroup(b []byte, g netip.AddrPort, octet uint8) []byte {
	family := byte(6)
	if g.Addr().Unmap().Is4() {
		family = 4
	}
	b = append(b, family, octet)
	b = binary.BigEndian.AppendUint16(b, g.Port())
	return appendAddress(b, g.Addr())
}

// parseGroup reads what appendGroup writes.
func parseGroup(b []byte) (g netip.AddrPort, octet uint8, rest []byte, err error) {
	if len(b) < 4 {
		return g, 0, nil, ErrTruncated
	}
	size := 4
	switch b[0] {
	case 4:
	case 6:
		size = 16
	default:
		return g, 0, nil, ErrField
	}
	if len(b) < 4+size {
		return g, 0, nil, ErrTruncated
	}
	a, _ := netip.AddrFromSlice(b[4 : 4+size])
	g = netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[2:]))
	if !a.IsMulticast() || g.Port() == 0 {
		return g, 0, nil, ErrField
	}
	return g, b[1], b[4+size:], nil
}

// appendAddress appends an address, which says by its length of which family it is.
func appendAddress(b []byte, a netip.Addr) []byte {
	if a = a.Unmap(); a.Is4() {
		v4 := a.As4()
		return append(b, v4[:]...)
	}
	v6 := a.As16()
	return append(b, v6[:]...)
}
