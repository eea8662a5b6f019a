package packet

import "encoding/binary"

// AppendJoin appends OPT_JOIN: the oldest packet that a receiver which joins late may ask for [9.4.3-01].
func AppendJoin(b []byte, min SQN) []byte {
	b = append(b, byte(OptJoin), 8, 0, 0)
	return binary.BigEndian.AppendUint32(b, uint32(min))
}

// ParseJoin reads OPT_JOIN.
func ParseJoin(o Option) (min SQN, err error) {
	if len(o.Body) != 4 {
		return 0, &Error{NoType, "OPT_JOIN length", 1, ErrOption}
	}
	return SQN(binary.BigEndian.Uint32(o.Body)), nil
}

// Reset is OPT_RST: why a source gave up, and whether it still repairs [9.8].
type Reset struct {
	NoRepair bool  // the N bit: NAKs are no longer processed [9.8.1-02]
	Code     uint8 // 0..63, of the application; 0 is an unknown reason [9.8.2-03]
}

// AppendTo appends the option to the list at the end of the packet b.
func (r Reset) AppendTo(b []byte) []byte {
	flags := r.Code & 0x3f
	if r.NoRepair {
		flags |= 0x40
	}
	return AppendOption(b, OptRst, flags)
}

// ParseReset reads OPT_RST.
func ParseReset(o Option) Reset {
	return Reset{NoRepair: o.Flags&0x40 != 0, Code: o.Flags & 0x3f}
}
