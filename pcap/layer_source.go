package pcap

import (
	"errors"

	"github.com/google/gopacket"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// SPM is the layer of source path messages.
type SPM struct {
	part
	spm.Packet
}

// LayerType returns LayerTypeSPM.
func (*SPM) LayerType() gopacket.LayerType { return LayerTypeSPM }

// CanDecode returns LayerTypeSPM.
func (*SPM) CanDecode() gopacket.LayerClass { return LayerTypeSPM }

// DecodeFromBytes reads data, an SPM from its fixed header on. The option list is the layer's payload.
func (l *SPM) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	h, body, err := begin(data, df)
	if err != nil {
		return err
	}
	opts, err := l.Packet.Parse(&h, body)
	return l.ends(data, opts, err, df)
}

// SerializeTo writes the fields between fixed header and options.
func (l *SPM) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return prepend(b, 12+packet.NLALen(l.Path), l.Packet.Append)
}

// ends splits a packet without data behind its body, at the options.
func (p *part) ends(data, opts []byte, err error, df gopacket.DecodeFeedback) error {
	if err == nil {
		p.split(data, len(opts), len(opts) > 0)
	} else if errors.Is(err, packet.ErrTruncated) {
		df.SetTruncated()
	}
	return err
}

// ODATA is the layer of original data.
type ODATA struct {
	part
	SQN   packet.SQN
	Trail packet.SQN // the trailing edge of the transmit window
}

// RDATA is the layer of repairs.
type RDATA struct {
	part
	SQN   packet.SQN
	Trail packet.SQN // the trailing edge of the transmit window
}

// LayerType returns LayerTypeODATA.
func (*ODATA) LayerType() gopacket.LayerType { return LayerTypeODATA }

// CanDecode returns LayerTypeODATA.
func (*ODATA) CanDecode() gopacket.LayerClass { return LayerTypeODATA }

// LayerType returns LayerTypeRDATA.
func (*RDATA) LayerType() gopacket.LayerType { return LayerTypeRDATA }

// CanDecode returns LayerTypeRDATA.
func (*RDATA) CanDecode() gopacket.LayerClass { return LayerTypeRDATA }

// DecodeFromBytes reads data, an ODATA from its fixed header on. Options and TSDU are the layer's payload.
func (l *ODATA) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) (err error) {
	l.SQN, l.Trail, err = l.data(packet.TypeODATA, data, df)
	return err
}

// DecodeFromBytes reads data, an RDATA from its fixed header on. Options and TSDU are the layer's payload.
func (l *RDATA) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) (err error) {
	l.SQN, l.Trail, err = l.data(packet.TypeRDATA, data, df)
	return err
}

// data reads a data packet. One of which the end is missing is read as far as it goes.
func (p *part) data(t packet.Type, data []byte, df gopacket.DecodeFeedback) (sqn, trail packet.SQN, err error) {
	h, body, err := begin(data, df)
	if err != nil {
		return 0, 0, err
	}
	if h.Type != t {
		return 0, 0, wrongType(&h)
	}
	var d packet.Data
	err = d.Parse(&h, body)
	if errors.Is(err, packet.ErrTruncated) {
		df.SetTruncated()
		if len(d.Options) > 0 || len(body) >= 8 && h.Options&packet.FlagOptions == 0 {
			err = nil // all but the TSDU is there
		}
	}
	if err == nil {
		p.split(data, len(d.Options)+len(d.TSDU), len(d.Options) > 0)
	}
	return d.SQN, d.Trail, err
}

// SerializeTo writes the fields between fixed header and options.
func (l *ODATA) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return prepend(b, 8, packet.Data{SQN: l.SQN, Trail: l.Trail}.Append)
}

// SerializeTo writes the fields between fixed header and options.
func (l *RDATA) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return prepend(b, 8, packet.Data{SQN: l.SQN, Trail: l.Trail}.Append)
}

// POLL is the layer of polls.
type POLL struct {
	part
	PollRequest
}

// LayerType returns LayerTypePOLL.
func (*POLL) LayerType() gopacket.LayerType { return LayerTypePOLL }

// CanDecode returns LayerTypePOLL.
func (*POLL) CanDecode() gopacket.LayerClass { return LayerTypePOLL }

// DecodeFromBytes reads data, a POLL from its fixed header on. The option list is the layer's payload.
func (l *POLL) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	h, body, err := begin(data, df)
	if err != nil {
		return err
	}
	opts, err := l.PollRequest.Parse(&h, body)
	return l.ends(data, opts, err, df)
}

// SerializeTo writes the fields between fixed header and options.
func (l *POLL) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return prepend(b, 20+packet.NLALen(l.Path), l.PollRequest.Append)
}
