package mld

import (
	"math/rand/v2"
	"testing"
)

// packetOf returns the packet of a message from another host.
func packetOf(m *Message) *Packet {
	src, dst := addr("fe80::9"), MLD.AllNodes()
	return &Packet{Src: src, Dst: dst, HopLimit: 1, Alert: true, Payload: m.Append(nil, MLD, src, dst)}
}

// Reports that change nothing, and queries and reports that are none of a host's business, are what a link is full of.
func TestWhatChangesNothingAllocatesNothing(t *testing.T) {
	r, err := NewRouter(RouterConfig{Address: addr("fe80::1")})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewListener(ListenerConfig{Address: addr("fe80::1")}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	g := addr("ff08::7")
	report := packetOf(&Message{Kind: Report, Version: MLDv2, Records: []Record{{IsEx, g, nil}, {IsIn, addr("ff38::7"), addrs("fd00::1 fd00::2")}}})
	older := packetOf(&Message{Kind: Report, Version: MLDv1, Group: g})
	query := packetOf(&Message{Kind: Query, Version: MLDv2, Group: g})
	bad := packetOf(&Message{Kind: Query, Version: MLDv2, Group: g})
	bad.HopLimit = 2
	for _, c := range []struct {
		name string
		e    engine
		p    *Packet
		most float64
	}{
		{"a router, a report of MLDv2", r, report, 0},
		{"a router, a report of MLDv1", r, older, 0},
		{"a listener, a report", l, report, 0},
		{"a listener, a query about a group that it does not listen to", l, query, 0},
		{"a listener, a packet from elsewhere", l, bad, 1}, // the error
	} {
		c.e.HandlePacket(testStart, c.p)
		if got := testing.AllocsPerRun(100, func() { c.e.HandlePacket(testStart, c.p) }); got > c.most {
			t.Errorf("%s: %v allocations", c.name, got)
		}
	}
}

func BenchmarkRouterReport(b *testing.B) {
	r, err := NewRouter(RouterConfig{Address: addr("fe80::1")})
	if err != nil {
		b.Fatal(err)
	}
	m := Message{Kind: Report, Version: MLDv2}
	for i := range 70 {
		m.Records = append(m.Records, Record{IsEx, numbered("ff08::", i), nil})
	}
	p := packetOf(&m)
	b.ReportAllocs()
	for b.Loop() {
		r.HandlePacket(testStart, p)
	}
}
