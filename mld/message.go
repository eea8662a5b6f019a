package mld

import (
	"net/netip"
	"time"
)

// Kind is what a message does.
type Kind uint8

// The kinds of messages.
const (
	Query  Kind = iota + 1 // who listens?
	Report                 // I do
	Done                   // I do no more; MLDv1 and IGMPv2 (Leave Group) alone
)

// String returns the kind's name.
func (k Kind) String() string { return [...]string{"no message", "Query", "Report", "Done"}[k&3] }

// RecordType says what a record of a report is [5.2.12].
type RecordType uint8

// The types of records.
const (
	IsIn  RecordType = 1 // MODE_IS_INCLUDE
	IsEx  RecordType = 2 // MODE_IS_EXCLUDE
	ToIn  RecordType = 3 // CHANGE_TO_INCLUDE_MODE
	ToEx  RecordType = 4 // CHANGE_TO_EXCLUDE_MODE
	Allow RecordType = 5 // ALLOW_NEW_SOURCES
	Block RecordType = 6 // BLOCK_OLD_SOURCES
)

// String returns the type as the RFC's tables write it.
func (t RecordType) String() string {
	if t < IsIn || t > Block {
		return "unknown"
	}
	return [...]string{"IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"}[t-1]
}

// Record is a Multicast Address Record of a report [5.2.4]. Auxiliary data is neither sent nor kept [5.2.10].
type Record struct {
	Type    RecordType
	Group   netip.Addr
	Sources []netip.Addr
}

// Message is any message of either family. Which fields mean something depends on Kind and Version.
type Message struct {
	Kind    Kind
	Version Version
	Group   netip.Addr // Query (unspecified: of all groups), Report before MLDv2, Done

	MaxDelay   time.Duration // of a Query: Maximum Response Delay; what its code can express
	Suppress   bool          // of a Query, MLDv2: the S flag [5.1.7]
	Robustness int           // of a Query, MLDv2: QRV, 0 to 7; 0: more than 7, or not said [5.1.8]
	Interval   time.Duration // of a Query, MLDv2: QQI, in seconds; 0: not said [5.1.9]
	Sources    []netip.Addr  // of a Query, MLDv2

	Records []Record // of a Report, MLDv2

	addrs []netip.Addr // memory of the sources of Records
}

// General reports whether m is a General Query [5.1.13].
func (m *Message) General() bool { return m.Kind == Query && m.Group.IsUnspecified() }

// Packet is a message with what its validity depends on of the packet that it came in.
type Packet struct {
	Src, Dst netip.Addr // without a zone
	HopLimit uint8
	Alert    bool   // it bears IP Router Alert (RFC 2711, RFC 2113)
	Payload  []byte // the message
}

// Parse reads and checks the message in p. It keeps the memory of its lists from call to call. Refused are, for MLD, packets with a
// hop limit other than 1, without Router Alert or with a source that is not link-local [6.2], [7.4], [7.6]; reports may come from ::,
// which routers refuse [5.2.13], RFC 3590. The RFCs of IGMP ask receivers for less: a TTL of 1 is checked, Router Alert is not.
func (m *Message) Parse(f Family, p *Packet) error {
	*m = Message{Sources: m.Sources[:0], Records: m.Records[:0], addrs: m.addrs[:0]}
	if f == IGMP {
		if err := m.parseIGMP(p.Payload); err != nil {
			return err
		}
	} else if err := m.parseMLD(p); err != nil {
		return err
	}
	switch {
	case p.HopLimit != 1:
		return &Error{f, "Hop Limit", -1, ErrHopLimit}
	case f == MLD && !p.Alert:
		return &Error{f, "Router Alert", -1, ErrAlert}
	case f == MLD && !p.Src.IsLinkLocalUnicast() && !(m.Kind != Query && p.Src.IsUnspecified()):
		return &Error{f, "Source Address", -1, ErrSource}
	case f == IGMP && (!f.has(p.Src) || p.Src.IsMulticast()):
		return &Error{f, "Source Address", -1, ErrSource}
	}
	// The group of a record is looked at with the record: one that makes no sense does not take the others with it.
	switch {
	case m.Kind == Report && m.Version >= MLDv2:
	case m.Kind == Query && m.Group.IsUnspecified():
	case !m.Group.IsMulticast():
		return &Error{f, "Multicast Address", f.groupOffset(), ErrGroup}
	}
	return nil
}

// Append appends the message, with its checksum, as a packet from src to dst carries it. What a field cannot express is sent as
// the next lower value that it can.
func (m *Message) Append(b []byte, f Family, src, dst netip.Addr) []byte {
	if f == IGMP {
		return m.appendIGMP(b)
	}
	return m.appendMLD(b, src, dst)
}

// groupOffset returns where the group is in queries and in reports of the first kind.
func (f Family) groupOffset() int {
	if f == IGMP {
		return 4
	}
	return 8
}

// appendAddr appends the octets of a.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		x := a.As4()
		return append(b, x[:]...)
	}
	x := a.As16()
	return append(b, x[:]...)
}

// readAddrs appends n addresses that b starts with to list.
func (f Family) readAddrs(list []netip.Addr, b []byte, n int) []netip.Addr {
	for ; n > 0; n-- {
		list = append(list, f.readAddr(b))
		b = b[f.addrLen():]
	}
	return list
}

func (f Family) readAddr(b []byte) netip.Addr {
	if f == IGMP {
		return netip.AddrFrom4([4]byte(b))
	}
	return netip.AddrFrom16([16]byte(b))
}

// sum returns the one's-complement sum of b, padded with zero to an even length, added to s and folded to 16 bits (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(b[0])<<8 | uint32(b[1])
		s = s>>16 + s&0xffff
		b = b[2:]
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
		s = s>>16 + s&0xffff
	}
	return s
}
