package mroute

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

// The structures of linux/mroute.h, as a host with the least octet first has them.
func TestStructures(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the rows are of hosts with the least octet first")
	}
	e := Entry{Source: netip.MustParseAddr("10.9.0.2"), Group: netip.MustParseAddr("239.192.9.9"), In: 2, Out: 1 | 1<<3 | 1<<31}
	for _, row := range []struct{ name, got, want string }{
		{"vifctl", hex.EncodeToString(appendLink(nil, 3, 0x0107)), "0300" + "08" + "01" + "00000000" + "07010000" + "00000000"},
		{
			"mfcctl", hex.EncodeToString(e.append(nil)), "0a090002" + "efc00909" + "0200" +
				"0100000100000000" + "0000000000000000" + "0000000000000000" + "0000000000000001" + "0000" + "00000000000000000000000000000000",
		},
	} {
		if row.got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.name, row.got, row.want)
		}
	}
}

// A message of the kernel about a missing entry is read; others, and every piece of one, are not.
func TestMissIsRead(t *testing.T) {
	wire, _ := hex.DecodeString("00000000" + "00000000" + "01" + "00" + "02" + "01" + "0a090002" + "efc00909")
	want := Miss{0x102, netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("239.192.9.9")}
	if m, ok := parseMiss(wire); !ok || m != want {
		t.Errorf("got %+v, %v; want %+v", m, ok, want)
	}
	for n := range wire {
		if _, ok := parseMiss(wire[:n]); ok {
			t.Errorf("%d octets were read", n)
		}
	}
	for at, v := range map[int]byte{8: 2 /* IGMPMSG_WRONGVIF */, 9: 2 /* IGMP */} {
		other := append([]byte(nil), wire...)
		if other[at] = v; other[at] == wire[at] {
			t.Fatal("the same")
		}
		if _, ok := parseMiss(other); ok {
			t.Errorf("with %d at %d it was read", v, at)
		}
	}
}
