package window

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Whatever is extended, written and dropped, a Ring answers as a map does, across the wrap too.
func TestRingIsAWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trail := packet.SQN(rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 50),
			rapid.Map(rapid.Uint32Range(0, 300), func(n uint32) uint32 { return -n })).Draw(t, "trail"))
		max := rapid.IntRange(1, 200).Draw(t, "max")
		r := NewRing[int](trail, max)
		values := map[packet.SQN]int{} // of every SQN in the window
		near := func(t *rapid.T, label string) packet.SQN {
			if rapid.IntRange(0, 19).Draw(t, label+" anywhere") == 0 {
				return packet.SQN(rapid.Uint32().Draw(t, label))
			}
			return trail + packet.SQN(int32(rapid.IntRange(-20, max+20).Draw(t, label+" by")))
		}
		t.Repeat(map[string]func(*rapid.T){
			"extend": func(t *rapid.T) {
				lead := near(t, "lead")
				want := !lead.Before(trail) && uint32(lead-trail) < uint32(max)
				if got := r.Extend(lead); got != want {
					t.Fatalf("Extend(%d) = %v, want %v", lead, got, want)
				}
				if want {
					for s := trail; s != lead+1; s++ {
						values[s] += 0
					}
				}
			},
			"write": func(t *rapid.T) {
				s, v := near(t, "s"), rapid.Int().Draw(t, "v")
				p := r.At(s)
				if _, ok := values[s]; ok != (p != nil) {
					t.Fatalf("At(%d) = %v, in the window: %v", s, p, ok)
				}
				if p != nil {
					*p, values[s] = v, v
				}
			},
			"advance": func(t *rapid.T) {
				to := near(t, "trail")
				var want []packet.SQN
				if trail.Before(to) {
					for s := range values {
						if s.Before(to) {
							want = append(want, s)
						}
					}
					slices.SortFunc(want, func(a, b packet.SQN) int { return int(a-trail) - int(b-trail) })
					trail = to
				}
				var got []packet.SQN
				r.Advance(to, func(s packet.SQN, v *int) {
					got = append(got, s)
					if *v != values[s] {
						t.Fatalf("dropped %d with %d, want %d", s, *v, values[s])
					}
				})
				if !slices.Equal(got, want) {
					t.Fatalf("Advance(%d) dropped %d, want %d", to, got, want)
				}
				for _, s := range want {
					delete(values, s)
				}
			},
			"": func(t *rapid.T) {
				if r.Trail() != trail || r.Len() != len(values) || r.Lead() != trail+packet.SQN(len(values))-1 {
					t.Fatalf("got [%d, %d] with %d, want trail %d and %d", r.Trail(), r.Lead(), r.Len(), trail, len(values))
				}
				for s, v := range values {
					if p := r.At(s); p == nil || *p != v {
						t.Fatalf("At(%d) = %v, want %d", s, p, v)
					}
				}
				for _, s := range []packet.SQN{r.Trail() - 1, r.Lead() + 1} {
					if r.At(s) != nil {
						t.Fatalf("At(%d) is not nil outside [%d, %d]", s, r.Trail(), r.Lead())
					}
				}
				if len(r.slots) > 2*max {
					t.Fatalf("%d slots for a window of at most %d", len(r.slots), max)
				}
			},
		})
	})
}

// What left the window leaves nothing behind, so that what a value points to can be freed.
func TestRingZeroesWhatItDrops(t *testing.T) {
	r := NewRing[*int](0xffff_fff0, 100)
	r.Extend(40)
	for s := r.Trail(); s != r.Lead()+1; s++ {
		*r.At(s) = new(int)
	}
	r.Advance(1000, nil)
	for i, p := range r.slots {
		if p != nil {
			t.Fatalf("slot %d still holds a value", i)
		}
	}
}

func TestRingAllocatesNothingInTheSteadyState(t *testing.T) {
	r := NewRing[[4]uint64](0xffff_0000, 4096)
	r.Extend(r.Trail() + 4095)
	drop := func(packet.SQN, *[4]uint64) {}
	if got := testing.AllocsPerRun(100, func() {
		for range 2000 {
			r.Advance(r.Trail()+1, drop)
			r.Extend(r.Lead() + 1)
		}
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func BenchmarkRing(bench *testing.B) {
	r := NewRing[[4]uint64](0, 1<<16)
	r.Extend(50_000)
	bench.ReportAllocs()
	for bench.Loop() {
		r.Advance(r.Trail()+1, nil)
		r.Extend(r.Lead() + 1)
		r.At(r.Lead())[0]++
	}
}

func ExampleRing() {
	r := NewRing[string](0xffff_ffff, 1000)
	r.Extend(1)
	*r.At(0xffff_ffff), *r.At(0), *r.At(1) = "a", "b", "c"
	r.Advance(1, func(s packet.SQN, v *string) { fmt.Println("dropped", s, *v) })
	fmt.Println(r.Trail(), r.Lead(), *r.At(1))
	// Output:
	// dropped 4294967295 a
	// dropped 0 b
	// 1 1 c
}
