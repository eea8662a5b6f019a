package packet

import (
	"encoding/binary"
	"iter"
)

// OptionType is the type of an option, without the OPT_END bit [3.6.5-01].
type OptionType uint8

// The options of RFC 3208.
const (
	OptLength     OptionType = 0x00
	OptFragment   OptionType = 0x01
	OptNAKList    OptionType = 0x02
	OptJoin       OptionType = 0x03
	OptNAKBOIvl   OptionType = 0x04
	OptNAKBORng   OptionType = 0x05
	OptRedirect   OptionType = 0x07
	OptParityPrm  OptionType = 0x08
	OptParityGrp  OptionType = 0x09
	OptCurrTGSize OptionType = 0x0a
	OptNbrUnreach OptionType = 0x0b
	OptPathNLA    OptionType = 0x0c
	OptSyn        OptionType = 0x0d
	OptFin        OptionType = 0x0e
	OptRst        OptionType = 0x0f
	OptCR         OptionType = 0x10
	OptCRQST      OptionType = 0x11
	OptInvalid    OptionType = 0x7f // what an element makes of an option that it does not know, if OPX says so [9-06]
)

const (
	optEnd       = 0x80 // OPT_END, in the type octet of the last option [9-04]
	optLengthLen = 4
	// MaxOptions is how many options a packet may bear besides OPT_LENGTH. RFC 3208 §9 says 16 and does not say whether
	// OPT_LENGTH is one of them: we accept 16 more than it and send fewer [9-08].
	MaxOptions = 16
)

// OPX tells a network element what to do with an option that it does not know. Receivers do not look at it [9-06].
type OPX uint8

// The values of OPX.
const (
	OPXIgnore     OPX = 0
	OPXInvalidate OPX = 1
	OPXDiscard    OPX = 2
)

// Option is one option of a packet.
type Option struct {
	Type  OptionType
	OPX   OPX
	F, U  bool   // OP_ENCODED and OP_ENCODED_NULL; meaningful in parity packets only [9-07]
	Flags byte   // the seven option-specific bits
	Body  []byte // what follows the four octets that every option has; aliases the packet
}

// NetworkSignificant reports whether network elements act on options of type o when a packet of type t bears them [8-07].
func NetworkSignificant(t Type, o OptionType) bool {
	switch o {
	case OptNAKList, OptNAKBOIvl, OptNAKBORng, OptRedirect, OptParityPrm, OptNbrUnreach, OptPathNLA, OptCR, OptCRQST:
		return true
	case OptCurrTGSize:
		return t != TypeODATA // [11.8.3-03]
	}
	return false
}

// SplitOptions separates the option list at the front of b, if h says that there is one, from what follows it. It verifies the
// whole framing of the list: OPT_LENGTH first, no option shorter than its header or longer than the list, OPT_END on the last
// and only there, not too many [9-04], [9-08], [9-10], [9.1-01]. offset is where b begins in the packet.
func SplitOptions(h *Header, b []byte, offset int) (opts, rest []byte, err error) {
	if h.Options&FlagOptions == 0 {
		return nil, b, nil
	}
	if len(b) < optLengthLen {
		return nil, nil, &Error{h.Type, "OPT_LENGTH", offset, ErrTruncated}
	}
	if b[0] != byte(OptLength) || b[1] != optLengthLen {
		return nil, nil, &Error{h.Type, "OPT_LENGTH", offset, ErrOption}
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total > len(b) {
		return nil, nil, &Error{h.Type, "OPT_LENGTH", offset + 2, ErrTruncated}
	}
	at, last := optLengthLen, false
	for n := 0; at < total; n++ {
		if last || n == MaxOptions || total-at < 4 {
			return nil, nil, &Error{h.Type, "option", offset + at, ErrOption}
		}
		length := int(b[at+1])
		if length < 4 || length > total-at {
			return nil, nil, &Error{h.Type, "option length", offset + at + 1, ErrOption}
		}
		last = b[at]&optEnd != 0
		at += length
	}
	if !last {
		return nil, nil, &Error{h.Type, "OPT_END", offset + at, ErrOption}
	}
	return b[:total], b[total:], nil
}

// Options ranges over an option list that SplitOptions returned, but for its OPT_LENGTH. A list from elsewhere that is
// malformed yields an error last, with an offset in the list; one that SplitOptions returned never does.
func Options(opts []byte) iter.Seq2[Option, error] {
	return func(yield func(Option, error) bool) {
		for at := optLengthLen; at < len(opts); {
			rest := opts[at:]
			if len(rest) < 4 || rest[1] < 4 || int(rest[1]) > len(rest) {
				yield(Option{}, &Error{NoType, "option", at, ErrOption})
				return
			}
			o := Option{
				Type:  OptionType(rest[0] &^ optEnd),
				OPX:   OPX(rest[2] & 0x03),
				F:     rest[2]&0x04 != 0,
				U:     rest[3]&0x80 != 0,
				Flags: rest[3] & 0x7f,
				Body:  rest[4:rest[1]],
			}
			if !yield(o, nil) {
				return
			}
			at += int(rest[1])
		}
	}
}

// FindOption returns the first option of type t in a list that SplitOptions returned.
func FindOption(opts []byte, t OptionType) (Option, bool) {
	for o, err := range Options(opts) {
		if err == nil && o.Type == t {
			return o, true
		}
	}
	return Option{}, false
}

// MaxOptionBody is the most octets that an option holds behind its header of four.
const MaxOptionBody = 255 - 4

// AppendOption appends one option to the packet b; flags are the seven option-specific bits, body at most MaxOptionBody octets.
// The first call after BeginOptions and those that follow make a list that EndOptions closes.
func AppendOption(b []byte, t OptionType, flags byte, body ...byte) []byte {
	if len(body) > MaxOptionBody {
		panic("packet: an option of more than 255 octets")
	}
	b = append(b, byte(t), byte(4+len(body)), 0, flags)
	return append(b, body...)
}

// BeginOptions appends the OPT_LENGTH with which an option list begins [9.1-01].
func BeginOptions(b []byte) []byte { return append(b, byte(OptLength), optLengthLen, 0, 0) }

// EndOptions closes the option list that begins at offset at of the packet p, which starts with its fixed header: it writes
// the total length, sets OPT_END on the last option and the presence bits of the header [9.1-02]. A list without an option is
// taken away. Network-significant options come before the others [9.1-03]: the order is the caller's, and a wrong one a panic.
func EndOptions(p []byte, at int) []byte {
	if len(p) == at+optLengthLen {
		return p[:at]
	}
	binary.BigEndian.PutUint16(p[at+2:], uint16(len(p)-at))
	flags, receiverOnly, last := FlagOptions, false, 0
	for i := at + optLengthLen; i < len(p); i += int(p[i+1]) {
		last = i
		if !NetworkSignificant(Type(p[4]&0x0f), OptionType(p[i])) {
			receiverOnly = true
			continue
		}
		if receiverOnly {
			panic("packet: a network-significant option behind one that is not")
		}
		flags |= FlagNetwork
	}
	p[last] |= optEnd
	p[5] |= byte(flags)
	return p
}
