package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// sites is two sites with nothing but routed unicast between them, and a third host that can reach both.
//
//	s — a — w — b — sw: r1 r2 r3
//	        x
type sites struct {
	*lab
	routers map[string]*program
}

// groupOf6 is a second group, that crosses the same leg.
const groupOf6 = "ff08::77"

var siteHosts = []string{"s", "a", "w", "b", "sw", "x", "r1", "r2", "r3"}

func newSites(t *testing.T) *sites {
	t.Helper()
	l := &sites{newHosts(t, siteHosts...), make(map[string]*program)}
	l.link("s", "u0", "10.71.1.2/24", "a", "lan", "10.71.1.1/24")
	l.link("a", "wan", "10.71.2.1/24", "w", "toa", "10.71.2.2/24")
	l.link("b", "wan", "10.71.3.1/24", "w", "tob", "10.71.3.2/24")
	l.link("x", "u0", "10.71.5.1/24", "w", "tox", "10.71.5.2/24")
	l.in("sw", "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	l.in("sw", "ip", "link", "set", "br0", "up")
	l.link("b", "lan", "10.71.4.1/24", "sw", "p0", "")
	l.in("sw", "ip", "link", "set", "p0", "master", "br0")
	for i := 1; i <= 3; i++ {
		r, port := fmt.Sprintf("r%d", i), fmt.Sprintf("p%d", i)
		l.link(r, "u0", fmt.Sprintf("10.71.4.1%d/24", i), "sw", port, "")
		l.in("sw", "ip", "link", "set", port, "master", "br0")
		l.in(r, "ip", "route", "add", "default", "via", "10.71.4.1")
	}
	for h, via := range map[string]string{"s": "10.71.1.1", "a": "10.71.2.2", "b": "10.71.3.2", "x": "10.71.5.2"} {
		l.in(h, "ip", "route", "add", "default", "via", via)
	}
	l.in("w", "ip", "route", "add", "10.71.1.0/24", "via", "10.71.2.1")
	l.in("w", "ip", "route", "add", "10.71.4.0/24", "via", "10.71.3.1")
	for _, h := range []string{"a", "w", "b"} {
		l.in(h, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	}
	l.router("a", "10.71.3.1")
	l.router("b", "10.71.2.1")
	return l
}

// router starts the router of a site, whose leg leads to peer.
func (l *sites) router(host, peer string) {
	l.routers[host] = l.program(l.t, host, "pgmrouter", "-e", "239.192.77.71:7500", "-e", "["+groupOf6+"]:7500", "-i", "lan", "--leg", peer, "--query-interval", "1s", "--status", l.status(host))
}

// leg returns what the router of a site knows of its leg.
func (l *sites) leg(host string) legStatus {
	if s := l.shown(host); len(s.Links) > 0 {
		return *s.Links[1].Leg
	}
	return legStatus{}
}

// count has nft rules at a device's ingress, each of which counts what it matches, and perhaps drops it.
func (l *sites) count(host, device string, rules map[string]string) {
	l.t.Helper()
	_ = l.command(host, "nft", "delete", "table", "netdev", "w"+device).Run()
	var counters, chain strings.Builder
	for name, rule := range rules {
		match, drop := strings.CutSuffix(rule, " drop")
		fmt.Fprintf(&counters, "counter %s {}\n", name)
		if drop {
			match += " counter name " + name + " drop\n"
		} else {
			match += " counter name " + name + "\n"
		}
		chain.WriteString(match)
	}
	text := fmt.Sprintf("table netdev w%s {\n%schain in {\ntype filter hook ingress device %s priority 0;\n%s}\n}\n", device, counters.String(), device, chain.String())
	cmd := l.command(host, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("nft: %s\n%s", out, text)
	}
}

// onLeg is nft's words for PGM packets of a type on a leg.
func onLeg(typ string) string { return "udp dport 7501 @th,80,8 0x12 @th,288,8 " + typ }

// transfer sends a file from s to the three receivers, which all must have it whole. during is called when it has begun.
func (l *sites) transfer(t *testing.T, size int, rate string, during func(), flags ...string) {
	t.Helper()
	if flags == nil {
		flags = []string{"--expect", "3"}
	}
	ready := func([]*program) {
		l.await(t, "a knows that somebody listens beyond", func() bool { return l.leg("a").Hops == 1 })
	}
	l.deliver(t, []string{"r1", "r2", "r3"}, size, rate, ready, during, flags...)
}

// Sites share a group over a leg as over any link: receivers of one are served by a source at the other, losses are repaired over the leg with
// one NAK for all, and what a stranger sends is nobody's.
func TestSites(t *testing.T) {
	l := newSites(t)
	nak, repair := "udp dport 7500 @th,96,8 0x08", onLeg("0x05")
	t.Run("losses on the leg", func(t *testing.T) {
		l.count("b", "wan", map[string]string{"lost": onLeg("0x04") + " numgen inc mod 50 == 25 drop", "repairs": repair})
		l.count("s", "u0", map[string]string{"seen": nak})
		l.transfer(t, 500_000, "50M", nil)
		lost, naks, repairs := l.counter("b", "wan", "lost"), l.counter("s", "u0", "seen"), l.counter("b", "wan", "repairs")
		// One NAK may ask for two, and one may be asked for again that is on its way.
		if lost < 5 || naks == 0 || naks > lost+1 || repairs < lost || repairs > lost+2 {
			t.Errorf("%d lost on the leg: %d NAKs at the source, %d repairs on the leg", lost, naks, repairs)
		}
		if x := l.leg("b"); x.Stale > 2 || x.Malformed > 0 || !x.Alive {
			t.Errorf("%+v", x)
		}
	})
	t.Run("losses on both ways, a narrow link between, and a stranger", func(t *testing.T) {
		l.in("a", "ip", "link", "set", "wan", "mtu", "1300")
		l.in("w", "ip", "link", "set", "toa", "mtu", "1300")
		l.count("a", "wan", map[string]string{"lost": "ip saddr 10.71.3.1 udp dport 7501 numgen random mod 100 < 2 drop"})
		l.count("b", "wan", map[string]string{"lost": "ip saddr 10.71.2.1 udp dport 7501 numgen random mod 100 < 2 drop"})
		l.transfer(t, 2_000_000, "20M", func() {
			l.in("x", "bash", "-c", `for i in {1..50}; do printf '\x50\x4c\x12\x0f12345678\x04\x00\x1d\x4c\xef\xc0\x4d\x47\x0b\x47\x01\x02forged forged forged' > /dev/udp/10.71.3.1/7501; done`)
		})
		if s := l.shown("b"); s.Legs == nil || s.Legs.Forged != 50 || s.Links[1].Leg.Malformed != 0 {
			t.Errorf("of a stranger: %+v", s)
		}
		if n := strings.TrimSpace(l.in("a", "awk", "/^Ip: [0-9]/ { print $18 }", "/proc/net/snmp")); len(n) < 4 {
			t.Errorf("%s packets crossed in fragments", n)
		}
	})
	t.Run("a router that is killed and started again", func(t *testing.T) {
		l.count("a", "wan", map[string]string{})
		l.count("b", "wan", map[string]string{})
		for host, peer := range map[string]string{"b": "10.71.2.1", "a": "10.71.3.1"} {
			l.transfer(t, 3_000_000, "20M", func() {
				time.Sleep(300 * time.Millisecond)
				_ = l.routers[host].Process.Kill()
				_ = l.routers[host].Wait()
				l.router(host, peer)
			})
		}
	})
	t.Run("addresses without a route from site to site, of IPv6 too", func(t *testing.T) {
		l.in("w", "ip", "route", "del", "10.71.1.0/24")
		l.in("w", "ip", "route", "del", "10.71.4.0/24")
		l.count("b", "wan", map[string]string{"lost": onLeg("0x04") + " numgen inc mod 50 == 25 drop"})
		l.transfer(t, 300_000, "20M", nil, "--cc", "fixed", "--linger", "1s")
		if l.counter("b", "wan", "lost") == 0 {
			t.Error("nothing was lost")
		}
		l.group = "[" + groupOf6 + "]"
		defer func() { l.group = "" }()
		l.transfer(t, 300_000, "20M", nil, "--cc", "fixed", "--linger", "1s")
	})
	t.Run("silence", func(t *testing.T) {
		_ = l.routers["b"].Process.Kill()
		_ = l.routers["b"].Wait()
		l.await(t, "a notices that b is gone", func() bool { return !l.leg("a").Alive })
		var out, complaint bytes.Buffer
		if run(context.Background(), []string{"--show", "--status", l.status("a")}, &out, &complaint) != 0 || !strings.Contains(out.String(), "silent for") {
			t.Errorf("%s", out.String())
		}
	})
}
