package mld

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// many returns n sources, in order.
func many(f Family, n int) (list []netip.Addr) {
	for i := range n {
		if f == IGMP {
			list = append(list, netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}))
		} else {
			list = append(list, numbered("fd00::", i+1))
		}
	}
	return list
}

// packets returns what an engine sends now, and fails if a packet does not fit the MTU.
func packets(t *testing.T, e engine, f Family, mtu int, now time.Time) (all []Message) {
	t.Helper()
	for p, ok := e.PollTransmit(now); ok; p, ok = e.PollTransmit(now) {
		var m Message
		if err := m.Parse(f, &p); err != nil {
			t.Fatal(err)
		}
		if n := f.headers() + len(p.Payload); n > mtu {
			t.Errorf("a packet of %d octets on a link of %d", n, mtu)
		}
		all = append(all, m)
	}
	return all
}

// [5.2.15]: split into records of different sources, but for IS_EX and TO_EX, which are cut.
func TestRecordsAreSplitByTheMTU(t *testing.T) {
	for _, c := range []struct {
		f      Family
		mtu    int
		group  string
		most   int // sources of a record that fit
		groups int // records without sources that fit
	}{
		{MLD, 1500, "ff08::7", (1500 - 48 - 8 - 20) / 16, (1500 - 48 - 8) / 20},
		{IGMP, 1500, "239.1.1.1", (1500 - 24 - 8 - 8) / 4, (1500 - 24 - 8) / 8},
	} {
		src := addr("fe80::1")
		if c.f == IGMP {
			src = addr("10.0.0.1")
		}
		for _, exclude := range []bool{false, true} {
			l, err := NewListener(ListenerConfig{Family: c.f, Address: src, MTU: c.mtu, MaxSources: 1000}, rand.New(rand.NewPCG(1, 2)))
			if err != nil {
				t.Fatal(err)
			}
			list := many(c.f, 800)
			if err := l.Listen(testStart, 1, addr(c.group), Filter{exclude, list}); err != nil {
				t.Fatal(err)
			}
			var got []netip.Addr
			sent := packets(t, l, c.f, c.mtu, testStart)
			for _, m := range sent {
				if len(m.Records) != 1 || len(m.Records[0].Sources) > c.most {
					t.Errorf("%v: a report of %d records, the first of %d sources", c.f, len(m.Records), len(m.Records[0].Sources))
				}
				got = append(got, m.Records[0].Sources...)
			}
			want := list
			if exclude {
				want = list[:c.most]
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, exclude %v: %d sources in %d reports, want %d", c.f, exclude, len(got), len(sent), len(want))
			}
		}
		// Many groups are packed as tight as they go.
		l, err := NewListener(ListenerConfig{Family: c.f, Address: src, MTU: c.mtu}, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		n := c.groups + 1
		for i := range n {
			g := numbered("ff08::", i)
			if c.f == IGMP {
				g = netip.AddrFrom4([4]byte{239, 1, byte(i >> 8), byte(i)})
			}
			if err := l.Listen(testStart, 1, g, AnySource); err != nil {
				t.Fatal(err)
			}
		}
		packets(t, l, c.f, c.mtu, testStart)
		now := testStart.Add(time.Minute)
		l.HandleTimeout(now)
		packets(t, l, c.f, c.mtu, now)
		q := Message{Kind: Query, Version: MLDv2, Group: c.f.Unspecified()}
		if err := l.HandlePacket(now, &Packet{Src: src, Dst: c.f.AllNodes(), HopLimit: 1, Alert: true, Payload: q.Append(nil, c.f, src, c.f.AllNodes())}); err != nil {
			t.Fatal(err)
		}
		l.HandleTimeout(now)
		if got := packets(t, l, c.f, c.mtu, now); len(got) != 2 || len(got[0].Records) != c.groups || len(got[1].Records) != 1 {
			t.Errorf("%v: %d groups in %d reports, want two, the first full", c.f, n, len(got))
		}
	}
}

// [5.1.10], with its example: 89 sources at an MTU of 1500.
func TestSourcesAreSplitByTheMTU(t *testing.T) {
	r, err := NewRouter(RouterConfig{Address: addr("fe80::1"), MTU: 1500})
	if err != nil {
		t.Fatal(err)
	}
	g, list := addr("ff08::7"), many(MLD, 200)
	says(t, r, testStart, Report, MLDv2, Record{IsIn, g, list})
	says(t, r, testStart, Report, MLDv2, Record{Block, g, list})
	sent := packets(t, r, MLD, 1500, testStart)
	var got []netip.Addr
	for _, m := range sent {
		got = append(got, m.Sources...)
	}
	if len(sent) != 3 || len(sent[0].Sources) != 89 || !slices.Equal(got, list) {
		t.Errorf("%d sources in %d queries, want 200 in 3, 89 in the first", len(got), len(sent))
	}
}

// [5.1.8]
func TestRobustnessBeyondItsFieldIsNotSaid(t *testing.T) {
	m := Message{Kind: Query, Version: MLDv2, Group: MLD.Unspecified(), Robustness: 8}
	src, dst := addr("fe80::1"), MLD.AllNodes()
	p := Packet{Src: src, Dst: dst, HopLimit: 1, Alert: true, Payload: m.Append(nil, MLD, src, dst)}
	if err := m.Parse(MLD, &p); err != nil || m.Robustness != 0 {
		t.Errorf("robustness 8 is sent as %d, %v", m.Robustness, err)
	}
}

// [5.2.13], RFC 3590 §4: "unidentified reporting nodes cannot influence the state of the MLDv2 router(s)". In IGMP, 0.0.0.0 is a host without
// address, and other links are known by their prefix (RFC 3376 §4.2.13).
func TestReportsFromNowhereAreRefused(t *testing.T) {
	six, err := NewRouter(RouterConfig{Address: addr("fe80::1")})
	if err != nil {
		t.Fatal(err)
	}
	four, err := NewRouter(RouterConfig{Family: IGMP, Address: addr("10.0.0.1"), Prefix: netip.MustParsePrefix("10.0.0.0/24")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r       *Router
		v       Version
		kind    Kind
		src     string
		refused bool
	}{
		{six, MLDv2, Report, "::", true},
		{six, MLDv1, Report, "::", true},
		{six, MLDv1, Done, "::", true},
		{six, MLDv2, Report, "fe80::9", false},
		{four, IGMPv3, Report, "0.0.0.0", false},
		{four, IGMPv3, Report, "10.0.0.9", false},
		{four, IGMPv3, Report, "10.0.1.9", true},
		{four, IGMPv2, Done, "10.0.1.9", true},
	} {
		f, g := c.r.config.Family, addr("ff08::7")
		if f == IGMP {
			g = addr("239.1.2.3")
		}
		m := Message{Kind: c.kind, Version: c.v, Group: g, Records: []Record{{IsEx, g, nil}}}
		err := c.r.HandlePacket(testStart, &Packet{Src: addr(c.src), Dst: g, HopLimit: 1, Alert: true, Payload: m.Append(nil, f, addr(c.src), g)})
		if errors.Is(err, ErrSource) != c.refused {
			t.Errorf("%v %v from %s: %v", f.Name(c.v), c.kind, c.src, err)
		}
	}
	if got := six.Stats().Invalid; got.Source != 3 || got.Total() != 3 {
		t.Errorf("counted: %+v, want 3 by source", got)
	}
}
