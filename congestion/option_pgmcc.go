package congestion

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The options of PGMCC, with the numbers that OpenPGM gave them. None is network-significant.
const (
	OptPGMCCData     packet.OptionType = 0x12
	OptPGMCCFeedback packet.OptionType = 0x13
)

// Data is OPT_PGMCC_DATA, which a source puts on data packets [CC-2.1.1-01]; ours puts it on SPMs too, beside a Probe.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                           Timestamp                           |
//	|            NLA AFI            |          Reserved             |
//	|                           ACKER NLA                       ... |
type Data struct {
	Timestamp uint32     // in milliseconds, of the source's own clock
	Acker     netip.Addr // who is to acknowledge; all zero: nobody yet, and everybody may offer
}

// None reports whether nobody is named.
func (d Data) None() bool { return !d.Acker.IsValid() || d.Acker.IsUnspecified() }

// AppendTo appends the option to the list at the end of the packet b.
func (d Data) AppendTo(b []byte) []byte {
	b = append(b, byte(OptPGMCCData), byte(8+packet.NLALen(d.Acker)), 0, 0)
	b = binary.BigEndian.AppendUint32(b, d.Timestamp)
	return packet.AppendNLA(b, d.Acker)
}

// DataLen returns how many octets Data.AppendTo appends when it names a, or nobody by the zero address of a's family.
func DataLen(a netip.Addr) int { return 8 + packet.NLALen(a) }

// ParseData reads OPT_PGMCC_DATA.
func ParseData(o packet.Option) (d Data, err error) {
	d.Timestamp, d.Acker, err = parseStamped(o, "OPT_PGMCC_DATA length", "OPT_PGMCC_DATA ACKER NLA")
	return d, err
}

// Echo is OPT_PGMCC_FEEDBACK, which a receiver puts on ACKs and NAKs [CC-2.1.2-01].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                           Timestamp                           |
//	|            NLA AFI            |          Loss rate            |
//	|                          Receiver NLA                     ... |
type Echo struct {
	Timestamp uint32     // that of the newest Data, plus the milliseconds since it came [CC-2.5.1-01]
	Loss      uint16     // p, linear: 0xffff is all [CC-2.1.3-01]
	Receiver  netip.Addr // who reports
}

// AppendTo appends the option to the list at the end of the packet b.
func (e Echo) AppendTo(b []byte) []byte {
	b = append(b, byte(OptPGMCCFeedback), byte(8+packet.NLALen(e.Receiver)), 0, 0)
	b = binary.BigEndian.AppendUint32(b, e.Timestamp)
	at := len(b)
	b = packet.AppendNLA(b, e.Receiver)
	binary.BigEndian.PutUint16(b[at+2:], e.Loss) // in the place of the reserved octets of other NLAs
	return b
}

// EchoLen returns how many octets Echo.AppendTo appends for the receiver a.
func EchoLen(a netip.Addr) int { return 8 + packet.NLALen(a) }

// ParseEcho reads OPT_PGMCC_FEEDBACK.
func ParseEcho(o packet.Option) (e Echo, err error) {
	if e.Timestamp, e.Receiver, err = parseStamped(o, "OPT_PGMCC_FEEDBACK length", "OPT_PGMCC_FEEDBACK NLA"); err == nil {
		e.Loss = binary.BigEndian.Uint16(o.Body[6:])
	}
	return e, err
}

// parseStamped reads a timestamp and the NLA behind it, which end the option.
func parseStamped(o packet.Option, length, field string) (stamp uint32, a netip.Addr, err error) {
	if len(o.Body) != 4+8 && len(o.Body) != 4+20 {
		return 0, a, &packet.Error{Type: packet.NoType, Field: length, Offset: 1, Err: packet.ErrOption}
	}
	a, rest, err := packet.ParseNLA(o.Body[4:], packet.NoType, field, 8)
	if err == nil && len(rest) > 0 {
		err = &packet.Error{Type: packet.NoType, Field: length, Offset: 1, Err: packet.ErrOption}
	}
	return binary.BigEndian.Uint32(o.Body), a, err
}
