package packet

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

func TestNLA(t *testing.T) { // [8-18]
	for _, tt := range []struct {
		name string
		addr string
		wire string
	}{
		{"IPv4", "192.0.2.1", "0001 0000 c0000201"},
		{"a group", "239.192.77.71", "0001 0000 efc04d47"},
		{"IPv6", "2001:db8::1", "0002 0000 20010db8 00000000 00000000 00000001"},
	} {
		addr, wire := netip.MustParseAddr(tt.addr), unhex(t, tt.wire)
		if got := AppendNLA(nil, addr); !bytes.Equal(got, wire) {
			t.Errorf("%s: AppendNLA = %x, want %x", tt.name, got, wire)
		}
		if got := NLALen(addr); got != len(wire) {
			t.Errorf("%s: NLALen = %d, want %d", tt.name, got, len(wire))
		}
		got, rest, err := ParseNLA(append(wire, 0xaa, 0xbb), TypeSPM, "Path NLA", 28)
		if err != nil || got != addr || !bytes.Equal(rest, []byte{0xaa, 0xbb}) {
			t.Errorf("%s: ParseNLA = %v, %x, %v", tt.name, got, rest, err)
		}
		for n := range wire {
			if _, _, err := ParseNLA(wire[:n], TypeSPM, "Path NLA", 28); !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: the first %d octets: %v, want ErrTruncated", tt.name, n, err)
			}
		}
	}
}

func TestNLAIsWrittenWithoutItsZoneAndMapping(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"fe80::1%eth0", "fe80::1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
	} {
		wire := AppendNLA(nil, netip.MustParseAddr(tt.addr))
		if got, _, err := ParseNLA(wire, TypeSPM, "Path NLA", 28); err != nil || got.String() != tt.want {
			t.Errorf("%s is sent as %v, %v, want %s", tt.addr, got, err, tt.want)
		}
		if got := NLALen(netip.MustParseAddr(tt.addr)); got != len(wire) {
			t.Errorf("NLALen(%s) = %d, want %d", tt.addr, got, len(wire))
		}
	}
	if got, want := AppendNLA(nil, netip.Addr{}), unhex(t, "0001 0000 00000000"); !bytes.Equal(got, want) {
		t.Errorf("no address is sent as %x, want %x", got, want)
	}
}

func TestNLAOfAnUnknownFamilyIsMalformed(t *testing.T) { // [8-18]
	for afi := range 1 << 16 {
		if afi == AFIv4 || afi == AFIv6 {
			continue
		}
		b := append([]byte{byte(afi >> 8), byte(afi), 0, 0}, make([]byte, 16)...)
		if _, _, err := ParseNLA(b, TypeNAK, "Group NLA", 32); !errors.Is(err, ErrReserved) {
			t.Fatalf("AFI %d: %v, want ErrReserved", afi, err)
		}
	}
	b := unhex(t, "0009 0000 c0000201")
	_, _, err := ParseNLA(b, TypeSPM, "NLA", 28)
	if want := "packet: SPM: NLA AFI at offset 28: reserved value"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNLAWithAnAFIThatDisagreesWithItsSize(t *testing.T) {
	// an IPv4 address that claims to be IPv6, at the end of a packet
	if _, _, err := ParseNLA(unhex(t, "0002 0000 c0000201"), TypeSPM, "Path NLA", 28); !errors.Is(err, ErrTruncated) {
		t.Errorf("AFI 2 with four octets: %v, want ErrTruncated", err)
	}
	// an IPv6 address that claims to be IPv4: what is left over is for the caller to refuse
	_, rest, err := ParseNLA(unhex(t, "0001 0000 20010db8 00000000 00000000 00000001"), TypeSPM, "Path NLA", 28)
	if err != nil || len(rest) != 12 {
		t.Errorf("AFI 1 with 16 octets: %d octets are left, %v; want 12", len(rest), err)
	}
}

func TestReservedOctetsOfAnNLAAreIgnored(t *testing.T) {
	got, _, err := ParseNLA(unhex(t, "0001 ffff c0000201"), TypeSPM, "Path NLA", 28)
	if err != nil || got != netip.AddrFrom4([4]byte{192, 0, 2, 1}) {
		t.Errorf("got %v, %v", got, err)
	}
}
