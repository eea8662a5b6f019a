//go:build linux

package main

import (
	"slices"
	"testing"
)

// The hook drops what the device passes on: with super-packets, 44 at once.
func TestLossNeverMeetsSuperPackets(t *testing.T) {
	for _, c := range cells {
		if c.Loss > 0 && c.superPackets() {
			t.Errorf("%s: loss with super-packets", c.Name)
		}
	}
	if c := (Cell{}); !c.superPackets() {
		t.Error("without loss: no super-packets")
	}
	if c := (Cell{MTUFrames: true}); c.superPackets() {
		t.Error("--mtu-frames is not obeyed")
	}
}

func TestEveryCellIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cells {
		if seen[c.Name] || c.Name == "" {
			t.Errorf("name %q: empty or repeated", c.Name)
		}
		seen[c.Name] = true
		if c.Receivers < 1 || c.Receivers > maxReceivers || c.Size <= 0 {
			t.Errorf("%s: receivers %d, size %d, rate %q", c.Name, c.Receivers, c.Size, c.Rate)
		}
		if c.Uplink != "" {
			if _, err := parseBitRate(c.Uplink); err != nil || c.UFTPRate == 0 && !c.behaviour() {
				t.Errorf("%s: uplink %q (%v), uftp's rate %d", c.Name, c.Uplink, err, c.UFTPRate)
			}
		}
		if (uftp{}).plays(c) == c.behaviour() {
			t.Errorf("%s: uftp plays is %v, behaviour is %v", c.Name, (uftp{}).plays(c), c.behaviour())
		}
	}
}

func TestCellsKeepTheOrderOfTheTable(t *testing.T) {
	got, err := selectCells([]string{"late", "n1-loss1", "late"})
	if err != nil || len(got) != 2 || got[0].Name != "n1-loss1" || got[1].Name != "late" {
		t.Errorf("got %v, %v", got, err)
	}
}

// Where nobody can answer, neither side is told to expect one: all is sent again instead.
func TestOneWayNeedsNoAnswers(t *testing.T) {
	g, c := &gopgm{}, Cell{Receivers: 3, Rounds: 2}
	if argv := g.sender(c, "file"); !slices.Contains(argv, "--one-way") || !slices.Contains(argv, "--rounds") || slices.Contains(argv, "--expect") {
		t.Errorf("the sender: %v", argv)
	}
	if argv := g.receiver(c, 0, "dir"); !slices.Contains(argv, "--one-way") {
		t.Errorf("a receiver: %v", argv)
	}
}
