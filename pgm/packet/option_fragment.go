package packet

import "encoding/binary"

// Fragment is OPT_FRAGMENT [9.2]: which part of which APDU a data packet holds.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                    First Sequence Number                      |
//	|                            Offset                             |
//	|                            Length                             |
type Fragment struct {
	First  SQN    // of the packet with the first octet of the APDU [9.2.4-02]
	Offset uint32 // in octets, of this packet's TSDU in the APDU
	Length uint32 // of the APDU, in octets
}

// FragmentLen is the length of OPT_FRAGMENT. RFC 3208 §9.2.4 says "Option Length = 12" but draws 16 octets, and the length
// counts the option's header (§9). OpenPGM sends 16; so do we.
const FragmentLen = 16

// AppendTo appends the option to the list at the end of the packet b.
func (f Fragment) AppendTo(b []byte) []byte {
	b = append(b, byte(OptFragment), FragmentLen, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(f.First))
	b = binary.BigEndian.AppendUint32(b, f.Offset)
	return binary.BigEndian.AppendUint32(b, f.Length)
}

// ParseFragment reads OPT_FRAGMENT as the data packet sqn with a TSDU of size octets bears it, and refuses one whose fields
// cannot be: a part that exceeds its APDU, or a first packet that this one is not behind.
func ParseFragment(o Option, sqn SQN, size int) (Fragment, error) {
	fail := func(field string, offset int, err error) (Fragment, error) {
		return Fragment{}, &Error{NoType, "OPT_FRAGMENT " + field, offset, err}
	}
	if len(o.Body) != FragmentLen-4 {
		return fail("length", 1, ErrOption)
	}
	f := Fragment{
		First:  SQN(binary.BigEndian.Uint32(o.Body)),
		Offset: binary.BigEndian.Uint32(o.Body[4:]),
		Length: binary.BigEndian.Uint32(o.Body[8:]),
	}
	switch {
	case size == 0, f.Length == 0:
		return fail("Length", 12, ErrLength)
	case uint64(f.Offset)+uint64(size) > uint64(f.Length):
		return fail("Offset", 8, ErrLength)
	case f.Offset != 0 && !f.First.Before(sqn),
		f.Offset < uint32(sqn-f.First): // each of the packets before this one holds at least an octet
		return fail("First Sequence Number", 4, ErrWindow)
	}
	return f, nil
}
