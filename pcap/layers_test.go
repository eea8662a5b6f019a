package pcap

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// layersOf returns the names of the layers of a packet.
func layersOf(p gopacket.Packet) string {
	var names []string
	for _, l := range p.Layers() {
		names = append(names, l.LayerType().String())
	}
	return strings.Join(names, " ")
}

// Each packet is decoded by whoever decodes IP, and its layers, one behind the other, are the packet.
func TestEveryPacketDecodesBehindIP(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, s := range everyPacket(v6) {
			data := s.bytes()
			p := Packet{Src: source4, Dst: group4, Data: data}
			first, ip := layers.LayerTypeIPv4, "IPv4"
			if v6 {
				p.Src, p.Dst, first, ip = source6, group6, layers.LayerTypeIPv6, "IPv6"
			}
			got := gopacket.NewPacket(network(t, p), first, gopacket.Default)
			want := ip + " PGM " + bodyLayer(s.typ).String()
			if len(s.options) > 0 {
				want += " PGM-options"
			}
			if s.data != "" {
				want += " Payload"
			}
			if layersOf(got) != want || got.ErrorLayer() != nil {
				t.Errorf("%s: %s, %v; want %s", s.name, layersOf(got), got.ErrorLayer(), want)
				continue
			}
			var whole []byte
			for _, l := range got.Layers()[1:] {
				whole = append(whole, l.LayerContents()...)
			}
			if !bytes.Equal(whole, data) {
				t.Errorf("%s: the layers are %x, want %x", s.name, whole, data)
			}
			if s.data != "" && string(got.ApplicationLayer().Payload()) != s.data {
				t.Errorf("%s: data %q, want %q", s.name, got.ApplicationLayer().Payload(), s.data)
			}
			if l, ok := got.Layer(LayerTypeOptions).(*Options); ok {
				for i, o := range l.List {
					if v, err := o.Value(); err != nil || !reflect.DeepEqual(v, s.options[i]) {
						t.Errorf("%s: option %d is %+v, %v; want %+v", s.name, i, v, err, s.options[i])
					}
				}
			}
			if f := got.TransportLayer().TransportFlow(); f.String() != "1000->7500" && f.String() != "7500->1000" {
				t.Errorf("%s: flow %v", s.name, f)
			}
		}
	}
}

// decoder has one of each layer, as a program that decodes many packets has them.
type decoder struct {
	pgm     PGM
	spm     SPM
	poll    POLL
	polr    POLR
	odata   ODATA
	rdata   RDATA
	nak     NAK
	nnak    NNAK
	ncf     NCF
	spmr    SPMR
	ack     ACK
	options Options
	payload gopacket.Payload

	parser  *gopacket.DecodingLayerParser
	decoded []gopacket.LayerType
}

func newDecoder() *decoder {
	d := &decoder{}
	d.parser = gopacket.NewDecodingLayerParser(LayerTypePGM, &d.pgm, &d.spm, &d.poll, &d.polr, &d.odata, &d.rdata,
		&d.nak, &d.nnak, &d.ncf, &d.spmr, &d.ack, &d.options, &d.payload)
	return d
}

// serializable returns the layers that were decoded last.
func (d *decoder) serializable() (all []gopacket.SerializableLayer) {
	by := map[gopacket.LayerType]gopacket.SerializableLayer{
		LayerTypePGM: &d.pgm, LayerTypeSPM: &d.spm, LayerTypePOLL: &d.poll, LayerTypePOLR: &d.polr, LayerTypeODATA: &d.odata,
		LayerTypeRDATA: &d.rdata, LayerTypeNAK: &d.nak, LayerTypeNNAK: &d.nnak, LayerTypeNCF: &d.ncf, LayerTypeSPMR: &d.spmr,
		LayerTypeACK: &d.ack, LayerTypeOptions: &d.options, gopacket.LayerTypePayload: &d.payload,
	}
	for _, t := range d.decoded {
		all = append(all, by[t])
	}
	return all
}

// Decoded and written again a packet is the same, also if the header's lengths, flags and checksum are left to the layers.
func TestLayersRoundTrip(t *testing.T) {
	d := newDecoder()
	for _, v6 := range []bool{false, true} {
		for _, s := range everyPacket(v6) {
			want := s.bytes()
			if err := d.parser.DecodeLayers(want, &d.decoded); err != nil || d.pgm.Fault != nil {
				t.Fatalf("%s: %v, %v", s.name, err, d.pgm.Fault)
			}
			all := d.serializable()
			b := gopacket.NewSerializeBuffer()
			if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, all...); err != nil || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s: %v\n got %x\nwant %x", s.name, err, b.Bytes(), want)
			}
			d.pgm.Header = packet.Header{SourcePort: d.pgm.SourcePort, DestPort: d.pgm.DestPort, GSI: d.pgm.GSI, Options: packet.FlagNetwork, TSDULength: 9}
			b = gopacket.NewSerializeBuffer()
			o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
			if err := gopacket.SerializeLayers(b, o, all...); err != nil || !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s, completed: %v\n got %x\nwant %x", s.name, err, b.Bytes(), want)
			}
		}
	}
}

func TestDecodingLayersDoNotAllocate(t *testing.T) {
	d := newDecoder()
	var all [][]byte
	for _, s := range everyPacket(false) {
		all = append(all, s.bytes())
	}
	decode := func() {
		for _, b := range all {
			if err := d.parser.DecodeLayers(b, &d.decoded); err != nil {
				t.Fatal(err)
			}
		}
	}
	decode()
	if n := testing.AllocsPerRun(100, decode); n != 0 {
		t.Errorf("%v allocations for %d packets", n, len(all))
	}
}

func TestFieldsOfLayers(t *testing.T) {
	d := newDecoder()
	for _, s := range everyPacket(false) {
		if err := d.parser.DecodeLayers(s.bytes(), &d.decoded); err != nil {
			t.Fatal(err)
		}
		ok := d.pgm.TSI() == testTSI && d.pgm.DataDestPort() == testDest && d.pgm.Type == s.typ
		src, group := source4.Addr(), group4.Addr()
		naked := func(n *nak.Packet) bool { return n.SQN == 42 && n.Source == src && n.Group == group }
		switch s.typ {
		case packet.TypeSPM:
			ok = ok && d.spm.SQN == 1 && d.spm.Path == src && (d.spm.Lead == 50 || d.spm.Lead == spm.NoLead)
		case packet.TypePOLL:
			ok = ok && d.poll.SQN == 7 && d.poll.SubType == PollDLR && d.poll.Mask == 0xff && d.poll.Path == src
		case packet.TypePOLR:
			ok = ok && d.polr.SQN == 7 && d.polr.Round == 1
		case packet.TypeODATA:
			ok = ok && d.odata.SQN == 42 && d.odata.Trail == 40
		case packet.TypeRDATA:
			ok = ok && d.rdata.SQN == 42 && d.rdata.Trail == 40
		case packet.TypeNAK:
			ok = ok && naked(&d.nak.Packet) && (len(s.options) == 0) == (len(d.nak.List) == 0)
		case packet.TypeNNAK:
			ok = ok && naked(&d.nnak.Packet) && d.nnak.List[0] == 43
		case packet.TypeNCF:
			ok = ok && naked(&d.ncf.Packet)
		case TypeACK:
			ok = ok && d.ack.Max == 42 && d.ack.Bitmap == 0xfffffff9
		}
		if !ok {
			t.Errorf("%s: %+v", s.name, d)
		}
		if o, found := d.options.Find(packet.OptJoin); len(s.options) > 4 && (!found || o.String() != "OPT_JOIN 40") {
			t.Errorf("%s: OPT_JOIN is %v", s.name, o)
		}
	}
}

// A packet that was cut is read as far as it goes, and marked.
func TestEveryPrefixOfAPacketDecodesOrSaysWhyNot(t *testing.T) {
	d := newDecoder()
	for _, s := range everyPacket(false) {
		whole := s.bytes()
		for n := range whole {
			err := d.parser.DecodeLayers(whole[:n], &d.decoded)
			if err != nil && !errors.Is(err, packet.ErrTruncated) || !d.parser.Truncated {
				t.Errorf("%s[:%d]: %v, truncated %v", s.name, n, err, d.parser.Truncated)
			}
			if data := len(whole) - len(s.data); s.data != "" && n >= data && (err != nil || string(d.payload) != s.data[:n-data] && n > data) {
				t.Errorf("%s[:%d]: %v, data %q", s.name, n, err, d.payload)
			}
		}
	}
}

// A header that is wrong is read all the same, unless what follows cannot be.
func TestFaultsOfTheHeader(t *testing.T) {
	var p PGM
	decode := func(at int, v byte) error {
		b := odata(1, 10)
		b[at] = v
		return p.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	}
	if err := decode(30, 0x55); err != nil || !errors.Is(p.Fault, packet.ErrChecksum) || p.TSDULength != 10 {
		t.Errorf("wrong checksum: %v, fault %v", err, p.Fault)
	}
	if err := decode(5, byte(packet.FlagVarPktLen)); err != nil || !errors.Is(p.Fault, packet.ErrReserved) {
		t.Errorf("impossible flags: %v, fault %v", err, p.Fault)
	}
	if err := decode(4, 0x44); !errors.Is(err, packet.ErrVersion) {
		t.Errorf("another version: %v", err)
	}
	if err := decode(30, 6); err != nil || p.Fault != nil {
		t.Errorf("nothing wrong: %v, fault %v", err, p.Fault)
	}
	// A type of no meaning has a payload and no more.
	if err := decode(4, 0x0f); err != nil || p.NextLayerType() != gopacket.LayerTypePayload || len(p.LayerPayload()) != 18 {
		t.Errorf("unknown type: %v, %v", err, p.NextLayerType())
	}
}

// The layer of one type refuses the packets of another.
func TestLayersRefuseOtherTypes(t *testing.T) {
	for _, l := range []gopacket.DecodingLayer{&SPM{}, &POLL{}, &POLR{}, &RDATA{}, &NAK{}, &NNAK{}, &NCF{}, &SPMR{}, &ACK{}} {
		if err := l.DecodeFromBytes(odata(1, 40), gopacket.NilDecodeFeedback); !errors.Is(err, packet.ErrType) {
			t.Errorf("%v takes ODATA: %v", l.CanDecode(), err)
		}
	}
	if err := new(ODATA).DecodeFromBytes(nakFor(1), gopacket.NilDecodeFeedback); !errors.Is(err, packet.ErrType) {
		t.Errorf("ODATA takes a NAK: %v", err)
	}
}

func TestListsThatCannotBeWritten(t *testing.T) {
	long := make([]Option, packet.MaxOptions+1)
	for _, l := range []Options{{}, {List: long}, {List: []Option{{packet.Option{Body: make([]byte, 252)}}}}} {
		if err := l.SerializeTo(gopacket.NewSerializeBuffer(), gopacket.SerializeOptions{}); err == nil {
			t.Errorf("a list of %d options was written", len(l.List))
		}
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, &PGM{}, &ODATA{}, gopacket.Payload(make([]byte, 1<<16)))
	if !errors.Is(err, packet.ErrLength) {
		t.Errorf("65536 octets of data: %v", err)
	}
}

func TestRegisteredPortsDecode(t *testing.T) {
	RegisterUDPPort(17500)
	p := Packet{Src: source4, Dst: netip.AddrPortFrom(group4.Addr(), 17500), UDP: true, Data: odata(1, 5)}
	got := gopacket.NewPacket(network(t, p), layers.LayerTypeIPv4, gopacket.Lazy)
	if l, ok := got.Layer(LayerTypeODATA).(*ODATA); !ok || l.SQN != 1 || layersOf(got) != "IPv4 UDP PGM PGM-ODATA Payload" {
		t.Errorf("got %v", got)
	}
	if _, ok := got.TransportLayer().(*layers.UDP); !ok {
		t.Errorf("the transport is %v, want UDP", got.TransportLayer())
	}
}
