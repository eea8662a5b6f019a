package pcap

import "github.com/gopgm/gopgm/pgm/packet"

// ParityParams is OPT_PARITY_PRM [11.8.1-03].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|         |P|O|
//	|                   Transmission Group Size                     |
//
// RFC 3208 gives the two bits no values but in its drawing; OpenPGM has them the other way round.
type ParityParams struct {
	ProActive bool   // the P bit, PARITY_PRM_PRO
	OnDemand  bool   // the O bit, PARITY_PRM_OND
	GroupSize uint32 // PARITY_PRM_TGS, in packets
}

// AppendTo appends the option to the list at the end of the packet b.
func (v ParityParams) AppendTo(b []byte) []byte {
	return appendWords(b, packet.OptParityPrm, bit(v.ProActive, 0x02)|bit(v.OnDemand, 0x01), v.GroupSize)
}

func parseParityParams(o Option) (Value, error) {
	if len(o.Body) != 4 {
		return nil, o.wrongLength()
	}
	return ParityParams{o.Flags&0x02 != 0, o.Flags&0x01 != 0, o.u32(0)}, nil
}

// ParityGroup is OPT_PARITY_GRP [11.8.2-03], PRM_GROUP: which parity packets of its transmission group a packet belongs to, beyond
// the first PARITY_PRM_TGS.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                     Parity Group Number                       |
type ParityGroup uint32

// AppendTo appends the option to the list at the end of the packet b.
func (v ParityGroup) AppendTo(b []byte) []byte {
	return appendWords(b, packet.OptParityGrp, 0, uint32(v))
}

func parseParityGroup(o Option) (Value, error) {
	if len(o.Body) != 4 {
		return nil, o.wrongLength()
	}
	return ParityGroup(o.u32(0)), nil
}

// CurrentGroupSize is OPT_CURR_TGSIZE [11.8.3-03], PRM_ATGSIZE: how many packets a group that ended early has.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                Actual Transmission Group Size                 |
type CurrentGroupSize uint32

// AppendTo appends the option to the list at the end of the packet b.
func (v CurrentGroupSize) AppendTo(b []byte) []byte {
	return appendWords(b, packet.OptCurrTGSize, 0, uint32(v))
}

func parseCurrentGroupSize(o Option) (Value, error) {
	if len(o.Body) != 4 {
		return nil, o.wrongLength()
	}
	return CurrentGroupSize(o.u32(0)), nil
}

// bit returns mask if set, else 0.
func bit(set bool, mask byte) byte {
	if set {
		return mask
	}
	return 0
}
