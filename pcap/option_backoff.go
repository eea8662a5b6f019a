package pcap

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// BackOffInterval is OPT_NAK_BO_IVL [15.4.1-01].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                     NAK Back-Off Interval                     |
//	|                   NAK Back-Off Interval SQN                   |
type BackOffInterval struct {
	Interval uint32     // NAK_BO_IVL, in microseconds
	SQN      packet.SQN // NAK_BO_IVL_SQN: of the POLL that it rests on; 0: of none, use it at once
}

// AppendTo appends the option to the list at the end of the packet b.
func (v BackOffInterval) AppendTo(b []byte) []byte {
	return appendWords(b, packet.OptNAKBOIvl, 0, v.Interval, uint32(v.SQN))
}

func parseBackOffInterval(o Option) (Value, error) {
	if len(o.Body) != 8 {
		return nil, o.wrongLength()
	}
	return BackOffInterval{o.u32(0), packet.SQN(o.u32(4))}, nil
}

// BackOffRange is OPT_NAK_BO_RNG [15.4.2-01].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                 Maximum NAK Back-Off Interval                 |
//	|                 Minimum NAK Back-Off Interval                 |
type BackOffRange struct {
	Max uint32 // NAK_BO_IVL_MAX, in microseconds
	Min uint32 // NAK_BO_IVL_MIN
}

// AppendTo appends the option to the list at the end of the packet b.
func (v BackOffRange) AppendTo(b []byte) []byte {
	return appendWords(b, packet.OptNAKBORng, 0, v.Max, v.Min)
}

func parseBackOffRange(o Option) (Value, error) {
	if len(o.Body) != 8 {
		return nil, o.wrongLength()
	}
	return BackOffRange{o.u32(0), o.u32(4)}, nil
}

// appendWords appends an option of words of 32 bits.
func appendWords(b []byte, t packet.OptionType, flags byte, words ...uint32) []byte {
	at := len(b)
	b = packet.AppendOption(b, t, flags)
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	b[at+1] = byte(len(b) - at)
	return b
}
