package source

import (
	"slices"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
	"pgregory.net/rapid"
)

// First asked for, first sent; with the neighbours that wait too.
func TestRepairsLeaveInOrder(t *testing.T) {
	r := newRepairs(100)
	for _, s := range []packet.SQN{9, 3, 4, 8, 5, 20} {
		r.add(s, 0)
	}
	var got [][2]int
	for r.len() > 0 {
		first, n := r.next(2)
		r.sent(first, n)
		got = append(got, [2]int{int(first), n})
	}
	if want := [][2]int{{9, 1}, {3, 2}, {8, 1}, {5, 1}, {20, 1}}; !slices.Equal(got, want) {
		t.Errorf("%v left, want %v", got, want)
	}
}

// The order is cleared of packets that left with older neighbours, again and again, before it is full; none is lost.
func TestRepairsOrderIsCompacted(t *testing.T) {
	r := newRepairs(8)
	all := func(list ...packet.SQN) {
		t.Helper()
		for _, s := range list {
			if got := r.add(s, 0); got != added {
				t.Fatalf("adding %v: %v", s, got)
			}
		}
	}
	leave := func(first packet.SQN, n int) {
		t.Helper()
		if f, k := r.next(100); f != first || k != n {
			t.Fatalf("%d leave from %v on, want %d from %v on", k, f, n, first)
		}
		r.sent(first, n)
	}
	all(1, 0, 50, 2, 3, 4, 5, 6)
	leave(1, 6)
	all(1, 2, 3, 4, 5, 6)
	leave(0, 7)
	all(1, 2, 3, 4) // once more, though they are in the order already: it is full
	all(20, 22, 24)
	if r.order.n != 8 {
		t.Errorf("%d in the order for 8 packets", r.order.n)
	}
	leave(50, 1)
	for n := 0; r.len() > 0; n++ {
		if n == 7 {
			t.Fatal("a packet that waits is not in the order")
		}
		first, _ := r.next(1)
		r.sent(first, 1)
	}
	if r.order.n != 0 {
		t.Errorf("%d in the order, though none waits", r.order.n)
	}
}

// The queue holds what a set would, in bounded memory, and what was asked for first is never far: each run that leaves
// begins with the oldest request.
func TestRepairsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 5
		r := newRepairs(limit)
		trail := packet.SQN(0xffff_fff0)
		set := map[packet.SQN]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				s := trail + packet.SQN(rapid.IntRange(0, 8).Draw(t, "s"))
				want := added
				switch {
				case set[s]:
					want = merged
				case len(set) == limit:
					want = dropped
				}
				if got := r.add(s, trail); got != want {
					t.Fatalf("adding %v: %v, want %v", s, got, want)
				}
				if want == added {
					set[s] = true
				}
			},
			"send": func(t *rapid.T) {
				if r.len() == 0 {
					t.Skip()
				}
				first, n := r.next(rapid.IntRange(1, 5).Draw(t, "limit"))
				n = rapid.IntRange(0, n).Draw(t, "loaded")
				r.sent(first, n)
				for i := range n {
					if s := first + packet.SQN(i); !set[s] {
						t.Fatalf("%v was not asked for", s)
					} else {
						delete(set, s)
					}
				}
			},
			"advance": func(t *rapid.T) {
				trail += packet.SQN(rapid.IntRange(0, 5).Draw(t, "by"))
				r.advance(trail)
				for s := range set {
					if s.Before(trail) {
						delete(set, s)
					}
				}
			},
			"": func(t *rapid.T) {
				if r.len() != len(set) || r.order.n > 2*limit {
					t.Fatalf("%d wait, %d in the order; want %d", r.len(), r.order.n, len(set))
				}
				order := map[packet.SQN]bool{}
				for i := range r.order.n {
					order[*r.order.at(i)] = true
				}
				for s := range set {
					if !order[s] {
						t.Fatalf("%v waits, and is not in the order", s)
					}
				}
				if r.len() > 0 && !set[*r.order.front()] {
					t.Fatalf("the front, %v, does not wait", *r.order.front())
				}
			},
		})
	})
}
