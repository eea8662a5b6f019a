package congestion

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

var (
	nla4 = netip.MustParseAddr("192.0.2.1")
	nla6 = netip.MustParseAddr("2001:db8::1")
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listed makes a packet of type typ with one option, and returns the list.
func listed(typ packet.Type, add func([]byte) []byte) (p, opts []byte) {
	p = packet.Header{Type: typ}.Append(nil)
	at := len(p)
	p = packet.EndOptions(add(packet.BeginOptions(p)), at)
	return p, p[at:]
}

// [CC-2.1.3-01], [12.7.1-02], [12.7.2-02]
func TestOptionsOnTheWire(t *testing.T) {
	reception := Reception{true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, tt := range []struct {
		name    string
		typ     packet.Type
		add     func([]byte) []byte
		network bool
		want    string
	}{
		{"OPT_PGMCC_DATA", packet.TypeODATA, Data{9, nla4}.AppendTo, false, "00040014 92100000 00000009 00010000 c0000201"},
		{"OPT_PGMCC_DATA, nobody, IPv6", packet.TypeODATA, Data{9, zeroNLA(nla6)}.AppendTo, false, "00040020 921c0000 00000009 00020000 00000000000000000000000000000000"},
		{"OPT_PGMCC_FEEDBACK", TypeACK, Echo{9, 0xabcd, nla4}.AppendTo, false, "00040014 93100000 00000009 0001abcd c0000201"},
		{"OPT_PGMCC_FEEDBACK, IPv6", TypeACK, Echo{9, 0xabcd, nla6}.AppendTo, false, "00040020 931c0000 00000009 0002abcd 20010db8000000000000000000000001"},
		{"OPT_PROBE", packet.TypeSPM, Probe{1, 2, 3, 4}.AppendTo, false, "00040018 e0140000 00000001 00000002 00000003 00000004"},
		{"OPT_RECEPTION", packet.TypeNAK, reception.AppendTo, false,
			"00040030 e12c0001 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a"},
		{"OPT_CRQST", packet.TypeSPM, func(b []byte) []byte { return AppendRequest(b, ReceiverWorstPath|ElementWorstLink) }, true, "00040008 91040005"},
		{"OPT_CR", packet.TypeNAK, Report{ReceiverWorstPath, 7, 1, 2, 0x7fff, nla4}.AppendTo, true,
			"0004001c 90180001 00000007 00010002 7fff0000 00010000 c0000201"},
		{"OPT_CR, IPv6", packet.TypeNAK, Report{allKinds, 7, 1, 2, 3, nla6}.AppendTo, true,
			"00040028 90240007 00000007 00010002 00030000 00020000 20010db8000000000000000000000001"},
	} {
		p, opts := listed(tt.typ, tt.add)
		if want := unhex(t, tt.want); !bytes.Equal(opts, want) {
			t.Errorf("%s:\n got %x\nwant %x", tt.name, opts, want)
		}
		if got := packet.Flags(p[5])&packet.FlagNetwork != 0; got != tt.network {
			t.Errorf("%s: network-significant is %v", tt.name, got)
		}
	}
	for _, a := range []netip.Addr{nla4, nla6} {
		for _, l := range [][2]int{
			{DataLen(a), len(Data{Acker: a}.AppendTo(nil))}, {EchoLen(a), len(Echo{Receiver: a}.AppendTo(nil))},
			{ReportLen(a), len(Report{Receiver: a}.AppendTo(nil))}, {ProbeLen, len(Probe{}.AppendTo(nil))},
			{ReceptionLen, len(reception.AppendTo(nil))}, {RequestLen, len(AppendRequest(nil, allKinds))},
		} {
			if l[0] != l[1] {
				t.Errorf("a length is said to be %d and is %d", l[0], l[1])
			}
		}
	}
}

// [CC-2.1.2-02]: RX_MAX, and a bitmap whose least significant bit stands for it. As seen from OpenPGM after packets 0..5 and 8.
func TestACKOnTheWire(t *testing.T) {
	b := ACK{8, 0xfffffff9}.Append(packet.Upstream(TypeACK, tsiOfWorld, 7500).Append(nil))
	at := len(b)
	b = packet.EndOptions(Echo{5, 0, nla4}.AppendTo(packet.BeginOptions(b)), at)
	packet.Seal(b)
	if want := unhex(t, "1d4c0007 0d01 776d 010203040506 0000 00000008 fffffff9 00040014 93100000 00000005 00010000 c0000201"); !bytes.Equal(b, want) {
		t.Errorf("\n got %x\nwant %x", b, want)
	}
	for _, typ := range []packet.Type{TypeACK, TypeOldACK} {
		b[4] = byte(typ)
		packet.Seal(b)
		var h packet.Header
		var f Feedback
		body, err := h.Parse(b)
		if err == nil {
			err = f.ParseACK(&h, body)
		}
		if err != nil || f.Max != 8 || f.Bitmap != 0xfffffff9 || !f.IsACK || !f.HasEcho || f.HasReception || f.Echo != (Echo{5, 0, nla4}) {
			t.Errorf("%v: %+v, %v", typ, f, err)
		}
		if Session(&h) != tsiOfWorld {
			t.Errorf("%v: of session %v", typ, Session(&h))
		}
	}
	h := packet.Header{Type: packet.TypeNAK}
	if err := new(Feedback).ParseACK(&h, make([]byte, 8)); !errors.Is(err, packet.ErrType) {
		t.Errorf("a NAK as an ACK: %v", err)
	}
	h.Type = TypeACK
	if err := new(Feedback).ParseACK(&h, make([]byte, 9)); !errors.Is(err, packet.ErrLength) {
		t.Errorf("an ACK with more behind it: %v", err)
	}
}

func TestEveryPrefixOfAnACKIsRefused(t *testing.T) {
	whole := ACK{8, 1}.Append(packet.Upstream(TypeACK, tsiOfWorld, 7500).Append(nil))
	at := len(whole)
	whole = packet.BeginOptions(whole)
	whole = Reception{ID: 1}.AppendTo(Echo{5, 0, nla6}.AppendTo(whole))
	whole = packet.EndOptions(whole, at)
	for n := packet.HeaderLen; n < len(whole); n++ {
		b := bytes.Clone(whole[:n])
		packet.Seal(b)
		var h packet.Header
		body, err := h.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := new(Feedback).ParseACK(&h, body); !errors.Is(err, packet.ErrTruncated) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

func TestOptionsOfEveryLength(t *testing.T) {
	body := make([]byte, packet.MaxOptionBody)
	for n := range body {
		for _, tt := range []struct {
			name string
			good bool
			read func(packet.Option) error
		}{
			{"OPT_PGMCC_DATA", n == 12, func(o packet.Option) error { _, err := ParseData(o); return err }},
			{"OPT_PGMCC_FEEDBACK", n == 12, func(o packet.Option) error { _, err := ParseEcho(o); return err }},
			{"OPT_CR", n == 20, func(o packet.Option) error { _, err := ParseReport(o); return err }},
			{"OPT_CRQST", n == 0, func(o packet.Option) error { _, err := ParseRequest(o); return err }},
			{"OPT_PROBE", n >= 16, func(o packet.Option) error { _, err := ParseProbe(o); return err }},
			{"OPT_RECEPTION", n >= 40, func(o packet.Option) error { _, err := ParseReception(o); return err }},
		} {
			b := body[:n]
			for i := range b {
				b[i] = 0
			}
			for _, afi := range []int{4, 12} { // where the AFI is in those that have one
				if n > afi+2 {
					b[afi+1] = packet.AFIv4
				}
			}
			if err := tt.read(packet.Option{Body: b}); tt.good != (err == nil) || err != nil && !errors.Is(err, packet.ErrOption) && !errors.Is(err, packet.ErrTruncated) {
				t.Errorf("%s of length %d: %v", tt.name, n+4, err)
			}
		}
	}
}

// What parses as an option comes back as what it was.
func FuzzOptions(f *testing.F) {
	f.Add(Data{9, nla4}.AppendTo(nil)[4:], byte(0))
	f.Add(Echo{9, 7, nla6}.AppendTo(nil)[4:], byte(0))
	f.Add(Probe{1, 2, 3, 4}.AppendTo(nil)[4:], byte(0))
	f.Add(Reception{ID: 1}.AppendTo(nil)[4:], byte(1))
	f.Add(Report{allKinds, 7, 1, 2, 3, nla6}.AppendTo(nil)[4:], byte(7))
	f.Fuzz(func(t *testing.T, body []byte, flags byte) {
		o := packet.Option{Body: body[:min(len(body), packet.MaxOptionBody)], Flags: flags & 0x7f}
		again := func(b []byte) packet.Option { return packet.Option{Body: b[4:], Flags: b[3]} }
		if v, err := ParseData(o); err == nil {
			if w, err := ParseData(again(v.AppendTo(nil))); err != nil || v != w {
				t.Errorf("%x: %+v came back as %+v, %v", body, v, w, err)
			}
		}
		if v, err := ParseEcho(o); err == nil {
			if w, err := ParseEcho(again(v.AppendTo(nil))); err != nil || v != w {
				t.Errorf("%x: %+v came back as %+v, %v", body, v, w, err)
			}
		}
		if v, err := ParseReport(o); err == nil {
			if w, err := ParseReport(again(v.AppendTo(nil))); err != nil || v != w {
				t.Errorf("%x: %+v came back as %+v, %v", body, v, w, err)
			}
		}
		if v, err := ParseProbe(o); err == nil && !bytes.Equal(v.AppendTo(nil)[4:], o.Body[:ProbeLen-4]) {
			t.Errorf("%x: came back as %x", body, v.AppendTo(nil))
		}
		if v, err := ParseReception(o); err == nil && !bytes.Equal(v.AppendTo(nil)[4:], o.Body[:ReceptionLen-4]) {
			t.Errorf("%x: came back as %x", body, v.AppendTo(nil))
		}
	})
}

// Whatever comes as feedback is refused, or taken without harm.
func FuzzFeedback(f *testing.F) {
	b := ACK{8, 0xfffffff9}.Append(nil)
	b = packet.BeginOptions(b)
	b = Reception{ID: 1, Timestamp: 5, Received: 8}.AppendTo(Echo{5, 0, nla4}.AppendTo(b))
	b[10], b[11] = 0, byte(len(b)-8)
	b[28] |= 0x80
	f.Add(b, true)
	f.Fuzz(func(t *testing.T, body []byte, options bool) {
		h := packet.Header{Type: TypeACK}
		if options {
			h.Options = packet.FlagOptions
		}
		var fb Feedback
		if err := fb.ParseACK(&h, body); err != nil {
			return
		}
		for _, c := range []Controller{hostileAuto(t), hostilePGMCC(t)} {
			now := worldStart
			c.Sent(now, packet.TypeODATA, 1, 10, 15000)
			c.Probe(now)
			for range 3 {
				now = now.Add(ms)
				c.Feedback(now, &fb)
				c.HandleTimeout(now)
				if r := c.Rate(); r < 1 || r > 1_250_000 {
					t.Fatalf("%T: a rate of %d", c, r)
				}
			}
		}
	})
}
