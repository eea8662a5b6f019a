package nak

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// A Forwarder under random calls: its lists and chains stay whole, its memory bounded, and everything in it ends when nothing is said any
// more, NAK_RPT_IVL and NAK_RDATA_IVL after the last word.
func TestForwarderIsBoundedAndEnds(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		f := NewForwarder(ForwarderConfig{Max: 40}, now)
		interfaces := map[Key]uint32{}
		key := func() Key { return Key{SQN: packet.SQN(rng.Uint32N(60)) - 30, Parity: rng.IntN(4) == 0} }
		for range 5000 {
			now = now.Add(time.Duration(rng.Int64N(int64(2 * time.Millisecond))))
			k := key()
			switch rng.IntN(6) {
			case 0, 1:
				i := rng.IntN(MaxInterfaces)
				if r := f.Heard(now, k, i, 1+rng.IntN(8)); !r.Full {
					interfaces[k] |= 1 << i
					if r.Forward {
						f.Forwarded(now, k, Via(rng.IntN(2)))
					}
				}
			case 2:
				f.Confirmed(now, k, 1+rng.IntN(8))
			case 3:
				if got := f.Repaired(k, 0); got&^interfaces[k] != 0 {
					t.Fatalf("seed %d: %v goes to interfaces %b that never asked, but %b", seed, k, got, interfaces[k])
				} else if got != 0 && !k.Parity {
					delete(interfaces, k)
					if f.Repaired(k, 0) != 0 {
						t.Fatalf("seed %d: %v is repaired twice", seed, k)
					}
				}
			case 4:
				f.Null(now, k, 1)
			case 5:
				f.HandleTimeout(now, func(Key) {})
				f.Due(now, Upstream, make([]Key, 0, 3))
			}
			f.whole(t)
			if f.Len() > 40 {
				t.Fatalf("seed %d: %d states", seed, f.Len())
			}
		}
		for range 1000 {
			next := f.NextTimeout()
			if next.IsZero() {
				break
			}
			if next.After(now) {
				now = next
			}
			f.HandleTimeout(now, func(Key) {})
			for len(f.Due(now, Upstream, make([]Key, 0, 63)))+len(f.Due(now, Repairer, make([]Key, 0, 63))) > 0 {
			}
		}
		if f.Len() != 0 {
			t.Errorf("seed %d: %d states are left", seed, f.Len())
		}
	}
}

// whole checks the lists and chains.
func (f *Forwarder) whole(t *testing.T) {
	t.Helper()
	n := 0
	for p := range f.lists {
		prev := none
		for s := f.lists[p].first; s != none; s = f.states[s].next {
			if e := &f.states[s]; int(e.phase) != p || e.prev != prev {
				t.Fatalf("list %d: state of %v in phase %d, behind %d", p, e.key, e.phase, e.prev)
			}
			prev = s
			if n++; n > len(f.states) {
				t.Fatal("a list in a ring")
			}
		}
		if f.lists[p].last != prev {
			t.Fatalf("list %d ends with %d, not %d", p, prev, f.lists[p].last)
		}
	}
	chained := 0
	for _, s := range f.heads {
		for ; s != none; s = f.states[s].chain {
			chained++
		}
	}
	if n != f.n || chained != f.n {
		t.Fatalf("%d states, %d in lists, %d in chains", f.n, n, chained)
	}
}

// §7.4: NAK_ELIM_IVL is a small fraction of NAK_RDATA_IVL, and no interval is nothing.
func TestForwarderConfig(t *testing.T) {
	if !(ForwarderConfig{}).WithDefaults().Valid() {
		t.Error("the defaults are not valid")
	}
	for name, c := range map[string]ForwarderConfig{
		"NAK_ELIM_IVL": {Eliminate: 60 * time.Millisecond}, "Hold": {Hold: time.Second}, "Data": {Data: -1}, "Max": {Max: 1 << 21}, "Every": {Every: -1},
	} {
		if c.WithDefaults().Valid() {
			t.Errorf("%s: valid", name)
		}
	}
}

func BenchmarkForwarder(b *testing.B) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	f := NewForwarder(ForwarderConfig{}, now)
	b.ReportAllocs()
	for i := range b.N {
		k := Key{SQN: packet.SQN(i)}
		f.Heard(now, k, i%4, 1)
		f.Forwarded(now, k, Upstream)
		f.Confirmed(now, k, 1)
		f.Repaired(k, 0)
	}
}
