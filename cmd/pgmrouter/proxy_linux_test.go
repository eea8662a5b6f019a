package main

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/internal/mroute"
	"github.com/gopgm/gopgm/mld"
	"github.com/gopgm/gopgm/pgm"
)

// RFC 4605 §4.1: what is wanted downstream is reported upstream, to a switch that snoops and asks: it forwards the group, by source where that is
// wanted, for as long as somebody downstream listens, and not before or after.
func TestProxyInNamespaces(t *testing.T) {
	if _, err := exec.LookPath("bridge"); err != nil {
		t.Skip("needs bridge")
	}
	l := newHosts(t, "s", "sw", "e", "r")
	l.in("sw", "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1", "mcast_igmp_version", "3",
		"mcast_query_use_ifaddr", "1", "mcast_query_response_interval", "50", "mcast_last_member_interval", "20")
	l.in("sw", "ip", "addr", "add", "10.72.1.254/24", "dev", "br0")
	l.link("s", "u0", "10.72.1.2/24", "sw", "ps", "")
	l.link("e", "up0", "10.72.1.1/24", "sw", "pe", "")
	l.link("e", "down0", "10.72.2.1/24", "r", "u0", "10.72.2.2/24")
	l.in("sw", "ip", "link", "set", "ps", "master", "br0")
	l.in("sw", "ip", "link", "set", "pe", "master", "br0")
	l.in("sw", "ip", "link", "set", "br0", "up")
	l.in("s", "ip", "route", "add", "default", "via", "10.72.1.1")
	l.in("r", "ip", "route", "add", "default", "via", "10.72.2.1")
	l.in("e", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	l.program(t, "e", "pgmrouter", "-e", l.endpoint(""), "-i", "up0", "-i", "down0", "--proxy", "up0", "--query-interval", "1s", "--status", l.status("e"))
	shows := func(what string) func() bool {
		return func() bool {
			var out, complaint bytes.Buffer
			return run(context.Background(), []string{"--show", "--status", l.status("e")}, &out, &complaint) == 0 && strings.Contains(out.String(), what)
		}
	}
	await := func(what string, so func() bool) {
		t.Helper()
		l.await(t, what, so)
	}
	forwards := func() bool { return strings.Contains(l.in("sw", "bridge", "mdb", "show"), "port pe grp 239.192.77.71") }

	await("the router runs", shows("reports nothing"))
	if forwards() {
		t.Error("the switch forwards what nobody wants")
	}
	dir := t.TempDir()
	recv := l.program(t, "r", "pgmrecv", "-e", strings.Replace(l.endpoint("u0;"), ":7500", ",10.72.1.2:7500", 1), "--once", "--progress", "none", "--dir", dir)
	await("it is reported by source", shows("reports INCLUDE {10.72.1.2}"))
	await("the switch forwards", forwards)
	file := filepath.Join(l.bin, "file")
	want := bytes.Repeat([]byte("what crosses the switch\n"), 10000)
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := l.command("s", filepath.Join(l.bin, "pgmsend"), "-e", l.endpoint("u0;"), "--rate", "50M", "--expect", "1", "--timeout", "20s", "--progress", "none", file).CombinedOutput(); err != nil {
		t.Fatalf("pgmsend: %v\n%s", err, out)
	}
	_ = recv.Wait() // it leaves
	if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("r does not have it: %v", err)
	}
	await("that nobody wants it is reported", shows("reports nothing"))
	await("the switch forwards no more", func() bool { return !forwards() })
}

// joins has a host listen to a group until the test ends or what is returned is called.
func (l *lab) joins(t *testing.T, host, device, group string) (leave func()) {
	t.Helper()
	var c *net.UDPConn
	var err error
	l.hosts[host].Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName(device); err == nil {
			c, err = net.ListenMulticastUDP("udp4", ifi, &net.UDPAddr{IP: net.ParseIP(group), Port: 7599})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	leave = func() { c.Close() }
	t.Cleanup(leave)
	return leave
}

// Where the kernel forwards the data of one group, the proxy has joined others upstream; and that one when it forwards it no longer. What nobody wants,
// it has not.
func TestProxyBesideTheKernelsForwarding(t *testing.T) {
	l := newHosts(t, "s", "e", "r")
	l.raw = true
	l.link("s", "u0", "10.72.1.2/24", "e", "up0", "10.72.1.1/24")
	l.link("e", "down0", "10.72.2.1/24", "r", "u0", "10.72.2.2/24")
	const raw, inUDP = "239.192.77.71", "239.192.77.72"
	l.program(t, "e", "pgmrouter", "-e", l.endpoint(""), "-e", "epgm://"+inUDP+":7500", "-i", "up0", "-i", "down0", "--proxy", "up0", "--query-interval", "1s", "--status", l.status("e"))
	upstream := func(group string) bool {
		var names []string
		l.hosts["e"].Do(func() { names, _ = mroute.Joined(netip.MustParseAddr(group)) })
		return slices.Contains(names, "up0")
	}
	l.await(t, "the kernel forwards", func() bool { return l.shown("e").Forward == forwardKernel })
	l.joins(t, "r", "u0", inUDP)
	leave := l.joins(t, "r", "u0", raw)
	l.await(t, "what is in UDP is joined upstream", func() bool { return upstream(inUDP) })
	l.await(t, "what the kernel forwards is reported upstream", func() bool {
		s := l.shown("e")
		return len(s.Links) > 0 && strings.HasPrefix(s.Links[0].Proxy, "reports EXCLUDE")
	})
	if upstream(raw) {
		t.Error("what the kernel forwards is joined")
	}
	l.joins(t, "e", "down0", raw)
	l.await(t, "the program forwards, and has joined upstream", func() bool { return l.shown("e").Forward == forwardUser && upstream(raw) })
	leave()
	l.await(t, "what nobody wants is left", func() bool { return !upstream(raw) })
	if !upstream(inUDP) {
		t.Error("what somebody wants is left")
	}
}

// What is wanted is the merger of what the links want: who is always taken to listen wants all, and a router of one source that source alone.
func TestProxyWantsWhatItsLinksWant(t *testing.T) {
	group, source := netip.MustParseAddr("239.192.77.71"), netip.MustParseAddr("10.0.0.9")
	for _, c := range []struct {
		name           string
		always, listen bool
		source         netip.Addr
		want           mld.Filter
	}{
		{name: "nobody listens"},
		{name: "somebody is taken to", always: true, listen: true, want: mld.AnySource},
		{name: "somebody beyond a leg does", listen: true, want: mld.AnySource},
		{name: "to one source", always: true, listen: true, source: source, want: mld.Include(source)},
		{name: "nobody does, to one source", source: source},
	} {
		o := &options{proxy: "up0"}
		r := newRouter(o, pgm.Endpoint{Group: netip.AddrPortFrom(group, 7500), Source: c.source}, newMembers(o), nil)
		h := &hub{}
		r.links = []*link{
			{name: "up0", conn: (&site{hub: h, name: "up0"}).leg(r.endpoint.Group, source, 1), always: true, listens: true},
			{name: "down0", conn: (&site{hub: h, name: "down0"}).leg(r.endpoint.Group, source, 1), always: c.always, listens: c.listen},
		}
		if got := r.wanted(); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
