package pcap

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The type of the acknowledgements of PGMCC, which RFC 3208 does not have. OpenPGM and Wireshark use TypeACK; the reference
// implementation of PGMCC used TypeOldACK. Both are read.
const (
	TypeACK    packet.Type = 0x0d
	TypeOldACK packet.Type = 0x0b
)

// Acknowledgement is what follows the fixed header of an ACK, up to its options:
//
//	|                            RX_MAX                             |
//	|                       Received bitmap                         |
//	|                    Option Extensions ...                      |
type Acknowledgement struct {
	Max    packet.SQN // RX_MAX: the newest data packet received
	Bitmap uint32     // bit i: RX_MAX - i was received
}

// Append appends the fields to b, which ends with the fixed header. Options follow, then packet.Seal.
func (a Acknowledgement) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(a.Max))
	return binary.BigEndian.AppendUint32(b, a.Bitmap)
}

// Parse reads what follows the header h of an ACK, and returns its option list, which aliases body.
func (a *Acknowledgement) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != TypeACK && h.Type != TypeOldACK {
		return nil, wrongType(h)
	}
	if len(body) < 8 {
		return nil, truncated(h, "RX_MAX", packet.HeaderLen)
	}
	a.Max = packet.SQN(binary.BigEndian.Uint32(body))
	a.Bitmap = binary.BigEndian.Uint32(body[4:])
	return lastOptions(h, body[8:], packet.HeaderLen+8)
}
