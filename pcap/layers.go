package pcap

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The layers of PGM. A packet is LayerTypePGM, which is its fixed header, then the layer of its type, then LayerTypeOptions if it
// has any, then the application's octets if it is data.
var (
	LayerTypePGM     = register(1130, "PGM", decodeLayer[PGM])
	LayerTypeSPM     = register(1131, "PGM-SPM", decodeLayer[SPM])
	LayerTypePOLL    = register(1132, "PGM-POLL", decodeLayer[POLL])
	LayerTypePOLR    = register(1133, "PGM-POLR", decodeLayer[POLR])
	LayerTypeODATA   = register(1134, "PGM-ODATA", decodeLayer[ODATA])
	LayerTypeRDATA   = register(1135, "PGM-RDATA", decodeLayer[RDATA])
	LayerTypeNAK     = register(1136, "PGM-NAK", decodeLayer[NAK])
	LayerTypeNNAK    = register(1137, "PGM-NNAK", decodeLayer[NNAK])
	LayerTypeNCF     = register(1138, "PGM-NCF", decodeLayer[NCF])
	LayerTypeSPMR    = register(1139, "PGM-SPMR", decodeLayer[SPMR])
	LayerTypeACK     = register(1140, "PGM-ACK", decodeLayer[ACK])
	LayerTypeOptions = register(1141, "PGM-options", decodeLayer[Options])
)

// EndpointPGM is the type of the two ends of a PGM packet: the ports of its fixed header.
var EndpointPGM = gopacket.RegisterEndpointType(1130, gopacket.EndpointTypeMetadata{Name: "PGM", Formatter: formatPort})

// IPProtocolPGM is PGM's number in IP headers.
const IPProtocolPGM = layers.IPProtocol(protoPGM)

func register(num int, name string, decode gopacket.DecodeFunc) gopacket.LayerType {
	return gopacket.RegisterLayerType(num, gopacket.LayerTypeMetadata{Name: name, Decoder: decode})
}

func init() {
	layers.IPProtocolMetadata[IPProtocolPGM] = layers.EnumMetadata{
		DecodeWith: gopacket.DecodeFunc(decodeLayer[PGM]), Name: "PGM", LayerType: LayerTypePGM,
	}
}

// RegisterUDPPort makes gopacket decode what comes from or goes to the given UDP port as PGM, in the whole program: call it
// before decoding begins. A Reader needs no such help.
func RegisterUDPPort(port uint16) {
	layers.RegisterUDPPortLayerType(layers.UDPPort(port), LayerTypePGM)
}

// decodingLayer is a layer of this package, by the pointer to it.
type decodingLayer[L any] interface {
	*L
	gopacket.Layer
	gopacket.DecodingLayer
}

// decodeLayer adds the layer L to a packet, and those that follow it.
func decodeLayer[L any, P decodingLayer[L]](data []byte, p gopacket.PacketBuilder) error {
	l := P(new(L))
	if err := l.DecodeFromBytes(data, p); err != nil {
		return err
	}
	p.AddLayer(l)
	if t, ok := any(l).(gopacket.TransportLayer); ok {
		p.SetTransportLayer(t)
	}
	if len(l.LayerPayload()) == 0 {
		return nil
	}
	return p.NextDecoder(l.NextLayerType())
}

// part is what the layers of a packet have in common: their octets, and what follows.
//
// To decode the layer of a packet's type takes the fixed header as well: it says whether options follow. So the payload of
// LayerTypePGM is the whole packet, and what is handed to DecodeFromBytes of the next layer begins with the header. The contents
// of the layers still are the packet, piece by piece.
type part struct {
	layers.BaseLayer
	next gopacket.LayerType
}

// NextLayerType returns the type of the layer that follows, as gopacket asks for it.
func (p *part) NextLayerType() gopacket.LayerType { return p.next }

// split says that the part of the packet behind the fixed header, up to rest octets from the end, is this layer.
func (p *part) split(data []byte, rest int, options bool) {
	at := len(data) - rest
	p.Contents, p.Payload, p.next = data[packet.HeaderLen:at], data[at:], gopacket.LayerTypePayload
	if options {
		p.next = LayerTypeOptions
	}
}

// begin reads as much of the fixed header as the parsers of bodies need. What is wrong with it, LayerTypePGM has found.
func begin(data []byte, df gopacket.DecodeFeedback) (h packet.Header, body []byte, err error) {
	if len(data) < packet.HeaderLen {
		df.SetTruncated()
		return h, nil, &packet.Error{Type: packet.NoType, Field: "fixed header", Err: packet.ErrTruncated}
	}
	h.Type, h.Options = packet.Type(data[4]&0x0f), packet.Flags(data[5])
	h.TSDULength = uint16(data[14])<<8 | uint16(data[15])
	return h, data[packet.HeaderLen:], nil
}

// prepend makes room for n octets in front of what b holds, and has write append them there.
func prepend(b gopacket.SerializeBuffer, n int, write func([]byte) []byte) error {
	room, err := b.PrependBytes(n)
	if err == nil {
		write(room[:0])
	}
	return err
}
