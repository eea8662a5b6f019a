package source

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The rate counts the network header as it goes out: IP Router Alert on SPMs, NCFs and repairs [4-01], none on new data.
func TestRateCountsRouterAlertWhereItGoes(t *testing.T) {
	c := testConfig(&fake{first: 1, trail: 1, next: 11})
	c.Overhead, c.AlertOverhead = 20, 4
	s := newSource(t, c)
	octets, types := 0, map[packet.Type]int{}
	see := func(p sent) {
		octets += p.wire - 28 + 20 // a packet is shown with 28 in front
		switch types[p.h.Type]++; p.h.Type {
		case packet.TypeSPM, packet.TypeNCF, packet.TypeRDATA:
			octets += 4
		}
	}
	play(t, s, start, start.Add(20*ms), see)
	ask(t, s, start.Add(20*ms), 3, 4)
	play(t, s, start.Add(20*ms), start.Add(40*ms), see)
	if types[packet.TypeODATA] != 10 || types[packet.TypeRDATA] != 2 || types[packet.TypeNCF] == 0 || types[packet.TypeSPM] == 0 {
		t.Fatalf("sent %v", types)
	}
	if got := s.Stats().Sent; got != uint64(octets) {
		t.Errorf("%d octets counted, %d sent: %v", got, octets, types)
	}
}

// Over IPv6 the Path NLA has AFI 2 and no zone, and a NAK that names an address of the other family is of no session of ours [8.3-07].
func TestIPv6SourceNamesItselfAndNoOther(t *testing.T) {
	c := testConfig(&fake{first: 1, trail: 1, next: 3})
	c.Source, c.Group = netip.MustParseAddrPort("[fe80::1%eth7]:0"), netip.MustParseAddrPort("[ff02::77%eth7]:7500")
	c.Overhead, c.AlertOverhead = 40, 8
	s := newSource(t, c)
	src, group := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::77")
	spms := 0
	for _, p := range pollAll(t, s, start) {
		if p.h.Type != packet.TypeSPM {
			continue
		}
		spms++
		if p.spm.Path != src || p.to != c.Group || p.wire < 28+48 {
			t.Errorf("SPM of %d octets to %v, path %v", p.wire-28, p.to, p.spm.Path)
		}
	}
	if spms == 0 {
		t.Error("no SPM")
	}
	v4, group4 := testSrc.Addr(), testGrp.Addr()
	for _, nlas := range [][2]netip.Addr{{v4, group4}, {v4, group}, {src, group4}} {
		if err := s.HandlePacket(start, testFrom, nakWireFor(nlas[0], nlas[1], 1)); !errors.Is(err, ErrForeign) {
			t.Errorf("NAK for %v: %v", nlas, err)
		}
	}
	if err := s.HandlePacket(start, testFrom, nakWireFor(src, group, 1)); err != nil {
		t.Error(err)
	}
}
