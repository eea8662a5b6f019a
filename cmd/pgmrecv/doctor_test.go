package main

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// healthy returns what the doctor sees of a path on which nothing is wrong.
func healthy() *observation {
	sender := netip.MustParseAddr("192.0.2.1")
	return &observation{
		iface: "eth0", mtu: 1500, group: netip.MustParseAddrPort("239.1.2.3:7500"), d: 10 * time.Second,
		queriers: []querier{{netip.MustParseAddr("192.0.2.254"), "IGMPv3", true}}, probed: true,
		link: 1000, wanted: 1000, socket: 1000, ttls: map[netip.Addr]uint8{sender: 14}, near: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
		sessions: map[packet.TSI]*hearing{{Port: 7}: {hosts: map[netip.Addr]uint64{sender: 1000}, spms: 10, data: 990}},
	}
}

// What is wrong is said in one line with what to do in another, and what is not wrong is not said to be.
func TestDoctorSaysWhatIsWrong(t *testing.T) {
	sender, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	session := func(o *observation) *hearing { return o.sessions[packet.TSI{Port: 7}] }
	quiet := func(o *observation) {
		o.link, o.wanted, o.socket = 0, 0, 0
		clear(o.ttls)
		clear(o.sessions)
	}
	for _, c := range []struct {
		name         string
		do           func(o *observation)
		what, advice string // of the one problem or, in parentheses, note; empty: there is none
	}{
		{"nothing", func(*observation) {}, "", ""},
		{"no querier", func(o *observation) { o.queriers = nil }, "no IGMP querier on this link", "pgmsend --querier"},
		{"no querier, IPv6", func(o *observation) { o.queriers, o.group = nil, netip.MustParseAddrPort("[ff08::77]:7500") }, "no MLD querier on this link", "pgmsend --querier"},
		{"no querier and none needed", func(o *observation) { o.queriers, o.group = nil, netip.MustParseAddrPort("224.0.0.77:7500") }, "", ""},
		{"no querier on loopback", func(o *observation) { o.queriers, o.iface = nil, "lo" }, "", ""},
		{"no time for the querier", func(o *observation) { o.queriers, o.probed = nil, false }, "(no time to look for one", "--timeout"},
		{"no privilege for the querier", func(o *observation) { o.queriers, o.unasked = nil, errors.New("needs CAP_NET_RAW") }, "(querier on this link is not known: needs CAP_NET_RAW", ""},
		{"no privilege for the link", func(o *observation) { o.blind = errors.New("needs CAP_NET_RAW") }, "(only what reaches the socket is seen, not what reaches the host: needs CAP_NET_RAW", ""},
		{"silence", quiet, "nothing reached eth0 for 239.1.2.3:7500", "--ttl"},
		{"silence, and no privilege", func(o *observation) { quiet(o); o.blind = errors.New("x") }, "nothing arrived for 239.1.2.3:7500", "firewall"},
		{"a firewall", func(o *observation) { o.socket = 0; clear(o.sessions) }, "a firewall on this host filters the group", "udp dport 7500 accept"},
		{"a firewall, raw", func(o *observation) { o.socket, o.raw = 0, true; clear(o.sessions) }, "a firewall on this host filters the group", "meta l4proto 113 accept"},
		{"the reverse path", func(o *observation) { o.socket, o.filtered = 0, 1000; clear(o.sessions) }, "(reverse path filter)", "net.ipv4.conf.eth0.rp_filter=2"},
		{"another port", func(o *observation) { quiet(o); o.otherPorts = map[uint16]uint64{7501: 30, 9: 1} }, "other UDP ports than 7500: 9 (1 packet), 7501 (30 packets)", "same port"},
		{"raw instead of UDP", func(o *observation) { quiet(o); o.otherWay = 30 }, "30 packets for 239.1.2.3 came in IP protocol 113 (pgm://)", "same scheme"},
		{"UDP instead of raw", func(o *observation) { quiet(o); o.otherWay, o.raw = 30, true }, "came in UDP (epgm://)", "same scheme"},
		{"another source", func(o *observation) { quiet(o); o.from, o.otherFrom = sender, map[netip.Addr]uint64{other: 3} }, "came from 192.0.2.2, and none from 192.0.2.1", "another source"},
		{"the end of the TTL", func(o *observation) { o.ttls[sender] = 1 }, "packets of 192.0.2.1 arrive with the last of their TTL", "larger --ttl"},
		{"a TTL of one link", func(o *observation) {
			o.ttls[sender] = 1
			o.near = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		}, "(have a TTL of 1: they reach this link and no other", "--ttl"},
		{"a TTL of one, of link scope", func(o *observation) { o.ttls[sender], o.group = 1, netip.MustParseAddrPort("224.0.0.77:7500") }, "", ""},
		{"fragments", func(o *observation) { o.fragments = 500 }, "500 of 1000 came as IP fragments", "--mtu"},
		{"drops", func(o *observation) { o.drops = 5 }, "the kernel dropped 5 packets", "rmem_max"},
		{"damage", func(o *observation) { o.checksums = 5 }, "5 of 1000 packets had a wrong PGM checksum", "ethtool"},
		{"something else", func(o *observation) { o.malformed = 5 }, "5 of 1000 packets are not PGM", "port of its own"},
		{"no SPM", func(o *observation) { session(o).spms = 0 }, "data flows, 990 packets, but no SPM", "Router Alert"},
		{"no data", func(o *observation) { session(o).data = 0 }, "", ""},
		{"two sources with one TSI", func(o *observation) { session(o).hosts[other] = 3 }, "comes from 192.0.2.1 and 192.0.2.2", "identifier of its own"},
		{"repeats", func(o *observation) { session(o).repeated = 990 }, "990 of 990 packets came more than once", "two routers"},
		{"losses", func(o *observation) { session(o).missing = 110 }, "(10.0 % of the packets did not come", "losses"},
		{"only receivers", func(o *observation) { clear(o.sessions) }, "(only receivers were heard", ""},
	} {
		o := healthy()
		c.do(o)
		var bad []finding
		for _, f := range diagnose(o) {
			if f.level != fine {
				bad = append(bad, f)
			}
		}
		want, level := c.what, problem
		if strings.HasPrefix(want, "(") && c.name != "the reverse path" {
			want, level = want[1:], note
		}
		switch {
		case c.what == "" && len(bad) > 0:
			t.Errorf("%s: %+v, want no complaint", c.name, bad)
		case c.what == "":
		case len(bad) == 2 && o.blind != nil && strings.Contains(bad[1].what, want): // it is said besides what it hides
		case len(bad) != 1 || bad[0].level != level || !strings.Contains(bad[0].what, want) || !strings.Contains(bad[0].do, c.advice):
			t.Errorf("%s: %+v, want one %v with %q and %q", c.name, bad, level, want, c.advice)
		}
		for _, f := range bad {
			if strings.ContainsAny(f.what+f.do, "\n") || strings.HasSuffix(f.what, ".") {
				t.Errorf("%s: not one line without full stop: %q", c.name, f.what)
			}
		}
	}
}

// Numbers that jump about, come twice or come late are counted as what they are, and cost no memory.
func TestDoctorCountsPackets(t *testing.T) {
	for _, c := range []struct {
		name              string
		sqns              []packet.SQN
		missing, repeated uint64
	}{
		{"in order", []packet.SQN{1, 2, 3}, 0, 0},
		{"across the wrap", []packet.SQN{0xffff_fffe, 0xffff_ffff, 0, 1}, 0, 0},
		{"one missing", []packet.SQN{1, 3, 4}, 1, 0},
		{"one late", []packet.SQN{1, 3, 2, 4}, 0, 0},
		{"one twice", []packet.SQN{1, 2, 2, 3, 1}, 0, 2},
		{"older than the first", []packet.SQN{5, 1, 6}, 0, 0},
	} {
		h := &hearing{got: map[packet.SQN]bool{}}
		for _, s := range c.sqns {
			h.packet(packet.TypeODATA, s)
		}
		if h.missing != c.missing || h.repeated != c.repeated {
			t.Errorf("%s: %d missing, %d repeated; want %d and %d", c.name, h.missing, h.repeated, c.missing, c.repeated)
		}
	}
	h := &hearing{got: map[packet.SQN]bool{}}
	for i := range packet.SQN(100_000) {
		h.packet(packet.TypeODATA, i*7919)
	}
	if len(h.got) > 2*maxGot {
		t.Errorf("%d numbers are kept", len(h.got))
	}
}

func TestDoctorReadsIPHeaders(t *testing.T) {
	v4 := append([]byte{0x45, 0, 0, 24, 0, 0, 0x20, 0, 9, 17, 0, 0, 192, 0, 2, 1, 239, 1, 2, 3}, 1, 2, 3, 4)
	src, protocol, ttl, fragment, rest, ok := readIP(v4)
	if !ok || src != netip.MustParseAddr("192.0.2.1") || protocol != 17 || ttl != 9 || !fragment || !slices.Equal(rest, []byte{1, 2, 3, 4}) {
		t.Errorf("IPv4: %v %d %d %v %x %v", src, protocol, ttl, fragment, rest, ok)
	}
	v6 := make([]byte, 40)
	v6[0], v6[6], v6[7], v6[8] = 0x60, 44, 3, 0xfe
	v6 = append(v6, 17, 0, 0, 8, 0, 0, 0, 1, 9, 9) // a second fragment
	src, protocol, ttl, fragment, rest, ok = readIP(v6)
	if !ok || src != netip.MustParseAddr("fe00::") || protocol != 17 || ttl != 3 || !fragment || len(rest) > 0 {
		t.Errorf("IPv6: %v %d %d %v %x %v", src, protocol, ttl, fragment, rest, ok)
	}
	for _, b := range [][]byte{v4, v6} {
		for n := range b {
			readIP(b[:n]) // must not fail
		}
	}
}
