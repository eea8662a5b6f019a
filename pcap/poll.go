package pcap

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// PollRequest is what follows the fixed header of a POLL, up to its options [14.7.1-01]:
//
//	|                    POLL's Sequence Number                     |
//	|         POLL's Round          |       POLL's Sub-type         |
//	|            NLA AFI            |          Reserved             |
//	|                            Path NLA                       ... |
//	|                  POLL's Back-off Interval                     |
//	|                        Random String                          |
//	|                    Matching Bit-Mask                          |
//	|                    Option Extensions ...                      |
type PollRequest struct {
	SQN     packet.SQN // POLL_SQN, a space of its own for each Path
	Round   uint16     // POLL_ROUND
	SubType uint16     // POLL_S_TYPE
	Path    netip.Addr // POLL_PATH: where the polling parent is reached
	BackOff uint32     // POLL_BO_IVL, in microseconds
	Random  uint32     // POLL_RAND
	Mask    uint32     // POLL_MASK: which bits of Random a child compares with its own; 0: everybody answers
}

// The sub-types of POLL.
const (
	PollGeneral uint16 = 0 // PGM_POLL_GENERAL
	PollDLR     uint16 = 1 // PGM_POLL_DLR
)

// Append appends the fields to b, which ends with the fixed header. Options follow, then packet.Seal.
func (p PollRequest) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.SQN))
	b = binary.BigEndian.AppendUint16(b, p.Round)
	b = binary.BigEndian.AppendUint16(b, p.SubType)
	b = packet.AppendNLA(b, p.Path)
	b = binary.BigEndian.AppendUint32(b, p.BackOff)
	b = binary.BigEndian.AppendUint32(b, p.Random)
	return binary.BigEndian.AppendUint32(b, p.Mask)
}

// Parse reads what follows the header h of a POLL, and returns its option list, which aliases body.
func (p *PollRequest) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != packet.TypePOLL {
		return nil, wrongType(h)
	}
	if len(body) < 8 {
		return nil, truncated(h, "POLL's Sequence Number", packet.HeaderLen)
	}
	p.SQN = packet.SQN(binary.BigEndian.Uint32(body))
	p.Round = binary.BigEndian.Uint16(body[4:])
	p.SubType = binary.BigEndian.Uint16(body[6:])
	path, rest, err := packet.ParseNLA(body[8:], h.Type, "Path NLA", packet.HeaderLen+8)
	if err != nil {
		return nil, err
	}
	at := packet.HeaderLen + len(body) - len(rest)
	if len(rest) < 12 {
		return nil, truncated(h, "POLL's Back-off Interval", at)
	}
	p.Path = path
	p.BackOff = binary.BigEndian.Uint32(rest)
	p.Random = binary.BigEndian.Uint32(rest[4:])
	p.Mask = binary.BigEndian.Uint32(rest[8:])
	return lastOptions(h, rest[12:], at+12)
}

// lastOptions reads the option list that ends a packet without data [8-17]. offset is where b begins in the packet.
func lastOptions(h *packet.Header, b []byte, offset int) (opts []byte, err error) {
	opts, rest, err := packet.SplitOptions(h, b, offset)
	if err == nil && len(rest) > 0 {
		opts, err = nil, &packet.Error{Type: h.Type, Field: "end of packet", Offset: offset + len(b) - len(rest), Err: packet.ErrLength}
	}
	return opts, err
}

func wrongType(h *packet.Header) error {
	return &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
}

func truncated(h *packet.Header, field string, offset int) error {
	return &packet.Error{Type: h.Type, Field: field, Offset: offset, Err: packet.ErrTruncated}
}
