//go:build linux

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// The ratio says how many times as good the first system is, whichever way the figure counts; without a figure there is none.
func TestTableSaysWhichIsBetter(t *testing.T) {
	var out bytes.Buffer
	tab := newTable(&out, io.Discard, options{})
	for _, v := range []float64{300, 100, 200} {
		tab.add("a", "rate", "messages/s", higher, v)
	}
	tab.add("b", "rate", "messages/s", higher, 50)
	tab.add("a", "killed", "ms", lower, 3)
	tab.add("b", "killed", "ms", lower, 12)
	tab.add("b", "other", "ms", lower, 1)
	tab.print()
	rows := map[string][]string{}
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 0 {
			rows[f[0]] = f
		}
	}
	for what, want := range map[string]string{"rate": "rate messages/s 200 (100 to 300) 50 4.0", "killed": "killed ms 3 12 4.0", "other": "other ms - 1 -"} {
		if got := strings.Join(rows[what], " "); got != want {
			t.Errorf("row %q, want %q", got, want)
		}
	}
}

// What makes no sense is refused before anything is made.
func TestBadFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-only", "rate,speed"}, {"-order", "none"}, {"-loss", "100"}, {"-turns", "0"}, {"-time", "1s"}} {
		if got := run(args); got != 2 {
			t.Errorf("%v: status %d, want 2", args, got)
		}
	}
}
