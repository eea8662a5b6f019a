package pcap

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The options of PGMCC, with the numbers that OpenPGM gave them.
const (
	OptPGMCCData     packet.OptionType = 0x12
	OptPGMCCFeedback packet.OptionType = 0x13
)

// PGMCCData is OPT_PGMCC_DATA, on ODATA.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                           Timestamp                           |
//	|            NLA AFI            |          Reserved             |
//	|                           ACKER NLA                       ... |
type PGMCCData struct {
	Timestamp uint32     // in milliseconds, of the source's own clock
	Acker     netip.Addr // who is to acknowledge; all zero: nobody yet, everybody may offer
}

// AppendTo appends the option to the list at the end of the packet b.
func (v PGMCCData) AppendTo(b []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(packet.AppendOption(b, OptPGMCCData, 0), v.Timestamp)
	b = packet.AppendNLA(b, v.Acker)
	b[at+1] = byte(len(b) - at)
	return b
}

func parsePGMCCData(o Option) (Value, error) {
	a, err := o.lastNLA(4, "OPT_PGMCC_DATA ACKER NLA")
	if err != nil {
		return nil, err
	}
	return PGMCCData{o.u32(0), a}, nil
}

// PGMCCFeedback is OPT_PGMCC_FEEDBACK, on ACKs and NAKs.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                           Timestamp                           |
//	|            NLA AFI            |          Loss rate            |
//	|                          Receiver NLA                     ... |
type PGMCCFeedback struct {
	Timestamp uint32     // that of the newest data, plus the milliseconds since it came
	LossRate  uint16     // linear, 0xffff for all
	Receiver  netip.Addr // who reports
}

// AppendTo appends the option to the list at the end of the packet b.
func (v PGMCCFeedback) AppendTo(b []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(packet.AppendOption(b, OptPGMCCFeedback, 0), v.Timestamp)
	b = packet.AppendNLA(b, v.Receiver)
	b[at+1] = byte(len(b) - at)
	binary.BigEndian.PutUint16(b[at+10:], v.LossRate) // in the place of the reserved octets
	return b
}

func parsePGMCCFeedback(o Option) (Value, error) {
	a, err := o.lastNLA(4, "OPT_PGMCC_FEEDBACK NLA")
	if err != nil {
		return nil, err
	}
	return PGMCCFeedback{o.u32(0), o.u16(6), a}, nil
}
