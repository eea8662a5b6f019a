package fec

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// withOptions returns a packet of type t with the options that f appends, and its option list.
func withOptions(t packet.Type, f func([]byte) []byte) (p, opts []byte) {
	p = packet.Downstream(t, packet.TSI{}, 7500).Append(nil)
	p = packet.EndOptions(f(packet.BeginOptions(p)), packet.HeaderLen)
	return p, p[packet.HeaderLen:]
}

func TestOptionsInHex(t *testing.T) {
	for _, row := range []struct {
		name   string
		typ    packet.Type
		append func([]byte) []byte
		want   string
		flags  packet.Flags
	}{
		{"OPT_PARITY_PRM, both", packet.TypeSPM, Params{64, true, true}.AppendTo, "00 04 00 0c 88 08 00 03 00000040", 3},
		{"OPT_PARITY_PRM, pro-active", packet.TypeSPM, Params{2, true, false}.AppendTo, "00 04 00 0c 88 08 00 02 00000002", 3},
		{"OPT_PARITY_PRM, on demand", packet.TypeSPM, Params{128, false, true}.AppendTo, "00 04 00 0c 88 08 00 01 00000080", 3},
		{"OPT_PARITY_GRP", packet.TypeRDATA, func(b []byte) []byte { return AppendParityGroup(b, 2) }, "00 04 00 0c 89 08 00 00 00000002", 1},
		{"OPT_CURR_TGSIZE on RDATA", packet.TypeRDATA, func(b []byte) []byte { return AppendCurrentSize(b, 5) }, "00 04 00 0c 8a 08 00 00 00000005", 3},
		{"OPT_CURR_TGSIZE on ODATA", packet.TypeODATA, func(b []byte) []byte { return AppendCurrentSize(b, 5) }, "00 04 00 0c 8a 08 00 00 00000005", 1},
	} {
		p, opts := withOptions(row.typ, row.append)
		if want := unhex(t, row.want); !bytes.Equal(opts, want) {
			t.Errorf("%s: %x, want %x", row.name, opts, want)
		}
		if got := packet.Flags(p[5]); got != row.flags {
			t.Errorf("%s: Options are %#x, want %#x", row.name, got, row.flags)
		}
	}
}

func TestOptionsRefuseWhatCannotBe(t *testing.T) {
	number := func(n uint32) []byte { return appendNumber(nil, 0, 0, n)[4:] }
	parse := map[string]func(packet.Option) error{
		"PRM":  func(o packet.Option) error { _, err := ParseParams(o); return err },
		"GRP":  func(o packet.Option) error { _, err := ParseParityGroup(o); return err },
		"CURR": func(o packet.Option) error { _, err := ParseCurrentSize(o, 64); return err },
	}
	for _, row := range []struct {
		option string
		flags  byte
		n      uint32
		want   error
	}{
		{"PRM", 3, 0, packet.ErrReserved},
		{"PRM", 3, 1, packet.ErrReserved},
		{"PRM", 3, 2, nil},
		{"PRM", 3, 3, packet.ErrReserved},
		{"PRM", 3, 127, packet.ErrReserved},
		{"PRM", 3, 128, nil},
		{"PRM", 3, 129, packet.ErrReserved},
		{"PRM", 3, 256, packet.ErrReserved},
		{"PRM", 3, 1 << 31, packet.ErrReserved},
		{"PRM", 0, 64, packet.ErrReserved},    // an offer of nothing [11.8.1-01]
		{"PRM", 0x7c, 64, packet.ErrReserved}, // undefined bits are no offer
		{"PRM", 0x7e, 64, nil},
		{"GRP", 0, 0, packet.ErrReserved}, // [11.8.2-01]
		{"GRP", 0, 1, nil},
		{"GRP", 0, 127, nil},
		{"GRP", 0, 128, packet.ErrReserved},
		{"GRP", 0, 1 << 31, packet.ErrReserved},
		{"CURR", 0, 0, packet.ErrReserved}, // [11.8.3-01]
		{"CURR", 0, 1, nil},
		{"CURR", 0, 3, nil}, // no power of two [11.2-11]
		{"CURR", 0, 64, nil},
		{"CURR", 0, 65, packet.ErrReserved},
		{"CURR", 0, 1 << 31, packet.ErrReserved},
	} {
		name := fmt.Sprintf("%s %#x %d", row.option, row.flags, row.n)
		err := parse[row.option](packet.Option{Flags: row.flags, Body: number(row.n)})
		if e := (*packet.Error)(nil); !errors.Is(err, row.want) || err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
	for name, f := range parse {
		for n := range 10 {
			if err := f(packet.Option{Flags: 3, Body: make([]byte, n)}); n != 4 && !errors.Is(err, packet.ErrOption) {
				t.Errorf("%s with %d octets: %v, want %v", name, n, err, packet.ErrOption)
			}
		}
	}
}

func TestEveryPrefixOfParityOptionsIsRefused(t *testing.T) {
	_, opts := withOptions(packet.TypeSPM, func(b []byte) []byte {
		return AppendCurrentSize(Params{64, true, true}.AppendTo(b), 7)
	})
	h := packet.Header{Type: packet.TypeSPM, Options: packet.FlagOptions}
	for n := range opts {
		if _, _, err := packet.SplitOptions(&h, opts[:n], 36); !errors.Is(err, packet.ErrTruncated) {
			t.Errorf("%d octets of %d: %v", n, len(opts), err)
		}
	}
}

func FuzzParityOptions(f *testing.F) {
	f.Add(byte(3), []byte{0, 0, 0, 64})
	f.Add(byte(1), []byte{0, 0, 0, 3})
	f.Add(byte(2), []byte{0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, flags byte, body []byte) {
		if len(body) > packet.MaxOptionBody {
			return
		}
		o := packet.Option{Flags: flags & 0x7f, Body: body}
		again := func(b []byte) packet.Option {
			return packet.Option{Type: packet.OptionType(b[0]), Flags: b[3], Body: b[4:]}
		}
		if p, err := ParseParams(o); err == nil {
			if q, err := ParseParams(again(p.AppendTo(nil))); err != nil || p != q {
				t.Fatalf("%+v becomes %+v, %v", p, q, err)
			}
		}
		if g, err := ParseParityGroup(o); err == nil {
			if q, err := ParseParityGroup(again(AppendParityGroup(nil, g))); err != nil || g != q {
				t.Fatalf("%d becomes %d, %v", g, q, err)
			}
		}
		if s, err := ParseCurrentSize(o, MaxGroup); err == nil {
			if q, err := ParseCurrentSize(again(AppendCurrentSize(nil, s)), MaxGroup); err != nil || s != q {
				t.Fatalf("%d becomes %d, %v", s, q, err)
			}
		}
	})
}
