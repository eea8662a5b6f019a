package pcap

import (
	"encoding/binary"
	"strconv"
)

// linkType says what the frames of an interface begin with, by the numbers of tcpdump.org/linktypes.html.
type linkType uint16

const (
	linkNull     linkType = 0 // BSD loopback, the protocol in the order of the machine
	linkEthernet linkType = 1
	linkRawDLT   linkType = 12  // DLT_RAW of most systems
	linkRawBSD   linkType = 14  // DLT_RAW of OpenBSD
	linkRaw      linkType = 101 // IPv4 or IPv6, without anything in front
	linkLoop     linkType = 108 // OpenBSD loopback, the protocol in network order
	linkCooked   linkType = 113 // LINUX_SLL
	linkIPv4     linkType = 228
	linkIPv6     linkType = 229
	linkCooked2  linkType = 276 // LINUX_SLL2
)

func (l linkType) known() bool {
	switch l {
	case linkNull, linkEthernet, linkRawDLT, linkRawBSD, linkRaw, linkLoop, linkCooked, linkIPv4, linkIPv6, linkCooked2:
		return true
	}
	return false
}

// String returns the number, which is what lists of link types go by.
func (l linkType) String() string { return "link type " + strconv.Itoa(int(l)) }

// The EtherTypes that matter.
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100 // 802.1Q
	etherQinQ   = 0x88a8 // 802.1ad
	etherVLAN91 = 0x9100 // what came before 802.1ad
)

// network returns the IP packet in a frame, and how many octets of it, with whatever pads it, were on the wire; ok is false if
// there is none.
func (f *frame) network() (b []byte, wire int, ok bool) {
	at, ok := f.link.skip(f.data)
	if !ok || at >= len(f.data) {
		return nil, 0, false
	}
	return f.data[at:], f.length - at, true
}

// skip returns how many octets are in front of the IP packet in frame b; ok is false if it holds none.
func (l linkType) skip(b []byte) (n int, ok bool) {
	switch l {
	case linkRaw, linkRawDLT, linkRawBSD, linkIPv4, linkIPv6:
		return 0, true
	case linkEthernet:
		if len(b) < 14 {
			return 0, false
		}
		return skipEtherType(b, 12)
	case linkCooked:
		if len(b) < 16 {
			return 0, false
		}
		return skipEtherType(b, 14)
	case linkCooked2:
		if len(b) < 20 {
			return 0, false
		}
		// The protocol comes first; tags of VLANs follow the header all the same.
		return skipTags(b, binary.BigEndian.Uint16(b), 20)
	case linkNull, linkLoop:
		if len(b) < 4 {
			return 0, false
		}
		// A protocol family is a small number, in whichever order; those of IPv6 differ between systems.
		family := binary.LittleEndian.Uint32(b)
		if family > 0xffff {
			family = binary.BigEndian.Uint32(b)
		}
		switch family {
		case 2, 10, 24, 28, 30:
			return 4, true
		}
	}
	return 0, false
}

// skipEtherType passes the EtherType at offset at, VLAN tags, however many, and 802.2 with SNAP.
func skipEtherType(b []byte, at int) (int, bool) {
	kind := binary.BigEndian.Uint16(b[at:])
	at += 2
	if kind < 0x600 { // a length: 802.3
		if len(b) < at+8 || string(b[at:at+6]) != "\xaa\xaa\x03\x00\x00\x00" {
			return 0, false
		}
		kind, at = binary.BigEndian.Uint16(b[at+6:]), at+8
	}
	return skipTags(b, kind, at)
}

func skipTags(b []byte, kind uint16, at int) (int, bool) {
	for kind == etherVLAN || kind == etherQinQ || kind == etherVLAN91 {
		if len(b) < at+4 {
			return 0, false
		}
		kind, at = binary.BigEndian.Uint16(b[at+2:]), at+4
	}
	return at, kind == etherIPv4 || kind == etherIPv6
}
