package member

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func testRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: -seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

// sample returns a member of a view of three and packets of every kind that it has heard.
func sample(t testing.TB) (m *Member, now time.Time, packets [][]byte) {
	net := newNetwork(rand.New(rand.NewPCG(1, 1)))
	c := Config{Group: "sample", Order: Causal, State: true, Batch: 512}
	kinds := map[kind]bool{}
	net.heard = func(p []byte) {
		if k := kind(p[3]); !kinds[k] {
			kinds[k] = true
			packets = append(packets, p)
		}
	}
	for range 3 {
		net.join(c)
	}
	net.run(400 * time.Millisecond)
	for range 60 {
		for _, p := range net.procs {
			p.do(p.send)
		}
		net.run(net.now + 5*time.Millisecond)
	}
	net.procs[2].crash()
	net.run(net.now + time.Second)
	net.join(c)
	net.run(net.now + time.Second)
	if len(packets) < 8 {
		t.Fatalf("packets of %d kinds", len(packets))
	}
	return net.procs[0].m, net.procs[0].now(), packets
}

// A packet that is cut short, or has an octet changed, is refused or says something else; it does no harm.
func TestDamagedPackets(t *testing.T) {
	m, now, packets := sample(t)
	for _, p := range packets {
		sender, _, _ := Sender(p)
		for n := range p {
			_ = m.HandlePacket(now, sender, p[:n])
			if n < headerLen {
				if err := m.HandlePacket(now, sender, p[:n]); !errors.Is(err, ErrMalformed) {
					t.Fatalf("%d octets of a header: %v", n, err)
				}
			}
			q := append([]byte(nil), p...)
			q[n] ^= 1 << (n % 8)
			_ = m.HandlePacket(now, sender, q)
		}
	}
}

// Whatever comes, a member neither panics nor holds more than its bounds.
func FuzzHandlePacket(f *testing.F) {
	_, _, packets := sample(f)
	for _, p := range packets {
		f.Add(p, uint8(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, from uint8) {
		m, now, _ := sample(t)
		_ = m.HandlePacket(now, ID(from), p)
		m.HandleTimeout(now.Add(10 * time.Millisecond))
		for range 100 {
			if m.PollTransmit(now) == nil {
				break
			}
		}
	})
}

// A packet under another's name is refused, and so is one under the member's own.
func TestForgedSender(t *testing.T) {
	m, now, packets := sample(t)
	if err := m.HandlePacket(now, 77, packets[0]); !errors.Is(err, ErrForged) {
		t.Errorf("from another than it says: %v", err)
	}
	h := header{kind: kindAlive, settings: m.settings, name: m.name, sender: m.c.ID}
	if err := m.HandlePacket(now, m.c.ID, h.append(nil)); !errors.Is(err, ErrForged) {
		t.Errorf("from itself: %v", err)
	}
	h.name++
	if err := m.HandlePacket(now, m.c.ID, h.append(nil)); !errors.Is(err, ErrForeign) {
		t.Errorf("of another group: %v", err)
	}
}

// A member that says it has what was never sent is not believed, and excluded.
func TestLiarIsExcluded(t *testing.T) {
	net := calm(t, 4, Config{})
	liar := net.procs[2]
	view := liar.m.View()
	h := header{kindAlive, liar.m.settings, liar.m.name, liar.m.ID(), view.Group, view.ID}
	b := append(h.append(nil), 0, 0, 4)
	b = binary.BigEndian.AppendUint64(b, 0)
	for range 4 {
		b = binary.BigEndian.AppendUint32(b, 99)
	}
	net.multicast(liar, append(b, 0, 0))
	net.run(net.now + time.Second)
	for i, p := range net.procs {
		if i != 2 && p.members != 3 {
			t.Errorf("process %d has a view of %d members", i, p.members)
		}
	}
	if !liar.ended {
		t.Error("the liar is not out")
	}
}

// So is one whose batch says so; the batch is not taken.
func TestLyingBatchIsRefused(t *testing.T) {
	net := calm(t, 4, Config{Order: Total})
	liar, m := net.procs[3], net.procs[0].m
	liar.send()
	p := liar.m.PollTransmit(liar.now())
	for kind(p[3]) != kindData {
		p = liar.m.PollTransmit(liar.now())
	}
	p = append([]byte(nil), p...)
	vec := p[bodyAt+int(binary.BigEndian.Uint32(p[64:])):]
	binary.BigEndian.PutUint32(vec, 7) // of the first member, which has sent nothing
	if err := m.HandlePacket(net.procs[0].now(), liar.m.ID(), p); !errors.Is(err, ErrLie) {
		t.Errorf("error %v, want that it is a lie", err)
	}
	if n := m.streams[3].received; n != 0 {
		t.Errorf("%d batches of it were taken", n)
	}
	net.procs[0].act()
	net.run(net.now + time.Second)
	if net.procs[1].members != 3 || !liar.ended {
		t.Errorf("%d members, the liar out: %v", net.procs[1].members, liar.ended)
	}
}

// A member whose answer in phase one cannot be true is out, and the change goes on without it: what it says to have, nobody could bring.
func TestLiarInPhaseOneIsExcluded(t *testing.T) {
	const vec = headerLen + 16 + 8 + 8 + 1 + 1 // in an answer, behind two sets of bits
	for name, lie := range map[string]struct {
		rank int
		more int32
	}{
		"more of the coordinator than it sent": {0, 5},
		"more of another than it sent":         {1, 5},
		"less of its own than came":            {2, -1},
	} {
		t.Run(name, func(t *testing.T) {
			net := calm(t, 4, Config{Order: Total})
			for _, p := range net.procs {
				p.send()
				p.act()
			}
			net.run(net.now + 100*time.Millisecond)
			liar := net.procs[2]
			lied := false
			net.heard = func(p []byte) {
				if sender, _, _ := Sender(p); kind(p[3]) == kindAck && sender == liar.m.ID() {
					at := p[vec+4*lie.rank:]
					binary.BigEndian.PutUint32(at, uint32(int32(binary.BigEndian.Uint32(at))+lie.more))
					lied = true
				}
			}
			net.procs[3].crash()
			net.run(net.now + 2*time.Second)
			if !lied {
				t.Fatal("it had no occasion")
			}
			for i, p := range net.procs[:2] {
				if p.members != 2 {
					t.Errorf("process %d has a view of %d members", i, p.members)
				}
			}
			if !liar.ended || net.procs[0].m.Stats().Lies == 0 {
				t.Errorf("the liar is out: %v; lies counted: %d", liar.ended, net.procs[0].m.Stats().Lies)
			}
		})
	}
}

// Whatever a stranger says in the name of the current view, nobody believes: the view and what was received stay as they are.
func TestStrangersAreNotHeard(t *testing.T) {
	m, now, packets := sample(t)
	view, received := m.View(), uint32(0)
	for i := range m.streams {
		received += m.streams[i].received
	}
	m.freeze(now) // when most would be believed
	for _, p := range packets {
		q := append([]byte(nil), p...)
		h := header{kind(p[3]), m.settings, m.name, 77, view.Group, view.ID}
		copy(q, h.append(nil))
		if k := kind(p[3]); k == kindPrepare || k == kindAck || k == kindAccept || k == kindAccepted || k == kindNeed || k == kindResend {
			appendViewID(q[:headerLen], view.ID) // the view that it is about
		}
		err := m.HandlePacket(now, 77, q)
		if k := kind(p[3]); (k == kindData || k == kindPrepare || k == kindAccept || k == kindResend || k == kindState) && err == nil {
			t.Errorf("a packet of kind %d was taken", k)
		}
	}
	now = now.Add(time.Millisecond)
	m.HandleTimeout(now)
	after := uint32(0)
	for i := range m.streams {
		after += m.streams[i].received
	}
	if m.View() != view || m.Over() || after != received || m.offered != nil || m.promised != (ballotID{}) && m.promised.by == 77 {
		t.Errorf("view %v, then %v; %d batches, then %d; out %v", view.ID, m.View().ID, received, after, m.Over())
	}
}

// A member that is killed and started again within the same millisecond, under the same name, is another: the first is missed in time,
// and what comes of it late is not taken for the second's.
func TestRestartInTheSameMillisecond(t *testing.T) {
	net := calm(t, 3, Config{Name: "same", Order: Total, State: true})
	var late []byte
	net.heard = func(p []byte) {
		if sender, _, _ := Sender(p); kind(p[3]) == kindData && sender == 2 {
			late = p
		}
	}
	net.procs[1].do(net.procs[1].send)
	net.heard = nil
	net.procs[1].crash()
	again := net.join(Config{Group: "calm", Name: "same", Order: Total, State: true})
	net.run(net.now + 2*time.Second)
	for _, p := range []*process{net.procs[0], net.procs[2], again} {
		if v := p.m.View(); p.members != 3 || v.Rank(2) >= 0 || v.Rank(again.m.ID()) < 0 {
			t.Errorf("process %v has the view %v", p.m.ID(), v.Members)
		}
	}
	for _, from := range []ID{2, again.m.ID()} {
		if err := net.procs[0].m.HandlePacket(net.procs[0].now(), from, late); err == nil {
			t.Errorf("what the first sent is taken when it comes from %v", from)
		}
	}
}

// Batches of an old view, or of a member that is gone, change nothing.
func TestStaleBatches(t *testing.T) {
	net := calm(t, 3, Config{})
	var old []byte
	net.heard = func(p []byte) {
		if kind(p[3]) == kindData && old == nil {
			old = p
		}
	}
	net.procs[2].do(net.procs[2].send)
	net.run(net.now + 50*time.Millisecond)
	net.procs[2].crash()
	net.run(net.now + time.Second)
	m := net.procs[0].m
	events := len(net.procs[0].log.Events)
	if err := m.HandlePacket(net.procs[0].now(), 3, old); !errors.Is(err, ErrStale) {
		t.Errorf("of the view before: %v", err)
	}
	net.procs[0].consume()
	if len(net.procs[0].log.Events) != events {
		t.Error("it was received")
	}
}

// What Send refuses, and when it takes again.
func TestSendRefuses(t *testing.T) {
	net := newNetwork(testRand(t))
	p := net.join(Config{Group: "send", SendBuffer: 1 << 10, Batch: 512})
	now := p.now()
	try := func(want error, message []byte) {
		t.Helper()
		if _, err := p.m.Send(now, message); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	try(ErrNoView, []byte("x"))
	net.run(500 * time.Millisecond)
	now = p.now()
	try(ErrTooLong, make([]byte, MaxMessage+1))
	try(nil, make([]byte, 4<<10)) // one always fits
	try(ErrFull, []byte("x"))
	p.act()
	try(nil, []byte("x"))
	p.m.freeze(now)
	try(ErrBlocked, []byte("x"))
	p.m.end(Unknown, 0)
	try(ErrOut, []byte("x"))
	if err := p.m.SendState(now, p.m.View(), nil); !errors.Is(err, ErrOut) {
		t.Errorf("state: %v", err)
	}
}

// In the steady state messages cost no memory, at their sender and at others.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, order := range []Order{FIFO, Causal, Total, Token} {
		round := pair(t, Config{Order: order})
		for range 200 {
			round()
		}
		if n := testing.AllocsPerRun(200, round); n > 0.2 { // an Alive now and then
			t.Errorf("%v: %.1f allocations for 100 messages", order, n)
		}
	}
}

// pair returns a function that sends 100 messages each between two members of a view.
func pair(t testing.TB, c Config) func() {
	net := newNetwork(rand.New(rand.NewPCG(1, 1)))
	c.Group = "pair"
	net.join(c)
	net.join(c)
	net.run(500 * time.Millisecond)
	a, b := net.procs[0].m, net.procs[1].m
	now := net.procs[0].now()
	message := make([]byte, 64)
	return func() {
		now = now.Add(100 * time.Microsecond)
		for range 100 {
			for _, m := range []*Member{a, b} {
				if _, err := m.Send(now, message); err != nil {
					t.Fatal(err)
				}
			}
		}
		for moved := true; moved; {
			moved = false
			for _, m := range []*Member{a, b} {
				other := b
				if m == b {
					other = a
				}
				for p := m.PollTransmit(now); p != nil; p = m.PollTransmit(now) {
					if err := other.HandlePacket(now, m.ID(), p); err != nil {
						t.Fatal(err)
					}
					moved = true
				}
				for e, ok := m.PollEvent(); ok; e, ok = m.PollEvent() {
					for _, _, ok := e.Next(); ok; _, _, ok = e.Next() {
					}
					m.Release(&e)
				}
				m.HandleTimeout(now)
			}
		}
	}
}

// BenchmarkMessages measures what 64 octets cost in the engine: sent by one of two, received by both.
func BenchmarkMessages(b *testing.B) {
	round := pair(b, Config{Order: Total})
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/400, "ns/delivery")
}
