// Package nak implements the negative acknowledgement: the format of NAK, NNAK and NCF (RFC 3208 §8.3) with OPT_NAK_LIST (§9.3), and
// NAK generation at a receiver (§6.3), which decides when to ask for a packet that is missing.
package nak

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// MaxList is the most sequence numbers that OPT_NAK_LIST holds, besides the one in front of it [9.3-02].
const MaxList = 62

// Packet is what follows the fixed header of a NAK, a NNAK and an NCF alike [8.3-01]; the type in the header tells which.
//
//	|             Requested Sequence Number                         |
//	|            NLA AFI            |          Reserved             |
//	|                        Source NLA                         ... |
//	|            NLA AFI            |          Reserved             |
//	|                   Multicast Group NLA                     ... |
//	|                    Option Extensions ...                      |
type Packet struct {
	SQN    packet.SQN   // the data packet that is asked for, the oldest of those that are
	Source netip.Addr   // of the data, not of the packet
	Group  netip.Addr   // that the data is sent to
	List   []packet.SQN // OPT_NAK_LIST: up to MaxList more, ascending when sent [9.3-03]; in the order received when parsed
	// Extra is further options to send, encoded as packet.AppendOption does it, those that are network-significant first. They follow
	// OPT_NAK_LIST: OpenPGM does not look at the last of several options, where it would miss the list. Parse leaves it empty.
	Extra []byte
}

// Append appends the whole packet to b: the header h, whose type is TypeNAK, TypeNNAK or TypeNCF, p, and the checksum. An NCF made
// from the NAK that it confirms so has the same body, list included [3.6.4.1-01], [9.3.4-01]. Of a longer list than MaxList
// only the first MaxList are sent.
func Append(b []byte, h packet.Header, p *Packet) []byte {
	start := len(b)
	b = h.Append(b)
	b = binary.BigEndian.AppendUint32(b, uint32(p.SQN))
	b = packet.AppendNLA(b, p.Source)
	b = packet.AppendNLA(b, p.Group)
	if list := p.List[:min(len(p.List), MaxList)]; len(list) > 0 || len(p.Extra) > 0 {
		at := len(b) - start
		b = packet.BeginOptions(b)
		if len(list) > 0 {
			b = append(b, byte(packet.OptNAKList), byte(4+4*len(list)), 0, 0)
			for _, s := range list {
				b = binary.BigEndian.AppendUint32(b, uint32(s))
			}
		}
		b = append(b, p.Extra...)
		packet.EndOptions(b[start:], at)
	}
	packet.Seal(b[start:])
	return b
}

// Len returns how many octets Append appends for p.
func (p *Packet) Len() int {
	n := packet.HeaderLen + 4 + packet.NLALen(p.Source) + packet.NLALen(p.Group)
	if len(p.List) > 0 || len(p.Extra) > 0 {
		n += 4 + len(p.Extra)
	}
	if list := min(len(p.List), MaxList); list > 0 {
		n += 4 + 4*list
	}
	return n
}

// Parse reads what follows the header h of a NAK, NNAK or NCF. List keeps its backing array and is appended to from its start,
// so that a Packet that is used again does not allocate; a packet without OPT_NAK_LIST leaves it empty. The option list is
// returned for those who look for other options in it; it aliases body.
func (p *Packet) Parse(h *packet.Header, body []byte) (opts []byte, err error) {
	p.List, p.Extra = p.List[:0], nil
	switch h.Type {
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
	default:
		return nil, &packet.Error{Type: h.Type, Field: "type", Offset: 4, Err: packet.ErrType}
	}
	if len(body) < 4 {
		return nil, &packet.Error{Type: h.Type, Field: "Requested Sequence Number", Offset: packet.HeaderLen, Err: packet.ErrTruncated}
	}
	p.SQN = packet.SQN(binary.BigEndian.Uint32(body))
	whole := len(body)
	at := func(rest []byte) int { return packet.HeaderLen + whole - len(rest) }
	rest := body[4:]
	if p.Source, rest, err = packet.ParseNLA(rest, h.Type, "Source NLA", at(rest)); err != nil {
		return nil, err
	}
	if p.Group, rest, err = packet.ParseNLA(rest, h.Type, "Multicast Group NLA", at(rest)); err != nil {
		return nil, err
	}
	begin := at(rest)
	if opts, rest, err = packet.SplitOptions(h, rest, begin); err != nil {
		return nil, err
	}
	if len(rest) > 0 { // [8-17]
		return nil, &packet.Error{Type: h.Type, Field: "end of packet", Offset: at(rest), Err: packet.ErrLength}
	}
	if o, ok := packet.FindOption(opts, packet.OptNAKList); ok {
		n := len(o.Body) / 4 // the length octet has no room for more than MaxList
		if n == 0 || len(o.Body)%4 != 0 {
			return nil, &packet.Error{Type: h.Type, Field: "OPT_NAK_LIST length", Offset: begin, Err: packet.ErrOption}
		}
		for i := range n {
			p.List = append(p.List, packet.SQN(binary.BigEndian.Uint32(o.Body[4*i:])))
		}
	}
	return opts, nil
}

// All ranges over the sequence numbers that p is about, as if each had come in a packet of its own [9.3-05]: the header's,
// then the list's.
func (p *Packet) All() iter.Seq[packet.SQN] {
	return func(yield func(packet.SQN) bool) {
		if !yield(p.SQN) {
			return
		}
		for _, s := range p.List {
			if !yield(s) {
				return
			}
		}
	}
}

// Count returns how many sequence numbers All ranges over.
func (p *Packet) Count() int { return 1 + len(p.List) }
