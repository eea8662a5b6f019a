package pcap

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// CongestionReport is OPT_CR [12.7.1-02].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|       |L|P|R|
//	|                 Congestion Report Reference SQN               |
//	|        NE Worst Link          |        NE Worst Path          |
//	|       Rcvr Worst Path         |          Reserved             |
//	|            NLA AFI            |          Reserved             |
//	|                Worst receiver's NLA                       ... |
//
// Loads and loss rates are linear, 0xffff for all of them [12.1-02].
type CongestionReport struct {
	Link, Path, Rcvr bool       // the bits L, P and R: which of the next three are reported
	Lead             packet.SQN // OPT_CR_LEAD
	WorstLink        uint16     // OPT_CR_NE_WL
	WorstPath        uint16     // OPT_CR_NE_WP
	RcvrWorstPath    uint16     // OPT_CR_RX_WP
	Receiver         netip.Addr // OPT_CR_RCVR
}

// AppendTo appends the option to the list at the end of the packet b.
func (v CongestionReport) AppendTo(b []byte) []byte {
	at := len(b)
	b = packet.AppendOption(b, packet.OptCR, bit(v.Link, 0x04)|bit(v.Path, 0x02)|bit(v.Rcvr, 0x01))
	b = binary.BigEndian.AppendUint32(b, uint32(v.Lead))
	b = binary.BigEndian.AppendUint16(b, v.WorstLink)
	b = binary.BigEndian.AppendUint16(b, v.WorstPath)
	b = binary.BigEndian.AppendUint16(b, v.RcvrWorstPath)
	b = packet.AppendNLA(append(b, 0, 0), v.Receiver)
	b[at+1] = byte(len(b) - at)
	return b
}

func parseCongestionReport(o Option) (Value, error) {
	a, err := o.lastNLA(12, "OPT_CR NLA")
	if err != nil {
		return nil, err
	}
	return CongestionReport{
		o.Flags&0x04 != 0, o.Flags&0x02 != 0, o.Flags&0x01 != 0,
		packet.SQN(o.u32(0)), o.u16(4), o.u16(6), o.u16(8), a,
	}, nil
}

// CongestionRequest is OPT_CRQST [12.7.2-02]: which reports the source asks for.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|       |L|P|R|
type CongestionRequest struct {
	Link, Path, Rcvr bool // the bits L, P and R
}

// AppendTo appends the option to the list at the end of the packet b.
func (v CongestionRequest) AppendTo(b []byte) []byte {
	return packet.AppendOption(b, packet.OptCRQST, bit(v.Link, 0x04)|bit(v.Path, 0x02)|bit(v.Rcvr, 0x01))
}

func parseCongestionRequest(o Option) (Value, error) {
	if len(o.Body) != 0 {
		return nil, o.wrongLength()
	}
	return CongestionRequest{o.Flags&0x04 != 0, o.Flags&0x02 != 0, o.Flags&0x01 != 0}, nil
}
