//go:build linux

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestNoFlagsRunTheWholeTable(t *testing.T) {
	o, err := parseOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.cells) != len(cells) || o.runs != 1 {
		t.Errorf("got %d cells, %d runs; want %d, 1", len(o.cells), o.runs, len(cells))
	}
}

func TestFlagsShapeTheCells(t *testing.T) {
	for _, tt := range []struct {
		name string
		args string
		want Cell
	}{
		{"a rate for a cell of the table", "--cell n1-loss0 --rate 3G",
			Cell{Name: "n1-loss0", Receivers: 1, Size: oneGiB, Rate: "3G", PGMRate: 2400, Goal: 4000}},
		{"MTU frames, size, sparse", "--cell n1-loss0 --mtu-frames --size 20GB --sparse",
			Cell{Name: "n1-loss0", Receivers: 1, Size: 20e9, Sparse: true, MTUFrames: true, PGMRate: 2400, Goal: 4000}},
		{"a rate that it finds itself", "--cell late --rate auto", Cell{Name: "late", Receivers: 1, Size: behaviourSize, Late: time.Second}},
		{"own cell with competition", "--uplink 100mbit --tcp 4 --slow 10mbit --loss 1 --burst 5 --rate auto",
			Cell{Name: "n1-up100mbit-loss1", Receivers: 1, Uplink: "100mbit", Loss: 1, Burst: 5, TCP: 4, Slow: "10mbit", Size: oneGiB, UFTPRate: 96_000}},
		{"own cell", "--receivers 2 --loss 0.5",
			Cell{Name: "n2-loss0.5", Receivers: 2, Loss: 0.5, Size: oneGiB}},
		{"own cell with an uplink", "--uplink 100mbit",
			Cell{Name: "n1-up100mbit-loss0", Receivers: 1, Uplink: "100mbit", Size: oneGiB, UFTPRate: 96_000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseOptions(strings.Fields(tt.args))
			if err != nil {
				t.Fatal(err)
			}
			if len(o.cells) != 1 || o.cells[0] != tt.want {
				t.Errorf("got %+v\nwant %+v", o.cells, tt.want)
			}
		})
	}
}

// A flag changes this run's copy of the table, not the table.
func TestOverridesLeaveTheTableAlone(t *testing.T) {
	if _, err := parseOptions([]string{"--rate", "1M", "--size", "1MB"}); err != nil {
		t.Fatal(err)
	}
	if cells[0].Rate == "1M" || cells[0].Size == 1e6 {
		t.Error("the table was changed")
	}
}

func TestBadFlagsAreUsageErrors(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--nonsense", "unknown flag"},
		{"operand", "unexpected argument"},
		{"--runs 0", "at least 1"},
		{"--cell n9", "--list shows"},
		{"--cell n1-loss0 --loss 1", "leave out --cell"},
		{"--receivers 0", "want 1 to 64"},
		{"--receivers 65", "want 1 to 64"},
		{"--loss 100", "below 100"},
		{"--loss NaN", "below 100"},
		{"--uplink 500M", "mbit"},
		{"--size 1G", "KiB"},
		{"--peers rsync", "unknown"},
		{"--peers-only", "needs --peers"},
		{"--scratch relative", "absolute"},
		{"--limit 0s", "above zero"},
		{"--burst 5 --receivers 2", "needs a --loss"},
		{"--cell late --tcp 2", "cell of your own"},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(context.Background(), strings.Fields(tt.args), &stdout, &stderr); got != exitUsage {
			t.Errorf("%s: exit status %d, want %d", tt.args, got, exitUsage)
		}
		if !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
			t.Errorf("%s: stderr %q, want %q in it; stdout %q", tt.args, &stderr, tt.want, &stdout)
		}
	}
}

func TestHelpAndListNeedNoRoot(t *testing.T) {
	for args, want := range map[string]string{"--help": "Exit status", "--list": "n3-up500-loss1"} {
		var stdout, stderr bytes.Buffer
		if got := run(context.Background(), []string{args}, &stdout, &stderr); got != exitOK {
			t.Errorf("%s: exit status %d", args, got)
		}
		if !strings.Contains(stdout.String(), want) || stderr.Len() > 0 {
			t.Errorf("%s: no %q in stdout, or stderr %q", args, want, &stderr)
		}
	}
}
