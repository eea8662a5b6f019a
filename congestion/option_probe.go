package congestion

import (
	"encoding/binary"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Our own options, which other stacks pass over by their length: the numbers are far from those that RFC 3208 (0x00–0x11) and
// OpenPGM (0x12, 0x13) have taken, and from OPT_INVALID. OPX is zero, so network elements forward them.
const (
	OptProbe     packet.OptionType = 0x60
	OptReception packet.OptionType = 0x61
)

// Probe is OPT_PROBE, on the SPMs by which the controller Auto asks how its packets fare. Whom Data on the same SPM names answers
// with a Reception, and so do others, if what they see is worse than Threshold.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                           Timestamp                           |
//	|                           ACKER ID                            |
//	|                          Round trip                           |
//	|                          Threshold                            |
type Probe struct {
	Timestamp uint32 // in microseconds, of the source's own clock; no two that are in flight have the same
	Acker     uint32 // the ID of the receiver that Data names, since several may share an address; 0: any at that address
	RTT       uint32 // the round trip that the source sees, in microseconds; 0: unknown
	Threshold uint32 // the queueing delay, in microseconds, beyond which a receiver that is not named reports too
}

// ProbeLen is how many octets Probe.AppendTo appends.
const ProbeLen = 20

// AppendTo appends the option to the list at the end of the packet b.
func (p Probe) AppendTo(b []byte) []byte {
	b = append(b, byte(OptProbe), ProbeLen, 0, 0)
	for _, v := range [...]uint32{p.Timestamp, p.Acker, p.RTT, p.Threshold} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// ParseProbe reads OPT_PROBE. Octets behind those that we know are for later versions.
func ParseProbe(o packet.Option) (p Probe, err error) {
	if len(o.Body) < ProbeLen-4 {
		return p, &packet.Error{Type: packet.NoType, Field: "OPT_PROBE length", Offset: 1, Err: packet.ErrOption}
	}
	for i, v := range [...]*uint32{&p.Timestamp, &p.Acker, &p.RTT, &p.Threshold} {
		*v = binary.BigEndian.Uint32(o.Body[4*i:])
	}
	return p, nil
}

// Reception is OPT_RECEPTION, on ACKs and NAKs beside an Echo: what a receiver has counted of a session, and what it measured. All
// counters begin at zero and wrap. L is set by an acker that leaves the session [CC-2.3.2-01].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|           |L|
//	|                          Receiver ID                          |
//	|                           Timestamp                           |
//	|                             Held                              |
//	|                             Delay                             |
//	|                            Standing                           |
//	|                           Received                            |
//	|                             Lost                              |
//	|                           Overflow                            |
//	|                             Rate                              |
//	|                             Limit                             |
type Reception struct {
	Leaving   bool
	ID        uint32 // drawn by the receiver: several may share an address
	Timestamp uint32 // of the newest Probe, as it came
	Held      uint32 // microseconds since it came
	Delay     uint32 // microseconds that the newest Probe was under way beyond the least of the last seconds: what it waited in queues
	Standing  uint32 // the least Delay of the newest three: a queue stands, the whims of a scheduler do not
	Received  uint32 // data packets that came, repairs and repeats included
	Lost      uint32 // data packets that did not come when they should have, for whatever reason
	Overflow  uint32 // packets that came to the host and had no room in the socket's buffer; most of them are among Lost
	Rate      uint32 // of arrival, network headers included, in units of 1,000 octets a second; 0: not measured
	Limit     uint32 // what the receiver can take in the long run, in the same unit; 0: no limit is known
}

// ReceptionLen is how many octets Reception.AppendTo appends.
const ReceptionLen = 44

// RateUnit is what Reception counts rates in, in octets a second.
const RateUnit = 1000

const flagLeaving = 0x01

// AppendTo appends the option to the list at the end of the packet b.
func (r Reception) AppendTo(b []byte) []byte {
	flags := byte(0)
	if r.Leaving {
		flags = flagLeaving
	}
	b = append(b, byte(OptReception), ReceptionLen, 0, flags)
	for _, v := range [...]uint32{r.ID, r.Timestamp, r.Held, r.Delay, r.Standing, r.Received, r.Lost, r.Overflow, r.Rate, r.Limit} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// ParseReception reads OPT_RECEPTION. Octets behind those that we know are for later versions.
func ParseReception(o packet.Option) (r Reception, err error) {
	if len(o.Body) < ReceptionLen-4 {
		return r, &packet.Error{Type: packet.NoType, Field: "OPT_RECEPTION length", Offset: 1, Err: packet.ErrOption}
	}
	r.Leaving = o.Flags&flagLeaving != 0
	for i, v := range [...]*uint32{&r.ID, &r.Timestamp, &r.Held, &r.Delay, &r.Standing, &r.Received, &r.Lost, &r.Overflow, &r.Rate, &r.Limit} {
		*v = binary.BigEndian.Uint32(o.Body[4*i:])
	}
	return r, nil
}
