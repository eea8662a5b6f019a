package spm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

var (
	tsi   = packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 0x1234}
	dest  = uint16(7500) // 0x1d4c
	path4 = netip.MustParseAddr("192.0.2.1")
	path6 = netip.MustParseAddr("2001:db8::1")
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parse reads a whole packet.
func parse(b []byte) (h packet.Header, p Packet, opts []byte, err error) {
	body, err := h.Parse(b)
	if err == nil {
		opts, err = p.Parse(&h, body)
	}
	return h, p, opts, err
}

const fixed = "1234 1d4c 00 00 0000 0a1b2c3d4e5f 0000 "

var formats = []struct {
	name string
	p    Packet
	want string // with a checksum of 0
}{
	{"IPv4 path", Packet{SQN: 1, Trail: 7, Lead: 9, Path: path4}, fixed + "00000001 00000007 00000009 0001 0000 c0000201"},
	{"IPv6 path", Packet{SQN: 1, Trail: 7, Lead: 9, Path: path6}, fixed + "00000001 00000007 00000009 0002 0000 20010db8000000000000000000000001"},
	{"empty window", Packet{SQN: 1, Trail: 0, Lead: 0xffff_ffff, Path: path4}, fixed + "00000001 00000000 ffffffff 0001 0000 c0000201"},
	{"no window information", Packet{SQN: 1, Trail: NoTrail, Lead: NoLead, Path: path4}, fixed + "00000001 00000000 80000000 0001 0000 c0000201"},
	{"widest window, across the wrap", Packet{SQN: 0xffff_ffff, Trail: 0xffff_ff00, Lead: 0x7fff_fefe, Path: path4}, fixed + "ffffffff ffffff00 7ffffefe 0001 0000 c0000201"},
}

// [8.1-01]
func TestFormat(t *testing.T) {
	for _, tt := range formats {
		wire := tt.p.Append(packet.Downstream(packet.TypeSPM, tsi, dest).Append(nil))
		if want := unhex(t, tt.want); !bytes.Equal(wire, want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, wire, want)
			continue
		}
		packet.Seal(wire)
		if h, p, _, err := parse(wire); err != nil || p != tt.p || h.TSI() != tsi {
			t.Errorf("%s: parsed as %+v, %v", tt.name, p, err)
		}
		if got, want := tt.p.NoWindow(), tt.name == "no window information"; got != want {
			t.Errorf("%s: NoWindow is %v", tt.name, got)
		}
	}
}

// withFin is an SPM with OPT_JOIN and OPT_FIN.
const withFin = "1234 1d4c 00 01 0000 0a1b2c3d4e5f 0000 00000001 00000007 00000009 0001 0000 c0000201 00040010 03080000 00000007 8e040000"

func TestOptionsAreReturned(t *testing.T) {
	_, _, opts, err := parse(unhex(t, withFin))
	join, hasJoin := packet.FindOption(opts, packet.OptJoin)
	_, hasFin := packet.FindOption(opts, packet.OptFin)
	if err != nil || !hasJoin || !hasFin || !bytes.Equal(join.Body, []byte{0, 0, 0, 7}) {
		t.Errorf("options %x, %v", opts, err)
	}
}

func TestPrefixIsTruncated(t *testing.T) {
	for _, s := range []string{formats[0].want, formats[1].want, withFin} {
		wire := unhex(t, s)
		for n := range wire {
			if _, _, _, err := parse(wire[:n]); !errors.Is(err, packet.ErrTruncated) {
				t.Errorf("first %d octets of %s: %v", n, s, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       error
	}{
		{"another type", "1234 1d4c 01 00 0000 0a1b2c3d4e5f 0000 00000001 00000007 00000009 0001 0000 c0000201", packet.ErrType},
		{"AFI 9", fixed + "00000001 00000007 00000009 0009 0000 c0000201", packet.ErrReserved},
		{"AFI of IPv6 with an IPv4 address", fixed + "00000001 00000007 00000009 0002 0000 c0000201", packet.ErrTruncated},
		{"AFI of IPv4 with an IPv6 address", fixed + "00000001 00000007 00000009 0001 0000 20010db8000000000000000000000001", packet.ErrLength},
		{"TSDU Length", "1234 1d4c 00 00 0000 0a1b2c3d4e5f 0001 00000001 00000007 00000009 0001 0000 c0000201 00", packet.ErrReserved},
		{"one packet more than a window holds", fixed + "00000001 00000001 80000000 0001 0000 c0000201", packet.ErrWindow},
		{"trail far ahead of lead", fixed + "00000001 00000009 00000001 0001 0000 c0000201", packet.ErrWindow},
		{"octets behind the options", withFin + "00000000", packet.ErrLength},
	} {
		if _, _, _, err := parse(unhex(t, tt.wire)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Every length that an option can say it has, in an SPM and an SPMR: an error, or a list that agrees with the packet.
func TestEveryOptionLength(t *testing.T) {
	for _, room := range []int{0, 4, 251} {
		for length := range 256 {
			options := binary.BigEndian.AppendUint32(nil, uint32(0x0004_0000+8+room))
			options = append(options, 0x80|byte(packet.OptFin), byte(length), 0, 0)
			options = append(options, make([]byte, room)...)
			h := packet.Downstream(packet.TypeSPM, tsi, dest)
			h.Options = packet.FlagOptions
			var p Packet
			_, err := p.Parse(&h, append(Packet{Path: path4, Lead: 3}.Append(nil), options...))
			if good := length == 4+room; good != (err == nil) || !good && !errors.Is(err, packet.ErrOption) {
				t.Errorf("SPM, option length %d of %d octets: %v", length, 4+room, err)
			}
			h.Type = packet.TypeSPMR
			_, err = ParseRequest(&h, options)
			if good := length == 4+room; good != (err == nil) || !good && !errors.Is(err, packet.ErrOption) {
				t.Errorf("SPMR, option length %d of %d octets: %v", length, 4+room, err)
			}
		}
	}
}

// [13.6-01]
func TestRequestFormat(t *testing.T) {
	wire := AppendRequest(nil, tsi, dest)
	var h packet.Header
	body, err := h.Parse(wire)
	if err == nil {
		_, err = ParseRequest(&h, body)
	}
	if err != nil || h.TSI() != tsi || h.DataDestPort() != dest {
		t.Errorf("parsed as %+v, %v", h, err)
	}
	clear(wire[6:8])
	if want := unhex(t, "1d4c 1234 0c 00 0000 0a1b2c3d4e5f 0000"); !bytes.Equal(wire, want) {
		t.Errorf("\n got %x\nwant %x", wire, want)
	}
	if _, err := ParseRequest(&h, []byte{0}); !errors.Is(err, packet.ErrLength) {
		t.Errorf("an octet behind the end: %v", err)
	}
	h.Type = packet.TypeSPM
	if _, err := ParseRequest(&h, nil); !errors.Is(err, packet.ErrType) {
		t.Errorf("an SPM: %v", err)
	}
}

func FuzzPacket(f *testing.F) {
	for _, tt := range formats {
		f.Add(unhex(f, tt.want))
	}
	f.Add(unhex(f, withFin))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, p, opts, err := parse(b)
		if err != nil {
			var e *packet.Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		wire := append(p.Append(h.Append(nil)), opts...)
		packet.Seal(wire)
		if _, again, o, err := parse(wire); err != nil || again != p || !bytes.Equal(o, opts) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add(AppendRequest(nil, tsi, dest))
	f.Add(unhex(f, "1d4c 1234 0c 01 0000 0a1b2c3d4e5f 0000 00040008 a0040000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h packet.Header
		body, err := h.Parse(b)
		if err != nil || h.Type != packet.TypeSPMR {
			return
		}
		if _, err := ParseRequest(&h, body); err != nil {
			return
		}
		var again packet.Header
		if _, err := again.Parse(AppendRequest(nil, h.TSI(), h.DataDestPort())); err != nil || again.TSI() != h.TSI() || again.DataDestPort() != h.DataDestPort() {
			t.Fatalf("%+v came back as %+v, %v", h, again, err)
		}
	})
}
