package packet

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// fragment returns the option that AppendTo writes.
func fragment(f Fragment) Option {
	return Option{Type: OptFragment, Body: f.AppendTo(nil)[4:]}
}

func TestFragmentFields(t *testing.T) {
	for _, tt := range []struct {
		name   string
		f      Fragment
		sqn    SQN
		size   int
		kind   error
		offset int
	}{
		{"the first of three", Fragment{8, 0, 4000}, 8, 1400, nil, 0},
		{"the middle", Fragment{8, 1400, 4000}, 9, 1400, nil, 0},
		{"the last", Fragment{8, 2800, 4000}, 10, 1200, nil, 0},
		{"all of the APDU", Fragment{8, 0, 1400}, 8, 1400, nil, 0},
		{"one octet each", Fragment{8, 3, 4}, 11, 1, nil, 0},
		{"across the wrap", Fragment{0xffff_ffff, 1400, 4000}, 0, 1400, nil, 0},
		{"at the end of the largest APDU", Fragment{8, 1<<32 - 2, 1<<32 - 1}, 9, 1, nil, 0},

		{"an APDU of no octets", Fragment{8, 0, 0}, 8, 0, ErrLength, 12},
		{"an APDU of no octets with a TSDU", Fragment{8, 0, 0}, 8, 1, ErrLength, 12},
		{"no TSDU", Fragment{8, 0, 4000}, 8, 0, ErrLength, 12},
		{"a TSDU longer than the APDU", Fragment{8, 0, 1399}, 8, 1400, ErrLength, 8},
		{"a part that exceeds its APDU by an octet", Fragment{8, 2801, 4000}, 10, 1200, ErrLength, 8},
		{"a part behind its APDU", Fragment{8, 4000, 4000}, 10, 1, ErrLength, 8},
		{"an offset whose sum with the size wraps", Fragment{8, 1<<32 - 1, 100}, 9, 100, ErrLength, 8},
		{"the first part that is not in the first packet", Fragment{8, 0, 4000}, 9, 1400, ErrWindow, 4},
		{"a later part in the first packet", Fragment{8, 1400, 4000}, 8, 1400, ErrWindow, 4},
		{"a first packet ahead of this one", Fragment{11, 1400, 4000}, 10, 1400, ErrWindow, 4},
		{"a first packet ahead of this one, but no further than the offset", Fragment{5, 1<<32 - 4, 1<<32 - 1}, 0, 1, ErrWindow, 4},
		{"a first packet half a circle away", Fragment{0, 1400, 4000}, 1 << 31, 1400, ErrWindow, 4},
		{"more packets before it than octets", Fragment{8, 3, 4000}, 12, 1400, ErrWindow, 4},
	} {
		got, err := ParseFragment(fragment(tt.f), tt.sqn, tt.size)
		if tt.kind != nil {
			wantError(t, tt.name, err, tt.kind, NoType, tt.offset)
		} else if err != nil || got != tt.f {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.f)
		}
	}
}

func TestFragmentOfEveryLength(t *testing.T) { // [9.2.4-01]
	body := make([]byte, 256)
	body[3], body[11] = 8, 1
	for length := 4; length < 256; length++ {
		_, err := ParseFragment(Option{Type: OptFragment, Body: body[:length-4]}, 8, 1)
		if length == FragmentLen && err != nil || length != FragmentLen && !errors.Is(err, ErrOption) {
			t.Errorf("length %d: %v", length, err)
		}
	}
}

// Every part of an APDU that a source cuts is accepted, wherever on the circle and however it is cut.
func TestEveryFragmentOfAnAPDUIsGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := SQN(rapid.Uint32().Draw(t, "first"))
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9000), 1, 50).Draw(t, "sizes")
		var total uint32
		for _, n := range sizes {
			total += uint32(n)
		}
		var at uint32
		for i, n := range sizes {
			want := Fragment{first, at, total}
			if got, err := ParseFragment(fragment(want), first+SQN(i), n); err != nil || got != want {
				t.Fatalf("part %d of %d: %+v, %v; want %+v", i, len(sizes), got, err, want)
			}
			at += uint32(n)
		}
	})
}

// What ParseFragment accepts can be a part of some APDU: it lies within, and each packet before it may hold an octet.
func TestAcceptedFragmentsAreOfSomeAPDU(t *testing.T) {
	small := rapid.OneOf(rapid.Uint32Range(0, 8), rapid.Uint32Range(1<<32-8, 1<<32-1))
	rapid.Check(t, func(t *rapid.T) {
		f := Fragment{SQN(small.Draw(t, "first")), small.Draw(t, "offset"), small.Draw(t, "length")}
		sqn, size := SQN(small.Draw(t, "SQN")), int(rapid.Uint16Range(0, 8).Draw(t, "size"))
		behind := sqn - f.First // how many packets come before this one
		want := size > 0 && uint64(f.Offset)+uint64(size) <= uint64(f.Length) && (f.Offset == 0) == (behind == 0) &&
			behind < 1<<31 && uint32(behind) <= f.Offset
		if _, err := ParseFragment(fragment(f), sqn, size); (err == nil) != want {
			t.Fatalf("%+v in packet %v with %d octets: %v, want accepted = %v", f, sqn, size, err, want)
		}
	})
}
