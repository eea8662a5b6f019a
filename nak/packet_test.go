package nak

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

var (
	tsi    = packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 0x1234}
	dest   = uint16(7500) // 0x1d4c
	src4   = netip.MustParseAddr("192.0.2.1")
	grp4   = netip.MustParseAddr("239.192.77.71")
	src6   = netip.MustParseAddr("2001:db8::1")
	grp6   = netip.MustParseAddr("ff08::1")
	fullNL = listFrom(0xffff_fff0)
)

// listFrom returns a full list of the numbers from s on.
func listFrom(s packet.SQN) []packet.SQN {
	list := make([]packet.SQN, MaxList)
	for i := range list {
		list[i] = s + packet.SQN(i)
	}
	return list
}

var formats = []struct {
	name string
	h    packet.Header
	p    Packet
	want string // fixed header with a checksum of 0, body, options
}{
	{"NAK over IPv4", packet.Upstream(packet.TypeNAK, tsi, dest), Packet{SQN: 42, Source: src4, Group: grp4},
		"1d4c 1234 08 00 0000 0a1b2c3d4e5f 0000  0000002a 0001 0000 c0000201 0001 0000 efc04d47"},
	{"NNAK", packet.Upstream(packet.TypeNNAK, tsi, dest), Packet{SQN: 42, Source: src4, Group: grp4},
		"1d4c 1234 09 00 0000 0a1b2c3d4e5f 0000  0000002a 0001 0000 c0000201 0001 0000 efc04d47"},
	{"NCF with a list across the wrap", packet.Downstream(packet.TypeNCF, tsi, dest),
		Packet{SQN: 0xffff_fffe, Source: src4, Group: grp4, List: []packet.SQN{0xffff_ffff, 0, 7}},
		"1234 1d4c 0a 03 0000 0a1b2c3d4e5f 0000  fffffffe 0001 0000 c0000201 0001 0000 efc04d47  00040014 82100000 ffffffff 00000000 00000007"},
	{"NAK over IPv6", packet.Upstream(packet.TypeNAK, tsi, dest), Packet{SQN: 1, Source: src6, Group: grp6},
		"1d4c 1234 08 00 0000 0a1b2c3d4e5f 0000  00000001 0002 0000 20010db8000000000000000000000001 0002 0000 ff080000000000000000000000000001"},
	{"NLAs of two families", packet.Upstream(packet.TypeNAK, tsi, dest), Packet{SQN: 1, Source: src4, Group: grp6},
		"1d4c 1234 08 00 0000 0a1b2c3d4e5f 0000  00000001 0001 0000 c0000201 0002 0000 ff080000000000000000000000000001"},
	{"full list", packet.Upstream(packet.TypeNAK, tsi, dest), Packet{SQN: 0xffff_ffef, Source: src4, Group: grp4, List: fullNL},
		"1d4c 1234 08 03 0000 0a1b2c3d4e5f 0000  ffffffef 0001 0000 c0000201 0001 0000 efc04d47  00040100 82fc0000" + hexList(fullNL)},
	{"another option", packet.Downstream(packet.TypeNCF, tsi, dest), Packet{SQN: 42, Source: src4, Group: grp4, Extra: unreachable},
		"1234 1d4c 0a 03 0000 0a1b2c3d4e5f 0000  0000002a 0001 0000 c0000201 0001 0000 efc04d47  00040008 8b040000"},
	{"a list and another option", packet.Downstream(packet.TypeNCF, tsi, dest),
		Packet{SQN: 42, Source: src4, Group: grp4, List: []packet.SQN{43}, Extra: unreachable},
		"1234 1d4c 0a 03 0000 0a1b2c3d4e5f 0000  0000002a 0001 0000 c0000201 0001 0000 efc04d47  00040010 02080000 0000002b 8b040000"},
}

var unreachable = packet.AppendOption(nil, packet.OptNbrUnreach, 0)

func hexList(list []packet.SQN) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%08x", uint32(s))
	}
	return b.String()
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equal(a, b *Packet) bool {
	return a.SQN == b.SQN && a.Source == b.Source && a.Group == b.Group && slices.Equal(a.List, b.List)
}

// [8.3-01], [8.3-02], [9.3-02], [9.3.5-01]
func TestFormat(t *testing.T) {
	for _, tt := range formats {
		wire := Append([]byte("before"), tt.h, &tt.p)
		wire, ok := bytes.CutPrefix(wire, []byte("before"))
		if !ok || packet.Sum(wire) != 0xffff {
			t.Errorf("%s: what was before is gone, or the checksum is wrong", tt.name)
		}
		if tt.p.Len() != len(wire) {
			t.Errorf("%s: Len is %d, of %d octets", tt.name, tt.p.Len(), len(wire))
		}
		clear(wire[6:8])
		if want := unhex(t, tt.want); !bytes.Equal(wire, want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, wire, want)
			continue
		}
		var h packet.Header
		var p Packet
		body, err := h.Parse(wire)
		if err == nil {
			_, err = p.Parse(&h, body)
		}
		if err != nil || !equal(&p, &tt.p) || h.TSI() != tsi || h.DataDestPort() != dest {
			t.Errorf("%s: parsed as %+v %+v, %v", tt.name, h, p, err)
		}
	}
}

func TestPrefixIsTruncated(t *testing.T) {
	for _, tt := range formats {
		wire := unhex(t, tt.want)
		for n := range wire {
			var h packet.Header
			var p Packet
			body, err := h.Parse(wire[:n])
			if err == nil {
				_, err = p.Parse(&h, body)
			}
			if !errors.Is(err, packet.ErrTruncated) {
				t.Errorf("%s, first %d octets: %v", tt.name, n, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	nak := "1d4c 1234 08 00 0000 0a1b2c3d4e5f 0000"
	with := "1d4c 1234 08 03 0000 0a1b2c3d4e5f 0000"
	nlas := " 0000002a 0001 0000 c0000201 0001 0000 efc04d47"
	for _, tt := range []struct {
		name, wire string
		want       error
	}{
		{"another type", "1d4c 1234 0c 00 0000 0a1b2c3d4e5f 0000" + nlas, packet.ErrType},
		{"AFI 0", nak + "0000002a 0000 0000 c0000201 0001 0000 efc04d47", packet.ErrReserved},
		{"AFI 9 of the group", nak + "0000002a 0001 0000 c0000201 0009 0000 efc04d47", packet.ErrReserved},
		{"AFI of IPv6 with an IPv4 address", nak + "0000002a 0001 0000 c0000201 0002 0000 efc04d47", packet.ErrTruncated},
		{"AFI of IPv4 with an IPv6 address", nak + "0000002a 0001 0000 c0000201 0001 0000 ff080000000000000000000000000001", packet.ErrLength},
		{"octets behind the end", nak + nlas + "00", packet.ErrLength},
		{"options without the bit", nak + nlas + "00040008 82080000 00000001", packet.ErrLength},
		{"the bit without options", with + nlas, packet.ErrTruncated},
		{"empty list", with + nlas + "00040008 82040000", packet.ErrOption},
		{"list of a number and a half", with + nlas + "0004000e 820a0000 000000010000", packet.ErrOption},
		{"list of 63", with + nlas + "00040103 82ff0000" + strings.Repeat("00", 251), packet.ErrOption},
	} {
		var h packet.Header
		var p Packet
		body, err := h.Parse(unhex(t, tt.wire))
		if err == nil {
			_, err = p.Parse(&h, body)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Reserved octets and unknown options do not matter [9-05], [9-09].
func TestParseIgnoresReserved(t *testing.T) {
	wire := unhex(t, "1d4c 1234 08 03 0000 0a1b2c3d4e5f 0000 0000002a 0001 beef c0000201 0001 dead efc04d47 00040014 20080000 01020304 8208ff7f 0000002b")
	var h packet.Header
	var p Packet
	body, err := h.Parse(wire)
	if err == nil {
		_, err = p.Parse(&h, body)
	}
	if err != nil || p.SQN != 42 || !slices.Equal(p.List, []packet.SQN{43}) {
		t.Errorf("parsed as %+v, %v", p, err)
	}
}

// Every length that an option can say it has, in every type of packet that nak reads: an error or a whole list, never more.
func TestEveryOptionLength(t *testing.T) {
	for _, typ := range []packet.Type{packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF} {
		for _, room := range []int{0, 4, 8, 252, 255, 300} {
			for length := range 256 {
				h := packet.Upstream(typ, tsi, dest)
				h.Options = packet.FlagOptions | packet.FlagNetwork
				body := unhex(t, "0000002a 0001 0000 c0000201 0001 0000 efc04d47")
				body = binary.BigEndian.AppendUint32(body, uint32(0x0004_0000+8+room))
				body = append(body, 0x80|byte(packet.OptNAKList), byte(length), 0, 0)
				body = append(body, make([]byte, room)...)
				var p Packet
				_, err := p.Parse(&h, body)
				good := length == 4+room && length >= 8 && length%4 == 0 && length <= 252
				if good != (err == nil) || good && len(p.List) != (length-4)/4 {
					t.Errorf("%v, option length %d of %d octets: list of %d, %v", typ, length, 4+room, len(p.List), err)
				}
				if err != nil && !errors.Is(err, packet.ErrOption) {
					t.Errorf("%v, option length %d of %d octets: %v", typ, length, 4+room, err)
				}
			}
		}
	}
}

// A longer list than a packet takes is cut, not sent broken.
func TestAppendBoundsTheList(t *testing.T) {
	p := Packet{SQN: 1, Source: src4, Group: grp4, List: make([]packet.SQN, MaxList+5)}
	var h packet.Header
	body, err := h.Parse(Append(nil, packet.Upstream(packet.TypeNAK, tsi, dest), &p))
	if err == nil {
		_, err = p.Parse(&h, body)
	}
	if err != nil || len(p.List) != MaxList {
		t.Errorf("a list of %d, %v", len(p.List), err)
	}
}

// A NAK list is as good as that many NAKs [9.3-05].
func TestAllRangesOverHeaderAndList(t *testing.T) {
	p := Packet{SQN: 5, List: []packet.SQN{6, 9}}
	if got := slices.Collect(p.All()); !slices.Equal(got, []packet.SQN{5, 6, 9}) || p.Count() != 3 {
		t.Errorf("All yields %v, Count is %d", got, p.Count())
	}
	for range p.All() {
		break // must not go on
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	wire := Append(nil, packet.Upstream(packet.TypeNAK, tsi, dest), &Packet{SQN: 1, Source: src6, Group: grp6, List: fullNL})
	p := Packet{List: make([]packet.SQN, 0, MaxList)}
	if n := testing.AllocsPerRun(100, func() {
		var h packet.Header
		body, err := h.Parse(wire)
		if err == nil {
			_, err = p.Parse(&h, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPacket(f *testing.F) {
	for _, tt := range formats {
		f.Add(unhex(f, tt.want))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h packet.Header
		var p, again Packet
		body, err := h.Parse(b)
		if err != nil {
			return
		}
		if _, err := p.Parse(&h, body); err != nil {
			var e *packet.Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		h.Options &^= packet.FlagOptions | packet.FlagNetwork
		wire := Append(nil, h, &p)
		body, err = h.Parse(wire)
		if err == nil {
			_, err = again.Parse(&h, body)
		}
		if err != nil || !equal(&p, &again) || p.Len() != len(wire) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
	})
}
