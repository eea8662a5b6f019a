package pcap

import (
	"encoding/binary"
	"net/netip"
)

// The protocols in IP headers that matter.
const (
	protoHopByHop    = 0
	protoUDP         = 17
	protoRouting     = 43
	protoFragment    = 44
	protoAuth        = 51
	protoDestination = 60
	protoPGM         = 113
)

// datagram is an IP packet, or a fragment of one.
type datagram struct {
	src, dst netip.Addr
	proto    byte
	ttl      byte
	alert    bool // Router Alert
	payload  []byte
	length   int // of the payload on the wire; more than len(payload) if the frame was cut

	fragment bool // what follows is set
	id       uint32
	offset   int // of the payload in the whole, in octets
	more     bool
}

// cut returns b[from:to], or what there is of it.
func cut(b []byte, from, to int) []byte { return b[min(from, len(b)):min(max(to, from), len(b))] }

// parse reads the IP packet at the front of b, of which wire octets, with whatever pads it, were on the wire. It returns false for
// what is no IP packet or too short to tell.
func (d *datagram) parse(b []byte, wire int) bool {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return d.parse4(b, wire)
	case len(b) >= 40 && b[0]>>4 == 6:
		return d.parse6(b, wire)
	}
	return false
}

func (d *datagram) parse4(b []byte, wire int) bool {
	header, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // a packet that the network card was to cut, or has put together
		total = wire
	}
	if header < 20 || total < header || header > len(b) {
		return false
	}
	flags := binary.BigEndian.Uint16(b[6:])
	*d = datagram{
		src:     netip.AddrFrom4([4]byte(b[12:16])),
		dst:     netip.AddrFrom4([4]byte(b[16:20])),
		proto:   b[9],
		ttl:     b[8],
		payload: cut(b, header, total),
		length:  total - header,
		id:      uint32(binary.BigEndian.Uint16(b[4:])),
		offset:  int(flags&0x1fff) * 8,
		more:    flags&0x2000 != 0,
	}
	d.fragment = d.more || d.offset != 0
	for o := b[20:header]; len(o) > 0 && o[0] != 0; { // 0: end of options
		if o[0] == 1 { // no operation
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			break
		}
		d.alert = d.alert || o[0] == 0x94 // RFC 2113
		o = o[o[1]:]
	}
	return true
}

// parse6 walks through extension headers. Each is at least eight octets, so the walk is linear in the length.
func (d *datagram) parse6(b []byte, wire int) bool {
	length := int(binary.BigEndian.Uint16(b[4:]))
	*d = datagram{
		src:   netip.AddrFrom16([16]byte(b[8:24])),
		dst:   netip.AddrFrom16([16]byte(b[24:40])),
		proto: b[6],
		ttl:   b[7],
	}
	if length == 0 { // a jumbogram, or as in parse4
		length = wire - 40
	}
	if length < 0 {
		return false
	}
	d.payload, d.length = cut(b, 40, 40+length), length
	for {
		p, size := d.payload, 0
		switch d.proto {
		case protoHopByHop, protoRouting, protoDestination, protoFragment, protoAuth:
			if len(p) < 8 {
				return false
			}
		default:
			return true
		}
		switch d.proto {
		case protoFragment:
			size = 8
			field := binary.BigEndian.Uint16(p[2:])
			d.fragment = true
			d.offset, d.more = int(field&0xfff8), field&1 != 0
			d.id = binary.BigEndian.Uint32(p[4:])
		case protoAuth:
			size = (int(p[1]) + 2) * 4
		default:
			size = (int(p[1]) + 1) * 8
		}
		if size > len(p) {
			return false
		}
		if d.proto == protoHopByHop {
			d.alert = d.alert || alert6(p[2:size])
		}
		d.proto, d.payload, d.length = p[0], p[size:], d.length-size
		if d.fragment && (d.offset != 0 || d.more) {
			return true // what comes next is known when the whole is
		}
		d.fragment = false
	}
}

// alert6 looks for Router Alert among hop-by-hop options (RFC 2711).
func alert6(o []byte) bool {
	for len(o) > 1 {
		switch {
		case o[0] == 0: // Pad1
			o = o[1:]
			continue
		case o[0] == 5 && o[1] == 2:
			return true
		case int(o[1])+2 > len(o):
			return false
		}
		o = o[int(o[1])+2:]
	}
	return false
}

// resume goes on with the extension headers behind the fragment header of a datagram that has been put together.
func (d *datagram) resume() bool {
	d.fragment, d.offset, d.more = false, 0, false
	if d.dst.Is4() {
		return true
	}
	for d.proto == protoDestination || d.proto == protoRouting || d.proto == protoAuth {
		p := d.payload
		if len(p) < 8 {
			return false
		}
		size := (int(p[1]) + 1) * 8
		if d.proto == protoAuth {
			size = (int(p[1]) + 2) * 4
		}
		if size > len(p) {
			return false
		}
		d.proto, d.payload, d.length = p[0], p[size:], d.length-size
	}
	return true
}
