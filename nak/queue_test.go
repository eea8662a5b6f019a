package nak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"pgregory.net/rapid"
)

// check returns what is wrong with the lists: every entry is in one list, that of its state, or unused.
func (r *Recovery) check() error {
	seen := map[int32]bool{}
	walk := func(name string, l list, id int16, states ...State) error {
		prev := int32(-1)
		for i := l.first; i >= 0; i = r.entries[i].next {
			e := &r.entries[i]
			switch {
			case seen[i]:
				return fmt.Errorf("%s: entry %d is in two places", name, i)
			case e.prev != prev || e.list != id:
				return fmt.Errorf("%s: entry %d has prev %d and list %d, want %d and %d", name, i, e.prev, e.list, prev, id)
			case !slices.Contains(states, e.state):
				return fmt.Errorf("%s: packet %v is in state %v", name, e.sqn, e.state)
			}
			if k, ok := r.index[e.sqn]; !ok || k != i {
				return fmt.Errorf("%s: packet %v is entry %d, the index says %d, %v", name, e.sqn, i, k, ok)
			}
			seen[i], prev = true, i
		}
		if l.last != prev {
			return fmt.Errorf("%s: last is %d, want %d", name, l.last, prev)
		}
		return nil
	}
	for l := range r.lists {
		states := []State{WaitNCF}
		if l >= listData {
			states = []State{WaitData, WaitNCF}
		}
		if err := walk(fmt.Sprint("list ", l), r.lists[l], int16(l), states...); err != nil {
			return err
		}
	}
	ids := map[int16]bool{}
	for g := range r.backoffs {
		b := &r.backoffs[g]
		if ids[b.id] {
			return fmt.Errorf("two back-offs %d", b.id)
		}
		ids[b.id] = true
		if err := walk(fmt.Sprint("back-off ", b.id), b.list, numLists+b.id, BackOff); err != nil {
			return err
		}
	}
	if len(r.backoffs) > maxBackOffs {
		return fmt.Errorf("%d back-offs", len(r.backoffs))
	}
	if len(seen) != len(r.index) {
		return fmt.Errorf("%d entries in lists, %d in the index", len(seen), len(r.index))
	}
	unused := 0
	for i := r.free; i >= 0; i = r.entries[i].next {
		if seen[i] || unused > len(r.entries) {
			return fmt.Errorf("entry %d is unused, and used", i)
		}
		unused++
	}
	if unused+len(seen) != len(r.entries) {
		return fmt.Errorf("%d entries, of which %d are used and %d not", len(r.entries), len(seen), unused)
	}
	return nil
}

// model is what a Recovery should do, without its data structures: what state each packet is in, and from when on it may be asked for.
type model struct {
	state   map[packet.SQN]State
	entered map[packet.SQN]time.Time // the back-off
	silent  map[packet.SQN]time.Time // until when no NAK may be sent
	naks    map[packet.SQN]int       // since the last NCF
}

func (m *model) forget(s packet.SQN) {
	delete(m.state, s)
	delete(m.entered, s)
	delete(m.silent, s)
	delete(m.naks, s)
}

// Whatever happens in whatever order, packets are in the states that §6.3 says, no NAK is sent too early, too late or too often, and
// the lists are whole.
func TestRecoveryFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := RecoveryConfig{
			Max:         rapid.IntRange(1, 40).Draw(t, "max"),
			NCFRetries:  rapid.IntRange(1, 4).Draw(t, "NCF retries"),
			DataRetries: rapid.IntRange(1, 4).Draw(t, "data retries"),
		}
		r := NewRecovery(c, rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))))
		c = r.c
		m := &model{map[packet.SQN]State{}, map[packet.SQN]time.Time{}, map[packet.SQN]time.Time{}, map[packet.SQN]int{}}
		now := testStart
		mute := rapid.Bool().Draw(t, "mute") // no NAK can be sent for long
		sqn := rapid.Custom(func(t *rapid.T) packet.SQN { return packet.SQN(rapid.IntRange(0, 60).Draw(t, "n")) - 30 })
		backOff := func(s packet.SQN) { m.state[s], m.entered[s] = BackOff, now }
		confirmed := func(s packet.SQN, d time.Duration) {
			if until := now.Add(d); m.silent[s].Before(until) {
				m.silent[s] = until
			}
		}
		tick := func() {
			r.HandleTimeout(now, func(s packet.SQN) {
				if st, ok := m.state[s]; !ok || st == BackOff || now.Before(m.silent[s]) {
					t.Fatalf("packet %v is given up: %v, %v", s, st, ok)
				}
				m.forget(s)
			})
			for s, st := range m.state {
				if got, ok := r.State(s); st != BackOff && ok && got == BackOff {
					if now.Before(m.silent[s]) {
						t.Fatalf("packet %v is to be asked for %v too early", s, m.silent[s].Sub(now))
					}
					backOff(s)
				}
			}
			if next := r.NextTimeout(false); !next.IsZero() && !next.After(now) {
				t.Fatalf("a timeout is due that was just handled, since %v", now.Sub(next))
			}
		}
		send := func(room int) int {
			due := r.Due(now, make([]packet.SQN, 0, room))
			if !slices.IsSortedFunc(due, func(a, b packet.SQN) int { return a.Sub(b) }) {
				t.Fatalf("NAK for %v", due)
			}
			for _, s := range due {
				if m.state[s] != BackOff || now.Before(m.silent[s]) {
					t.Fatalf("NAK for %v, which is %v, silent until %v", s, m.state[s], m.silent[s].Sub(now))
				}
				m.state[s] = WaitNCF
				if m.naks[s]++; m.naks[s] > 1+c.NCFRetries {
					t.Fatalf("NAK %d for %v", m.naks[s], s)
				}
				confirmed(s, c.Repeat)
			}
			return len(due)
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			s := sqn.Draw(t, "sqn")
			st, known := m.state[s]
			room := len(m.state) < r.limit
			switch op := rapid.SampledFrom([]string{"lost", "lost", "lost", "data", "ncf", "nak", "cancel", "range", "advance", "advance", "send"}).Draw(t, "op"); op {
			case "lost":
				if got, want := r.Lost(now, s), known || room; got != want {
					t.Fatalf("Lost(%v): %v, want %v", s, got, want)
				}
				if !known && room {
					backOff(s)
				}
			case "data":
				if got := r.Received(now, s); got != known {
					t.Fatalf("Received(%v): %v, want %v", s, got, known)
				}
				m.forget(s)
			case "ncf":
				r.Confirmed(now, s)
				if known || room {
					m.state[s], m.naks[s] = WaitData, 0
					confirmed(s, c.Data)
				}
			case "nak":
				r.Heard(now, s)
				switch {
				case !known:
				case st == BackOff:
					m.state[s] = WaitNCF
					confirmed(s, c.Data)
				case st == WaitData:
					confirmed(s, c.Data)
				default:
					confirmed(s, c.Repeat)
				}
			case "cancel":
				r.Cancel(s)
				m.forget(s)
			case "range":
				last := s + packet.SQN(rapid.IntRange(-1, 80).Draw(t, "length"))
				r.CancelRange(s, last)
				for k := range m.state {
					if k.InWindow(s, last) {
						m.forget(k)
					}
				}
			case "advance":
				now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "µs")) * time.Microsecond)
			case "send":
				send(rapid.IntRange(0, 3).Draw(t, "room"))
			}
			tick()
			if !mute {
				for send(1+MaxList) > 0 {
				}
				for s, since := range m.entered {
					if m.state[s] == BackOff && now.Sub(since) > c.BackOff {
						t.Fatalf("packet %v is in its back-off since %v", s, now.Sub(since))
					}
				}
				if next := r.NextTimeout(true); !next.IsZero() && !next.After(now) {
					t.Fatalf("something is due that was just done, since %v", now.Sub(next))
				}
			}
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			if r.Len() != len(m.state) {
				t.Fatalf("%d packets are in recovery, want %d", r.Len(), len(m.state))
			}
			for s, want := range m.state {
				if got, ok := r.State(s); !ok || got != want {
					t.Fatalf("packet %v: %v, %v; want %v", s, got, ok, want)
				}
			}
		}
	})
}

// NAK_RB_IVL is uniform over NAK_BO_IVL, from when the loss is found on [6.3-15].
func TestBackOffIsUniform(t *testing.T) {
	m := newMachine(RecoveryConfig{})
	const losses, bins = 20000, 10
	var count [bins]int
	for s := range packet.SQN(losses) {
		m.now = m.now.Add(time.Second)
		m.r.Lost(m.now, s)
		delay := m.r.NextTimeout(true).Sub(m.now)
		if delay <= 0 || delay > 5*time.Millisecond {
			t.Fatalf("a back-off of %v", delay)
		}
		count[(delay-1)*bins/(5*time.Millisecond)]++
		m.r.Received(m.now, s)
	}
	for i, n := range count {
		if n < losses/bins*9/10 || n > losses/bins*11/10 {
			t.Errorf("%d of %d back-offs in tenth %d", n, losses, i)
		}
	}
}

// Losses that come one by one share few back-offs, each no longer than NAK_BO_IVL, so that a burst of them becomes few NAKs.
func TestLossesShareBackOffs(t *testing.T) {
	m := newMachine(RecoveryConfig{})
	naks, asked := 0, 0
	for s := range packet.SQN(10000) { // in a second
		m.now = m.now.Add(100 * time.Microsecond)
		m.r.Lost(m.now, s)
		if due := m.r.Due(m.now, make([]packet.SQN, 0, 1+MaxList)); len(due) > 0 {
			naks++
			asked += len(due)
			for _, s := range due {
				m.r.Received(m.now, s)
			}
		}
	}
	if most := 1000 / 5 * sharing * 2; naks > most || asked < 9900 {
		t.Errorf("%d NAKs for %d packets, want at most %d", naks, asked, most)
	}
}

// When no NAK can be sent, the back-offs do not become more without end, nor is a packet forgotten.
func TestBackOffsAreBounded(t *testing.T) {
	m := newMachine(RecoveryConfig{})
	for s := range packet.SQN(1000) {
		m.now = m.now.Add(20 * time.Millisecond)
		m.r.Lost(m.now, s)
		m.r.HandleTimeout(m.now, func(packet.SQN) { t.Fatal("lost") })
		if n := len(m.r.backoffs); n > maxBackOffs {
			t.Fatalf("%d back-offs", n)
		}
	}
	m.now = m.now.Add(5 * time.Millisecond)
	var got []packet.SQN
	for {
		due := m.r.Due(m.now, make([]packet.SQN, 0, 1+MaxList))
		if len(due) == 0 {
			break
		}
		got = append(got, due...)
	}
	slices.Sort(got)
	if len(got) != 1000 || got[0] != 0 || got[999] != 999 {
		t.Errorf("%d packets are asked for when it is possible, want 1000", len(got))
	}
	if err := m.r.check(); err != nil {
		t.Error(err)
	}
}

// Who is found missing when a back-off is over, though its NAK has not left yet, gets one of its own.
func TestBackOffThatIsOverIsNotShared(t *testing.T) {
	m := newMachine(RecoveryConfig{})
	found := 0
	for s := packet.SQN(0); found < 100; s += 2 {
		m.now = m.now.Add(time.Second)
		m.r.Lost(m.now, s)
		over := m.r.NextTimeout(true)
		if over.Sub(m.now) < 5*time.Millisecond/sharing {
			found++
			m.now = over
			m.r.Lost(m.now, s+1)
			if due := m.r.Due(m.now, make([]packet.SQN, 0, 2)); len(due) != 1 || due[0] != s {
				t.Fatalf("%v are asked for, want %v alone", due, s)
			}
		}
		m.r.CancelRange(s, s+1)
		m.poll()
	}
}
