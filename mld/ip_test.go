package mld

import (
	"errors"
	"testing"
)

// Packets as they are on the link, from the network header on.
const (
	ip6Query = "60000000 0024 00 01 fe800000000000000000000000000001 ff020000000000000000000000000001" +
		" 3a 00 0502 0000 0100 82 00 5696 2710 0000 00000000000000000000000000000000 02 7d 0000"
	ip4Query = "46c00024 00004000 01020000 0a000001 e0000001 94040000 11 64 ec1e 00000000 02 7d 0000"
)

func TestPacketsOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name  string
		f     Family
		hex   string
		alert bool
		want  error
	}{
		{"MLD", MLD, ip6Query, true, nil},
		{"MLD, padded", MLD, ip6Query + "ffff", true, nil},
		{"MLD without extension header", MLD, "60000000 0004 3a 01 fe800000000000000000000000000001 ff020000000000000000000000000001 82000000", false, nil},
		{"MLD, Router Alert last", MLD, "60000000 000c 00 01 fe800000000000000000000000000001 ff020000000000000000000000000001 3a00 0100 0502 0000 82000000", true, nil},
		{"MLD, Router Alert for RSVP", MLD, "60000000 000c 00 01 fe800000000000000000000000000001 ff020000000000000000000000000001 3a00 0502 0001 0100 82000000", false, nil},
		{"an option longer than its header", MLD, "60000000 000c 00 01 fe800000000000000000000000000001 ff020000000000000000000000000001 3a00 0164 0000 0000 82000000", false, nil},
		{"UDP", MLD, "60000000 0004 11 01 fe800000000000000000000000000001 ff020000000000000000000000000001 82000000", false, ErrType},
		{"IGMP", IGMP, ip4Query, true, nil},
		{"IGMP, no options", IGMP, "45000024 00004000 01020000 0a000001 e0000001" + "0000000000000000 0000000000000000", false, nil},
		{"IGMP, a fragment", IGMP, "45000024 00002001 01020000 0a000001 e0000001" + "0000000000000000 0000000000000000", false, ErrType},
		{"IGMP, an option without length", IGMP, "46000024 00004000 01020000 0a000001 e0000001 94000000" + "0000000000000000 00000000", false, nil},
	} {
		b := unhex(t, c.hex)
		var p Packet
		if err := p.Parse(c.f, b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		} else if err == nil && p.Alert != c.alert {
			t.Errorf("%s: Router Alert is %v", c.name, p.Alert)
		}
	}
	var p Packet
	var m Message
	for _, c := range []struct {
		f   Family
		hex string
	}{{MLD, ip6Query}, {IGMP, ip4Query}} {
		b := unhex(t, c.hex)
		if err := p.Parse(c.f, b); err != nil {
			t.Fatal(err)
		}
		if err := m.Parse(c.f, &p); err != nil || !m.General() {
			t.Errorf("%v: %+v, %v", c.f, m, err)
		}
		for n := range b {
			if err := p.Parse(c.f, b[:n]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%v: %d octets of %d: %v", c.f, n, len(b), err)
			}
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(unhex(f, ip6Query))
	f.Add(unhex(f, ip4Query))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		var m Message
		for _, family := range []Family{MLD, IGMP} {
			if p.Parse(family, b) == nil {
				m.Parse(family, &p)
			}
		}
	})
}
