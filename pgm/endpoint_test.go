package pgm

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseEndpoint(t *testing.T) {
	addr, group := netip.MustParseAddr, netip.MustParseAddrPort
	for _, c := range []struct {
		name, in string
		want     Endpoint
	}{
		{"nothing", "", Endpoint{"epgm", "", group("239.192.77.71:7500"), netip.Addr{}}},
		{"the default", DefaultEndpoint, Endpoint{"epgm", "", group("239.192.77.71:7500"), netip.Addr{}}},
		{"group", "239.192.0.1", Endpoint{"epgm", "", group("239.192.0.1:7500"), netip.Addr{}}},
		{"port", ":7501", Endpoint{"epgm", "", group("239.192.77.71:7501"), netip.Addr{}}},
		{"interface", "eth0;", Endpoint{"epgm", "eth0", group("239.192.77.71:7500"), netip.Addr{}}},
		{"interface and port", "eth0;:1", Endpoint{"epgm", "eth0", group("239.192.77.71:1"), netip.Addr{}}},
		{"empty interface, as ZeroMQ has it", ";239.192.0.1:7500", Endpoint{"epgm", "", group("239.192.0.1:7500"), netip.Addr{}}},
		{"all", "epgm://eth0;239.192.0.1:7500", Endpoint{"epgm", "eth0", group("239.192.0.1:7500"), netip.Addr{}}},
		{"alias interface", "epgm://eth0:1;239.192.0.1:7500", Endpoint{"epgm", "eth0:1", group("239.192.0.1:7500"), netip.Addr{}}},
		{"interface with spaces", "Ethernet 2;239.192.0.1:7500", Endpoint{"epgm", "Ethernet 2", group("239.192.0.1:7500"), netip.Addr{}}},
		{"interface by address", "epgm://192.0.2.7;239.192.0.1:7500", Endpoint{"epgm", "192.0.2.7", group("239.192.0.1:7500"), netip.Addr{}}},
		{"scheme in capitals", "PGM://239.192.0.1:7500", Endpoint{"pgm", "", group("239.192.0.1:7500"), netip.Addr{}}},
		{"source", "epgm://192.0.2.7;232.1.2.3,198.51.100.4:7500", Endpoint{"epgm", "192.0.2.7", group("232.1.2.3:7500"), addr("198.51.100.4")}},
		{"source of the default group", ",198.51.100.4", Endpoint{"epgm", "", group("239.192.77.71:7500"), addr("198.51.100.4")}},
		{"IPv6", "pgm://[ff08::1]:7500", Endpoint{"pgm", "", group("[ff08::1]:7500"), netip.Addr{}}},
		{"IPv6 without a port", "[ff08::1]", Endpoint{"epgm", "", group("[ff08::1]:7500"), netip.Addr{}}},
		{"IPv6 with a zone", "epgm://[ff02::77%eth0]:7500", Endpoint{"epgm", "", group("[ff02::77%eth0]:7500"), netip.Addr{}}},
		{"IPv6 source", "eth0;[ff38::77],[2001:db8::4]:7500", Endpoint{"epgm", "eth0", group("[ff38::77]:7500"), addr("2001:db8::4")}},
		{"IPv6 interface", "[fe80::1%eth0];[ff08::1]:7500", Endpoint{"epgm", "fe80::1%eth0", group("[ff08::1]:7500"), netip.Addr{}}},
		{"IPv6 interface without brackets", "fd00::1;[ff08::1]:7500", Endpoint{"epgm", "fd00::1", group("[ff08::1]:7500"), netip.Addr{}}},
		{"IPv4 in IPv6", "[::ffff:239.192.0.1]:7500", Endpoint{"epgm", "", group("239.192.0.1:7500"), netip.Addr{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseEndpoint(c.in)
			if err != nil || got != c.want {
				t.Fatalf("ParseEndpoint(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
			}
		})
	}
}

// A wrong endpoint gets one line that says what is wrong and what would be right.
func TestParseEndpointErrors(t *testing.T) {
	for in, want := range map[string]string{
		"tcp://239.192.0.1:7500":               `unknown scheme "tcp": want epgm:// or pgm://`,
		"eth0":                                 `"eth0" is not an IP address (an interface is written before a semicolon: "eth0;239.192.77.71")`,
		"epgm://example.com:7500":              `"example.com" is not an IP address`,
		"a;b;239.192.0.1":                      "more than one semicolon",
		"239.192.0.1:0":                        `port "0" is not a number from 1 to 65535`,
		"239.192.0.1:65536":                    `port "65536" is not a number`,
		"239.192.0.1:":                         `port "" is not a number`,
		"239.192.0.1:http":                     `port "http" is not a number`,
		"10.0.0.1:7500":                        "10.0.0.1 is not a multicast group: those are 224.0.0.0 to 239.255.255.255",
		"[2001:db8::1]:7500":                   "2001:db8::1 is not a multicast group: those begin with ff",
		"ff08::1:7500":                         "an IPv6 address stands in brackets: [ff08::77]:7500",
		"[ff08::1:7500":                        `lacks its closing bracket`,
		"[239.192.0.1]:7500":                   "the IPv4 address 239.192.0.1 stands without brackets",
		"239.192.0.1,:7500":                    `source: "" is not an IP address`,
		"239.192.0.1,239.192.0.2:7500":         "the source 239.192.0.2 is not the address of a host",
		"239.192.0.1,0.0.0.0:7500":             "the source 0.0.0.0 is not the address of a host",
		"239.192.0.1,[2001:db8::1]:7500":       "the source 2001:db8::1 and the group 239.192.0.1 are not of one address family",
		"239.192.0.1%eth0:7500":                `is not an IP address`,
		"eth1;[ff02::77%eth0]:7500":            "the interface is eth1, but the zone of the group is eth0: write one of them",
		"[ff32::77%eth0],[fe80::1%eth1]:7500":  "the zone of the source is eth1, but that of the group is eth0",
		"239.1.1.1;239.192.0.1:7500":           "interface 239.1.1.1 is a multicast address",
		"../eth0;239.192.0.1:7500":             `interface "../eth0" is neither a name nor an address`,
		"eth0\n;239.192.0.1:7500":              `is neither a name nor an address`,
		"[fe80::1;[ff08::1]:7500":              `interface "[fe80::1" is not an IPv6 address in brackets`,
		"[192.0.2.1];239.192.0.1:7500":         "is not an IPv6 address in brackets",
		"[ff02::77%a;b]:7500":                  "is not",
		"[::ffff:239.192.0.1%eth0]:7500":       "has no zone",
		"epgm://eth0;239.192.0.1,10.0.0.1:x":   `port "x"`,
		"239.192.0.1:7500:7500":                "brackets",
		"239.192.0.1,198.51.100.4,10.0.0.1:75": `source: "198.51.100.4,10.0.0.1" is not an IP address`,
	} {
		got, err := ParseEndpoint(in)
		if err == nil {
			t.Errorf("ParseEndpoint(%q) = %+v; want an error with %q", in, got, want)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "pgm: endpoint ") {
			t.Errorf("ParseEndpoint(%q): %v; want %q on one line", in, err, want)
		}
	}
}

// What String writes of any valid endpoint, ParseEndpoint reads as the same endpoint.
func TestEndpointRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v6 := rapid.Bool().Draw(t, "v6")
		address := func(multicast bool, label string) netip.Addr {
			if v6 {
				raw := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
				raw[0] = 0x20
				if multicast {
					raw[0] = 0xff
				}
				return netip.AddrFrom16(raw)
			}
			raw := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label))
			raw[0] = 10
			if multicast {
				raw[0] = 224 + raw[1]%16
			}
			return netip.AddrFrom4(raw)
		}
		name := rapid.StringMatching(`[a-zA-Z][a-zA-Z0-9_.@-]{0,14}`)
		group := address(true, "group")
		ep := Endpoint{Network: rapid.SampledFrom([]string{"epgm", "pgm"}).Draw(t, "network")}
		switch rapid.IntRange(0, 3).Draw(t, "interface") {
		case 1:
			ep.Interface = name.Draw(t, "name")
		case 2:
			ep.Interface = address(false, "address").String()
		case 3:
			if v6 {
				group = group.WithZone(name.Draw(t, "zone"))
			}
		}
		ep.Group = netip.AddrPortFrom(group, rapid.Uint16Range(1, 65535).Draw(t, "port"))
		if rapid.Bool().Draw(t, "source-specific") {
			ep.Source = address(false, "source")
		}
		got, err := ParseEndpoint(ep.String())
		if err != nil || got != ep {
			t.Fatalf("%q: got %+v, %v; want %+v", ep.String(), got, err, ep)
		}
		var again Endpoint
		if text, err := ep.MarshalText(); err != nil || again.UnmarshalText(text) != nil || again != ep {
			t.Fatalf("text %q: got %+v; want %+v", text, again, ep)
		}
	})
}

// Any string either is refused or reads as an endpoint whose text reads as itself.
func FuzzParseEndpoint(f *testing.F) {
	for _, s := range []string{"", DefaultEndpoint, "epgm://eth0;[ff02::77],[2001:db8::4%x]:1", "[fe80::1%eth0];:7", ",10.0.0.1", "a;[ff02::1%a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ep, err := ParseEndpoint(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("the error for %q is not one line: %q", s, err)
			}
			return
		}
		again, err := ParseEndpoint(ep.String())
		if err != nil || again != ep {
			t.Fatalf("%q read as %+v, written as %q, read again as %+v, %v", s, ep, ep, again, err)
		}
	})
}

// The network that Dial and the like are given narrows the endpoint, and disagreement is an error.
func TestNetworkAndEndpointAgree(t *testing.T) {
	for _, c := range []struct{ network, endpoint, want string }{
		{"", "239.192.0.1:7500", "epgm://239.192.0.1:7500"},
		{"", "pgm://239.192.0.1:7500", "pgm://239.192.0.1:7500"},
		{"epgm", "239.192.0.1:7500", "epgm://239.192.0.1:7500"},
		{"epgm4", "epgm://239.192.0.1:7500", "epgm://239.192.0.1:7500"},
		{"epgm6", "[ff08::1]:7500", "epgm://[ff08::1]:7500"},
		{"pgm", "239.192.0.1:7500", "pgm://239.192.0.1:7500"},
		{"pgm6", "[ff08::1]:7500", "pgm://[ff08::1]:7500"},
	} {
		if got, err := resolve(c.network, c.endpoint); err != nil || got.String() != c.want {
			t.Errorf("resolve(%q, %q) = %v, %v; want %s", c.network, c.endpoint, got, err, c.want)
		}
	}
	for _, c := range []struct{ network, endpoint string }{
		{"epgm", "pgm://239.192.0.1:7500"}, {"epgm4", "[ff08::1]:7500"}, {"epgm6", "239.192.0.1:7500"}, {"pgm", "epgm://239.192.0.1:7500"},
	} {
		if got, err := resolve(c.network, c.endpoint); err == nil {
			t.Errorf("resolve(%q, %q) = %v; want an error", c.network, c.endpoint, got)
		}
	}
	for _, network := range []string{"udp", "epgm44", "epgm46", "epgm5", "4"} {
		if _, err := resolve(network, "239.192.0.1:7500"); err != net.UnknownNetworkError(network) {
			t.Errorf("resolve(%q): %v; want %v", network, err, net.UnknownNetworkError(network))
		}
	}
}
