package mld

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// newTree returns a proxy with two links downstream.
func newTree(t *testing.T) *Proxy {
	t.Helper()
	p, err := NewProxy(ListenerConfig{Address: addr("fe80::a")}, []RouterConfig{
		{Address: addr("fe80::b")}, {Address: addr("fe80::c")},
	}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Downstream {
		r.Start(testStart)
	}
	return p
}

// says gives a router a report.
func says(t *testing.T, r *Router, now time.Time, kind Kind, v Version, records ...Record) {
	t.Helper()
	m := Message{Kind: kind, Version: v, Records: records}
	dst := MLD.ReportAddress()
	if v < MLDv2 {
		m.Group, m.Records = records[0].Group, nil
		dst = m.Group
	}
	src := addr("fe80::99")
	p := Packet{Src: src, Dst: dst, HopLimit: 1, Alert: true, Payload: m.Append(nil, MLD, src, dst)}
	if err := r.HandlePacket(now, &p); err != nil {
		t.Fatal(err)
	}
}

// sent returns what an engine sends now, decoded.
func sent(t *testing.T, e engine, now time.Time) (list []string) {
	t.Helper()
	for p, ok := e.PollTransmit(now); ok; p, ok = e.PollTransmit(now) {
		var m Message
		if err := m.Parse(MLD, &p); err != nil {
			t.Fatal(err)
		}
		list = append(list, m.String())
	}
	return list
}

// RFC 4605 §4.1, with its example: (G) of MLDv1 on one link and (G, INCLUDE, (S1, S2)) on the other make (G, EXCLUDE, NULL).
func TestProxyListensToWhatItsLinksWantTogether(t *testing.T) {
	p := newTree(t)
	now := testStart
	g := addr("ff08::7")
	up := func(want ...string) {
		t.Helper()
		if got := sent(t, p.Upstream, now); !slices.Equal(got, want) {
			t.Errorf("upstream: %q, want %q", got, want)
		}
	}
	says(t, p.Downstream[1], now, Report, MLDv2, Record{Allow, g, addrs("fd00::1 fd00::2")})
	up("MLDv2 Report ALLOW ff08::7 {fd00::1 fd00::2}")
	says(t, p.Downstream[0], now, Report, MLDv1, Record{IsEx, g, nil})
	up("MLDv2 Report TO_EX ff08::7 {}")
	says(t, p.Downstream[1], now, Report, MLDv2, Record{Allow, g, addrs("fd00::3")})
	up()
	// What is asked for in EXCLUDE mode by nobody but its own link is not excluded: "remove every source whose source timer > 0".
	says(t, p.Downstream[0], now, Done, MLDv1, Record{IsEx, g, nil})
	now = now.Add(3 * time.Second)
	p.Downstream[0].HandleTimeout(now)
	up("MLDv2 Report TO_IN ff08::7 {fd00::1 fd00::2 fd00::3}")
	// Of link scope: not the business of other links.
	says(t, p.Downstream[0], now, Report, MLDv2, Record{IsEx, addr("ff02::1:3"), nil})
	up()
}

// RFC 4605 §4.1: with an older querier upstream, "when the membership records are created or deleted, the changes are reported on the upstream
// interface. All other changes are ignored."
func TestProxySpeaksTheVersionOfItsUpstream(t *testing.T) {
	p := newTree(t)
	q := Message{Kind: Query, Version: MLDv1, Group: MLD.Unspecified(), MaxDelay: time.Second}
	src := addr("fe80::1")
	in := Packet{Src: src, Dst: MLD.AllNodes(), HopLimit: 1, Alert: true, Payload: q.Append(nil, MLD, src, MLD.AllNodes())}
	if err := p.Upstream.HandlePacket(testStart, &in); err != nil {
		t.Fatal(err)
	}
	g := addr("ff08::7")
	says(t, p.Downstream[0], testStart, Report, MLDv2, Record{Allow, g, addrs("fd00::1")})
	says(t, p.Downstream[1], testStart, Report, MLDv2, Record{IsEx, g, nil})
	if got := sent(t, p.Upstream, testStart); !slices.Equal(got, []string{"MLDv1 Report ff08::7"}) {
		t.Errorf("upstream: %q", got)
	}
}

// RFC 4605 §4.2: up from everywhere, down to each link with listeners where this device is the querier, and never back.
func TestProxyForwardsAlongTheTree(t *testing.T) {
	p := newTree(t)
	g, s := addr("ff08::7"), addr("fd00::1")
	check := func(what string, in int, source, group string, want ...int) {
		t.Helper()
		got := slices.Collect(p.Forward(in, addr(source), addr(group)))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: to %v, want %v", what, got, want)
		}
	}
	check("without listeners, from upstream", Upstream, "fd00::1", "ff08::7")
	check("without listeners, from downstream", 0, "fd00::1", "ff08::7", Upstream)
	says(t, p.Downstream[0], testStart, Report, MLDv2, Record{Allow, g, addrs("fd00::1")})
	says(t, p.Downstream[1], testStart, Report, MLDv2, Record{IsEx, g, nil})
	check("from upstream", Upstream, "fd00::1", "ff08::7", 0, 1)
	check("from a source that one link wants", Upstream, "fd00::2", "ff08::7", 1)
	check("from downstream", 0, "fd00::1", "ff08::7", Upstream, 1)
	check("of link scope", 0, "fd00::1", "ff02::7")
	check("to no group", 0, "fd00::1", "fd00::7")
	check("of the other family", 0, "10.0.0.1", "239.1.1.1")
	// Another router is elected on a link: it forwards there.
	src := addr("fe80::1")
	q := Message{Kind: Query, Version: MLDv2, Group: MLD.Unspecified(), MaxDelay: time.Second, Interval: 125 * time.Second}
	in := Packet{Src: src, Dst: MLD.AllNodes(), HopLimit: 1, Alert: true, Payload: q.Append(nil, MLD, src, MLD.AllNodes())}
	if err := p.Downstream[1].HandlePacket(testStart, &in); err != nil {
		t.Fatal(err)
	}
	check("where it is not the querier", Upstream, s.String(), "ff08::7", 0)
}
