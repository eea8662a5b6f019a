package pcap

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// PollResponse is what follows the fixed header of a POLR, up to its options [14.7.2-01]:
//
//	|                    POLR's Sequence Number                     |
//	|         POLR's Round          |           Reserved            |
//	|                    Option Extensions ...                      |
type PollResponse struct {
	SQN   packet.SQN // POLR_SQN: POLL_SQN of the poll that is answered
	Round uint16     // POLR_ROUND: its POLL_ROUND
}

// Append appends the fields to b, which ends with the fixed header. Options follow, then packet.Seal.
func (p PollResponse) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.SQN))
	b = binary.BigEndian.AppendUint16(b, p.Round)
	return append(b, 0, 0)
}

// Parse reads what follows the header h of a POLR, and returns its option list, which aliases body.
func (p *PollResponse) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != packet.TypePOLR {
		return nil, wrongType(h)
	}
	if len(body) < 8 {
		return nil, truncated(h, "POLR's Sequence Number", packet.HeaderLen)
	}
	p.SQN = packet.SQN(binary.BigEndian.Uint32(body))
	p.Round = binary.BigEndian.Uint16(body[4:])
	return lastOptions(h, body[8:], packet.HeaderLen+8)
}
