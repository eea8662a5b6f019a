// Package packet is the vocabulary of RFC 3208: sequence numbers, session identifiers, the fixed header and its checksum
// (§8), the framing of options (§9), data packets (§8.2) and the options of more than one procedure.
//
// Decoders fill a value that the caller owns, allocate nothing unless they fail, and are total: any octets in, a value or an
// *Error out, in time linear in the length. Slices that they return alias the packet. Encoders append to the caller's buffer
// and cannot fail.
package packet

import "encoding/binary"

// HeaderLen is the length of the fixed header, in octets.
const HeaderLen = 16

// Type is a packet type, the low nibble of the Type octet [8-04].
type Type uint8

// The packet types of RFC 3208 §8.
const (
	TypeSPM   Type = 0x00
	TypePOLL  Type = 0x01
	TypePOLR  Type = 0x02
	TypeODATA Type = 0x04
	TypeRDATA Type = 0x05
	TypeNAK   Type = 0x08
	TypeNNAK  Type = 0x09
	TypeNCF   Type = 0x0a
	TypeSPMR  Type = 0x0c
	// TypeReport is not of RFC 3208. It is of the class that receivers send (0xC–0xF), which other stacks ignore when they do
	// not know the type [8-06]; a receiver tells the source with it what became of what was sent, and the source acknowledges.
	TypeReport Type = 0x0e
	// NoType is the Type of an Error that does not know its packet's.
	NoType Type = 0xff
)

// String returns the RFC's name of the type.
func (t Type) String() string {
	switch t {
	case TypeSPM:
		return "SPM"
	case TypePOLL:
		return "POLL"
	case TypePOLR:
		return "POLR"
	case TypeODATA:
		return "ODATA"
	case TypeRDATA:
		return "RDATA"
	case TypeNAK:
		return "NAK"
	case TypeNNAK:
		return "NNAK"
	case TypeNCF:
		return "NCF"
	case TypeSPMR:
		return "SPMR"
	case TypeReport:
		return "report"
	}
	const digits = "0123456789abcdef"
	return "type 0x" + string([]byte{digits[t>>4], digits[t&0xf]})
}

// IsData reports whether t is ODATA or RDATA, the only types that carry application data [8-01].
func (t Type) IsData() bool { return t == TypeODATA || t == TypeRDATA }

// IsUpstream reports whether packets of type t travel towards the source, with the ports the other way round [8.3-02]. Of the
// types without a name here, those of the class that receivers send do [8-06]: the ACK of PGMCC is one.
func (t Type) IsUpstream() bool {
	switch t {
	case TypeNAK, TypeNNAK, TypePOLR:
		return true
	}
	return t >= TypeSPMR && t <= 0x0f
}

// RouterAlert reports whether packets of type t that are multicast over IP itself bear the IP Router Alert option, for the network
// elements on their way: "SPMs, NCFs, and RDATA MUST be transmitted with the IP Router Alert Option" [4-01], and so must POLLs
// [14.4-06].
func (t Type) RouterAlert() bool {
	switch t {
	case TypeSPM, TypeNCF, TypeRDATA, TypePOLL:
		return true
	}
	return false
}

// Flags is the Options octet. RFC 3208 §8 numbers its bits from the left; the values here are those on the wire of every
// stack in the field [8-07].
type Flags uint8

// The bits of the Options octet.
const (
	FlagOptions   Flags = 0x01 // option extensions are present
	FlagNetwork   Flags = 0x02 // at least one of them is network-significant
	FlagVarPktLen Flags = 0x40 // OPT_VAR_PKTLEN: a parity packet of a group with packets of several lengths
	FlagParity    Flags = 0x80 // OPT_PARITY
)

// Header is the fixed header of every PGM packet:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|         Source Port           |       Destination Port        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|      Type     |    Options    |           Checksum            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        Global Source ID                   ... |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| ...    Global Source ID       |           TSDU Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type Header struct {
	SourcePort uint16 // downstream the Data-Source Port, upstream the Data-Destination Port
	DestPort   uint16 // the other one
	Type       Type
	Options    Flags
	Checksum   uint16 // as received; Append writes zero and Seal the sum
	GSI        GSI    // of the source of the data, in both directions [3.1-02]
	TSDULength uint16 // zero but on data [8-17]
}

// Downstream returns the header of a packet of type t from the source of session tsi to port dest [8.3-02].
func Downstream(t Type, tsi TSI, dest uint16) Header {
	return Header{SourcePort: tsi.Port, DestPort: dest, Type: t, GSI: tsi.GSI}
}

// Upstream returns the header of a packet of type t towards the source of session tsi; dest is still the Data-Destination
// Port, which the packet carries as its Source Port [8.3-02].
func Upstream(t Type, tsi TSI, dest uint16) Header {
	return Header{SourcePort: dest, DestPort: tsi.Port, Type: t, GSI: tsi.GSI}
}

// TSI returns the session that the packet belongs to, whichever way it travels [3.1-02].
func (h *Header) TSI() TSI {
	if h.Type.IsUpstream() {
		return TSI{GSI: h.GSI, Port: h.DestPort}
	}
	return TSI{GSI: h.GSI, Port: h.SourcePort}
}

// DataDestPort returns the Data-Destination Port of the packet, whichever way it travels.
func (h *Header) DataDestPort() uint16 {
	if h.Type.IsUpstream() {
		return h.SourcePort
	}
	return h.DestPort
}

// Append appends the 16 octets of the header, with the checksum zero.
func (h Header) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, h.SourcePort)
	b = binary.BigEndian.AppendUint16(b, h.DestPort)
	b = append(b, byte(h.Type), byte(h.Options), 0, 0)
	b = append(b, h.GSI[:]...)
	return binary.BigEndian.AppendUint16(b, h.TSDULength)
}

// Parse reads the header of the PGM packet b, which is all of the datagram, verifies its checksum [8-13] and returns what
// follows the header. The two reserved bits of the Type octet are ignored.
func (h *Header) Parse(b []byte) (body []byte, err error) {
	if len(b) < HeaderLen {
		return nil, &Error{NoType, "fixed header", 0, ErrTruncated}
	}
	h.SourcePort = binary.BigEndian.Uint16(b)
	h.DestPort = binary.BigEndian.Uint16(b[2:])
	h.Type = Type(b[4] & 0x0f)
	h.Options = Flags(b[5])
	h.Checksum = binary.BigEndian.Uint16(b[6:])
	h.GSI = GSI(b[8:14])
	h.TSDULength = binary.BigEndian.Uint16(b[14:])
	switch {
	case b[4]&0xc0 != 0:
		return nil, &Error{h.Type, "version", 4, ErrVersion}
	case h.Options&(FlagVarPktLen|FlagParity) == FlagVarPktLen: // [8-09]
		return nil, &Error{h.Type, "OPT_VAR_PKTLEN", 5, ErrReserved}
	case h.Checksum == 0 && h.Type.IsData(), h.Checksum != 0 && Sum(b) != 0xffff:
		return nil, &Error{h.Type, "Checksum", 6, ErrChecksum}
	case h.TSDULength != 0 && !h.Type.IsData():
		return nil, &Error{h.Type, "TSDU Length", 14, ErrReserved}
	}
	return b[HeaderLen:], nil
}

// Seal completes the packet p, which starts with its fixed header: it writes the checksum [8-10], [8-11].
func Seal(p []byte) {
	p[6], p[7] = 0, 0
	binary.BigEndian.PutUint16(p[6:], Finish(Sum(p)))
}
