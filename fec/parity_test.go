package fec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

var testTSI = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 9}

// encoded returns parity packet j of a group of tg's with these packets, as type t.
func encoded(k Size, t packet.Type, tg packet.SQN, j int, originals ...Original) []byte {
	e := NewEncoder(k, 1400)
	e.Begin(tg, len(originals))
	for i, o := range originals {
		e.Set(i, o)
	}
	return e.Append(nil, packet.Downstream(t, testTSI, 7500), tg, j)
}

// parse reads a parity packet as a receiver does.
func parse(k Size, p []byte) (Parity, packet.Header, error) {
	var h packet.Header
	var d packet.Data
	var q Parity
	body, err := h.Parse(p)
	if err == nil {
		err = d.Parse(&h, body)
	}
	if err == nil {
		err = q.Parse(k, &h, &d)
	}
	return q, h, err
}

func text(s string) Original { return Original{TSDU: []byte(s)} }

// [11.2-02..07], [11.2-17..25], [11.4-05], [11.4-09], [11.4-18], [11.8.2-02]: what parity packets look like from the Type octet on, with the
// checksum left out, against the worked octets of the deployed code.
func TestParityPacketsInHex(t *testing.T) {
	words := []Original{text("AAA"), text("BB"), text("CCCC"), text("D")}
	big := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1144) }
	fragments := []Original{
		{TSDU: big(0)},
		{TSDU: big(1), Fragment: packet.Fragment{First: 1, Offset: 0, Length: 4000}},
		{TSDU: big(2), Fragment: packet.Fragment{First: 1, Offset: 1428, Length: 4000}},
		{TSDU: big(3), Fragment: packet.Fragment{First: 1, Offset: 2856, Length: 4000}},
	}
	for _, row := range []struct {
		name      string
		typ       packet.Type
		tg        packet.SQN
		j         int
		originals []Original
		header    string // Type and Options
		rest      string // behind the TSDU Length
	}{
		{"packets of one length", packet.TypeODATA, 8, 0, []Original{text("\x01"), text("\x02"), text("\x03"), text("\x04")},
			"04 80", "00000008 00000008 87"},
		{"the same, another parity packet", packet.TypeRDATA, 8, 3, []Original{text("\x01"), text("\x02"), text("\x03"), text("\x04")},
			"05 80", "0000000b 00000008 bf"},
		{"of several lengths", packet.TypeODATA, 8, 0, words, "04 c0", "00000008 00000008 c75815ee00f7"},
		{"of several lengths, another", packet.TypeRDATA, 8, 1, words, "05 c0", "00000009 00000008 6ec12070005f"},
		{"beyond k", packet.TypeRDATA, 8, 6, words, "05 c1", "0000000a 00000008 0004000c 89080000 00000001 "},
		{"a short group on demand", packet.TypeRDATA, 8, 0, []Original{text("A"), text("B"), text("C")},
			"05 83", "00000008 00000008 0004000c 8a080000 00000003 "},
		{"a short group unasked", packet.TypeODATA, 8, 0, []Original{text("A"), text("B"), text("C")},
			"04 81", "00000008 00000008 0004000c 8a080000 00000003 "},
		{"fragments", packet.TypeODATA, 8, 0, fragments, "04 81", "00000008 00000008 00040014 811004 05000000760000babb0000c8e3"},
		{"fragments, another", packet.TypeODATA, 8, 1, fragments, "04 81", "00000009 00000008 00040014 811004 33000000c60000ca6c00001656"},
		{"fragments of a short group beyond k", packet.TypeRDATA, 8, 5, fragments[1:],
			"05 83", "00000009 00000008 00040024 0a080000 00000003 011004 "},
	} {
		p := encoded(4, row.typ, row.tg, row.j, row.originals...)
		if want := unhex(t, row.header); !bytes.Equal(p[4:6], want) {
			t.Errorf("%s: Type and Options %x, want %x", row.name, p[4:6], want)
		}
		if want := unhex(t, row.rest); !bytes.HasPrefix(p[packet.HeaderLen:], want) {
			t.Errorf("%s: %x, want %x…", row.name, p[packet.HeaderLen:min(len(p), 64)], want)
		}
		q, h, err := parse(4, p)
		if err != nil || q.Group != row.tg || q.Index != row.j || q.Size != len(row.originals) || int(h.TSDULength) != len(q.TSDU) {
			t.Errorf("%s: read as %+v, %v", row.name, q, err)
		}
		if got := q.Len(4); got != len(p) {
			t.Errorf("%s: Len is %d of a packet of %d octets", row.name, got, len(p))
		}
	}
}

// A parity packet that is cut anywhere, even with its lengths and checksum corrected, is refused or has less parity: it is never read beyond
// its end.
func TestEveryPrefixOfAParityPacket(t *testing.T) {
	whole := encoded(4, packet.TypeRDATA, 8, 5, text("AAA"), text("BB"), Original{TSDU: []byte("CCCC"), Fragment: packet.Fragment{First: 9, Length: 9}})
	for n := range whole {
		if _, _, err := parse(4, whole[:n]); err == nil {
			t.Errorf("%d octets of %d are taken", n, len(whole))
		}
		if n < packet.DataHeaderLen {
			continue
		}
		p := bytes.Clone(whole[:n])
		tsdu := max(n-packet.DataHeaderLen-36, 0)
		binary.BigEndian.PutUint16(p[14:], uint16(tsdu))
		packet.Seal(p)
		q, _, err := parse(4, p)
		if taken := tsdu >= lengthLen; (err == nil) != taken || taken && len(q.TSDU) != tsdu {
			t.Errorf("%d octets of %d, resealed: %+v, %v", n, len(whole), q, err)
		}
	}
}

func TestParityThatNoSourceSends(t *testing.T) {
	option := func(typ packet.OptionType, third, fourth byte, body ...byte) []byte {
		return append([]byte{byte(typ), byte(4 + len(body)), third, fourth}, body...)
	}
	group := func(n byte) []byte { return option(packet.OptParityGrp, 0, 0, 0, 0, 0, n) }
	size := func(n ...byte) []byte { return option(packet.OptCurrTGSize, 0, 0, n...) }
	fragment := make([]byte, 12)
	for _, row := range []struct {
		name    string
		flags   packet.Flags
		sqn     packet.SQN
		options [][]byte
		want    error
	}{
		{"a data packet", 0, 8, nil, packet.ErrType},
		{"the last parity packet of a full group", packet.FlagParity, 8 + 2, [][]byte{group(62)}, nil}, // 250 of 4 + 251
		{"the one behind it", packet.FlagParity, 8 + 3, [][]byte{group(62)}, packet.ErrReserved},
		{"of a short group it is one", packet.FlagParity, 8 + 3, [][]byte{size(0, 0, 0, 3), group(62)}, nil},
		{"PRM_GROUP 0", packet.FlagParity, 8, [][]byte{group(0)}, packet.ErrReserved},
		{"PRM_GROUP 255", packet.FlagParity, 8, [][]byte{group(255)}, packet.ErrReserved},
		{"a group of 0", packet.FlagParity, 8, [][]byte{size(0, 0, 0, 0)}, packet.ErrReserved},
		{"a group of 5", packet.FlagParity, 8, [][]byte{size(0, 0, 0, 5)}, packet.ErrReserved},
		{"a group of 2^31", packet.FlagParity, 8, [][]byte{size(0x80, 0, 0, 0)}, packet.ErrReserved},
		{"a group of 4 that says so", packet.FlagParity, 8, [][]byte{size(0, 0, 0, 4)}, nil},
		{"OPT_FRAGMENT that is not encoded", packet.FlagParity, 8, [][]byte{option(packet.OptFragment, 0, 0, fragment...)}, packet.ErrReserved},
		{"one of 12 octets", packet.FlagParity, 8, [][]byte{option(packet.OptFragment, 4, 0, fragment[:8]...)}, packet.ErrOption},
		{"encoded", packet.FlagParity, 8, [][]byte{option(packet.OptFragment, 4, 0x80, fragment...)}, nil},
		{"only the first counts", packet.FlagParity, 8, [][]byte{option(packet.OptFragment, 4, 0x80, fragment...), option(packet.OptFragment, 0, 0, fragment...)}, nil},
		{"an encoded option that nobody knows", packet.FlagParity, 8, [][]byte{option(0x33, 4, 0, 1, 2)}, nil},
		{"no room for a length", packet.FlagParity | packet.FlagVarPktLen, 8, nil, packet.ErrTruncated},
	} {
		p := packet.Header{Type: packet.TypeODATA, Options: row.flags, TSDULength: 1}.Append(nil)
		p = packet.Data{SQN: row.sqn}.Append(p)
		at := len(p)
		p = packet.BeginOptions(p)
		for _, o := range row.options {
			p = append(p, o...)
		}
		p = append(packet.EndOptions(p, at), 0xaa)
		packet.Seal(p)
		q, _, err := parse(4, p)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		var e *packet.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v does not say where", row.name, err)
		}
		if row.name == "encoded" && (!q.HasFragment || q.Fragment[0] != 0x80) {
			t.Errorf("%s: %+v", row.name, q)
		}
	}
}

func FuzzParity(f *testing.F) {
	f.Add(uint8(2), encoded(4, packet.TypeRDATA, 8, 6, text("AAA"), text("BB"), text("CCCC"), text("D"))[packet.HeaderLen:], byte(0xc1))
	f.Add(uint8(2), encoded(4, packet.TypeODATA, 8, 0, text("A"), Original{TSDU: []byte("B"), Fragment: packet.Fragment{First: 9, Length: 5}})[packet.HeaderLen:], byte(0x81))
	f.Fuzz(func(t *testing.T, log uint8, body []byte, flags byte) {
		k := Size(2) << (log % 7)
		if len(body) > 60000 || len(body) < 8 {
			return
		}
		h := packet.Header{Type: packet.TypeODATA, Options: packet.Flags(flags)}
		var d packet.Data
		_, tsdu, err := packet.SplitOptions(&h, body[8:], packet.DataHeaderLen)
		if err != nil {
			return
		}
		h.TSDULength = uint16(len(tsdu))
		if err := d.Parse(&h, body); err != nil {
			return
		}
		var p Parity
		if err := p.Parse(k, &h, &d); err != nil {
			var e *packet.Error
			if !errors.As(err, &e) {
				t.Fatalf("%v is not a *packet.Error", err)
			}
			return
		}
		if p.Index < 0 || p.Index >= MaxPackets-p.Size || p.Size < 1 || p.Size > int(k) || p.Group != k.Group(d.SQN) {
			t.Fatalf("%+v", p)
		}
		wire := p.Append(nil, k, packet.Header{Type: packet.TypeODATA}, d.Trail)
		again, _, err := parse(k, wire)
		if err != nil || again.Group != p.Group || again.Index != p.Index || again.Size != p.Size || again.Variable != p.Variable ||
			again.HasFragment != p.HasFragment || again.Fragment != p.Fragment || !bytes.Equal(again.TSDU, p.TSDU) {
			t.Fatalf("%+v becomes %+v, %v", p, again, err)
		}
	})
}
