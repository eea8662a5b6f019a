package receiver

import (
	"strings"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Only whole APDUs are delivered, put together from the fragments of one in their order [6.1-10], [9.2.3-01].
func TestAPDUsAreWhole(t *testing.T) {
	type part struct {
		sqn           packet.SQN
		text          string
		first         packet.SQN
		offset, total uint32
	}
	lost := part{}
	for _, c := range []struct {
		name    string
		parts   []part
		want    string // APDUs, with a space behind each
		dropped uint64
	}{
		{"a packet of its own", []part{{sqn: 1, text: "whole"}}, "whole ", 0},
		{"three fragments", []part{{1, "ab", 1, 0, 6}, {2, "cd", 1, 2, 6}, {3, "ef", 1, 4, 6}}, "abcdef ", 0},
		{"across the wrap", []part{{^packet.SQN(0), "ab", ^packet.SQN(0), 0, 4}, {0, "cd", ^packet.SQN(0), 2, 4}}, "abcd ", 0},
		{"one after another", []part{{1, "ab", 1, 0, 4}, {2, "cd", 1, 2, 4}, {3, "ef", 3, 0, 4}, {4, "gh", 3, 2, 4}}, "abcd efgh ", 0},
		{"from the middle on", []part{{2, "cd", 1, 2, 6}, {3, "ef", 1, 4, 6}, {4, "next", 0, 0, 0}}, "next ", 0},
		{"the middle is lost", []part{{1, "ab", 1, 0, 6}, lost, {3, "ef", 1, 4, 6}, {4, "next", 0, 0, 0}}, "next ", 1},
		{"a number is left out", []part{{1, "ab", 1, 0, 4}, {3, "cd", 1, 2, 4}}, "", 1},
		{"an offset does not go on", []part{{1, "ab", 1, 0, 6}, {2, "ef", 1, 4, 6}}, "", 1},
		{"fragments of two", []part{{1, "ab", 1, 0, 4}, {2, "cd", 2, 2, 4}}, "", 1},
		{"lengths that disagree", []part{{1, "ab", 1, 0, 6}, {2, "cd", 1, 2, 4}}, "", 1},
		{"the next begins before the end", []part{{1, "ab", 1, 0, 6}, {2, "cd", 2, 0, 4}, {3, "ef", 2, 2, 4}}, "cdef ", 1},
		{"a packet of its own before the end", []part{{1, "ab", 1, 0, 6}, {2, "next", 0, 0, 0}, {3, "ef", 1, 4, 6}}, "next ", 1},
		{"too long", []part{{1, "ab", 1, 0, 17}, {2, "cd", 1, 2, 17}}, "", 1},
	} {
		a := Assembler{Max: 16}
		var got strings.Builder
		for _, p := range c.parts {
			if p == lost {
				a.Lost()
				continue
			}
			d := Data{SQN: p.sqn, TSDU: []byte(p.text), Fragment: packet.Fragment{First: p.first, Offset: p.offset, Length: p.total}}
			if apdu, ok := a.Add(d); ok {
				got.Write(apdu)
				got.WriteByte(' ')
			}
		}
		if got.String() != c.want || a.Dropped != c.dropped {
			t.Errorf("%s: %q, %d dropped; want %q, %d", c.name, got.String(), a.Dropped, c.want, c.dropped)
		}
	}
}
