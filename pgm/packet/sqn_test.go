package packet

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestBeforeOnTheCircle(t *testing.T) { // [3.2-02]
	for _, tt := range []struct {
		name          string
		s, t          SQN
		before, after bool
		sub           int // s.Sub(t)
	}{
		{"equal", 7, 7, false, false, 0},
		{"next", 7, 8, true, false, -1},
		{"the one before", 8, 7, false, true, 1},
		{"across the wrap", 0xffff_fffe, 1, true, false, -3},
		{"back across the wrap", 1, 0xffff_fffe, false, true, 3},
		{"the last and the first", 0xffff_ffff, 0, true, false, -1},
		{"as far ahead as can be", 0, 1<<31 - 1, true, false, -(1<<31 - 1)},
		{"as far behind as can be", 1<<31 - 1, 0, false, true, 1<<31 - 1},
		{"half a circle: neither", 0, 1 << 31, false, false, -1 << 31},
		{"half a circle from elsewhere: neither", 1 << 31, 0, false, false, -1 << 31},
		{"half a circle across the wrap: neither", 0xc000_0000, 0x4000_0000, false, false, -1 << 31},
		{"one more than half a circle", 0, 1<<31 + 1, false, true, 1<<31 - 1},
	} {
		if got := tt.s.Before(tt.t); got != tt.before {
			t.Errorf("%s: %v.Before(%v) = %v, want %v", tt.name, tt.s, tt.t, got, tt.before)
		}
		if got := tt.s.After(tt.t); got != tt.after {
			t.Errorf("%s: %v.After(%v) = %v, want %v", tt.name, tt.s, tt.t, got, tt.after)
		}
		if got := tt.s.Sub(tt.t); got != tt.sub {
			t.Errorf("%s: %v.Sub(%v) = %d, want %d", tt.name, tt.s, tt.t, got, tt.sub)
		}
	}
}

func TestInWindowOnTheCircle(t *testing.T) { // [3.3-03]
	for _, tt := range []struct {
		name           string
		s, trail, lead SQN
		want           bool
	}{
		{"the trailing edge is in", 10, 10, 20, true},
		{"the leading edge is in", 20, 10, 20, true},
		{"behind the trailing edge", 9, 10, 20, false},
		{"ahead of the leading edge", 21, 10, 20, false},
		{"half a circle away", 10 + 1<<31, 10, 20, false},
		{"the only packet of a window of one", 5, 5, 5, true},
		{"beside a window of one", 6, 5, 5, false},
		{"an empty window has no trailing edge", 5, 5, 4, false},
		{"an empty window has no leading edge", 4, 5, 4, false},
		{"an empty window at zero", 0, 0, 0xffff_ffff, false},
		{"across the wrap", 1, 0xffff_fffe, 4, true},
		{"zero across the wrap", 0, 0xffff_fffe, 4, true},
		{"behind a window across the wrap", 0xffff_fffd, 0xffff_fffe, 4, false},
		{"ahead of a window across the wrap", 5, 0xffff_fffe, 4, false},
		{"the lead of the largest window", MaxWindow - 1, 0, MaxWindow - 1, true},
		{"one ahead of the largest window", MaxWindow, 0, MaxWindow - 1, false},
	} {
		if got := tt.s.InWindow(tt.trail, tt.lead); got != tt.want {
			t.Errorf("%s: %v.InWindow(%v, %v) = %v, want %v", tt.name, tt.s, tt.trail, tt.lead, got, tt.want)
		}
	}
}

// The order does not know where zero is: turning the circle changes nothing.
func TestOrderDoesNotDependOnTheOrigin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, d, turn := SQN(rapid.Uint32().Draw(t, "s")), rapid.Uint32().Draw(t, "d"), SQN(rapid.Uint32().Draw(t, "turn"))
		u := s + SQN(d)
		if got, want := s.Before(u), d >= 1 && d <= 1<<31-1; got != want {
			t.Fatalf("%v.Before(%v) = %v, want %v", s, u, got, want)
		}
		if s.Before(u) != (s + turn).Before(u+turn) {
			t.Fatalf("%v.Before(%v) changes when both are turned by %v", s, u, turn)
		}
		if s.Before(u) && u.Before(s) {
			t.Fatalf("%v and %v are each before the other", s, u)
		}
		if d != 1<<31 && s != u && s.Before(u) == u.Before(s) {
			t.Fatalf("%v and %v are not ordered", s, u)
		}
		if d != 1<<31 && u.Sub(s) != -s.Sub(u) {
			t.Fatalf("%v.Sub(%v) = %d, but the other way round %d", u, s, u.Sub(s), s.Sub(u))
		}
		if s+SQN(u.Sub(s)) != u {
			t.Fatalf("%v + (%v).Sub = %v, want %v", s, u, s+SQN(u.Sub(s)), u)
		}
	})
}

func TestWindowHoldsAsManyAsItsSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trail, size := SQN(rapid.Uint32().Draw(t, "trail")), rapid.Uint32Range(0, MaxWindow).Draw(t, "size")
		at := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, size)).Draw(t, "at")
		lead := trail + SQN(size) - 1
		if got, want := (trail+SQN(at)).InWindow(trail, lead), at < size; got != want {
			t.Fatalf("packet %d of a window of %d from %v: InWindow = %v, want %v", at, size, trail, got, want)
		}
	})
}

func ExampleSQN_Before() {
	last, first := SQN(0xffff_ffff), SQN(0)
	fmt.Println(last < first, last.Before(first), first.Sub(last))
	// Output: false true 1
}
