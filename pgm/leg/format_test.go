package leg

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		panic(err)
	}
	return b
}

// A PGM header, as far as a leg is concerned.
var pgm = unhex("1d4c 1d4c 0400 0000 0102 0304 0506 0000")

var formats = []struct {
	name string
	hex  string
	want Packet
}{
	{
		"multicast, IPv4",
		"504c 12 0f  0011223344556677  04 00 1d4c efc04d47 0a460001" + hex.EncodeToString(pgm),
		Packet{TTL: 15, Group: netip.MustParseAddrPort("239.192.77.71:7500"), Source: netip.MustParseAddr("10.70.0.1"), Data: pgm},
	},
	{
		"for the router, IPv4",
		"504c 13 01  0011223344556677  04 00 1d4c efc04d47 0a460102" + hex.EncodeToString(pgm),
		Packet{Unicast: true, TTL: 1, Group: netip.MustParseAddrPort("239.192.77.71:7500"), Source: netip.MustParseAddr("10.70.1.2"), Data: pgm},
	},
	{
		"multicast, IPv6",
		"504c 12 ff  0011223344556677  06 00 0007 ff080000000000000000000000000077 fd460000000000000000000000000001" + hex.EncodeToString(pgm),
		Packet{TTL: 255, Group: netip.MustParseAddrPort("[ff08::77]:7"), Source: netip.MustParseAddr("fd46::1"), Data: pgm},
	},
}

const cookie = 0x0011223344556677

// decode takes a packet as a peer with the cookie does.
func decode(b []byte) (Packet, error) {
	p := Peer{cookie: cookie}
	var k Packet
	packet, err := p.handle(time.Time{}, b, &k)
	if err == nil && !packet {
		err = errors.New("a hello")
	}
	return k, err
}

func TestPacketsAreWrittenAndReadAsDrawn(t *testing.T) {
	for _, f := range formats {
		want := unhex(f.hex)
		if got := f.want.appendPacket(nil, cookie); !bytes.Equal(got, want) {
			t.Errorf("%s: wrote\n%x, want\n%x", f.name, got, want)
		}
		k, err := decode(want)
		if err != nil || k.Unicast != f.want.Unicast || k.TTL != f.want.TTL || k.Group != f.want.Group || k.Source != f.want.Source || !bytes.Equal(k.Data, pgm) {
			t.Errorf("%s: read %+v, %v, want %+v", f.name, k, err, f.want)
		}
		if n := len(want) - len(pgm); n < MinOverhead || n > MaxOverhead {
			t.Errorf("%s: %d octets in front", f.name, n)
		}
		for n := range want {
			if _, err := decode(want[:n]); !errors.Is(err, ErrTruncated) {
				t.Fatalf("%s: of %d octets: %v", f.name, n, err)
			}
		}
	}
}

func TestImpossiblePacketsAreRefused(t *testing.T) {
	good := unhex(formats[0].hex)
	for name, c := range map[string]struct {
		at   int
		to   string
		want error
	}{
		"another magic":                    {0, "50 4d", ErrMagic},
		"another version":                  {2, "22", ErrVersion},
		"no kind":                          {2, "10", ErrField},
		"an unknown kind":                  {2, "14", ErrField},
		"a time to live of 0":              {3, "00", ErrField},
		"another cookie":                   {11, "78", ErrCookie},
		"no family":                        {12, "00", ErrField},
		"a family that needs more":         {12, "06", ErrField},
		"port 0":                           {14, "0000", ErrField},
		"a group that is none":             {16, "0a000001", ErrField},
		"a source that is a group":         {20, "e0000001", ErrField},
		"a source that is not an address":  {20, "00000000", ErrField},
		"reserved octets that are not 0":   {13, "ff", nil},
		"whatever PGM packet may be in it": {24, "ffffffff", nil},
	} {
		b := slices.Clone(good)
		copy(b[c.at:], unhex(c.to))
		if _, err := decode(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestHellosAreWrittenAndReadAsDrawn(t *testing.T) {
	g := greeting{0x8899aabbccddeeff, []Interest{
		{netip.MustParseAddrPort("239.192.77.71:7500"), 1},
		{netip.MustParseAddrPort("[ff08::77]:7"), 16},
	}}
	want := unhex("504c 11 00  0011223344556677  8899aabbccddeeff 02 000000  04 01 1d4c efc04d47  06 10 0007 ff080000000000000000000000000077")
	got := g.appendHello(nil, cookie)
	if !bytes.Equal(got, want) {
		t.Fatalf("wrote\n%x, want\n%x", got, want)
	}
	var r greeting
	if err := r.parse(append(want[headerLen:], "of a later version"...)); err != nil || r.cookie != g.cookie || !slices.Equal(r.interests, g.interests) {
		t.Errorf("read %+v, %v", r, err)
	}
	for n := headerLen; n < len(want); n++ {
		if err := r.parse(want[headerLen:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("of %d octets: %v", n, err)
		}
	}
	for name, c := range map[string]struct {
		at int
		to string
	}{
		"no cookie":               {headerLen, "0000000000000000"},
		"too many groups":         {headerLen + 8, "41"},
		"hops that are none":      {headerLen + greetingLen + 1, "00"},
		"more hops than possible": {headerLen + greetingLen + 1, "11"},
		"a group that is none":    {headerLen + greetingLen + 4, "0a000001"},
	} {
		b := slices.Clone(want)
		copy(b[c.at:], unhex(c.to))
		if err := r.parse(b[headerLen:]); !errors.Is(err, ErrField) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever comes: no panic, what is taken is written again as it was, and what is refused changes nothing that the other side sees.
func FuzzPeer(f *testing.F) {
	for _, c := range formats {
		f.Add(unhex(c.hex))
	}
	g := greeting{1, []Interest{{netip.MustParseAddrPort("239.192.77.71:7500"), 1}}}
	f.Add(g.appendHello(nil, cookie))
	f.Add(g.appendHello(nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := NewPeer(start, rand.New(rand.NewPCG(1, 2)))
		p.cookie = cookie
		var k Packet
		packet, err := p.Handle(start, b, &k)
		if packet {
			again := k.appendPacket(nil, cookie)
			if len(again) != len(b) || !bytes.Equal(again[:13], b[:13]) || !bytes.Equal(again[14:], b[14:]) { // but the reserved octet
				t.Errorf("%x is written as %x", b, again)
			}
		}
		if err != nil && (p.Alive() || p.theirs != 0) {
			t.Errorf("refused for %v, and believed", err)
		}
		if len(p.wants) > MaxGroups {
			t.Errorf("%d groups", len(p.wants))
		}
	})
}
