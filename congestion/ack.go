package congestion

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The type of the acknowledgements of PGMCC, which RFC 3208 does not have. OpenPGM and Wireshark use TypeACK, which is what is sent;
// the reference implementation used TypeOldACK, which is read too.
const (
	TypeACK    packet.Type = 0x0d
	TypeOldACK packet.Type = 0x0b
)

// IsACK reports whether t is a type of acknowledgements.
func IsACK(t packet.Type) bool { return t == TypeACK || t == TypeOldACK }

// Session returns the session that an ACK belongs to. RFC 3208 would have a packet of TypeOldACK travel downstream, so its header's own
// TSI takes the wrong port.
func Session(h *packet.Header) packet.TSI { return packet.TSI{GSI: h.GSI, Port: h.DestPort} }

// ACK is what follows the fixed header of an acknowledgement, up to its options [CC-2.1.2-02]:
//
//	|                            RX_MAX                             |
//	|                       Received bitmap                         |
//	|                    Option Extensions ...                      |
type ACK struct {
	Max    packet.SQN // RX_MAX, the newest data packet received
	Bitmap uint32     // bit i, of which 0 is the least significant: Max - i was received
}

// ackLen is the length of RX_MAX and the bitmap.
const ackLen = 8

// Append appends the fields to b, which ends with the fixed header. Options follow, then packet.Seal.
func (a ACK) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(a.Max))
	return binary.BigEndian.AppendUint32(b, a.Bitmap)
}

// Parse reads what follows the header h of an ACK of either type, and returns its option list, which aliases body.
func (a *ACK) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	switch {
	case !IsACK(h.Type):
		return nil, &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	case len(body) < ackLen:
		return nil, &packet.Error{Type: h.Type, Field: "RX_MAX", Offset: packet.HeaderLen, Err: packet.ErrTruncated}
	}
	a.Max = packet.SQN(binary.BigEndian.Uint32(body))
	a.Bitmap = binary.BigEndian.Uint32(body[4:])
	opts, rest, err := packet.SplitOptions(h, body[ackLen:], packet.HeaderLen+ackLen)
	if err == nil && len(rest) > 0 {
		err = &packet.Error{Type: h.Type, Field: "ACK", Offset: packet.HeaderLen + ackLen + len(opts), Err: packet.ErrLength}
	}
	return opts, err
}

// Feedback is what one ACK or NAK says of congestion: that of whichever stack sent it.
type Feedback struct {
	ACK               // when IsACK
	IsACK        bool // it is an ACK, not a NAK
	Echo              // when HasEcho
	HasEcho      bool
	Reception    Reception // when HasReception
	HasReception bool
	Requested    int // data packets that a NAK asks for
}

// ParseACK reads all of an ACK behind its header.
func (f *Feedback) ParseACK(h *packet.Header, body []byte) error {
	*f = Feedback{IsACK: true}
	opts, err := f.ACK.Parse(h, body)
	if err != nil {
		return err
	}
	return f.parse(opts)
}

// ParseNAK reads the options of a NAK that asks for so many packets. A NAK of a stack without congestion control has none of them, and
// is feedback none the less.
func (f *Feedback) ParseNAK(requested int, opts []byte) error {
	*f = Feedback{Requested: requested}
	return f.parse(opts)
}

func (f *Feedback) parse(opts []byte) error {
	for o, err := range packet.Options(opts) {
		if err != nil {
			return err
		}
		switch o.Type {
		case OptPGMCCFeedback:
			f.Echo, err = ParseEcho(o)
			f.HasEcho = true
		case OptReception:
			f.Reception, err = ParseReception(o)
			f.HasReception = true
		}
		if err != nil {
			return err
		}
	}
	return nil
}
