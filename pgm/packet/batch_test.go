package packet

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var (
	group = netip.MustParseAddrPort("239.192.77.71:7500")
	other = netip.MustParseAddrPort("192.0.2.1:7500")
)

// commit reserves n octets, marks them, and commits them.
func commit(t testing.TB, b *Batch, to netip.AddrPort, ttl, size, n int, mark byte) {
	t.Helper()
	p := b.Reserve(n)
	if len(p) != n || cap(p) != n {
		t.Fatalf("Reserve(%d) = %d octets of %d", n, len(p), cap(p))
	}
	for i := range p {
		p[i] = mark
	}
	b.Commit(to, ttl, size, n)
}

func TestPacketsOfOneKindBecomeOneMessage(t *testing.T) {
	type run struct {
		to      netip.AddrPort
		ttl     int
		size, n int
	}
	for _, tt := range []struct {
		name string
		runs []run
		want []int // octets of each message
	}{
		{"equal packets join", []run{{group, 0, 100, 100}, {group, 0, 100, 300}}, []int{400}},
		{"a shorter one joins as the last", []run{{group, 0, 100, 200}, {group, 0, 60, 60}}, []int{260}},
		{"the short last of a run joins", []run{{group, 0, 100, 250}}, []int{250}},
		{"nothing follows a short one", []run{{group, 0, 100, 250}, {group, 0, 100, 100}}, []int{250, 100}},
		{"nor another short one", []run{{group, 0, 100, 250}, {group, 0, 50, 50}}, []int{250, 50}},
		{"two shorter ones do not join", []run{{group, 0, 100, 100}, {group, 0, 50, 100}}, []int{100, 100}},
		{"a longer one does not join", []run{{group, 0, 100, 100}, {group, 0, 200, 200}}, []int{100, 200}},
		{"another destination", []run{{group, 0, 100, 100}, {other, 0, 100, 100}}, []int{100, 100}},
		{"another TTL", []run{{group, 0, 100, 100}, {group, 1, 100, 100}}, []int{100, 100}},
		{"only neighbours join", []run{{group, 0, 100, 100}, {other, 0, 100, 100}, {group, 0, 100, 100}}, []int{100, 100, 100}},
		{"a size beyond what there is means one packet", []run{{group, 0, 1000, 100}, {group, 0, 100, 100}}, []int{200}},
		{"no octets, no message", []run{{group, 0, 100, 0}}, nil},
	} {
		b := NewBatch(1 << 16)
		for i, r := range tt.runs {
			commit(t, b, r.to, r.ttl, r.size, r.n, byte(i))
		}
		var got []int
		for _, m := range b.Messages {
			got = append(got, len(m.Data))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: messages of %d octets, want %d", tt.name, got, tt.want)
		}
	}
}

func TestMessageIsWithinTheLimitsOfTheKernel(t *testing.T) {
	b := NewBatch(1 << 20)
	commit(t, b, group, 0, 1472, 100*1472, 1) // by octets: 44 of 1472 in 65507
	if m := &b.Messages[0]; m.Packets() != 44 || len(b.Messages) != 3 {
		t.Errorf("100 packets of 1472 octets: %d in the first of %d messages, want 44 of 3", m.Packets(), len(b.Messages))
	}
	b.Reset()
	commit(t, b, group, 0, 36, 100*36, 1) // by number
	if m := &b.Messages[0]; m.Packets() != MaxRunPackets || len(b.Messages) != 2 {
		t.Errorf("100 packets of 36 octets: %d in the first of %d messages, want %d of 2", m.Packets(), len(b.Messages), MaxRunPackets)
	}
	b.Reset()
	for range MaxRunPackets {
		commit(t, b, group, 0, 36, 36, 1)
	}
	commit(t, b, group, 0, 20, 20, 1)
	if len(b.Messages) != 2 {
		t.Errorf("a short packet behind %d others: %d messages, want 2", MaxRunPackets, len(b.Messages))
	}
	b.Reset()
	commit(t, b, group, 0, 1472, 44*1472, 1)
	commit(t, b, group, 0, MaxRun-44*1472, MaxRun-44*1472, 1)
	if len(b.Messages) != 1 || len(b.Messages[0].Data) != MaxRun {
		t.Errorf("a short packet that just fits begins a message of its own")
	}
	b.Reset()
	commit(t, b, group, 0, 1472, 44*1472, 1)
	commit(t, b, group, 0, MaxRun-44*1472+1, MaxRun-44*1472+1, 1)
	if len(b.Messages) != 2 {
		t.Errorf("a short packet joined a message that has no room for it")
	}
}

// Whatever is committed comes out as the same packets, in order, in messages that the kernel takes.
func TestBatchKeepsEveryPacketInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBatch(1 << 18)
		var want [][]byte
		var wantTo []netip.AddrPort
		for i := range rapid.IntRange(1, 40).Draw(t, "runs") {
			size := rapid.SampledFrom([]int{1, 36, 44, 44, 1472, 1472, 1472, 8900, MaxRun}).Draw(t, "size")
			n := min(size*rapid.IntRange(0, 99).Draw(t, "packets")+rapid.IntRange(0, size).Draw(t, "rest"), 1<<17)
			p := b.Reserve(n)
			if p == nil {
				continue
			}
			for at := range p {
				p[at] = byte(at/size) ^ byte(i)
			}
			to := rapid.SampledFrom([]netip.AddrPort{group, group, other}).Draw(t, "to")
			for rest := p; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				want, wantTo = append(want, bytes.Clone(rest[:min(size, len(rest))])), append(wantTo, to)
			}
			b.Commit(to, 0, size, n)
		}
		i, octets := 0, 0
		for _, m := range b.Messages {
			octets += len(m.Data)
			if len(m.Data) > MaxRun || m.Packets() > MaxRunPackets {
				t.Fatalf("a message of %d octets in %d packets", len(m.Data), m.Packets())
			}
			for rest := m.Data; len(rest) > 0; i++ {
				n := min(m.Size, len(rest))
				if i == len(want) || !bytes.Equal(rest[:n], want[i]) || m.To != wantTo[i] {
					t.Fatalf("packet %d differs", i)
				}
				rest = rest[n:]
			}
		}
		if i != len(want) || octets != b.Len() {
			t.Fatalf("%d packets in %d octets, want %d in %d", i, octets, len(want), b.Len())
		}
	})
}

func TestBatchTakesWhatItHasRoomFor(t *testing.T) {
	b := NewBatch(100)
	if b.Room() != 100 || b.Len() != 0 {
		t.Fatalf("new: Room %d, Len %d", b.Room(), b.Len())
	}
	if !b.Append(group, 0, make([]byte, 60)) || b.Append(group, 0, make([]byte, 41)) || !b.Append(group, 0, make([]byte, 40)) {
		t.Error("Append of 60, 41, 40 octets into 100: want yes, no, yes")
	}
	if b.Room() != 0 || b.Len() != 100 || b.Reserve(1) != nil {
		t.Errorf("full: Room %d, Len %d", b.Room(), b.Len())
	}
	b.Reset()
	if b.Room() != 100 || len(b.Messages) != 0 {
		t.Errorf("after Reset: Room %d, %d messages", b.Room(), len(b.Messages))
	}
	var zero Batch
	if zero.Room() != 0 || zero.Append(group, 0, []byte{1}) {
		t.Error("the zero Batch has room")
	}
	if m := (Message{}); m.Packets() != 0 {
		t.Errorf("an empty message holds %d packets", m.Packets())
	}
}

func TestWhatIsReservedCountsOnlyOnceCommitted(t *testing.T) {
	b := NewBatch(100)
	copy(b.Reserve(50), "first")
	copy(b.Reserve(80), "again")
	b.Commit(group, 0, 5, 5)
	if b.Len() != 5 || string(b.Messages[0].Data) != "again" {
		t.Errorf("Len %d, %q", b.Len(), b.Messages[0].Data)
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	b := NewBatch(1 << 18)
	p := make([]byte, 36)
	if n := testing.AllocsPerRun(20, func() {
		b.Reset()
		for ttl := 0; b.Append(group, ttl%3, p); ttl++ { // each a message of its own
		}
		if len(b.Messages) != maxMessages {
			t.Fatalf("%d messages, want %d", len(b.Messages), maxMessages)
		}
		b.Reset()
		for b.Reserve(1472) != nil {
			b.Commit(group, 0, 1472, 1472)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
