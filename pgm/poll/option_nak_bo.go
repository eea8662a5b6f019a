package poll

import (
	"encoding/binary"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Interval is OPT_NAK_BO_IVL: the NAK_BO_IVL that a parent wants its children to use. On NCFs, SPMs and POLLs [15.4.1-01].
type Interval struct {
	BackOff time.Duration // NAK_BO_IVL; travels as microseconds, 0..2^32-1
	SQN     packet.SQN    // NAK_BO_IVL_SQN: the POLL_SQN that it was derived from; 0: from none, it may be used at once
}

// AppendTo appends the option to the list at the end of the packet b. It is network-significant: it goes before those that are not.
func (i Interval) AppendTo(b []byte) []byte {
	b = append(b, byte(packet.OptNAKBOIvl), intervalLen, 0, 0)
	b = binary.BigEndian.AppendUint32(b, micros(i.BackOff))
	return binary.BigEndian.AppendUint32(b, uint32(i.SQN))
}

// RFC 3208 §15.4 draws OPT_NAK_BO_IVL and OPT_NAK_BO_RNG with 12 octets and does not state their lengths.
const (
	intervalLen = 12
	rangeLen    = 12
)

// IntervalLen is how many octets Interval.AppendTo appends.
const IntervalLen = intervalLen

// ParseInterval reads OPT_NAK_BO_IVL.
func ParseInterval(o packet.Option) (i Interval, err error) {
	if len(o.Body) != intervalLen-4 {
		return i, &packet.Error{Type: packet.NoType, Field: "OPT_NAK_BO_IVL length", Offset: 1, Err: packet.ErrOption}
	}
	return Interval{BackOff: duration(o.Body), SQN: packet.SQN(binary.BigEndian.Uint32(o.Body[4:]))}, nil
}

// Range is OPT_NAK_BO_RNG: the limits of NAK_BO_IVL. On SPMs [15.4.2-01].
type Range struct {
	Max, Min time.Duration // NAK_BO_IVL_MAX and NAK_BO_IVL_MIN, in the order on the wire; travel as microseconds, 0..2^32-1
}

// AppendTo appends the option to the list at the end of the packet b. It is network-significant: it goes before those that are not.
func (r Range) AppendTo(b []byte) []byte {
	b = append(b, byte(packet.OptNAKBORng), rangeLen, 0, 0)
	b = binary.BigEndian.AppendUint32(b, micros(r.Max))
	return binary.BigEndian.AppendUint32(b, micros(r.Min))
}

// RangeLen is how many octets Range.AppendTo appends.
const RangeLen = rangeLen

// ParseRange reads OPT_NAK_BO_RNG. Limits that are no range are returned as they are: BackOff.Range refuses them.
func ParseRange(o packet.Option) (r Range, err error) {
	if len(o.Body) != rangeLen-4 {
		return r, &packet.Error{Type: packet.NoType, Field: "OPT_NAK_BO_RNG length", Offset: 1, Err: packet.ErrOption}
	}
	return Range{Max: duration(o.Body), Min: duration(o.Body[4:])}, nil
}

// valid reports whether an interval can be within r.
func (r Range) valid() bool { return r.Min <= r.Max && r.Max > 0 && r.Min >= 0 }

// clamp returns what is next to d within r.
func (r Range) clamp(d time.Duration) time.Duration { return min(max(d, r.Min), r.Max) }
