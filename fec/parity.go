package fec

import (
	"github.com/gopgm/gopgm/pgm/packet"
)

// Parity is a parity packet: ODATA that is sent pro-actively, or RDATA that was asked for, with OPT_PARITY [11.2-02], [11.2-03].
type Parity struct {
	Group    packet.SQN // TG_SQN, the first packet of the group
	Index    int        // which of the group's parity packets it is
	Size     int        // data packets of the group: k, or what OPT_CURR_TGSIZE says
	TSDU     []byte     // aliases the packet
	Variable bool       // OPT_VAR_PKTLEN: the TSDU ends with the encoded length

	HasFragment bool             // an encoded OPT_FRAGMENT is there:
	Fragment    [encodedLen]byte // its octets from the fourth on
}

// fragmentEncoded is OP_ENCODED, in the third octet of an option [9-07].
const fragmentEncoded = 0x04

// Parse reads the data packet with the header h and the contents d, which has OPT_PARITY, of a session whose groups have up to k
// packets. It refuses a parity packet that no group has, an option that should be encoded and is not, and a TSDU that has no room for
// its length. Of each option the first counts [11.2-27]. An encoded option of a type that nothing here knows is passed over.
func (p *Parity) Parse(k Size, h *packet.Header, d *packet.Data) error {
	fail := func(field string, offset int, err error) error {
		return &packet.Error{Type: h.Type, Field: field, Offset: offset, Err: err}
	}
	if h.Options&packet.FlagParity == 0 {
		return fail("OPT_PARITY", 5, packet.ErrType)
	}
	*p = Parity{Group: k.Group(d.SQN), TSDU: d.TSDU, Variable: h.Options&packet.FlagVarPktLen != 0}
	prmGroup := 0
	for o, err := range packet.Options(d.Options) {
		if err != nil {
			return err
		}
		switch {
		case o.Type == packet.OptParityGrp && prmGroup == 0:
			if prmGroup, err = ParseParityGroup(o); err != nil {
				return err
			}
		case o.Type == packet.OptCurrTGSize && p.Size == 0:
			if p.Size, err = ParseCurrentSize(o, k); err != nil {
				return err
			}
		case o.Type == packet.OptFragment && !p.HasFragment:
			if len(o.Body) != packet.FragmentLen-4 {
				return fail("encoded OPT_FRAGMENT length", packet.DataHeaderLen, packet.ErrOption)
			}
			if !o.F { // whoever sent this does not encode it, and packets would be rebuilt without it
				return fail("encoded OPT_FRAGMENT OP_ENCODED", packet.DataHeaderLen, packet.ErrReserved)
			}
			p.HasFragment = true
			if p.Fragment[0] = o.Flags; o.U {
				p.Fragment[0] |= encodedNull
			}
			copy(p.Fragment[1:], o.Body)
		}
	}
	if p.Size == 0 {
		p.Size = int(k)
	}
	p.Index = k.ParityIndex(d.SQN, prmGroup)
	switch {
	case p.Index >= MaxPackets-p.Size:
		return fail("OPT_PARITY_GRP Parity Group Number", packet.DataHeaderLen, packet.ErrReserved)
	case p.Variable && len(p.TSDU) < lengthLen:
		return fail("encoded TSDU length", packet.DataHeaderLen+len(d.Options), packet.ErrTruncated)
	}
	return nil
}

// Append appends the whole packet to b: the header h, of ODATA or RDATA, whose Options and TSDU Length it writes, the trailing edge, the
// options and the checksum. k is the size of full groups.
func (p *Parity) Append(b []byte, k Size, h packet.Header, trail packet.SQN) []byte {
	start := len(b)
	h.Options = packet.FlagParity
	if p.Variable {
		h.Options |= packet.FlagVarPktLen
	}
	h.TSDULength = uint16(len(p.TSDU))
	sqn, prmGroup := k.Parity(p.Group, p.Index)
	b = packet.Data{SQN: sqn, Trail: trail}.Append(h.Append(b))
	at := len(b)
	b = packet.BeginOptions(b)
	if p.Size < int(k) { // in front, because of RDATA it is network-significant [9.1-03]
		b = AppendCurrentSize(b, p.Size)
	}
	if p.HasFragment {
		b = append(b, byte(packet.OptFragment), packet.FragmentLen, fragmentEncoded)
		b = append(b, p.Fragment[:]...)
	}
	if prmGroup > 0 {
		b = AppendParityGroup(b, prmGroup)
	}
	b = b[:start+len(packet.EndOptions(b[start:], at-start))]
	b = append(b, p.TSDU...)
	packet.Seal(b[start:])
	return b
}

// Len returns how many octets Append appends.
func (p *Parity) Len(k Size) int {
	n := 0
	if p.Size < int(k) {
		n += optionLen
	}
	if p.HasFragment {
		n += packet.FragmentLen
	}
	if p.Index >= int(k) {
		n += optionLen
	}
	if n > 0 {
		n += 4 // OPT_LENGTH
	}
	return packet.DataHeaderLen + n + len(p.TSDU)
}

// Reserve returns how many octets less a data packet may carry than a packet without options can, so that the parity packets of its
// group still fit where it does [11.2-21], and so does OPT_CURR_TGSIZE on itself. h is how many parity packets a group has at most;
// fragments says whether any packet has OPT_FRAGMENT.
func Reserve(k Size, h int, fragments bool) int {
	n := lengthLen + 4 + optionLen
	if h > int(k) {
		n += optionLen
	}
	if fragments {
		n += packet.FragmentLen
	}
	return n
}

// shape returns how the blocks of the packet's group are laid out.
func (p *Parity) shape() shape { return shape{len(p.TSDU), p.Variable, p.HasFragment} }

// block writes the packet as a block, which has room for it, and returns it.
func (p *Parity) block(b []byte) []byte {
	s := p.shape()
	b = b[:s.width()]
	n := copy(b, p.TSDU)
	if clear(b[n:]); p.HasFragment {
		copy(b[s.option():], p.Fragment[:])
	}
	return b
}
