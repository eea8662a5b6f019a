package poll

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Reply is what follows the fixed header of a POLR, up to its options [14.7.2-01]:
//
//	|                    POLR's Sequence Number                     |
//	|         POLR's Round          |           reserved            |
//	|                    Option Extensions ...                      |
type Reply struct {
	SQN   packet.SQN // POLR_SQN: the POLL_SQN that is answered
	Round uint16     // POLR_ROUND: the POLL_ROUND that is answered
}

// ReplyLen is how many octets a POLR without options takes.
const ReplyLen = packet.HeaderLen + 8

// Append appends the fields to b, which ends with the fixed header. Options follow, if any, then packet.Seal.
func (r Reply) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(r.SQN))
	b = binary.BigEndian.AppendUint16(b, r.Round)
	return append(b, 0, 0)
}

// AppendReply appends a whole POLR without options, which is all that a general poll asks for [14.5-09], checksum included. It
// answers a POLL of session tsi, whose packets go to port dest.
func AppendReply(b []byte, tsi packet.TSI, dest uint16, r Reply) []byte {
	start := len(b)
	b = r.Append(packet.Upstream(packet.TypePOLR, tsi, dest).Append(b))
	packet.Seal(b[start:])
	return b
}

// Parse reads what follows the header h of a POLR, and returns its option list, which aliases body.
func (r *Reply) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != packet.TypePOLR {
		return nil, &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	}
	if len(body) < 8 {
		return nil, &packet.Error{Type: h.Type, Field: "POLR's Sequence Number", Offset: packet.HeaderLen, Err: packet.ErrTruncated}
	}
	r.SQN = packet.SQN(binary.BigEndian.Uint32(body))
	r.Round = binary.BigEndian.Uint16(body[4:])
	return onlyOptions(h, body[8:], packet.HeaderLen+8)
}
