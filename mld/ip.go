package mld

import "encoding/binary"

// Parse reads a whole IP packet of the family, from its network header on, as a packet socket or a capture has it. ErrType is what it
// returns for packets of other protocols. The payload aliases b.
func (p *Packet) Parse(f Family, b []byte) error {
	if f == IGMP {
		return p.parseIPv4(b)
	}
	return p.parseIPv6(b)
}

// parseIPv6 reads an IPv6 header (RFC 8200 §3) and the Hop-by-Hop Options header behind it. Other extension headers, which MLD has no use
// for, are not followed.
func (p *Packet) parseIPv6(b []byte) error {
	if len(b) < 40 || b[0]>>4 != 6 {
		return &Error{MLD, "IPv6 header", -1, ErrTruncated}
	}
	*p = Packet{Src: MLD.readAddr(b[8:]), Dst: MLD.readAddr(b[24:]), HopLimit: b[7]}
	next, n := b[6], int(binary.BigEndian.Uint16(b[4:]))
	b = b[40:]
	if len(b) < n {
		return &Error{MLD, "Payload Length", -1, ErrTruncated}
	}
	b = b[:n] // what is behind is padding of the link
	if next == 0 {
		if len(b) < 8 || len(b) < 8+8*int(b[1]) {
			return &Error{MLD, "Hop-by-Hop Options", -1, ErrTruncated}
		}
		options := b[:8+8*int(b[1])]
		p.Alert = hasAlert(options[2:])
		next, b = b[0], b[len(options):]
	}
	if next != protocolICMPv6 {
		return &Error{MLD, "Next Header", -1, ErrType}
	}
	p.Payload = b
	return nil
}

// hasAlert reports whether among the options of a Hop-by-Hop Options header is Router Alert with the value for MLD, 0 (RFC 2711 §2.1).
func hasAlert(options []byte) bool {
	for len(options) > 0 {
		if options[0] == 0 { // Pad1
			options = options[1:]
			continue
		}
		if len(options) < 2 || len(options) < 2+int(options[1]) {
			return false
		}
		if options[0] == 5 && options[1] == 2 && options[2] == 0 && options[3] == 0 {
			return true
		}
		options = options[2+int(options[1]):]
	}
	return false
}

// alertOptions is the Hop-by-Hop Options header of MLD, its Next Header to be filled in: Router Alert, and PadN for eight octets.
var alertOptions = [8]byte{0, 0, 5, 2, 0, 0, 1, 0}

// parseIPv4 reads an IPv4 header (RFC 791 §3.1).
func (p *Packet) parseIPv4(b []byte) error {
	if len(b) < 20 || b[0]>>4 != 4 {
		return &Error{IGMP, "IPv4 header", -1, ErrTruncated}
	}
	head, n := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < 20 || n < head || len(b) < n {
		return &Error{IGMP, "Total Length", -1, ErrTruncated}
	}
	*p = Packet{Src: IGMP.readAddr(b[12:]), Dst: IGMP.readAddr(b[16:]), HopLimit: b[8]}
	if b[9] != protocolIGMP || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // a fragment is no message
		return &Error{IGMP, "Protocol", -1, ErrType}
	}
	for o := b[20:head]; len(o) > 0 && o[0] != 0; {
		if o[0] == 1 { // no operation
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || len(o) < int(o[1]) {
			break
		}
		p.Alert = p.Alert || o[0] == 148 && o[1] == 4
		o = o[o[1]:]
	}
	p.Payload = b[head:n]
	return nil
}
