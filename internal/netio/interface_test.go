package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// fakeHost is a host with the given interfaces.
type fakeHost struct {
	has   []link
	route string // local address of the route to any group; empty: there is none
}

func (h fakeHost) links() ([]link, error) { return h.has, nil }

func (h fakeHost) routed(netip.AddrPort) (netip.Addr, error) {
	if h.route == "" {
		return netip.Addr{}, errors.New("network is unreachable")
	}
	return netip.MustParseAddr(h.route), nil
}

func fakeLink(index int, name, addr string, flags net.Flags) link {
	a, _ := netip.ParseAddr(addr)
	return link{&net.Interface{Index: index, Name: name, Flags: flags, MTU: 1500}, a}
}

const (
	up        = net.FlagUp | net.FlagMulticast
	upNoMulti = net.FlagUp
	down      = net.FlagMulticast
	loopback  = net.FlagUp | net.FlagLoopback
)

var (
	lo    = []link{fakeLink(1, "lo", "127.0.0.1", loopback), fakeLink(1, "lo", "::1", loopback)}
	eth0  = []link{fakeLink(2, "eth0", "10.0.0.1", up), fakeLink(2, "eth0", "fd00::1", up), fakeLink(2, "eth0", "fe80::1%eth0", up)}
	eth1  = []link{fakeLink(3, "eth1", "10.1.0.1", up), fakeLink(3, "eth1", "10.1.0.2", up)}
	tun0  = []link{fakeLink(4, "tun0", "10.2.0.1", upNoMulti)}
	eth2  = []link{fakeLink(5, "eth2", "10.3.0.1", down)}
	naked = []link{fakeLink(6, "eth3", "", up)}
)

func links(lists ...[]link) (all []link) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestInterfaceIsChosen(t *testing.T) {
	all := links(lo, eth0, eth1, tun0, eth2, naked)
	for _, test := range []struct {
		name      string
		host      fakeHost
		ask       string
		group     string
		wantIface string
		wantAddr  string
		wantErr   string
	}{
		{"route", fakeHost{all, "10.1.0.2"}, "", "239.1.1.1", "eth1", "10.1.0.2", ""},
		{"no route, one interface", fakeHost{links(lo, eth1, tun0, eth2), ""}, "", "239.1.1.1", "eth1", "10.1.0.1", ""},
		{"no route, several", fakeHost{all, ""}, "", "239.1.1.1", "", "", "several interfaces would do: name one of eth0 10.0.0.1, eth1 10.1.0.1"},
		{"loopback only", fakeHost{lo, ""}, "", "239.1.1.1", "lo", "127.0.0.1", ""},
		{"loopback and what is down", fakeHost{links(lo, eth2, naked), ""}, "", "239.1.1.1", "lo", "127.0.0.1", ""},
		{"route over what cannot multicast", fakeHost{links(lo, tun0, eth1), "10.2.0.1"}, "", "239.1.1.1", "eth1", "10.1.0.1", ""},
		{"nothing", fakeHost{links(eth2), ""}, "", "239.1.1.1", "", "", "no interface is up that has an address"},
		{"name", fakeHost{all, "10.1.0.1"}, "eth0", "239.1.1.1", "eth0", "10.0.0.1", ""},
		{"address", fakeHost{all, "10.0.0.1"}, "10.1.0.2", "239.1.1.1", "eth1", "10.1.0.2", ""},
		{"lo by name", fakeHost{all, "10.0.0.1"}, "lo", "239.1.1.1", "lo", "127.0.0.1", ""},
		{"lo by address", fakeHost{all, "10.0.0.1"}, "127.0.0.1", "239.1.1.1", "lo", "127.0.0.1", ""},
		{"IPv6, wide group", fakeHost{all, "fe80::1%eth0"}, "", "ff08::1", "eth0", "fd00::1", ""},
		{"IPv6, link group", fakeHost{all, "fd00::1"}, "eth0", "ff02::1", "eth0", "fe80::1%eth0", ""},
		{"IPv6, link group with zone", fakeHost{all, ""}, "", "ff02::1%eth0", "eth0", "fe80::1%eth0", ""},
		{"IPv6 by address", fakeHost{all, ""}, "fe80::1", "ff08::1", "eth0", "fe80::1%eth0", ""},
		{"zone of another", fakeHost{all, ""}, "eth1", "ff02::1%eth0", "", "", "is not of interface eth1"},
		{"unknown name", fakeHost{all, ""}, "eth9", "239.1.1.1", "", "", `no interface is called "eth9"; use one of lo 127.0.0.1, eth0 10.0.0.1, eth1 10.1.0.1`},
		{"unknown address", fakeHost{all, ""}, "10.9.9.9", "239.1.1.1", "", "", "no interface has address 10.9.9.9; use one of"},
		{"down", fakeHost{all, ""}, "eth2", "239.1.1.1", "", "", "interface eth2 is down: bring it up; use one of"},
		{"address down", fakeHost{all, ""}, "10.3.0.1", "239.1.1.1", "", "", "interface eth2, which has address 10.3.0.1, is down"},
		{"no multicast", fakeHost{all, ""}, "tun0", "239.1.1.1", "", "", "interface tun0 cannot do multicast; use one of"},
		{"no address", fakeHost{all, ""}, "eth3", "239.1.1.1", "", "", "interface eth3 has no IPv4 address; use one of"},
		{"no IPv6 address", fakeHost{all, ""}, "eth1", "ff08::1", "", "", "interface eth1 has no IPv6 address; use one of lo ::1, eth0 fd00::1"},
		{"other family", fakeHost{all, ""}, "10.1.0.1", "ff08::1", "", "", "not of one address family; use one of"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Interface: test.ask, Group: netip.AddrPortFrom(netip.MustParseAddr(test.group), 7500)}
			l, err := chooseLink(c, test.host)
			switch {
			case test.wantErr != "":
				if err == nil || !strings.Contains(err.Error(), test.wantErr) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v, want one line with %q", err, test.wantErr)
				}
			case err != nil:
				t.Error(err)
			case l.ifi.Name != test.wantIface || l.addr.String() != test.wantAddr:
				t.Errorf("got %s %v, want %s %s", l.ifi.Name, l.addr, test.wantIface, test.wantAddr)
			}
		})
	}
}

func TestCheckNamesTheInterface(t *testing.T) {
	c := open(t, Config{})
	if err := c.Check(); err != nil {
		t.Errorf("lo: %v", err)
	}
	err := checkInterface(&net.Interface{Index: 1 << 20, Name: "eth7"})
	if !errors.Is(err, errGone) || !strings.Contains(err.Error(), "eth7") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyInterfaceOpensSomething(t *testing.T) {
	c, err := Open(context.Background(), Config{Group: testGroup(2)})
	if err != nil {
		t.Skip("this host has several interfaces and no route:", err)
	}
	defer c.Close()
	if c.Interface() == nil || !c.Local().Addr().IsValid() || c.MTU() < 576 || c.Overhead() != 28 {
		t.Errorf("interface %v, address %v, MTU %d, overhead %d", c.Interface(), c.Local(), c.MTU(), c.Overhead())
	}
}
