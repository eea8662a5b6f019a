package mld

import (
	"encoding/binary"
	"time"
)

// The message types of IGMP.
const (
	igmpQuery    = 0x11
	igmpReportV1 = 0x12
	igmpReportV2 = 0x16
	igmpLeave    = 0x17
	igmpReportV3 = 0x22
)

// protocolIGMP is the IP protocol number.
const protocolIGMP = 2

// igmpV1Delay is how long hosts may take to answer a query of IGMPv1, which does not say (RFC 2236 §4).
const igmpV1Delay = 10 * time.Second

// appendIGMP appends a message. Those of IGMPv1 and 2 end after the group (RFC 2236 §2), queries of IGMPv3 go on (RFC 3376 §4.1):
//
//	|     Type      | Max Resp Code |           Checksum            |
//	|                         Group Address                         |
//	| Resv  |S| QRV |     QQIC      |     Number of Sources (N)     |
//	|                     Source Address [1..N]                 ... |
//
// A report of IGMPv3 (RFC 3376 §4.2) is laid out as in MLDv2, with addresses of four octets and type 0x22.
func (m *Message) appendIGMP(b []byte) []byte {
	start := len(b)
	switch {
	case m.Kind == Report && m.Version >= IGMPv3:
		b = append(b, igmpReportV3, 0, 0, 0, 0, 0)
		b = appendRecords(b, m.Records)
	case m.Kind == Query && m.Version >= IGMPv3:
		b = append(b, igmpQuery, byte(encode(count(m.MaxDelay, igmpDelayUnit), narrowMantissa)), 0, 0)
		b = appendAddr(b, m.Group)
		b = m.appendQueryTail(b)
	default:
		t, code := byte(igmpReportV2), byte(0)
		switch {
		case m.Kind == Query && m.Version == IGMPv2: // at least one unit: with none, the query is one of IGMPv1
			t, code = igmpQuery, byte(max(1, min(count(m.MaxDelay, igmpDelayUnit), 0xff)))
		case m.Kind == Query:
			t = igmpQuery
		case m.Kind == Done:
			t = igmpLeave
		case m.Version == IGMPv1:
			t = igmpReportV1
		}
		b = append(b, t, code, 0, 0)
		b = appendAddr(b, m.Group)
	}
	binary.BigEndian.PutUint16(b[start+2:], ^uint16(sum(0, b[start:])))
	return b
}

// parseIGMP reads what appendIGMP writes.
func (m *Message) parseIGMP(b []byte) error {
	if len(b) < 8 {
		return &Error{IGMP, "Group Address", 4, ErrTruncated}
	}
	switch b[0] {
	case igmpQuery, igmpReportV1, igmpReportV2, igmpLeave, igmpReportV3:
	default:
		return &Error{IGMP, "Type", 0, ErrType}
	}
	if sum(0, b) != 0xffff {
		return &Error{IGMP, "Checksum", 2, ErrChecksum}
	}
	m.Version = IGMPv2
	m.Group = IGMP.readAddr(b[4:])
	switch b[0] {
	case igmpReportV3:
		m.Kind, m.Version = Report, IGMPv3
		m.Group = IGMP.Unspecified()
		return m.parseRecords(IGMP, b)
	case igmpReportV1:
		m.Kind, m.Version = Report, IGMPv1
		return nil
	case igmpReportV2:
		m.Kind = Report
		return nil
	case igmpLeave:
		m.Kind = Done
		return nil
	}
	m.Kind = Query
	switch { // RFC 3376 §7.1
	case len(b) == 8 && b[1] == 0:
		m.Version = IGMPv1
		m.MaxDelay = igmpV1Delay
		return nil
	case len(b) == 8:
		m.MaxDelay = time.Duration(b[1]) * igmpDelayUnit
		return nil
	case len(b) < 12:
		return &Error{IGMP, "Number of Sources", 10, ErrLength}
	}
	m.Version = IGMPv3
	m.MaxDelay = time.Duration(decode(uint64(b[1]), narrowMantissa)) * igmpDelayUnit
	return m.parseQueryTail(IGMP, b, 8)
}
