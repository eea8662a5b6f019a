package fec

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"pgregory.net/rapid"
)

// [11.2-05], [11.2-06], [11.2-07]
func TestSequenceNumbersSplitIntoGroupAndNumber(t *testing.T) {
	for _, row := range []struct {
		k        Size
		s        packet.SQN
		tg       packet.SQN
		index    int
		next     packet.SQN
		j        int
		parity   packet.SQN
		prmGroup int
	}{
		{16, 0x10, 0x10, 0, 0x20, 0, 0x10, 0},
		{16, 0x1f, 0x10, 15, 0x20, 15, 0x1f, 0},
		{16, 0x1f, 0x10, 15, 0x20, 16, 0x10, 1}, // "17th parity packet"
		{16, 0xffff_fff7, 0xffff_fff0, 7, 0, 37, 0xffff_fff5, 2},
		{2, 5, 4, 1, 6, 252, 4, 126},
		{128, 0x7fff_ffff, 0x7fff_ff80, 127, 0x8000_0000, 126, 0x7fff_fffe, 0},
	} {
		if tg, i, next := row.k.Group(row.s), row.k.Index(row.s), row.k.Next(row.s); tg != row.tg || i != row.index || next != row.next {
			t.Errorf("k=%d: %#x is %d of %#x, next %#x; want %d of %#x, %#x", row.k, row.s, i, tg, next, row.index, row.tg, row.next)
		}
		if s, m := row.k.Parity(row.tg, row.j); s != row.parity || m != row.prmGroup {
			t.Errorf("k=%d: parity packet %d of %#x is %#x with PRM_GROUP %d; want %#x, %d", row.k, row.j, row.tg, s, m, row.parity, row.prmGroup)
		}
		if j := row.k.ParityIndex(row.parity, row.prmGroup); j != row.j {
			t.Errorf("k=%d: %#x with PRM_GROUP %d is parity packet %d, want %d", row.k, row.parity, row.prmGroup, j, row.j)
		}
	}
}

// [11.2-09], [11.3.1-01], [11.5-08]
func TestCountsOfParityNAKsAreZeroBased(t *testing.T) {
	for _, row := range []struct {
		k     Size
		tg    packet.SQN
		count int
		want  packet.SQN
		asks  int
	}{
		{8, 0x40, 1, 0x40, 1},
		{8, 0x40, 3, 0x42, 3},
		{8, 0x40, 8, 0x47, 8},
		{8, 0x40, 9, 0x47, 8},
		{8, 0x40, 0, 0x40, 1},
		{8, 0x45, 2, 0x41, 2}, // any packet of the group names it
		{128, 0xffff_ff80, 128, 0xffff_ffff, 128},
	} {
		got := row.k.Request(row.tg, row.count)
		tg, n := row.k.Requested(got)
		if got != row.want || tg != row.k.Group(row.tg) || n != row.asks {
			t.Errorf("k=%d: %d of %#x is %#x, which asks for %d of %#x; want %#x, %d", row.k, row.count, row.tg, got, n, tg, row.want, row.asks)
		}
	}
}

// [6.3-18], [11.5-09]
func TestOnlyAsManyOrMoreSuppress(t *testing.T) {
	for _, row := range []struct {
		heard, own packet.SQN
		want       bool
	}{{0x42, 0x42, true}, {0x43, 0x42, true}, {0x41, 0x42, false}, {0x4a, 0x42, false}, {0x3f, 0x42, false}} {
		if got := Size(8).Covers(row.heard, row.own); got != row.want {
			t.Errorf("%#x covers %#x: %v, want %v", row.heard, row.own, got, row.want)
		}
	}
}

// [11.4-20], [11.5-14] A receiver asks as if the group were full, the source sends what is needed.
func TestShortGroupsAreAskedForAsFullOnes(t *testing.T) {
	const k = Size(8)
	for _, row := range []struct{ missing, size, held, asks, owed int }{
		{1, 5, 0, 4, 1}, // the ledger's example
		{1, 8, 0, 1, 1},
		{4, 0, 0, 4, 1}, // nobody said that it is short: what was never sent counts as missing
		{3, 5, 1, 5, 2},
		{5, 5, 0, 8, 5},
	} {
		asks := k.Missing(row.missing, row.size, row.held)
		size := row.size
		if size == 0 {
			size = 5
		}
		if owed := k.Owed(asks, size); asks != row.asks || owed != row.owed {
			t.Errorf("%+v: asks for %d, is sent %d", row, asks, owed)
		}
	}
	if got := k.Owed(2, 5); got != 1 {
		t.Errorf("who asks for less than a short group is short of is sent %d, want 1", got)
	}
}

// [6.3-17]
func TestLargerRequestsAreDrawnSooner(t *testing.T) {
	const k = Size(64)
	for _, row := range []struct {
		count int
		want  time.Duration
	}{{1, 64 * time.Millisecond}, {2, 63 * time.Millisecond}, {64, time.Millisecond}, {0, 64 * time.Millisecond}, {1000, time.Millisecond}} {
		if got := k.BackOff(64*time.Millisecond, row.count); got != row.want {
			t.Errorf("%d packets: %v, want %v", row.count, got, row.want)
		}
	}
}

// Rounds go through all parity packets before one comes again, whatever n is.
func TestRoundsRepeatNoParityUntilAllWereSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.IntRange(1, 253).Draw(t, "h")
		n := rapid.IntRange(1, h).Draw(t, "n")
		last := map[int]int{}
		at := 0
		for round := range 20 {
			for i := range n {
				j := RoundIndex(round, i, n, h)
				if j < 0 || j >= h {
					t.Fatalf("round %d: parity packet %d of %d", round, j, h)
				}
				if before, ok := last[j]; ok && at-before != h {
					t.Fatalf("round %d: parity packet %d comes %d packets after itself, want %d", round, j, at-before, h)
				}
				last[j] = at
				at++
			}
		}
	})
	if got := RoundIndex(1<<30, 3, 7, 250); got < 0 || got >= 250 {
		t.Errorf("a late round has the parity packet %d", got)
	}
}
