package pcap

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Option is one option of a packet, as it is on the wire. Value says what it means, String so that people can read it.
type Option struct{ packet.Option }

// Value is what an option says: a packet.Fragment, a packet.Reset, a type of this package or of congestion, or Unknown. AppendTo
// appends the whole option, as packet.AppendOption does.
type Value interface {
	AppendTo(b []byte) []byte
}

// Value reads the option. An option whose length is not what its type demands is an error; one that no standard knows, or that
// is encoded in a parity packet [9-07], is Unknown.
func (o Option) Value() (Value, error) {
	if o.F {
		return Unknown(o), nil
	}
	switch o.Type {
	case packet.OptFragment:
		if len(o.Body) != packet.FragmentLen-4 {
			return nil, o.wrongLength()
		}
		return packet.Fragment{First: packet.SQN(o.u32(0)), Offset: o.u32(4), Length: o.u32(8)}, nil
	case packet.OptNAKList:
		return parseNAKList(o)
	case packet.OptJoin:
		if len(o.Body) != 4 {
			return nil, o.wrongLength()
		}
		return Join(o.u32(0)), nil
	case packet.OptNAKBOIvl:
		return parseBackOffInterval(o)
	case packet.OptNAKBORng:
		return parseBackOffRange(o)
	case packet.OptRedirect:
		return parseRedirect(o)
	case packet.OptParityPrm:
		return parseParityParams(o)
	case packet.OptParityGrp:
		return parseParityGroup(o)
	case packet.OptCurrTGSize:
		return parseCurrentGroupSize(o)
	case packet.OptPathNLA:
		return parsePathNLA(o)
	case packet.OptSyn, packet.OptFin, packet.OptNbrUnreach:
		if len(o.Body) != 0 {
			return nil, o.wrongLength()
		}
		return Flag(o.Type), nil
	case packet.OptRst:
		if len(o.Body) != 0 {
			return nil, o.wrongLength()
		}
		return packet.ParseReset(o.Option), nil
	case packet.OptCR:
		return parseCongestionReport(o)
	case packet.OptCRQST:
		return parseCongestionRequest(o)
	case congestion.OptPGMCCData:
		return value(congestion.ParseData(o.Option))
	case congestion.OptPGMCCFeedback:
		return value(congestion.ParseEcho(o.Option))
	case congestion.OptProbe:
		return value(congestion.ParseProbe(o.Option))
	case congestion.OptReception:
		return value(congestion.ParseReception(o.Option))
	}
	return Unknown(o), nil
}

// value is v, or nothing when there was an error.
func value[V Value](v V, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// String returns the name of the option and what it says.
func (o Option) String() string {
	v, err := o.Value()
	switch v := v.(type) {
	case nil:
		return optionName(o.Type) + " " + err.Error()
	case Flag:
		return v.String()
	case Unknown:
		return optionName(o.Type) + " " + hex.EncodeToString(o.Body)
	case fmt.Stringer:
		return optionName(o.Type) + " " + v.String()
	}
	return fmt.Sprintf("%s %+v", optionName(o.Type), v)
}

// optionName returns the RFC's name of a type of option.
func optionName(t packet.OptionType) string {
	names := [...]string{
		packet.OptLength:     "OPT_LENGTH",
		packet.OptFragment:   "OPT_FRAGMENT",
		packet.OptNAKList:    "OPT_NAK_LIST",
		packet.OptJoin:       "OPT_JOIN",
		packet.OptNAKBOIvl:   "OPT_NAK_BO_IVL",
		packet.OptNAKBORng:   "OPT_NAK_BO_RNG",
		packet.OptRedirect:   "OPT_REDIRECT",
		packet.OptParityPrm:  "OPT_PARITY_PRM",
		packet.OptParityGrp:  "OPT_PARITY_GRP",
		packet.OptCurrTGSize: "OPT_CURR_TGSIZE",
		packet.OptNbrUnreach: "OPT_NBR_UNREACH",
		packet.OptPathNLA:    "OPT_PATH_NLA",
		packet.OptSyn:        "OPT_SYN",
		packet.OptFin:        "OPT_FIN",
		packet.OptRst:        "OPT_RST",
		packet.OptCR:         "OPT_CR",
		packet.OptCRQST:      "OPT_CRQST",

		congestion.OptPGMCCData:     "OPT_PGMCC_DATA",
		congestion.OptPGMCCFeedback: "OPT_PGMCC_FEEDBACK",
		congestion.OptProbe:         "OPT_PROBE",
		congestion.OptReception:     "OPT_RECEPTION",
	}
	switch {
	case int(t) < len(names) && names[t] != "":
		return names[t]
	case t == packet.OptInvalid:
		return "OPT_INVALID"
	}
	return fmt.Sprintf("option 0x%02x", uint8(t))
}

// Unknown is an option that is passed on as it is.
type Unknown Option

// AppendTo appends the option to the list at the end of the packet b.
func (u Unknown) AppendTo(b []byte) []byte {
	at := len(b)
	b = packet.AppendOption(b, u.Type, u.Flags&0x7f, u.Body...)
	b[at+2] = byte(u.OPX & 0x03)
	if u.F {
		b[at+2] |= 0x04
	}
	if u.U {
		b[at+3] |= 0x80
	}
	return b
}

// Flag is an option whose presence is all it says: OPT_SYN [9.6], OPT_FIN [9.7] or OPT_NBR_UNREACH [15.4.3].
type Flag packet.OptionType

// AppendTo appends the option to the list at the end of the packet b.
func (f Flag) AppendTo(b []byte) []byte { return packet.AppendOption(b, packet.OptionType(f), 0) }

// String returns the RFC's name of the option.
func (f Flag) String() string { return optionName(packet.OptionType(f)) }

// Join is OPT_JOIN [9.4]: the oldest packet that a receiver which joins late may ask for.
type Join packet.SQN

// AppendTo appends the option to the list at the end of the packet b.
func (j Join) AppendTo(b []byte) []byte { return packet.AppendJoin(b, packet.SQN(j)) }

// NAKList is OPT_NAK_LIST [9.3]: the packets that a NAK or NCF is about, besides the one in front.
type NAKList []packet.SQN

// AppendTo appends the option to the list at the end of the packet b; of a longer list than nak.MaxList only so many.
func (l NAKList) AppendTo(b []byte) []byte {
	at := len(b)
	b = packet.AppendOption(b, packet.OptNAKList, 0)
	for _, s := range l[:min(len(l), nak.MaxList)] {
		b = binary.BigEndian.AppendUint32(b, uint32(s))
	}
	b[at+1] = byte(len(b) - at)
	return b
}

func parseNAKList(o Option) (Value, error) {
	if n := len(o.Body) / 4; len(o.Body)%4 != 0 || n == 0 || n > nak.MaxList {
		return nil, o.wrongLength()
	}
	l := make(NAKList, len(o.Body)/4)
	for i := range l {
		l[i] = packet.SQN(o.u32(4 * i))
	}
	return l, nil
}

func (o Option) u32(at int) uint32 { return binary.BigEndian.Uint32(o.Body[at:]) }
func (o Option) u16(at int) uint16 { return binary.BigEndian.Uint16(o.Body[at:]) }

// wrongLength is the error for an option whose length is not what its type demands.
func (o Option) wrongLength() error {
	return &packet.Error{Type: packet.NoType, Field: optionName(o.Type) + " length", Offset: 1, Err: packet.ErrOption}
}

// lastNLA reads an NLA that ends the option.
func (o Option) lastNLA(at int, field string) (netip.Addr, error) {
	if at > len(o.Body) {
		return netip.Addr{}, o.wrongLength()
	}
	a, rest, err := packet.ParseNLA(o.Body[at:], packet.NoType, field, 4+at)
	if err == nil && len(rest) > 0 {
		err = o.wrongLength()
	}
	return a, err
}
