package pcap_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

var session = packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 1000}

// capture writes a NAK and its confirmation as a capture.
func capture() io.Reader {
	source, receiver, group := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("239.192.0.1")
	want := nak.Packet{SQN: 4711, Source: source, Group: group, List: []packet.SQN{4712, 4720}}
	b := new(bytes.Buffer)
	w, err := pcap.NewWriter(b)
	if err != nil {
		log.Fatal(err)
	}
	w.Write(pcap.Packet{
		Time: time.Unix(1_700_000_000, 0), TTL: 16,
		Src: netip.AddrPortFrom(receiver, 0), Dst: netip.AddrPortFrom(source, 0),
		Data: nak.Append(nil, packet.Upstream(packet.TypeNAK, session, 7500), &want),
	})
	w.Write(pcap.Packet{
		Time: time.Unix(1_700_000_000, 80_000), TTL: 16, RouterAlert: true,
		Src: netip.AddrPortFrom(source, 0), Dst: netip.AddrPortFrom(group, 0),
		Data: nak.Append(nil, packet.Downstream(packet.TypeNCF, session, 7500), &want),
	})
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}
	return b
}

// A program that uses gopacket decodes PGM as soon as it imports this package.
func Example() {
	r, err := pcapgo.NewNgReader(capture(), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		log.Fatal(err)
	}
	for p := range gopacket.NewPacketSource(r, layers.LayerTypeIPv4).Packets() {
		pgm := p.Layer(pcap.LayerTypePGM).(*pcap.PGM)
		fmt.Println(p.NetworkLayer().NetworkFlow(), pgm.Type, "of session", pgm.TSI())
		if l, ok := p.Layer(pcap.LayerTypeNAK).(*pcap.NAK); ok {
			fmt.Println("  asks for", l.SQN, "and", l.List)
		}
		if l, ok := p.Layer(pcap.LayerTypeOptions).(*pcap.Options); ok {
			fmt.Println("  ", l.List)
		}
	}
	// Output:
	// 192.0.2.9->192.0.2.1 NAK of session 0a1b2c3d4e5f.1000
	//   asks for 4711 and [4712 4720]
	//    [OPT_NAK_LIST [4712 4720]]
	// 192.0.2.1->239.192.0.1 NCF of session 0a1b2c3d4e5f.1000
	//    [OPT_NAK_LIST [4712 4720]]
}

// A Reader finds the PGM in a capture, whatever it is wrapped in.
func ExampleReader() {
	r, err := pcap.Open(capture())
	if err != nil {
		log.Fatal(err)
	}
	var p pcap.Packet
	for {
		if err := r.Read(&p); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err) // where reading stopped, and why
		}
		var h packet.Header
		if _, err := h.Parse(p.Data); err != nil {
			fmt.Println(p.Number, err)
			continue
		}
		fmt.Println(p.Number, p.Src.Addr(), "->", p.Dst.Addr(), h.Type, "Router Alert:", p.RouterAlert)
	}
	// Output:
	// 1 192.0.2.9 -> 192.0.2.1 NAK Router Alert: false
	// 2 192.0.2.1 -> 239.192.0.1 NCF Router Alert: true
}

// A program that decodes many packets keeps one of each layer, and allocates nothing.
func Example_decodingLayerParser() {
	var (
		ip      layers.IPv4
		udp     layers.UDP
		pgm     pcap.PGM
		ask     pcap.NAK
		confirm pcap.NCF
		options pcap.Options
		decoded []gopacket.LayerType
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeIPv4, &ip, &udp, &pgm, &ask, &confirm, &options)
	r, err := pcapgo.NewNgReader(capture(), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		log.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if err != nil {
			break
		}
		if err := parser.DecodeLayers(data, &decoded); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Println(decoded)
	}
	// Output:
	// [IPv4 PGM PGM-NAK PGM-options]
	// [IPv4 PGM PGM-NCF PGM-options]
}
