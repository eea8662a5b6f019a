package fec

import (
	"math/rand/v2"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
	"pgregory.net/rapid"
)

// sendAll sends what is owed, at most most parity packets at a time, and returns the runs.
func sendAll(p *Plan, most int) (runs []Run) {
	for r, ok := p.Owed(); ok; r, ok = p.Owed() {
		r.N = min(r.N, most)
		runs = append(runs, r)
		p.Sent(r, r.N)
	}
	return runs
}

func wantRuns(t *testing.T, what string, got []Run, want ...Run) {
	t.Helper()
	same := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		same = same && got[i] == want[i]
	}
	if !same {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// [11.4-04], [11.4-07], [11.4-08], [11.4-10]: pro-active parity when the group is complete, what was asked for behind it, with other numbers.
func TestParityFollowsItsData(t *testing.T) {
	p := NewPlan(Config{Group: 8, Parity: 20, Proactive: 2, OnDemand: true}, 16)
	p.DataSent(5)
	if p.Left() != 3 || p.Next() != 21 {
		t.Errorf("%d left, next %v", p.Left(), p.Next())
	}
	if got := p.Request(16, 3); got != Added {
		t.Errorf("a request for the leading group: %d", got)
	}
	wantRuns(t, "a group that is not complete", sendAll(p, 99))
	p.DataSent(3)
	wantRuns(t, "a complete group", sendAll(p, 99), Run{16, 8, 0, 2, true}, Run{16, 8, 2, 3, false})
	if got := p.Request(23, 1); got != Added {
		t.Errorf("asked again: %d", got)
	}
	wantRuns(t, "asked again", sendAll(p, 99), Run{16, 8, 5, 1, false})
	if got := p.Request(24, 1); got != Refused {
		t.Errorf("a group of which nothing was sent: %d", got)
	}
	if got := p.Request(8, 1); got != Refused {
		t.Errorf("a group before the first: %d", got)
	}
	p.SetProactive(99)
	if p.Proactive() != 20 {
		t.Errorf("%d pro-active parity packets of 20", p.Proactive())
	}
	p.SetProactive(-1)
	p.DataSent(8)
	wantRuns(t, "no pro-active parity", sendAll(p, 99))
}

// [11.4-15]: of requests that wait, the largest counts; what has been sent does not.
func TestRequestsOfAGroupAreMerged(t *testing.T) {
	p := NewPlan(Config{Group: 8, OnDemand: true}, 0)
	p.DataSent(8)
	p.DataSent(8)
	for _, row := range []struct {
		tg    packet.SQN
		count int
		want  Demand
	}{{0, 2, Added}, {8, 1, Added}, {0, 4, Raised}, {0, 3, Merged}, {0, 4, Merged}, {8, 1, Merged}} {
		if got := p.Request(row.tg, row.count); got != row.want {
			t.Errorf("%d of %v: %d, want %d", row.count, row.tg, got, row.want)
		}
	}
	if p.Demanded() != 2 {
		t.Errorf("%d groups are asked for", p.Demanded())
	}
	r, _ := p.Owed()
	p.Sent(r, 1)
	if got := p.Request(0, 3); got != Merged { // three are left
		t.Errorf("as many as wait: %d", got)
	}
	if got := p.Request(0, 4); got != Raised {
		t.Errorf("more than wait: %d", got)
	}
	wantRuns(t, "first asked, first sent", sendAll(p, 99), Run{0, 8, 1, 4, false}, Run{8, 8, 0, 1, false})
}

// [11.4-10] Numbers are used again only when there are no others.
func TestParityNumbersRepeatOnlyWhenAllWereUsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := 1 << rapid.IntRange(1, 7).Draw(t, "log k")
		h := rapid.IntRange(1, Size(k).MaxParity()).Draw(t, "h")
		c := Config{Group: k, Parity: h, Proactive: rapid.IntRange(0, h).Draw(t, "n"), OnDemand: true}
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		p := NewPlan(c, 0)
		for range 3 {
			p.DataSent(k)
		}
		next := map[packet.SQN]int{}
		for range rapid.IntRange(0, 30).Draw(t, "requests") {
			p.Request(packet.SQN(rapid.IntRange(0, 3*k-1).Draw(t, "sqn")), rapid.IntRange(1, k).Draw(t, "count"))
			for _, r := range sendAll(p, rapid.IntRange(1, 9).Draw(t, "room")) {
				if r.First != next[r.Group]%h || r.First+r.N > h || r.N < 1 {
					t.Fatalf("%+v, where %d of %d were sent", r, next[r.Group], h)
				}
				next[r.Group] += r.N
			}
		}
		if p.Demanded() != 0 {
			t.Fatalf("%d groups wait", p.Demanded())
		}
	})
}

// [11.2-13], [11.4-12], [11.4-17..20]: a group that is closed early has its size, and the next begins where it would have.
func TestGroupsThatAreClosedEarly(t *testing.T) {
	p := NewPlan(Config{Group: 8, Proactive: 1, OnDemand: true}, 0)
	if _, _, ok := p.Close(); ok {
		t.Error("a group without packets was closed")
	}
	p.DataSent(5)
	p.Request(0, 7) // whoever asks takes the group for full: four of the five are missing
	last, size, ok := p.Close()
	if last != 4 || size != 5 || !ok || p.Next() != 8 || p.SizeOf(3) != 5 || p.SizeOf(8) != 8 {
		t.Errorf("closed behind %v with %d, %v; next %v", last, size, ok, p.Next())
	}
	if size, ok := p.Short(4); size != 5 || !ok {
		t.Errorf("the last packet: %d, %v", size, ok)
	}
	if _, ok := p.Short(3); ok {
		t.Error("not the last packet")
	}
	wantRuns(t, "parity of the short group", sendAll(p, 99), Run{0, 5, 0, 1, true}, Run{0, 5, 1, 4, false})
	p.Request(0, 4)
	wantRuns(t, "one is missing of five", sendAll(p, 99), Run{0, 5, 5, 1, false})
	p.DataSent(8)
	p.Advance(1)
	if p.Complete(0) || p.Request(0, 1) != Refused || !p.Complete(8) {
		t.Error("the trail has passed a packet of the first group")
	}
}

// A second round has other parity packets than the first, those that RoundIndex says.
func TestRepeatedGroupsHaveOtherParity(t *testing.T) {
	const n, h = 3, 8
	p := NewPlan(Config{Group: 4, Parity: h, Proactive: n}, 0)
	p.DataSent(4)
	p.DataSent(4)
	for round := range 9 {
		if round > 0 {
			p.Repeat(0)
			p.Repeat(5)
		}
		at := map[packet.SQN]int{}
		for _, r := range sendAll(p, 99) {
			for j := r.First; j < r.First+r.N; j++ {
				if want := RoundIndex(round, at[r.Group], n, h); j != want || !r.Proactive {
					t.Errorf("round %d: parity packet %d of %v, want %d", round, j, r.Group, want)
				}
				at[r.Group]++
			}
		}
		if at[0] != n || at[4] != n {
			t.Errorf("round %d: %v parity packets", round, at)
		}
	}
	p.Repeat(8)
	wantRuns(t, "a group that was not sent", sendAll(p, 99))
}

// The plan of a session that never ends takes no more memory than its window.
func TestThePlanForgetsWhatTheTrailPassed(t *testing.T) {
	const k, window = 4, 4000
	p := NewPlan(Config{Group: k, Proactive: 1, OnDemand: true}, 0xffff_ff00)
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		p.DataSent(1 + r.IntN(k))
		if p.Left() < k {
			p.Close()
		}
		p.Request(p.Next()-packet.SQN(r.IntN(2*window)), 1+r.IntN(k))
		if r.IntN(3) == 0 {
			sendAll(p, 99)
		}
		p.Advance(p.Next() - window)
	}
	if len(p.short) > window/k+1 || len(p.next) > window/k/pageGroups+2 || len(p.demand) > window/k+1 ||
		len(p.order) != len(p.demand) || len(p.owed) > window/k+1 {
		t.Errorf("%d sizes, %d pages, %d requests, %d in order, %d owed", len(p.short), len(p.next), len(p.demand), len(p.order), len(p.owed))
	}
	p = NewPlan(Config{Group: k, OnDemand: true}, 0)
	for range 2 * MaxDemand {
		p.DataSent(k)
		p.Request(p.Next()-1, 1)
	}
	if p.Demanded() != MaxDemand {
		t.Errorf("%d groups wait", p.Demanded())
	}
}

// A session may begin in the middle of a group: that group has no parity.
func TestAGroupWithoutItsFrontHasNoParity(t *testing.T) {
	p := NewPlan(Config{Group: 8, Proactive: 2, OnDemand: true}, 13)
	if p.Left() != 3 || p.Next() != 13 {
		t.Errorf("%d left, next %v", p.Left(), p.Next())
	}
	p.DataSent(2)
	if _, _, ok := p.Close(); ok {
		t.Error("closed")
	}
	p.DataSent(1)
	if got := p.Request(8, 1); got != Refused {
		t.Errorf("asked for: %d", got)
	}
	wantRuns(t, "none is owed", sendAll(p, 99))
	p.DataSent(8)
	wantRuns(t, "the next has", sendAll(p, 99), Run{16, 8, 0, 2, true})
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	for _, row := range []struct {
		c  Config
		ok bool
	}{
		{Config{}, true},
		{Config{Group: 64, OnDemand: true}, true},
		{Config{Group: 64, Proactive: 191}, true},
		{Config{Group: 64, Adaptive: true}, true},
		{Config{Group: 128, Parity: 127, Proactive: 127}, true},
		{Config{Group: 64}, false},
		{Config{Group: 64, Proactive: 192}, false},
		{Config{Group: 64, Parity: 192, OnDemand: true}, false},
		{Config{Group: 64, Parity: -1, OnDemand: true}, false},
		{Config{Group: 64, Proactive: -1, OnDemand: true}, false},
		{Config{Group: 1, OnDemand: true}, false},
		{Config{Group: 3, OnDemand: true}, false},
		{Config{Group: 129, OnDemand: true}, false},
		{Config{Group: 256, OnDemand: true}, false},
		{Config{Group: -2, OnDemand: true}, false},
		{Config{OnDemand: true}, false},
	} {
		if err := row.c.Check(); (err == nil) != row.ok {
			t.Errorf("%+v: %v", row.c, err)
		}
	}
	c := Config{Group: 64, Adaptive: true}
	if got, want := c.Params(), (Params{64, true, false}); got != want || !c.Enabled() || c.WithDefaults().Parity != 191 {
		t.Errorf("%+v, want %+v", got, want)
	}
}
