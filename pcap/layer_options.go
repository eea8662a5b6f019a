package pcap

import (
	"encoding/binary"
	"errors"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Options is the layer of the options of a packet, OPT_LENGTH included, which is not in the list.
type Options struct {
	layers.BaseLayer
	List []Option // in the order of the packet; Body aliases it
}

// LayerType returns LayerTypeOptions.
func (*Options) LayerType() gopacket.LayerType { return LayerTypeOptions }

// CanDecode returns LayerTypeOptions.
func (*Options) CanDecode() gopacket.LayerClass { return LayerTypeOptions }

// NextLayerType returns LayerTypePayload: the application's octets follow.
func (*Options) NextLayerType() gopacket.LayerType { return gopacket.LayerTypePayload }

// DecodeFromBytes reads the option list at the front of data. Its framing is verified, what the options say is not: that
// does Option.Value. List is used again, so that to decode many packets does not allocate.
func (l *Options) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	l.List = l.List[:0]
	opts, rest, err := packet.SplitOptions(&packet.Header{Type: packet.NoType, Options: packet.FlagOptions}, data, 0)
	if err != nil {
		if errors.Is(err, packet.ErrTruncated) {
			df.SetTruncated()
		}
		return err
	}
	l.Contents, l.Payload = opts, rest
	for o := range packet.Options(opts) {
		l.List = append(l.List, Option{o})
	}
	return nil
}

// Find returns the first option of type t.
func (l *Options) Find(t packet.OptionType) (Option, bool) {
	for _, o := range l.List {
		if o.Type == t {
			return o, true
		}
	}
	return Option{}, false
}

// Add appends an option to the list. Network-significant options come first [9.1-03]: that is the caller's care.
func (l *Options) Add(v Value) {
	b := v.AppendTo(nil)
	l.List = append(l.List, Option{packet.Option{
		Type:  packet.OptionType(b[0]),
		OPX:   packet.OPX(b[2] & 0x03),
		F:     b[2]&0x04 != 0,
		U:     b[3]&0x80 != 0,
		Flags: b[3] & 0x7f,
		Body:  b[4:],
	}})
}

// SerializeTo writes the list, with OPT_LENGTH in front and OPT_END on the last option. An empty list is an error, as there is no
// such thing in a packet.
func (l *Options) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	size := 4
	for _, o := range l.List {
		if len(o.Body) > packet.MaxOptionBody {
			return &packet.Error{Type: packet.NoType, Field: optionName(o.Type), Offset: size, Err: packet.ErrLength}
		}
		size += 4 + len(o.Body)
	}
	if size == 4 || len(l.List) > packet.MaxOptions {
		return &packet.Error{Type: packet.NoType, Field: "OPT_LENGTH", Err: packet.ErrOption}
	}
	return prepend(b, size, func(b []byte) []byte {
		b = packet.BeginOptions(b)
		last := 0
		for _, o := range l.List {
			last = len(b)
			b = Unknown(o).AppendTo(b)
		}
		b[last] |= 0x80 // OPT_END [9-04]
		binary.BigEndian.PutUint16(b[2:], uint16(size))
		return b
	})
}
