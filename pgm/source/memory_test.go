package source

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"pgregory.net/rapid"
)

func newMemory(c MemoryConfig) *Memory {
	if c.MaxTSDU == 0 {
		c.MaxTSDU = 100
	}
	return NewMemory(c)
}

// load has the store write the packets from first on, as the engine does.
func load(t testing.TB, m *Memory, first packet.SQN, n int) []TSDU {
	t.Helper()
	dst := make([]TSDU, n)
	for i := range dst {
		dst[i].Data = make([]byte, m.c.MaxTSDU)
	}
	k, err := m.Load(first, dst)
	if err != nil {
		t.Fatal(err)
	}
	for i := range dst[:k] {
		if u := &dst[i]; !u.HasSum || u.Sum != packet.Sum(u.Data) || len(u.Data)+u.OptionsLen() > m.c.MaxTSDU {
			t.Fatalf("packet %v: %d octets, %d of options, sum %x", first+packet.SQN(i), len(u.Data), u.OptionsLen(), u.Sum)
		}
	}
	return dst[:k]
}

// A stream comes out as it went in, in full packets but for the last.
func TestMemoryStream(t *testing.T) {
	m := newMemory(MemoryConfig{First: 0xffff_fffe, Syn: true})
	want := make([]byte, 1050)
	for i := range want {
		want[i] = byte(i)
	}
	for p := want; len(p) > 0; { // small writes share packets
		k := min(len(p), 7)
		if n, err := m.Write(p[:k]); n != k || err != nil {
			t.Fatal(n, err)
		}
		p = p[k:]
	}
	if m.Backlog() != 1050 || m.Held() != 1050 || m.Next() != 9 || m.Trail() != 0xffff_fffe {
		t.Errorf("backlog %d, held %d, window %v..%v", m.Backlog(), m.Held(), m.Trail(), m.Next()-1)
	}
	var got []byte
	for i, u := range load(t, m, m.Trail(), 20) {
		got = append(got, u.Data...)
		if u.Syn != (i == 0) || u.Fin || u.Fragment.Length != 0 {
			t.Errorf("packet %d has options %+v", i, u)
		}
	}
	if !bytes.Equal(got, want) || m.Backlog() != 0 {
		t.Errorf("%d octets came out, %d wait", len(got), m.Backlog())
	}
}

// What was sent does not change any more: what is written later goes into another packet.
func TestMemoryDoesNotExtendWhatWasSent(t *testing.T) {
	m := newMemory(MemoryConfig{})
	m.Write([]byte("one"))
	load(t, m, 0, 1)
	m.Write([]byte("two"))
	if u := load(t, m, 0, 2); len(u) != 2 || string(u[0].Data) != "one" || string(u[1].Data) != "two" {
		t.Errorf("packets %+v", u)
	}
	m.WriteAPDU([]byte("three"))
	m.Write([]byte("four")) // nor what is a message
	m.WriteAPDU([]byte("five"))
	if u := load(t, m, 2, 5); len(u) != 3 || string(u[0].Data) != "three" || string(u[1].Data) != "four" || string(u[2].Data) != "five" {
		t.Errorf("packets %+v", u)
	}
}

// [9.2.2-01], [9.2.2-02], [9.2.4-02]
func TestMemoryFragments(t *testing.T) {
	for _, syn := range []bool{false, true} {
		for _, size := range []int{0, 1, 79, 80, 91, 92, 93, 100, 101, 156, 157, 160, 161, 1000, 5000} {
			m := newMemory(MemoryConfig{First: 7, Syn: syn, Backlog: 5000})
			apdu := make([]byte, size)
			for i := range apdu {
				apdu[i] = byte(i * 7)
			}
			if err := m.WriteAPDU(apdu); err != nil {
				t.Fatal(size, err)
			}
			units := load(t, m, 7, 100)
			var got []byte
			for i, u := range units {
				if u.Syn != (syn && i == 0) {
					t.Errorf("%d octets: packet %d, SYN %v", size, i, u.Syn)
				}
				if len(units) == 1 && u.Fragment.Length != 0 {
					t.Errorf("%d octets are one packet and a fragment", size)
				}
				if len(units) > 1 && (u.Fragment != packet.Fragment{First: 7, Offset: uint32(len(got)), Length: uint32(size)} || len(u.Data) == 0) {
					t.Errorf("%d octets: packet %d is %+v", size, i, u.Fragment)
				}
				got = append(got, u.Data...)
			}
			if !bytes.Equal(got, apdu) {
				t.Errorf("%d octets came out as %d", size, len(got))
			}
		}
	}
}

// What is not sent is bounded, and not given up.
func TestMemoryBacklogIsBounded(t *testing.T) {
	m := newMemory(MemoryConfig{Window: 2000, Backlog: 1000})
	if n, err := m.Write(make([]byte, 1500)); n != 1000 || !errors.Is(err, ErrFull) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if m.Room() != 0 {
		t.Errorf("room for %d", m.Room())
	}
	if err := m.WriteAPDU(make([]byte, 1)); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := m.WriteAPDU(make([]byte, 1001)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	load(t, m, 0, 5)
	if m.Room() != 500 {
		t.Errorf("room for %d once half was sent", m.Room())
	}
	if err := m.WriteAPDU(make([]byte, 501)); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := m.WriteAPDU(make([]byte, 500)); err != nil {
		t.Error(err)
	}
	if m.Trail() != 0 {
		t.Errorf("the trail is %v, though there is room for what was sent", m.Trail())
	}
}

// The number of packets is bounded too, as small messages are.
func TestMemoryPacketsAreBounded(t *testing.T) {
	m := newMemory(MemoryConfig{Packets: 20})
	n := 0
	for m.WriteAPDU(nil) == nil {
		n++
	}
	if n != 10 {
		t.Errorf("%d packets wait, want half of 20", n)
	}
	load(t, m, 0, 10)
	for m.WriteAPDU(nil) == nil {
		n++
	}
	if n != 20 || m.Trail() != 0 {
		t.Errorf("%d packets, trail %v", n, m.Trail())
	}
	load(t, m, 10, 3)
	m.WriteAPDU(nil)
	if m.Trail() != 1 {
		t.Errorf("trail %v: one packet must go for one", m.Trail())
	}
	if err := m.WriteAPDU(make([]byte, 900)); !errors.Is(err, ErrTooLong) {
		t.Errorf("a message of 12 packets, where 10 may wait: %v", err)
	}
}

// TXW_SECS: what was sent is kept for Keep, then given up [2.1-01], [3.5-01].
func TestMemoryForgetsByTime(t *testing.T) {
	m := newMemory(MemoryConfig{Keep: 10 * time.Second})
	f := testConfig(m)
	f.MaxTSDU, f.Linger = 100, time.Minute
	s := newSource(t, f)
	m.Write(make([]byte, 300))
	play(t, s, start, start.Add(5*time.Second), func(sent) {})
	m.Write(make([]byte, 200))
	now := start.Add(5 * time.Second)
	s.Wake(now)
	for _, tt := range []struct {
		after time.Duration
		trail packet.SQN
	}{{9 * time.Second, 0}, {12 * time.Second, 3}, {14 * time.Second, 3}, {17 * time.Second, 5}} {
		play(t, s, now, start.Add(tt.after), func(sent) {})
		now = start.Add(tt.after)
		if st := s.Stats(); st.Trail != tt.trail || st.Lead != 4 {
			t.Errorf("after %v, the window is %v..%v, want the trail at %v", tt.after, st.Trail, st.Lead, tt.trail)
		}
	}
	if m.Held() != 0 {
		t.Errorf("%d octets held in an empty window", m.Held())
	}
}

// A repair is what was sent, as long as the window has it; never something else, whatever is written and forgotten in between.
func TestMemoryModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory(MemoryConfig{First: 0xffff_fff0, Window: 3000, Packets: 50, Backlog: 1500, Keep: time.Second, Syn: true})
		m.c.MaxTSDU = 100
		next, now := packet.SQN(0xffff_fff0), start
		was := map[packet.SQN][]byte{}
		var stream, out []byte
		octet := byte(0)
		fill := func(n int) []byte {
			p := make([]byte, n)
			for i := range p {
				octet++
				p[i] = octet
			}
			return p
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				p := fill(rapid.IntRange(0, 700).Draw(t, "n"))
				n, err := m.Write(p)
				if (err == nil) != (n == len(p)) {
					t.Fatal(n, err)
				}
				stream = append(stream, p[:n]...)
			},
			"message": func(t *rapid.T) {
				p := fill(rapid.IntRange(0, 700).Draw(t, "n"))
				if m.WriteAPDU(p) == nil {
					stream = append(stream, p...)
				}
			},
			"send": func(t *rapid.T) {
				dst := make([]TSDU, rapid.IntRange(1, 20).Draw(t, "n"))
				for i := range dst {
					dst[i].Data = make([]byte, 100)
				}
				n, _ := m.Load(next, dst[:min(len(dst), m.Next().Sub(next))])
				for i := range dst[:n] {
					was[next] = bytes.Clone(dst[i].Data)
					out = append(out, dst[i].Data...)
					next++
				}
			},
			"age": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * ms)
				m.Age(now, next)
			},
			"": func(t *rapid.T) {
				if !bytes.Equal(out, stream[:len(out)]) || len(stream)-len(out) != m.Backlog() {
					t.Fatalf("%d octets of %d sent, backlog %d", len(out), len(stream), m.Backlog())
				}
				if m.Held() > 3000 || m.Backlog() > 1500 || m.Next().Sub(m.Trail()) > 50 || m.Trail().After(next) {
					t.Fatalf("out of bounds: held %d, backlog %d, window %v..%v", m.Held(), m.Backlog(), m.Trail(), m.Next())
				}
				held := 0
				for s := m.Trail(); s.Before(next); s++ {
					dst := []TSDU{{Data: make([]byte, 100)}}
					if n, _ := m.Load(s, dst); n != 1 || !bytes.Equal(dst[0].Data, was[s]) || dst[0].Sum != packet.Sum(was[s]) {
						t.Fatalf("packet %v is not what it was", s)
					}
					held += len(was[s])
				}
				if held+m.Backlog() != m.Held() {
					t.Fatalf("%d octets held, Held says %d", held+m.Backlog(), m.Held())
				}
				if n, _ := m.Load(m.Trail()-1, []TSDU{{Data: make([]byte, 100)}}); n != 0 {
					t.Fatal("what was given up can be loaded")
				}
			},
		})
	})
}

// Slabs are used again: the memory of a long stream is that of its window.
func TestMemoryReusesSlabs(t *testing.T) {
	m := NewMemory(MemoryConfig{MaxTSDU: testTSDU, Window: 1 << 20, Backlog: 1 << 19})
	rng := rand.New(rand.NewPCG(1, 2))
	slabs := map[*byte]bool{}
	next := packet.SQN(0)
	for range 20000 {
		m.WriteAPDU(make([]byte, rng.IntN(5000)))
		slabs[&m.current[:1][0]] = true
		for next != m.Next() {
			next += packet.SQN(len(load(t, m, next, min(10, m.Next().Sub(next)))))
		}
	}
	if len(slabs) > 24 {
		t.Errorf("%d slabs for a window of 16", len(slabs))
	}
}

func TestMemoryConfigIsMadePossible(t *testing.T) {
	m := newMemory(MemoryConfig{Window: 1, Packets: 1, Backlog: 1})
	if n, err := m.Write(make([]byte, 100)); n != 100 || err != nil {
		t.Errorf("the smallest window takes %d octets, %v", n, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a MaxTSDU of 10 is accepted")
		}
	}()
	NewMemory(MemoryConfig{MaxTSDU: 10})
}
