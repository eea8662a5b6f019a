package mld

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// numbered returns address n of a prefix.
func numbered(prefix string, n int) netip.Addr {
	b := addr(prefix).As16()
	binary.BigEndian.PutUint32(b[12:], uint32(n))
	return netip.AddrFrom16(b)
}

// A flood of groups and sources fills what there is room for; what was there keeps its listeners, and everything ends when nobody reports any more.
func TestFloodOfGroupsIsBounded(t *testing.T) {
	r, err := NewRouter(RouterConfig{Address: addr("fe80::1"), MaxGroups: 100, MaxSources: 50})
	if err != nil {
		t.Fatal(err)
	}
	now := testStart
	r.Start(now)
	good := addr("ff08::9:0")
	says(t, r, now, Report, MLDv2, Record{IsEx, good, nil})
	var many []netip.Addr
	for i := range 1000 {
		many = append(many, numbered("fd00::", i+1))
	}
	for i := range 1000 {
		says(t, r, now, Report, MLDv2, Record{IsIn, numbered("ff08::", i), many}, Record{ToEx, numbered("ff08::", i), many[:500]})
	}
	n, most := 0, 0
	for g := range r.groups {
		n++
		most = max(most, len(r.groups[g].sources))
	}
	if n != 100 || most > 50 {
		t.Errorf("%d groups with up to %d sources, want 100 and 50", n, most)
	}
	if !r.Forward(good, addr("fd00::1")) {
		t.Error("the group that was there has lost its listeners")
	}
	if s := r.Stats(); s.NoGroup == 0 || s.NoSource == 0 {
		t.Errorf("the counters say nothing of it: %+v", s)
	}
	for range 100_000 { // what is left to do: queries, and the end of every timer
		next := r.NextTimeout()
		if next.IsZero() || next.After(testStart.Add(time.Hour)) {
			break
		}
		now = next
		r.HandleTimeout(now)
		sent(t, r, now)
	}
	if len(r.groups) > 0 {
		t.Errorf("%d groups outlive their listeners", len(r.groups))
	}
}

// A storm of hosts that leave makes no more than QueriesPerSecond queries a second, after a burst of as many, and each group is still asked
// before it is given up.
func TestStormOfLeavesIsAnsweredAtARate(t *testing.T) {
	r, err := NewRouter(RouterConfig{Address: addr("fe80::1"), QueriesPerSecond: 20})
	if err != nil {
		t.Fatal(err)
	}
	now := testStart
	asked, gone := map[netip.Addr]time.Time{}, 0
	r.config.Changed = func(at time.Time, g netip.Addr, f Filter) {
		if !f.Empty() {
			return
		}
		if gone++; asked[g].IsZero() || at.Sub(asked[g]) < r.lastTime() {
			t.Errorf("%v is given up at %v, asked for at %v", g, at.Sub(testStart), asked[g].Sub(testStart))
		}
	}
	for i := range 400 {
		says(t, r, now, Report, MLDv2, Record{IsEx, numbered("ff08::", i), nil})
		says(t, r, now, Report, MLDv2, Record{ToIn, numbered("ff08::", i), nil})
	}
	perSecond := map[int]int{}
	for range 10_000 {
		for p, ok := r.PollTransmit(now); ok; p, ok = r.PollTransmit(now) {
			perSecond[int(now.Sub(testStart)/time.Second)]++
			if asked[p.Dst].IsZero() {
				asked[p.Dst] = now
			}
		}
		next := r.NextTimeout()
		if next.IsZero() {
			break
		}
		now = next
		r.HandleTimeout(now)
	}
	for s, n := range perSecond {
		if n > 41 {
			t.Errorf("%d queries in second %d", n, s)
		}
	}
	if gone != 400 {
		t.Errorf("%d of 400 groups were given up", gone)
	}
}

// Forged queries make a host keep no more than its own groups and MaxSources, and report no more than its pauses let it.
func TestFloodOfQueriesIsBounded(t *testing.T) {
	l, err := NewListener(ListenerConfig{Address: addr("fe80::1"), MaxSources: 100}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	now := testStart
	g := addr("ff08::7")
	if err := l.Listen(now, 1, g, AnySource); err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Second)
	l.HandleTimeout(now)
	sent(t, l, now)
	src := addr("fe80::9")
	reports := 0
	for i := range 10_000 {
		q := Message{Kind: Query, Version: MLDv2, Group: g, MaxDelay: time.Duration(i%3) * time.Hour, Sources: []netip.Addr{numbered("fd00::", 2*i), numbered("fd00::", 2*i+1)}}
		if i%5 == 0 {
			q = Message{Kind: Query, Version: MLDv2, Group: MLD.Unspecified()}
		}
		p := Packet{Src: src, Dst: g, HopLimit: 1, Alert: true, Payload: q.Append(nil, MLD, src, g)}
		if err := l.HandlePacket(now, &p); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Millisecond)
		l.HandleTimeout(now)
		reports += len(sent(t, l, now))
		if n := len(l.groups[g].queried); n > 100 {
			t.Fatalf("%d sources are kept", n)
		}
	}
	if reports > 210 {
		t.Errorf("%d reports in 10 s of queries, want at most 10 a second to general and to specific ones each", reports)
	}
}

// No packet of any content makes an engine fail, or send without end.
func FuzzEngines(f *testing.F) {
	for _, w := range wire {
		f.Add(w.family == MLD, unhex(f, w.hex))
	}
	f.Fuzz(func(t *testing.T, six bool, b []byte) {
		family, src, own := IGMP, "10.0.0.1", addr("10.0.0.9")
		group, dst := addr("239.1.2.3"), "239.1.2.3"
		if six {
			family, src, own = MLD, "fe80::1", addr("fe80::9")
			group, dst = addr("ff08::7"), "ff08::7"
		}
		l, err := NewListener(ListenerConfig{Family: family, Address: own}, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewRouter(RouterConfig{Family: family, Address: own})
		if err != nil {
			t.Fatal(err)
		}
		now := testStart
		r.Start(now)
		if err := l.Listen(now, 1, group, AnySource); err != nil {
			t.Fatal(err)
		}
		// The input is several messages, each behind its length.
		for len(b) > 2 {
			n := min(int(b[0])+1, len(b)-1)
			p := sealed(family, src, dst, append([]byte(nil), b[1:1+n]...))
			b = b[1+n:]
			r.HandlePacket(now, p)
			l.HandlePacket(now, p)
			now = now.Add(500 * time.Millisecond)
			for _, e := range []engine{l, r} {
				e.HandleTimeout(now)
				for i := 0; ; i++ {
					p, ok := e.PollTransmit(now)
					if !ok {
						break
					}
					var m Message
					if err := m.Parse(family, &p); err != nil {
						t.Fatalf("sent %x: %v", p.Payload, err)
					}
					if i > 1000 {
						t.Fatal("it sends without end")
					}
				}
				if next := e.NextTimeout(); !next.IsZero() && !next.After(now) {
					t.Fatalf("%T wants to be woken in the past", e)
				}
			}
		}
	})
}
