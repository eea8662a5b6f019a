package fec

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// optionLen is the length of each of the three options of parity.
const optionLen = 8

// Params is OPT_PARITY_PRM [11.8.1-03], which a source that offers parity has in its SPMs [11.2-01].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|         |P|O|
//	|                   Transmission Group Size                     |
//
// RFC 3208 gives the two bits no values but in its drawing; OpenPGM has them the other way round.
type Params struct {
	Group     Size // PARITY_PRM_TGS: packets in a group, the same all session long [11.2-10]
	Proactive bool // PARITY_PRM_PRO: parity is sent unasked [11.4-02]
	OnDemand  bool // PARITY_PRM_OND: it is sent when asked for [11.4-03]
}

// AppendTo appends the option to the list at the end of the packet b, an SPM [11.8.1-02]. It is network-significant.
func (p Params) AppendTo(b []byte) []byte {
	flags := byte(0)
	if p.Proactive {
		flags |= 0x02
	}
	if p.OnDemand {
		flags |= 0x01
	}
	return appendNumber(b, packet.OptParityPrm, flags, uint32(p.Group))
}

// ParseParams reads OPT_PARITY_PRM. It refuses a size that no group can have and an offer of nothing [11.8.1-01].
func ParseParams(o packet.Option) (Params, error) {
	n, err := parseNumber(o, "OPT_PARITY_PRM")
	if err != nil {
		return Params{}, err
	}
	p := Params{Proactive: o.Flags&0x02 != 0, OnDemand: o.Flags&0x01 != 0}
	switch {
	case n > MaxGroup || !Size(n).Valid():
		return Params{}, &packet.Error{Type: packet.NoType, Field: "OPT_PARITY_PRM Transmission Group Size", Offset: 4, Err: packet.ErrReserved}
	case !p.Proactive && !p.OnDemand:
		return Params{}, &packet.Error{Type: packet.NoType, Field: "OPT_PARITY_PRM P and O", Offset: 3, Err: packet.ErrReserved}
	}
	p.Group = Size(n)
	return p, nil
}

// AppendParityGroup appends OPT_PARITY_GRP [11.8.2-03] to the list at the end of the packet b, a parity packet whose number is
// PRM_GROUP times the size of a group or more; PRM_GROUP is not zero [11.8.2-01]. It is not network-significant.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                     Parity Group Number                       |
func AppendParityGroup(b []byte, prmGroup int) []byte {
	return appendNumber(b, packet.OptParityGrp, 0, uint32(prmGroup))
}

// ParseParityGroup reads OPT_PARITY_GRP. It refuses zero and what no group has so many parity packets for.
func ParseParityGroup(o packet.Option) (prmGroup int, err error) {
	n, err := parseNumber(o, "OPT_PARITY_GRP")
	if err == nil && (n == 0 || n > MaxPackets/MinGroup) {
		err = &packet.Error{Type: packet.NoType, Field: "OPT_PARITY_GRP Parity Group Number", Offset: 4, Err: packet.ErrReserved}
	}
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// AppendCurrentSize appends OPT_CURR_TGSIZE [11.8.3-03] to the list at the end of the packet b: the group was ended early and has
// only so many data packets. It is on its last data packet, on its parity packets, and on SPMs that name its last data
// packet as SPM_LEAD [11.2-15]; on all but ODATA it is network-significant.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                Actual Transmission Group Size                 |
func AppendCurrentSize(b []byte, size int) []byte {
	return appendNumber(b, packet.OptCurrTGSize, 0, uint32(size))
}

// ParseCurrentSize reads OPT_CURR_TGSIZE of a session whose groups have up to k packets: 1..k [11.8.3-01].
func ParseCurrentSize(o packet.Option, k Size) (size int, err error) {
	n, err := parseNumber(o, "OPT_CURR_TGSIZE")
	if err == nil && (n == 0 || n > uint32(k)) {
		err = &packet.Error{Type: packet.NoType, Field: "OPT_CURR_TGSIZE Actual Transmission Group Size", Offset: 4, Err: packet.ErrReserved}
	}
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

func appendNumber(b []byte, t packet.OptionType, flags byte, n uint32) []byte {
	b = append(b, byte(t), optionLen, 0, flags)
	return binary.BigEndian.AppendUint32(b, n)
}

func parseNumber(o packet.Option, name string) (uint32, error) {
	if len(o.Body) != optionLen-4 {
		return 0, &packet.Error{Type: packet.NoType, Field: name + " length", Offset: 1, Err: packet.ErrOption}
	}
	return binary.BigEndian.Uint32(o.Body), nil
}
