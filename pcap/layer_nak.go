package pcap

import (
	"encoding/binary"

	"github.com/google/gopacket"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// NAK is the layer of negative acknowledgements. List is what OPT_NAK_LIST among the options says; it is the layer of the options
// that writes it.
type NAK struct {
	part
	nak.Packet
}

// NNAK is the layer of null negative acknowledgements; see NAK.
type NNAK struct {
	part
	nak.Packet
}

// NCF is the layer of the confirmations of NAKs; see NAK.
type NCF struct {
	part
	nak.Packet
}

// LayerType returns LayerTypeNAK.
func (*NAK) LayerType() gopacket.LayerType { return LayerTypeNAK }

// CanDecode returns LayerTypeNAK.
func (*NAK) CanDecode() gopacket.LayerClass { return LayerTypeNAK }

// LayerType returns LayerTypeNNAK.
func (*NNAK) LayerType() gopacket.LayerType { return LayerTypeNNAK }

// CanDecode returns LayerTypeNNAK.
func (*NNAK) CanDecode() gopacket.LayerClass { return LayerTypeNNAK }

// LayerType returns LayerTypeNCF.
func (*NCF) LayerType() gopacket.LayerType { return LayerTypeNCF }

// CanDecode returns LayerTypeNCF.
func (*NCF) CanDecode() gopacket.LayerClass { return LayerTypeNCF }

// DecodeFromBytes reads data, a NAK from its fixed header on. The option list is the layer's payload.
func (l *NAK) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	return l.nak(&l.Packet, packet.TypeNAK, data, df)
}

// DecodeFromBytes reads data, a NNAK from its fixed header on. The option list is the layer's payload.
func (l *NNAK) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	return l.nak(&l.Packet, packet.TypeNNAK, data, df)
}

// DecodeFromBytes reads data, an NCF from its fixed header on. The option list is the layer's payload.
func (l *NCF) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	return l.nak(&l.Packet, packet.TypeNCF, data, df)
}

func (p *part) nak(n *nak.Packet, t packet.Type, data []byte, df gopacket.DecodeFeedback) error {
	h, body, err := begin(data, df)
	if err != nil {
		return err
	}
	if h.Type != t {
		return wrongType(&h)
	}
	opts, err := n.Parse(&h, body)
	return p.ends(data, opts, err, df)
}

// SerializeTo writes the fields between fixed header and options.
func (l *NAK) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return serializeNAK(b, &l.Packet)
}

// SerializeTo writes the fields between fixed header and options.
func (l *NNAK) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return serializeNAK(b, &l.Packet)
}

// SerializeTo writes the fields between fixed header and options.
func (l *NCF) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return serializeNAK(b, &l.Packet)
}

func serializeNAK(b gopacket.SerializeBuffer, n *nak.Packet) error {
	return prepend(b, 4+packet.NLALen(n.Source)+packet.NLALen(n.Group), func(b []byte) []byte {
		b = binary.BigEndian.AppendUint32(b, uint32(n.SQN))
		return packet.AppendNLA(packet.AppendNLA(b, n.Source), n.Group)
	})
}
