// Package poll implements the polling of children by their parent (RFC 3208 §14): the formats of POLL and POLR, the child that
// replies, the parent that polls and estimates how many children it has; and what keeps NAKs from imploding (§15): the tuning of
// NAK_BO_IVL at a parent, what a receiver takes over of it, and the silence after a multicast failure, with their options.
package poll

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Subtype is POLL_S_TYPE: who is asked [14.3.2-03].
type Subtype uint16

// The sub-types of RFC 3208 §14.6.
const (
	General Subtype = 0 // PGM_POLL_GENERAL: every child
	DLR     Subtype = 1 // PGM_POLL_DLR: designated local repairers
)

// Packet is what follows the fixed header of a POLL, up to its options [14.7.1-01]:
//
//	|                    POLL's Sequence Number                     |
//	|         POLL's Round          |       POLL's Sub-type         |
//	|            NLA AFI            |          Reserved             |
//	|                            Path NLA                     ...   |
//	|                  POLL's  Back-off Interval                    |
//	|                        Random String                          |
//	|                      Matching Bit-Mask                        |
//	|                    Option Extensions ...                      |
type Packet struct {
	SQN     packet.SQN    // POLL_SQN: one for all rounds of a poll [14.2.1-01]
	Round   uint16        // POLL_ROUND
	Subtype Subtype       // POLL_S_TYPE
	Path    netip.Addr    // POLL_PATH: where replies go
	BackOff time.Duration // POLL_BO_IVL, over which replies spread; travels as microseconds, 0..2^32-1
	Rand    uint32        // POLL_RAND
	Mask    uint32        // POLL_MASK: which bits of POLL_RAND and RAND_NODE_ID must agree; each halves the number of replies
}

// Append appends the fields to b, which ends with the fixed header. Options follow, then packet.Seal.
func (p Packet) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.SQN))
	b = binary.BigEndian.AppendUint16(b, p.Round)
	b = binary.BigEndian.AppendUint16(b, uint16(p.Subtype))
	b = packet.AppendNLA(b, p.Path)
	b = binary.BigEndian.AppendUint32(b, micros(p.BackOff))
	b = binary.BigEndian.AppendUint32(b, p.Rand)
	return binary.BigEndian.AppendUint32(b, p.Mask)
}

// Len returns how many octets the fixed header and what Append appends are.
func (p *Packet) Len() int { return packet.HeaderLen + 8 + packet.NLALen(p.Path) + 12 }

// Parse reads what follows the header h of a POLL, and returns its option list, which aliases body. A sub-type without a meaning
// is no error: who does not know it ignores the POLL [14.3.2-03].
func (p *Packet) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != packet.TypePOLL {
		return nil, &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	}
	if len(body) < 8 {
		return nil, &packet.Error{Type: h.Type, Field: "POLL's Sequence Number", Offset: packet.HeaderLen, Err: packet.ErrTruncated}
	}
	p.SQN = packet.SQN(binary.BigEndian.Uint32(body))
	p.Round = binary.BigEndian.Uint16(body[4:])
	p.Subtype = Subtype(binary.BigEndian.Uint16(body[6:]))
	path, rest, err := packet.ParseNLA(body[8:], h.Type, "Path NLA", packet.HeaderLen+8)
	if err != nil {
		return nil, err
	}
	p.Path = path
	at := packet.HeaderLen + len(body) - len(rest)
	if len(rest) < 12 {
		return nil, &packet.Error{Type: h.Type, Field: "POLL's Back-off Interval", Offset: at, Err: packet.ErrTruncated}
	}
	p.BackOff = duration(rest)
	p.Rand = binary.BigEndian.Uint32(rest[4:])
	p.Mask = binary.BigEndian.Uint32(rest[8:])
	return onlyOptions(h, rest[12:], at+12)
}

// onlyOptions returns the option list at offset at, behind which the packet ends [8-17].
func onlyOptions(h *packet.Header, b []byte, at int) (opts []byte, err error) {
	opts, rest, err := packet.SplitOptions(h, b, at)
	if err == nil && len(rest) > 0 {
		opts, err = nil, &packet.Error{Type: h.Type, Field: "end of packet", Offset: at + len(b) - len(rest), Err: packet.ErrLength}
	}
	return opts, err
}

// micros returns d in microseconds, rounded up, as far as 32 bits hold it.
func micros(d time.Duration) uint32 {
	switch {
	case d <= 0:
		return 0
	case d > math.MaxUint32*time.Microsecond:
		return math.MaxUint32
	}
	return uint32((d + time.Microsecond - 1) / time.Microsecond)
}

// duration reads a number of microseconds from the front of b.
func duration(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Microsecond
}

// isHost reports whether a is the address of one host: a packet can be unicast to it.
func isHost(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
