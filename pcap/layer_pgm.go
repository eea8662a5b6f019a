package pcap

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/gopgm/gopgm/pgm/packet"
)

// PGM is the fixed header, with which every PGM packet begins.
type PGM struct {
	layers.BaseLayer
	packet.Header
	// Fault is what is wrong with the header, but not so wrong that what follows cannot be read: a checksum that is wrong, or
	// missing from data, as in a packet that was cut; a length of data in a packet without data.
	Fault error
	next  gopacket.LayerType
}

// LayerType returns LayerTypePGM.
func (*PGM) LayerType() gopacket.LayerType { return LayerTypePGM }

// CanDecode returns LayerTypePGM.
func (*PGM) CanDecode() gopacket.LayerClass { return LayerTypePGM }

// NextLayerType returns the layer type of the packet's type; LayerTypePayload, if the type has none.
func (p *PGM) NextLayerType() gopacket.LayerType { return p.next }

// TransportFlow returns the ports of the packet.
func (p *PGM) TransportFlow() gopacket.Flow {
	if len(p.Contents) < 4 {
		return gopacket.Flow{}
	}
	return gopacket.NewFlow(EndpointPGM, p.Contents[:2], p.Contents[2:4])
}

func formatPort(b []byte) string {
	if len(b) != 2 {
		return ""
	}
	return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
}

// DecodeFromBytes reads the fixed header of data, which is the whole packet.
func (p *PGM) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	p.Fault = nil
	if _, err := p.Header.Parse(data); err != nil {
		switch {
		case errors.Is(err, packet.ErrTruncated):
			df.SetTruncated()
			return err
		case errors.Is(err, packet.ErrVersion):
			return err
		}
		p.Fault = err
	}
	// The body's layer wants to see the header again, for the presence of options.
	p.Contents, p.Payload = data[:packet.HeaderLen], data
	if p.next = bodyLayer(p.Type); p.next == gopacket.LayerTypePayload {
		p.Payload = data[packet.HeaderLen:]
	}
	return nil
}

// bodyLayer returns the layer type of packets of type t.
func bodyLayer(t packet.Type) gopacket.LayerType {
	switch t {
	case packet.TypeSPM:
		return LayerTypeSPM
	case packet.TypePOLL:
		return LayerTypePOLL
	case packet.TypePOLR:
		return LayerTypePOLR
	case packet.TypeODATA:
		return LayerTypeODATA
	case packet.TypeRDATA:
		return LayerTypeRDATA
	case packet.TypeNAK:
		return LayerTypeNAK
	case packet.TypeNNAK:
		return LayerTypeNNAK
	case packet.TypeNCF:
		return LayerTypeNCF
	case packet.TypeSPMR:
		return LayerTypeSPMR
	case TypeACK, TypeOldACK:
		return LayerTypeACK
	}
	return gopacket.LayerTypePayload
}

// SerializeTo writes the fixed header in front of the layers that b holds. With FixLengths, the type, the flags that say whether
// there are options and network-significant ones, and the TSDU Length are made to agree with those layers; with
// ComputeChecksums the checksum is right. Else they are as the fields say.
func (p *PGM) SerializeTo(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	h := p.Header
	inner := b.Layers()
	options := slices.Contains(inner, LayerTypeOptions)
	if opts.FixLengths {
		// An ACK has two types, and a payload none: those the field tells.
		for _, t := range typesWithLayer {
			if l := bodyLayer(t); slices.Contains(inner, l) && bodyLayer(h.Type) != l {
				h.Type = t
			}
		}
		h.Options &^= packet.FlagOptions | packet.FlagNetwork
		h.TSDULength = 0
	}
	if err := prepend(b, packet.HeaderLen, h.Append); err != nil {
		return err
	}
	whole := b.Bytes()
	if opts.FixLengths {
		size, ok := measure(whole, len(whole))
		if !ok {
			size = len(whole)
		}
		if options && size+4 <= len(whole) {
			list := whole[size:][:min(int(binary.BigEndian.Uint16(whole[size+2:])), len(whole)-size)]
			whole[5] |= byte(packet.FlagOptions)
			for o, err := range packet.Options(list) {
				if err == nil && packet.NetworkSignificant(h.Type, o.Type) {
					whole[5] |= byte(packet.FlagNetwork)
				}
			}
			size += len(list)
		}
		if h.Type.IsData() {
			if len(whole)-size > 0xffff {
				return &packet.Error{Type: h.Type, Field: "TSDU Length", Offset: 14, Err: packet.ErrLength}
			}
			binary.BigEndian.PutUint16(whole[14:], uint16(len(whole)-size))
		}
	}
	if opts.ComputeChecksums {
		packet.Seal(whole)
	} else {
		binary.BigEndian.PutUint16(whole[6:], p.Checksum)
	}
	return nil
}

var typesWithLayer = []packet.Type{
	packet.TypeSPM, packet.TypePOLL, packet.TypePOLR, packet.TypeODATA, packet.TypeRDATA,
	packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF, packet.TypeSPMR, TypeACK,
}
