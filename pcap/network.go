package pcap

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// unknownTTL is written where a TTL is not known.
const unknownTTL = 64

// appendNetwork appends the IP header, and that of UDP if p has one, which go in front of p. length is that of the PGM packet on
// the wire, of which p may hold less.
func appendNetwork(b []byte, p *Packet, length int) ([]byte, error) {
	src, dst := p.Src.Addr().Unmap(), p.Dst.Addr().Unmap()
	if !src.IsValid() && dst.Is4() {
		src = netip.IPv4Unspecified()
	} else if !src.IsValid() && dst.Is6() {
		src = netip.IPv6Unspecified()
	}
	if !dst.IsValid() || src.Is4() != dst.Is4() {
		return nil, ErrAddress
	}
	proto, payload := byte(protoPGM), length
	if p.UDP {
		proto, payload = protoUDP, length+8
	}
	ttl := byte(unknownTTL)
	if p.TTL > 0 && p.TTL < 256 {
		ttl = byte(p.TTL)
	}
	if dst.Is4() {
		header := 20
		if p.RouterAlert {
			header = 24
		}
		if header+payload > 65535 {
			return nil, ErrTooLong
		}
		b = append4(b, src, dst, proto, ttl, p.RouterAlert, header+payload)
	} else {
		if p.RouterAlert {
			payload += 8
		}
		if payload > 65535 {
			return nil, ErrTooLong
		}
		b = append6(b, src, dst, proto, ttl, p.RouterAlert, payload)
	}
	if p.UDP {
		b = appendUDP(b, p, src, dst, length+8)
	}
	return b, nil
}

// append4 appends an IPv4 header, not to be fragmented and so without an identification (RFC 6864).
func append4(b []byte, src, dst netip.Addr, proto, ttl byte, alert bool, total int) []byte {
	at := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(total))
	b = append(b, 0, 0, 0x40, 0, ttl, proto, 0, 0)
	s, d := src.As4(), dst.As4()
	b = append(append(b, s[:]...), d[:]...)
	if alert {
		b[at] = 0x46
		b = append(b, 0x94, 4, 0, 0) // RFC 2113
	}
	binary.BigEndian.PutUint16(b[at+10:], ^packet.Sum(b[at:]))
	return b
}

// append6 appends an IPv6 header, and a hop-by-hop header with Router Alert (RFC 2711) if there is to be one. RFC 3208 defines none
// for IPv6: the value is 0, as in what this family's other group protocol, MLD, sends.
func append6(b []byte, src, dst netip.Addr, proto, ttl byte, alert bool, payload int) []byte {
	next := proto
	if alert {
		next = protoHopByHop
	}
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(payload))
	b = append(b, next, ttl)
	s, d := src.As16(), dst.As16()
	b = append(append(b, s[:]...), d[:]...)
	if alert {
		b = append(b, proto, 0, 5, 2, 0, 0, 1, 0) // Router Alert, PadN
	}
	return b
}

// appendUDP appends a UDP header. The checksum of a packet that was cut cannot be known, and is left out.
func appendUDP(b []byte, p *Packet, src, dst netip.Addr, length int) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, p.Src.Port())
	b = binary.BigEndian.AppendUint16(b, p.Dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	if length != len(p.Data)+8 {
		return b
	}
	sum := packet.Add(packet.Sum(b[at:]), packet.Sum(p.Data))
	sum = packet.Add(sum, packet.Add(addressSum(src), addressSum(dst)))
	sum = packet.Add(sum, packet.Add(protoUDP, uint16(length)))
	binary.BigEndian.PutUint16(b[at+6:], packet.Finish(sum)) // 0xffff in the place of 0 here, too
	return b
}

func addressSum(a netip.Addr) uint16 {
	if a.Is4() {
		ip := a.As4()
		return packet.Sum(ip[:])
	}
	ip := a.As16()
	return packet.Sum(ip[:])
}
