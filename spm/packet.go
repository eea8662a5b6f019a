package spm

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The window fields of an SPM that says nothing about the window [8.1-04]. No real window looks like it: it would hold more than
// packet.MaxWindow packets.
const (
	NoTrail packet.SQN = 0
	NoLead  packet.SQN = 0x8000_0000
)

// Packet is what follows the fixed header of an SPM, up to its options [8.1-01]:
//
//	|                     SPM's Sequence Number                     |
//	|                  Trailing Edge Sequence Number                |
//	|                   Leading Edge Sequence Number                |
//	|            NLA AFI            |          Reserved             |
//	|                            Path NLA                       ... |
//	|                    Option Extensions ...                      |
type Packet struct {
	SQN   packet.SQN // of the SPM itself: a space of its own [3.6.1.1-01]
	Trail packet.SQN // TXW_TRAIL
	Lead  packet.SQN // TXW_LEAD; Trail - 1 when the window is empty [3.3-03]
	Path  netip.Addr // SPM_PATH: where the PGM hop that sent or forwarded the SPM is reached
}

// NoWindow reports whether the SPM carries no window information [8.1-04].
func (p *Packet) NoWindow() bool { return p.Trail == NoTrail && p.Lead == NoLead }

// Append appends the fields to b, which ends with the fixed header. Options follow, then packet.Seal.
func (p Packet) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.SQN))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Trail))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Lead))
	return packet.AppendNLA(b, p.Path)
}

// Parse reads what follows the header h of an SPM, and returns its option list, which aliases body. A window that cannot be, of
// more than packet.MaxWindow packets, is refused [3.3-02].
func (p *Packet) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	if h.Type != packet.TypeSPM {
		return nil, &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	}
	if len(body) < 12 {
		return nil, &packet.Error{Type: h.Type, Field: "SPM's Sequence Number", Offset: packet.HeaderLen, Err: packet.ErrTruncated}
	}
	p.SQN = packet.SQN(binary.BigEndian.Uint32(body))
	p.Trail = packet.SQN(binary.BigEndian.Uint32(body[4:]))
	p.Lead = packet.SQN(binary.BigEndian.Uint32(body[8:]))
	path, rest, err := packet.ParseNLA(body[12:], h.Type, "Path NLA", packet.HeaderLen+12)
	if err != nil {
		return nil, err
	}
	p.Path = path
	opts, rest, err = packet.SplitOptions(h, rest, packet.HeaderLen+len(body)-len(rest))
	switch {
	case err != nil:
		return nil, err
	case len(rest) > 0: // [8-17]
		return nil, &packet.Error{Type: h.Type, Field: "end of packet", Offset: packet.HeaderLen + len(body) - len(rest), Err: packet.ErrLength}
	case p.Lead-p.Trail+1 > packet.MaxWindow && !p.NoWindow():
		return nil, &packet.Error{Type: h.Type, Field: "Leading Edge Sequence Number", Offset: packet.HeaderLen + 8, Err: packet.ErrWindow}
	}
	return opts, nil
}
