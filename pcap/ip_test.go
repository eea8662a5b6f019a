package pcap

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// readFrames reads IP packets as frames of a capture.
func readFrames(t *testing.T, c Config, frames ...[]byte) ([]Packet, Stats) {
	t.Helper()
	var records []record
	for _, f := range frames {
		records = append(records, record{start, f, 0})
	}
	return readRecords(t, c, records...)
}

func readRecords(t *testing.T, c Config, records ...record) ([]Packet, Stats) {
	t.Helper()
	r, err := OpenConfig(bytes.NewReader(classicCapture(le, true, linkRaw, records...)), c)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all, r.Stats()
}

// insert6 puts extension headers between the IPv6 header of ip and what follows it.
func insert6(ip []byte, first byte, headers []byte) []byte {
	b := slices.Concat(ip[:40], headers, ip[40:])
	b[6] = first
	be.PutUint16(b[4:], be.Uint16(ip[4:])+uint16(len(headers)))
	return b
}

func TestNetworkHeaders(t *testing.T) {
	data := odata(1, 10)
	four := Packet{Src: source4, Dst: group4, TTL: 16, UDP: true, Data: data}
	six := Packet{Src: source6, Dst: group6, TTL: 16, UDP: true, Data: data}
	bare := func(p Packet) Packet {
		p.UDP, p.Src, p.Dst = false, netip.AddrPortFrom(p.Src.Addr(), 0), netip.AddrPortFrom(p.Dst.Addr(), 0)
		return p
	}
	alerted := func(p Packet) Packet { p.RouterAlert = true; return p }
	ip6 := network(t, six)
	options := slices.Concat(network(t, four)[:20], []byte{1, 7, 3, 4, 0x94, 4, 0, 0}, network(t, four)[20:])
	options[0] = 0x47
	be.PutUint16(options[2:], uint16(len(options)))
	route := slices.Concat(network(t, four)[:20], []byte{7, 3, 4, 0}, network(t, four)[20:])
	route[0] = 0x46
	be.PutUint16(route[2:], uint16(len(route)))
	offloaded := network(t, four)
	offloaded[2], offloaded[3] = 0, 0
	jumbo := network(t, six)
	jumbo[4], jumbo[5] = 0, 0
	tests := []struct {
		name string
		ip   []byte
		want Packet
	}{
		{"IPv4, UDP", network(t, four), four},
		{"IPv4, protocol 113", network(t, bare(four)), bare(four)},
		{"IPv4, Router Alert", network(t, alerted(bare(four))), alerted(bare(four))},
		{"IPv4, options", options, alerted(four)},
		{"IPv4, another option", route, four},
		{"IPv4, without its length", offloaded, four},
		{"IPv6, UDP", ip6, six},
		{"IPv6, protocol 113", network(t, bare(six)), bare(six)},
		{"IPv6, Router Alert", network(t, alerted(bare(six))), alerted(bare(six))},
		{"IPv6, without its length", jumbo, six},
		{"IPv6, extension headers", insert6(ip6, 0, []byte{
			60, 0, 0, 1, 0, 1, 1, 0, // hop-by-hop: Pad1, PadN, PadN
			43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // destination options
			51, 0, 0, 0, 0, 0, 0, 0, // routing
			44, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, // authentication
			17, 0, 0, 0, 0, 0, 0, 9, // fragment, but the whole
		}), six},
	}
	for _, tt := range tests {
		all, stats := readFrames(t, Config{}, tt.ip)
		if len(all) != 1 {
			t.Errorf("%s: %d packets; %+v", tt.name, len(all), stats)
			continue
		}
		got := all[0]
		if got.Src != tt.want.Src || got.Dst != tt.want.Dst || got.TTL != 16 || got.UDP != tt.want.UDP ||
			got.RouterAlert != tt.want.RouterAlert || !bytes.Equal(got.Data, data) || got.Truncated || got.Fragmented {
			t.Errorf("%s: got %+v", tt.name, got)
		}
	}
}

func TestWhatIsNotPGMIsCountedByCause(t *testing.T) {
	data := odata(1, 10)
	with := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }
	ip4, ip6 := udp4(t, data), network(t, Packet{Src: source6, Dst: group6, UDP: true, Data: data})
	tests := []struct {
		name  string
		frame []byte
		cause func(Stats) uint64
	}{
		{"version 5", with(ip4, 0, 0x55), func(s Stats) uint64 { return s.NotIP }},
		{"short header", with(ip4, 0, 0x44), func(s Stats) uint64 { return s.NotIP }},
		{"header longer than the packet", with(ip4[:24], 0, 0x4f), func(s Stats) uint64 { return s.NotIP }},
		{"total length too small", with(with(ip4, 2, 0), 3, 19), func(s Stats) uint64 { return s.NotIP }},
		{"IPv6, extension header beyond the packet", insert6(ip6, 60, []byte{17, 255, 0, 0, 0, 0, 0, 0}), func(s Stats) uint64 { return s.NotIP }},
		{"TCP", with(ip4, 9, 6), func(s Stats) uint64 { return s.OtherProtocol }},
		{"IPv6, no next header", with(ip6, 6, 59), func(s Stats) uint64 { return s.OtherProtocol }},
		{"UDP length too small", with(with(ip4, 24, 0), 25, 7), func(s Stats) uint64 { return s.Malformed }},
		{"UDP length beyond the packet", with(ip4, 24, 0x10), func(s Stats) uint64 { return s.Malformed }},
		{"UDP header cut", with(with(ip4, 2, 0), 3, 24), func(s Stats) uint64 { return s.Malformed }},
		{"wrong checksum of PGM", with(ip4, len(ip4)-1, 99), func(s Stats) uint64 { return s.OtherUDP }},
		{"a part of a datagram", with(ip4, 6, 0x20), func(s Stats) uint64 { return s.Waiting }},
	}
	for _, tt := range tests {
		all, stats := readFrames(t, Config{}, tt.frame)
		if len(all) != 0 || tt.cause(stats) != 1 {
			t.Errorf("%s: %d packets, %+v", tt.name, len(all), stats)
		}
	}
}

func TestSnapLengthMarksPackets(t *testing.T) {
	data := odata(1, 1000)
	ip := udp4(t, data)
	all, _ := readRecords(t, Config{Ports: []uint16{7500}}, record{start, ip[:20+8+50], len(ip)})
	if len(all) != 1 || !all[0].Truncated || all[0].Length != len(data) || !bytes.Equal(all[0].Data, data[:50]) {
		t.Errorf("got %+v", all)
	}
	// Padding of a short frame is not part of the packet.
	all, _ = readFrames(t, Config{}, append(udp4(t, nakFor(1)), make([]byte, 20)...))
	if len(all) != 1 || all[0].Truncated || len(all[0].Data) != packet.HeaderLen+20 {
		t.Errorf("got %+v", all)
	}
}
