package pcap

import (
	"github.com/google/gopacket"

	"github.com/gopgm/gopgm/spm"
)

// SPMR is the layer of requests for an SPM, which have no fields of their own.
type SPMR struct {
	part
}

// LayerType returns LayerTypeSPMR.
func (*SPMR) LayerType() gopacket.LayerType { return LayerTypeSPMR }

// CanDecode returns LayerTypeSPMR.
func (*SPMR) CanDecode() gopacket.LayerClass { return LayerTypeSPMR }

// DecodeFromBytes reads data, an SPMR from its fixed header on. The option list is the layer's payload.
func (l *SPMR) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	h, body, err := begin(data, df)
	if err != nil {
		return err
	}
	opts, err := spm.ParseRequest(&h, body)
	return l.ends(data, opts, err, df)
}

// SerializeTo writes nothing.
func (l *SPMR) SerializeTo(gopacket.SerializeBuffer, gopacket.SerializeOptions) error { return nil }

// POLR is the layer of the answers to polls.
type POLR struct {
	part
	PollResponse
}

// LayerType returns LayerTypePOLR.
func (*POLR) LayerType() gopacket.LayerType { return LayerTypePOLR }

// CanDecode returns LayerTypePOLR.
func (*POLR) CanDecode() gopacket.LayerClass { return LayerTypePOLR }

// DecodeFromBytes reads data, a POLR from its fixed header on. The option list is the layer's payload.
func (l *POLR) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	h, body, err := begin(data, df)
	if err != nil {
		return err
	}
	opts, err := l.PollResponse.Parse(&h, body)
	return l.ends(data, opts, err, df)
}

// SerializeTo writes the fields between fixed header and options.
func (l *POLR) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return prepend(b, 8, l.PollResponse.Append)
}

// ACK is the layer of the acknowledgements of PGMCC.
type ACK struct {
	part
	Acknowledgement
}

// LayerType returns LayerTypeACK.
func (*ACK) LayerType() gopacket.LayerType { return LayerTypeACK }

// CanDecode returns LayerTypeACK.
func (*ACK) CanDecode() gopacket.LayerClass { return LayerTypeACK }

// DecodeFromBytes reads data, an ACK from its fixed header on. The option list is the layer's payload.
func (l *ACK) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	h, body, err := begin(data, df)
	if err != nil {
		return err
	}
	opts, err := l.Acknowledgement.Parse(&h, body)
	return l.ends(data, opts, err, df)
}

// SerializeTo writes the fields between fixed header and options.
func (l *ACK) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	return prepend(b, 8, l.Acknowledgement.Append)
}
