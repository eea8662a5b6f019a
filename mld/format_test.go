package mld

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrs(s string) (list []netip.Addr) {
	for _, f := range strings.Fields(s) {
		list = append(list, addr(f))
	}
	return list
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wire is a message of each kind, in hex as the RFCs draw it.
var wire = []struct {
	name   string
	family Family
	src    string
	dst    string
	hex    string
	m      Message
}{
	{"MLDv2 general query", MLD, "fe80::1", "ff02::1",
		"82 00 5696 2710 0000 00000000000000000000000000000000 02 7d 0000",
		Message{Kind: Query, Version: MLDv2, Group: addr("::"), MaxDelay: 10 * time.Second, Robustness: 2, Interval: 125 * time.Second}},
	{"MLDv2 query for a group, S flag", MLD, "fe80::1", "ff08::7",
		"82 00 729f 03e8 0000 ff080000000000000000000000000007 0a 80 0000",
		Message{Kind: Query, Version: MLDv2, Group: addr("ff08::7"), MaxDelay: time.Second, Suppress: true, Robustness: 2, Interval: 128 * time.Second}},
	{"MLDv2 query for sources", MLD, "fe80::1", "ff08::7",
		"82 00 06e0 8000 0000 ff080000000000000000000000000007 00 00 0002 fd000000000000000000000000000001 fd000000000000000000000000000002",
		Message{Kind: Query, Version: MLDv2, Group: addr("ff08::7"), MaxDelay: 32768 * time.Millisecond, Sources: addrs("fd00::1 fd00::2")}},
	{"MLDv1 query", MLD, "fe80::1", "ff02::1",
		"82 00 5917 2710 0000 00000000000000000000000000000000",
		Message{Kind: Query, Version: MLDv1, Group: addr("::"), MaxDelay: 10 * time.Second}},
	{"MLDv1 query, linear to the end", MLD, "fe80::1", "ff08::7",
		"82 00 810b ffff 0000 ff080000000000000000000000000007",
		Message{Kind: Query, Version: MLDv1, Group: addr("ff08::7"), MaxDelay: 65535 * time.Millisecond}},
	{"MLDv1 report", MLD, "fe80::1", "ff08::7",
		"83 00 800b 0000 0000 ff080000000000000000000000000007",
		Message{Kind: Report, Version: MLDv1, Group: addr("ff08::7")}},
	{"MLDv1 done", MLD, "fe80::1", "ff02::2",
		"84 00 7f16 0000 0000 ff080000000000000000000000000007",
		Message{Kind: Done, Version: MLDv1, Group: addr("ff08::7")}},
	{"MLDv2 report", MLD, "fe80::1", "ff02::16",
		"8f 00 6ec4 0000 0002 04 00 0000 ff080000000000000000000000000007 05 00 0001 ff080000000000000000000000000008 fd000000000000000000000000000001",
		Message{Kind: Report, Version: MLDv2, Records: []Record{{ToEx, addr("ff08::7"), nil}, {Allow, addr("ff08::8"), addrs("fd00::1")}}}},
	{"IGMPv3 general query", IGMP, "10.0.0.1", "224.0.0.1",
		"11 64 ec1e 00000000 02 7d 0000",
		Message{Kind: Query, Version: IGMPv3, Group: addr("0.0.0.0"), MaxDelay: 10 * time.Second, Robustness: 2, Interval: 125 * time.Second}},
	{"IGMPv3 query for sources", IGMP, "10.0.0.1", "239.1.2.3",
		"11 0a e969 ef010203 0a 7d 0001 0a000009",
		Message{Kind: Query, Version: IGMPv3, Group: addr("239.1.2.3"), MaxDelay: time.Second, Suppress: true, Robustness: 2, Interval: 125 * time.Second, Sources: addrs("10.0.0.9")}},
	{"IGMPv2 query", IGMP, "10.0.0.1", "224.0.0.1",
		"11 64 ee9b 00000000",
		Message{Kind: Query, Version: IGMPv2, Group: addr("0.0.0.0"), MaxDelay: 10 * time.Second}},
	{"IGMPv1 query", IGMP, "10.0.0.1", "224.0.0.1",
		"11 00 eeff 00000000",
		Message{Kind: Query, Version: IGMPv1, Group: addr("0.0.0.0"), MaxDelay: 10 * time.Second}},
	{"IGMPv1 report", IGMP, "10.0.0.1", "239.1.2.3",
		"12 00 fcfa ef010203",
		Message{Kind: Report, Version: IGMPv1, Group: addr("239.1.2.3")}},
	{"IGMPv2 report", IGMP, "10.0.0.1", "239.1.2.3",
		"16 00 f8fa ef010203",
		Message{Kind: Report, Version: IGMPv2, Group: addr("239.1.2.3")}},
	{"IGMPv2 leave", IGMP, "10.0.0.1", "224.0.0.2",
		"17 00 f7fa ef010203",
		Message{Kind: Done, Version: IGMPv2, Group: addr("239.1.2.3")}},
	{"IGMPv3 report", IGMP, "10.0.0.1", "224.0.0.22",
		"22 00 dcef 0000 0001 06 00 0001 ef010203 0a000009",
		Message{Kind: Report, Version: IGMPv3, Group: addr("0.0.0.0"), Records: []Record{{Block, addr("239.1.2.3"), addrs("10.0.0.9")}}}},
}

var sameMessage = cmp.Options{cmpopts.IgnoreUnexported(Message{}), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

func TestMessagesOnTheWire(t *testing.T) {
	var got Message
	for _, w := range wire {
		b := unhex(t, w.hex)
		p := Packet{Src: addr(w.src), Dst: addr(w.dst), HopLimit: 1, Alert: true, Payload: b}
		if made := w.m.Append(nil, w.family, p.Src, p.Dst); !slices.Equal(made, b) {
			t.Errorf("%s: made\n%x\nwant\n%x", w.name, made, b)
		}
		if err := got.Parse(w.family, &p); err != nil {
			t.Errorf("%s: %v", w.name, err)
		} else if d := cmp.Diff(w.m, got, sameMessage); d != "" {
			t.Errorf("%s: %s", w.name, d)
		}
	}
}

// sealed returns the packet whose message is b with the right checksum.
func sealed(f Family, src, dst string, b []byte) *Packet {
	p := &Packet{Src: addr(src), Dst: addr(dst), HopLimit: 1, Alert: true, Payload: b}
	if len(b) < 4 {
		return p
	}
	b[2], b[3] = 0, 0
	s := sum(0, b)
	if f == MLD {
		s = sumICMPv6(p.Src, p.Dst, b)
	}
	b[2], b[3] = byte(^s>>8), byte(^s)
	return p
}

// Whatever a message is cut to, it is refused, or is one of another version: with its checksum right, so that only its length speaks.
func TestEveryPrefixIsRefused(t *testing.T) {
	var got Message
	for _, w := range wire {
		b := unhex(t, w.hex)
		for n := range b {
			err := got.Parse(w.family, sealed(w.family, w.src, w.dst, slices.Clone(b[:n])))
			older := w.m.Kind == Query && w.m.Version >= MLDv2 && n == w.family.queryLen()-4
			if older && (err != nil || got.Version >= MLDv2) {
				t.Errorf("%s: %d octets are a query of an older version: %v, %v", w.name, n, got.Version, err)
			}
			if !older && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrLength) {
				t.Errorf("%s: %d octets of %d: %v", w.name, n, len(b), err)
			}
		}
	}
}

// [5.1.12], [5.2.11], [5.2.10]: further octets and auxiliary data are counted in the checksum and ignored.
func TestWhatIsBehindTheFieldsIsIgnored(t *testing.T) {
	var got Message
	for _, w := range wire {
		if w.m.Kind == Query && w.m.Version < MLDv2 {
			continue // a longer one is of another version
		}
		b := append(unhex(t, w.hex), 1, 2, 3, 4, 5)
		p := sealed(w.family, w.src, w.dst, b)
		if err := got.Parse(w.family, p); err != nil {
			t.Errorf("%s with more behind it: %v", w.name, err)
		} else if d := cmp.Diff(w.m, got, sameMessage); d != "" {
			t.Errorf("%s with more behind it: %s", w.name, d)
		}
		b[len(b)-1]++
		if err := got.Parse(w.family, p); !errors.Is(err, ErrChecksum) {
			t.Errorf("%s with a change behind it: %v, want a wrong checksum", w.name, err)
		}
	}
	b := unhex(t, "8f 00 0000 0000 0002 04 02 0000 ff080000000000000000000000000007 aaaaaaaabbbbbbbb 02 00 0000 ff080000000000000000000000000008")
	if err := got.Parse(MLD, sealed(MLD, "fe80::1", "ff02::16", b)); err != nil || len(got.Records) != 2 || got.Records[1].Group != addr("ff08::8") {
		t.Errorf("a record with auxiliary data: %+v, %v", got.Records, err)
	}
}

// "Multicast Address Records with an unrecognized Record Type value MUST be silently ignored, with the rest of the report being processed" [5.2.12].
func TestRecordsOfUnknownTypesAreSkipped(t *testing.T) {
	var got Message
	b := unhex(t, "8f 00 0000 0000 0003 00 00 0000 ff080000000000000000000000000007 07 00 0001 ff080000000000000000000000000007 fd000000000000000000000000000001 02 00 0000 ff080000000000000000000000000008")
	if err := got.Parse(MLD, sealed(MLD, "fe80::1", "ff02::16", b)); err != nil || len(got.Records) != 1 || got.Records[0].Group != addr("ff08::8") {
		t.Errorf("%+v, %v; want the record of type 2 alone", got.Records, err)
	}
}

// Hop limit, Router Alert, source, checksum and group, each on its own [5.1.2], [5.1.14], [6.2], [7.4], [7.6].
func TestEachRuleOfValidityIsChecked(t *testing.T) {

	var got Message
	for _, c := range []struct {
		name string
		from int
		do   func(p *Packet)
		want error
	}{
		{"hop limit 255", 0, func(p *Packet) { p.HopLimit = 255 }, ErrHopLimit},
		{"hop limit 0", 7, func(p *Packet) { p.HopLimit = 0 }, ErrHopLimit},
		{"TTL 2", 8, func(p *Packet) { p.HopLimit = 2 }, ErrHopLimit},
		{"no Router Alert", 0, func(p *Packet) { p.Alert = false }, ErrAlert},
		{"no Router Alert in a report", 7, func(p *Packet) { p.Alert = false }, ErrAlert},
		{"no Router Alert in IGMP", 8, func(p *Packet) { p.Alert = false }, nil},
		{"a global source", 0, func(p *Packet) { *p = *sealed(MLD, "fd00::1", "ff02::1", p.Payload) }, ErrSource},
		{"a global source of a report", 7, func(p *Packet) { *p = *sealed(MLD, "fd00::1", "ff02::16", p.Payload) }, ErrSource},
		{"a query from ::", 0, func(p *Packet) { *p = *sealed(MLD, "::", "ff02::1", p.Payload) }, ErrSource},
		{"a report from ::", 7, func(p *Packet) { *p = *sealed(MLD, "::", "ff02::16", p.Payload) }, nil},
		{"a done from ::", 6, func(p *Packet) { *p = *sealed(MLD, "::", "ff02::2", p.Payload) }, nil},
		{"a query sent to a host", 0, func(p *Packet) { *p = *sealed(MLD, "fe80::1", "fe80::9", p.Payload) }, nil},
		{"IGMP from a group", 8, func(p *Packet) { p.Src = addr("224.0.0.9") }, ErrSource},
		{"another address than in the checksum", 0, func(p *Packet) { p.Dst = addr("ff02::3") }, ErrChecksum},
		{"a bit of the checksum", 0, func(p *Packet) { p.Payload[3] ^= 1 }, ErrChecksum},
		{"a bit of IGMP's", 8, func(p *Packet) { p.Payload[3] ^= 1 }, ErrChecksum},
		{"a code", 0, func(p *Packet) { p.Payload[1] = 9; *p = *sealed(MLD, "fe80::1", "ff02::1", p.Payload) }, nil},
		{"a reserved field", 0, func(p *Packet) { p.Payload[7] = 9; *p = *sealed(MLD, "fe80::1", "ff02::1", p.Payload) }, nil},
		{"a query for a host", 1, func(p *Packet) { p.Payload[8] = 0xfe; *p = *sealed(MLD, "fe80::1", "ff08::7", p.Payload) }, ErrGroup},
		{"a report of a host", 5, func(p *Packet) { p.Payload[8] = 0xfe; *p = *sealed(MLD, "fe80::1", "ff08::7", p.Payload) }, ErrGroup},
		{"a leave of nothing", 14, func(p *Packet) {
			copy(p.Payload[4:], "\x00\x00\x00\x00")
			*p = *sealed(IGMP, "10.0.0.1", "224.0.0.2", p.Payload)
		}, ErrGroup},
		{"an echo request", 0, func(p *Packet) { p.Payload[0] = 128 }, ErrType},
		{"a type of DVMRP", 8, func(p *Packet) { p.Payload[0] = 0x13 }, ErrType},
		{"a query of 26 octets", 0, func(p *Packet) { *p = *sealed(MLD, "fe80::1", "ff02::1", p.Payload[:26]) }, ErrLength},
		{"IGMP from IPv6", 8, func(p *Packet) { p.Src = addr("fe80::1") }, ErrSource},
	} {
		w := wire[c.from]
		p := Packet{Src: addr(w.src), Dst: addr(w.dst), HopLimit: 1, Alert: true, Payload: unhex(t, w.hex)}
		c.do(&p)
		if err := got.Parse(w.family, &p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}

}

// What a packet promises and does not hold is refused whole, and costs nothing: "absurd counts".
func TestCountsThatCannotBeAreRefused(t *testing.T) {
	var got Message
	for _, w := range []struct {
		name, hex string
		f         Family
	}{
		{"65535 records", "8f 00 0000 0000 ffff 02 00 0000 ff080000000000000000000000000007", MLD},
		{"65535 sources of a record", "8f 00 0000 0000 0001 02 00 ffff ff080000000000000000000000000007", MLD},
		{"1020 octets of auxiliary data", "8f 00 0000 0000 0001 02 ff 0000 ff080000000000000000000000000007", MLD},
		{"65535 sources of a query", "82 00 0000 2710 0000 ff080000000000000000000000000007 02 7d ffff", MLD},
		{"65535 records of IGMP", "22 00 0000 0000 ffff 02 00 0000 ef010203", IGMP},
	} {
		src, dst := "fe80::1", "ff02::16"
		if w.f == IGMP {
			src, dst = "10.0.0.1", "224.0.0.22"
		}
		if err := got.Parse(w.f, sealed(w.f, src, dst, unhex(t, w.hex))); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v, want truncated", w.name, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, w := range wire {
		f.Add(w.family == MLD, unhex(f, w.hex))
	}
	f.Fuzz(func(t *testing.T, six bool, b []byte) {
		family, src, dst := IGMP, "10.0.0.1", "224.0.0.1"
		if six {
			family, src, dst = MLD, "fe80::1", "ff02::1"
		}
		var m, again Message
		if m.Parse(family, sealed(family, src, dst, b)) != nil {
			return
		}
		p := Packet{Src: addr(src), Dst: addr(dst), HopLimit: 1, Alert: true}
		p.Payload = m.Append(nil, family, p.Src, p.Dst)
		if err := again.Parse(family, &p); err != nil {
			t.Fatalf("%+v\nmade %x: %v", m, p.Payload, err)
		}
		if d := cmp.Diff(m, again, sameMessage); d != "" {
			t.Fatal(d)
		}
	})
}
