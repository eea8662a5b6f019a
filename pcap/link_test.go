package pcap

import (
	"bytes"
	"testing"
)

// ethernet puts a frame around an IP packet, with a VLAN tag for each type but the last.
func ethernet(ip []byte, types ...uint16) []byte {
	b := []byte{1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 1}
	for i, v := range types {
		if b = be.AppendUint16(b, v); i < len(types)-1 {
			b = append(b, 0, 42)
		}
	}
	return append(b, ip...)
}

func TestLinkTypes(t *testing.T) {
	ip4 := udp4(t, odata(1, 10))
	ip6 := network(t, Packet{Src: source6, Dst: group6, UDP: true, Data: odata(1, 10)})
	cooked := func(proto uint16, ip []byte) []byte {
		return append(be.AppendUint16([]byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, proto), ip...)
	}
	cooked2 := func(proto uint16, ip []byte) []byte {
		return append(append(be.AppendUint16(nil, proto), 0, 0, 0, 0, 0, 1, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0), ip...)
	}
	family := func(a, b, c, d byte, ip []byte) []byte { return append([]byte{a, b, c, d}, ip...) }
	tests := []struct {
		name  string
		link  linkType
		frame []byte
		pgm   bool
	}{
		{"Ethernet, IPv4", linkEthernet, ethernet(ip4, etherIPv4), true},
		{"Ethernet, IPv6", linkEthernet, ethernet(ip6, etherIPv6), true},
		{"Ethernet, padded", linkEthernet, append(ethernet(ip4, etherIPv4), 0, 0, 0, 0, 0, 0), true},
		{"Ethernet, VLAN", linkEthernet, ethernet(ip4, etherVLAN, etherIPv4), true},
		{"Ethernet, VLAN in VLAN", linkEthernet, ethernet(ip6, etherQinQ, etherVLAN, etherIPv6), true},
		{"Ethernet, three VLANs", linkEthernet, ethernet(ip4, etherVLAN91, etherVLAN, etherVLAN, etherIPv4), true},
		{"802.3 with SNAP", linkEthernet, append(append(ethernet(nil, 100), 0xaa, 0xaa, 3, 0, 0, 0, 8, 0), ip4...), true},
		{"802.3", linkEthernet, ethernet(ip4, 100), false},
		{"ARP", linkEthernet, ethernet(ip4, 0x0806), false},
		{"VLAN without end", linkEthernet, ethernet(nil, etherVLAN), false},
		{"Ethernet, nothing", linkEthernet, ethernet(nil, etherIPv4), false},
		{"cooked, IPv4", linkCooked, cooked(etherIPv4, ip4), true},
		{"cooked, IPv6", linkCooked, cooked(etherIPv6, ip6), true},
		{"cooked, VLAN", linkCooked, cooked(etherVLAN, append([]byte{0, 42, 8, 0}, ip4...)), true},
		{"cooked, else", linkCooked, cooked(4, ip4), false},
		{"cooked v2, IPv4", linkCooked2, cooked2(etherIPv4, ip4), true},
		{"cooked v2, VLAN", linkCooked2, cooked2(etherVLAN, append([]byte{0, 42, 0x86, 0xdd}, ip6...)), true},
		{"cooked v2, else", linkCooked2, cooked2(0x0806, ip4), false},
		{"raw 101", linkRaw, ip6, true},
		{"raw 12", linkRawDLT, ip4, true},
		{"raw 14", linkRawBSD, ip4, true},
		{"IPv4", linkIPv4, ip4, true},
		{"IPv6", linkIPv6, ip6, true},
		{"null, little-endian", linkNull, family(2, 0, 0, 0, ip4), true},
		{"null, big-endian", linkNull, family(0, 0, 0, 30, ip6), true},
		{"loop, OpenBSD", linkLoop, family(0, 0, 0, 24, ip6), true},
		{"null, AppleTalk", linkNull, family(16, 0, 0, 0, ip4), false},
	}
	for _, tt := range tests {
		for n := 0; n <= len(tt.frame); n++ { // cut anywhere
			b := classicCapture(le, true, tt.link, record{start, tt.frame[:n], len(tt.frame)})
			r, err := Open(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			all, err := readAll(r)
			if err != nil || n == len(tt.frame) && tt.pgm != (len(all) == 1) {
				t.Errorf("%s, %d of %d octets: %d packets, %v; stats %+v", tt.name, n, len(tt.frame), len(all), err, r.Stats())
			}
		}
	}
}
