package poll

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// crowd is a parent and its children, who hear it at once.
type crowd struct {
	poller   *Poller
	children []Child
	rng      *rand.Rand
	now      time.Time
	loss     float64 // of replies
	most     int     // replies to one round
	polls    []Packet
}

func newCrowd(seed uint64, n int, c PollerConfig) *crowd {
	w := &crowd{rng: rand.New(rand.NewPCG(seed, uint64(n))), now: start}
	c.Path = path4
	w.poller = NewPoller(c, w.rng, start)
	w.join(n)
	return w
}

func (w *crowd) join(n int) {
	for range n {
		w.children = append(w.children, Child{NodeID: w.rng.Uint32()})
	}
}

// round lets the parent send its next POLL and the children answer, until it has something else to do.
func (w *crowd) round() (r Result, ok bool) {
	w.now = w.poller.Next()
	if !w.poller.Due(w.now) {
		return w.poller.HandleTimeout(w.now)
	}
	p := *w.poller.Packet()
	w.polls = append(w.polls, p)
	w.poller.Sent(w.now)
	type answer struct {
		at    time.Time
		reply Reply
	}
	var answers []answer
	for i := range w.children {
		c := &w.children[i]
		if c.Heard(w.now, &p, w.rng) == Scheduled && w.rng.Float64() >= w.loss {
			at := c.Next()
			reply, _, _ := c.Due(at)
			answers = append(answers, answer{at.Add(ms), reply})
		}
	}
	slices.SortFunc(answers, func(a, b answer) int { return a.at.Compare(b.at) })
	for i, a := range answers {
		w.now = a.at
		w.poller.Heard(a.at, &a.reply)
		w.most = max(w.most, i+1)
		if w.poller.Due(a.at) { // aborted: those who have not answered yet will not
			break
		}
	}
	return r, false
}

// poll lets the parent poll until a poll is complete.
func (w *crowd) poll(t *testing.T) Result {
	t.Helper()
	for range 200 {
		if r, ok := w.round(); ok {
			return r
		}
	}
	t.Fatal("no poll completes in a hundred rounds")
	return Result{}
}

// The estimate is right for 1 to 1,000,000 children: exact up to Want, within chance for many, from the first poll on; nobody is
// flooded, and no poll is aborted [14.3.1-01], [14.3.1-07].
func TestEstimateConverges(t *testing.T) {
	for _, tt := range []struct{ n, seeds, rounds int }{
		{0, 5, 6}, {1, 10, 6}, {2, 10, 6}, {10, 10, 6}, {64, 20, 6}, {100, 20, 6}, {300, 20, 6}, {1000, 20, 6},
		{10_000, 10, 4}, {100_000, 4, 3}, {1_000_000, 1, 3},
	} {
		if testing.Short() && tt.n > 100_000 {
			continue
		}
		first, fourth, mean, most := 0.0, 0.0, 0.0, 0
		for seed := range tt.seeds {
			w := newCrowd(uint64(seed), tt.n, PollerConfig{})
			off := func(r Result) float64 { return float64(r.Population)/float64(max(tt.n, 1)) - 1 }
			r := w.poll(t)
			if len(w.polls) > tt.rounds {
				t.Errorf("%d children, seed %d: the first poll takes %d rounds", tt.n, seed, len(w.polls))
			}
			if r.Bits == 0 && r.Population != tt.n {
				t.Errorf("%d children, seed %d: everybody was asked, and %d are counted", tt.n, seed, r.Population)
			}
			first = max(first, math.Abs(off(r)))
			for range 3 {
				r = w.poll(t)
			}
			fourth = max(fourth, math.Abs(off(r)))
			mean += off(r) / float64(tt.seeds)
			most = max(most, w.most)
			if s := w.poller.Stats(); s.Aborts > 0 || s.Stray > 0 || s.Groups != 4 || int(s.Polls) != len(w.polls) {
				t.Errorf("%d children, seed %d: %+v", tt.n, seed, s)
			}
		}
		if tt.n == 0 {
			continue
		}
		t.Logf("%7d children: off by %.0f %% at most after one poll, %.0f %% after four, %+.1f %% on average; %d replies at most", tt.n, 100*first, 100*fourth, 100*mean, most)
		// Half of Want replies are 18 % of standard deviation, and 9 % after four polls.
		if first > .7 || fourth > .36 || tt.n <= DefaultWant && first > 0 || math.Abs(mean) > .12 || most > tooMany*DefaultWant {
			t.Errorf("%d children: off by %.2f, %.2f, %.3f; %d replies", tt.n, first, fourth, mean, most)
		}
	}
}

// Replies that are lost make the estimate that much lower, not unstable.
func TestEstimateWithLoss(t *testing.T) {
	w := newCrowd(1, 5000, PollerConfig{})
	w.loss = .05
	var r Result
	for range 8 {
		r = w.poll(t)
	}
	if r.Population < 3400 || r.Population > 6500 {
		t.Errorf("of 5000 children, whose replies are lost at 5 %%, %d are counted", r.Population)
	}
}

// A population that grows from 3 to 200,000 between two polls: the parent takes a few hundred replies, aborts, and has the new number
// after the next poll [14.4-10]. When they leave, it has that.
func TestEstimateFollowsThePopulation(t *testing.T) {
	w := newCrowd(7, 3, PollerConfig{})
	for range 5 {
		w.poll(t)
	}
	before := w.poller.Stats()
	w.join(200_000)
	r := w.poll(t)
	after := w.poller.Stats()
	if r.Population < 80_000 || r.Population > 320_000 || after.Aborts == 0 {
		t.Errorf("200,003 children, %d are counted, %+v", r.Population, after)
	}
	if n := after.Replies - before.Replies; n > 1000 {
		t.Errorf("it took %d replies", n)
	}
	w.children = w.children[:5]
	if r = w.poll(t); r.Population != 5 {
		t.Errorf("5 children, %d are counted", r.Population)
	}
}

// Who joins between the rounds of a poll is not counted in it, however wide the door opens [14.3.1-03].
func TestRoundsFreezeThePopulation(t *testing.T) {
	w := newCrowd(3, 20, PollerConfig{})
	w.round()
	w.join(100_000)
	if r := w.poll(t); r.Population != 20 || w.poller.Stats().Aborts != 0 {
		t.Errorf("20 children when the poll began, %d are counted", r.Population)
	}
}

// What POLLs say: POLL_SQN in unit increments, rounds from 0 by 1 with ever wider masks, POLL_RAND anew each time, our POLL_PATH
// [14.4-01], [14.4-04], [14.2.1-01]; the next is not sent before POLL_BO_IVL is over [14.4-07]; POLL_BO_IVL is large when the
// number of replies is unknown [14.4-03].
func TestPollFields(t *testing.T) {
	w := newCrowd(5, 500, PollerConfig{})
	rands := map[uint32]bool{}
	last := Packet{}
	var sentAt time.Time
	for len(w.polls) < 40 {
		n := len(w.polls)
		if at := w.poller.Next(); w.poller.Due(at) {
			if at.Sub(sentAt) < last.BackOff {
				t.Fatalf("POLL %v.%d is sent %v after the one before", last.SQN, last.Round, at.Sub(sentAt))
			}
			sentAt = at
		}
		w.round()
		if len(w.polls) == n {
			continue
		}
		p := w.polls[n]
		rands[p.Rand] = true
		if p.Path != path4 || p.Subtype != General {
			t.Errorf("%+v", p)
		}
		want := 50 * ms
		if n == 0 {
			want *= 4
		}
		if p.BackOff != want {
			t.Errorf("POLL %v.%d: replies within %v, want %v", p.SQN, p.Round, p.BackOff, want)
		}
		next := p.SQN == last.SQN+1 && p.Round == 0
		wider := p.SQN == last.SQN && p.Round == last.Round+1 && bits.OnesCount32(p.Mask) < bits.OnesCount32(last.Mask)
		if !next && !wider {
			t.Errorf("POLL %+v follows %+v", p, last)
		}
		last = p
	}
	if len(rands) != len(w.polls) {
		t.Errorf("%d values of POLL_RAND in %d POLLs", len(rands), len(w.polls))
	}
}

// Whatever the children answer, and with whatever configuration that Check lets pass, there is a next thing to do, not in the past,
// and the numbers agree.
func FuzzPoller(f *testing.F) {
	f.Add([]byte{0, 0, 40, 200, 255, 255, 255, 0, 7}, uint16(64), uint8(16))
	f.Fuzz(func(t *testing.T, b []byte, want uint16, first uint8) {
		c := PollerConfig{Path: path4, Want: int(want), FirstBits: int(first), Period: time.Second}
		if c.Check() != nil {
			return
		}
		p := NewPoller(c, newRand(), start)
		groups := 0
		for _, n := range b {
			now := p.Next()
			if p.Due(now) {
				p.Sent(now)
			}
			r := Reply{SQN: p.Packet().SQN, Round: p.Packet().Round}
			for range int(n) * int(n) {
				p.Heard(now, &r)
			}
			if _, ok := p.HandleTimeout(p.Next()); ok {
				groups++
			}
			if p.Next().Before(now) {
				t.Fatalf("the next thing to do is %v ago", now.Sub(p.Next()))
			}
		}
		if n, ok := p.Population(); n < 0 || ok != (p.estimate.n > 0) || int(p.Stats().Groups) != groups {
			t.Fatalf("%d children, %v, %+v", n, ok, p.Stats())
		}
	})
}

func TestPollerConfigCheck(t *testing.T) {
	if err := (PollerConfig{Path: path4}).Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []PollerConfig{
		{}, {Path: netip.MustParseAddr("239.1.2.3")}, {Path: path4, Period: -1}, {Path: path4, BackOff: -1}, {Path: path4, BackOff: time.Hour},
		{Path: path4, Grace: -1}, {Path: path4, Want: -1}, {Path: path4, Want: 7}, {Path: path4, Want: 1e7}, {Path: path4, FirstBits: 33}, {Path: path4, FirstBits: -1},
	} {
		if c.Check() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
