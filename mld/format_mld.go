package mld

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The message types of ICMPv6 that are MLD's.
const (
	typeQuery    = 130
	typeReportV1 = 131
	typeDone     = 132
	typeReportV2 = 143
)

// protocolICMPv6 is the Next Header value.
const protocolICMPv6 = 58

// Lengths of MLD messages: those of version 1, and the least of a version 2 query.
const (
	lenV1      = 24
	lenQueryV2 = 28
)

// appendMLD appends a message. Those of MLDv1 and the query of both versions [3.1 of v1], [5.1]; a message of MLDv1 ends after the
// Multicast Address:
//
//	|     Type      |     Code      |           Checksum            |
//	|    Maximum Response Code      |           Reserved            |
//	|                                                               |
//	|                       Multicast Address                       |
//	|                                                               |
//	| Resv  |S| QRV |     QQIC      |     Number of Sources (N)     |
//	|                     Source Address [1..N]                 ... |
//
// A report of MLDv2 [5.2]:
//
//	|  Type = 143   |    Reserved   |           Checksum            |
//	|           Reserved            |Nr of Mcast Address Records (M)|
//	|               Multicast Address Record [1..M]             ... |
//
// and each record:
//
//	|  Record Type  |  Aux Data Len |     Number of Sources (N)     |
//	|                       Multicast Address                       |
//	|                     Source Address [1..N]                 ... |
func (m *Message) appendMLD(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	switch {
	case m.Kind == Report && m.Version >= MLDv2:
		b = append(b, typeReportV2, 0, 0, 0, 0, 0)
		b = appendRecords(b, m.Records)
	case m.Kind == Query && m.Version >= MLDv2:
		b = append(b, typeQuery, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(encode(count(m.MaxDelay, delayUnit), wideMantissa)))
		b = append(b, 0, 0)
		b = appendAddr(b, m.Group)
		b = m.appendQueryTail(b)
	case m.Kind == Query: // the full range of the field is linear [8.2.1]
		b = append(b, typeQuery, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(min(count(m.MaxDelay, delayUnit), 0xffff)))
		b = append(b, 0, 0)
		b = appendAddr(b, m.Group)
	default:
		t := byte(typeReportV1)
		if m.Kind == Done {
			t = typeDone
		}
		b = append(b, t, 0, 0, 0, 0, 0, 0, 0)
		b = appendAddr(b, m.Group)
	}
	binary.BigEndian.PutUint16(b[start+2:], ^uint16(sumICMPv6(src, dst, b[start:])))
	return b
}

// appendQueryTail appends what queries of MLDv2 and IGMPv3 have after the group.
func (m *Message) appendQueryTail(b []byte) []byte {
	flags := byte(0)
	if m.Robustness <= 7 { // "If the Querier's [Robustness Variable] exceeds 7 [...] the QRV field is set to zero" [5.1.8]
		flags = byte(m.Robustness)
	}
	if m.Suppress {
		flags |= 0x08
	}
	b = append(b, flags, byte(encode(count(m.Interval, intervalUnit), narrowMantissa)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Sources)))
	for _, a := range m.Sources {
		b = appendAddr(b, a)
	}
	return b
}

// appendRecords appends how many records there are, and the records.
func appendRecords(b []byte, records []Record) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(records)))
	for _, r := range records {
		b = append(b, byte(r.Type), 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(r.Sources)))
		b = appendAddr(b, r.Group)
		for _, a := range r.Sources {
			b = appendAddr(b, a)
		}
	}
	return b
}

// parseMLD reads what appendMLD writes. Octets behind the fields count for the checksum and for nothing else [5.1.12], [5.2.11], [3.7 of v1].
func (m *Message) parseMLD(p *Packet) error {
	b := p.Payload
	if len(b) < 4 {
		return &Error{MLD, "Type", 0, ErrTruncated}
	}
	switch b[0] {
	case typeQuery, typeReportV1, typeDone, typeReportV2:
	default:
		return &Error{MLD, "Type", 0, ErrType}
	}
	if !MLD.has(p.Src) || !MLD.has(p.Dst) {
		return &Error{MLD, "Source Address", -1, ErrSource}
	}
	if sumICMPv6(p.Src, p.Dst, b) != 0xffff {
		return &Error{MLD, "Checksum", 2, ErrChecksum}
	}
	if b[0] == typeReportV2 {
		m.Kind, m.Version = Report, MLDv2
		return m.parseRecords(MLD, b)
	}
	if len(b) < lenV1 {
		return &Error{MLD, "Multicast Address", 8, ErrTruncated}
	}
	m.Version = MLDv1
	m.Group = MLD.readAddr(b[8:])
	switch b[0] {
	case typeReportV1:
		m.Kind = Report
		return nil
	case typeDone:
		m.Kind = Done
		return nil
	}
	m.Kind = Query
	code := uint64(binary.BigEndian.Uint16(b[4:]))
	// "MLDv1 Query: length = 24 octets. MLDv2 Query: length >= 28 octets. Query messages that do not match any of the above conditions
	// (e.g., a Query of length 26 octets) MUST be silently ignored" [8.1].
	switch {
	case len(b) == lenV1:
		m.MaxDelay = time.Duration(code) * delayUnit
		return nil
	case len(b) < lenQueryV2:
		return &Error{MLD, "Number of Sources", 26, ErrLength}
	}
	m.Version = MLDv2
	m.MaxDelay = time.Duration(decode(code, wideMantissa)) * delayUnit
	return m.parseQueryTail(MLD, b, lenV1)
}

// parseQueryTail reads what is behind the group, at offset at.
func (m *Message) parseQueryTail(f Family, b []byte, at int) error {
	m.Suppress = b[at]&0x08 != 0
	m.Robustness = int(b[at] & 0x07)
	m.Interval = time.Duration(decode(uint64(b[at+1]), narrowMantissa)) * intervalUnit
	n := int(binary.BigEndian.Uint16(b[at+2:]))
	if len(b)-at-4 < n*f.addrLen() {
		return &Error{f, "Source Address", at + 4, ErrTruncated}
	}
	m.Sources = f.readAddrs(m.Sources, b[at+4:], n)
	return nil
}

// parseRecords reads a report of MLDv2 or IGMPv3. If it promises more than it holds, all of it is refused. Records of unknown types are
// skipped, "with the rest of the report being processed" [5.2.12].
func (m *Message) parseRecords(f Family, b []byte) error {
	if len(b) < 8 {
		return &Error{f, "Nr of Mcast Address Records", 6, ErrTruncated}
	}
	n := int(binary.BigEndian.Uint16(b[6:]))
	at, alen := 8, f.addrLen()
	for ; n > 0; n-- {
		if len(b)-at < 4+alen {
			return &Error{f, "Multicast Address Record", at, ErrTruncated}
		}
		t, aux, sources := RecordType(b[at]), int(b[at+1])*4, int(binary.BigEndian.Uint16(b[at+2:]))
		if len(b)-at < 4+alen+sources*alen+aux {
			return &Error{f, "Multicast Address Record", at, ErrTruncated}
		}
		if t >= IsIn && t <= Block {
			first := len(m.addrs)
			m.addrs = f.readAddrs(m.addrs, b[at+4+alen:], sources)
			m.Records = append(m.Records, Record{t, f.readAddr(b[at+4:]), m.addrs[first:len(m.addrs):len(m.addrs)]})
		}
		at += 4 + alen + sources*alen + aux
	}
	return nil
}

// sumICMPv6 returns the sum over the pseudo-header (RFC 8200 §8.1) and the message, 0xffff when the checksum is in place.
func sumICMPv6(src, dst netip.Addr, b []byte) uint32 {
	x, y := src.As16(), dst.As16()
	s := sum(sum(0, x[:]), y[:])
	s = sum(s, []byte{byte(len(b) >> 24), byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b)), 0, 0, 0, protocolICMPv6})
	return sum(s, b)
}
