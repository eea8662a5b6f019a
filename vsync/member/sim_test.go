package member

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopgm/gopgm/vsync/check"
)

var seedFlag = flag.Uint64("seed", 0, "the one seed to simulate; 0: those of the test")

// schedule is what happens in one simulation, drawn from a seed.
type schedule struct {
	seed   uint64
	n      *network
	c      Config
	faults time.Duration // until then things go wrong
	end    time.Duration
	story  []string // with -seed, what went wrong when
}

func newSchedule(seed uint64) *schedule {
	rng := rand.New(rand.NewPCG(seed, 0x7673796e63))
	s := &schedule{seed: seed, n: newNetwork(rng), faults: 2500 * time.Millisecond, end: 4500 * time.Millisecond}
	s.c = Config{
		Group: "sim", Order: Order(rng.IntN(4)), Safe: rng.IntN(3) == 0, State: rng.IntN(3) > 0, Strict: rng.IntN(2) == 0,
		Batch: 512 + rng.IntN(1000), Window: 4 << 10, SendBuffer: 4 << 10, Backlog: 8 << 10, StateWindow: 2 << 10, StateBacklog: 256 << 10,
	}
	switch rng.IntN(4) {
	case 0:
		s.n.loss = 0.02
	case 1:
		s.n.loss, s.n.jitter = 0.1, 5*time.Millisecond
		s.end += time.Second
	case 2:
		s.n.delay = 2 * time.Millisecond
	}
	return s
}

// play draws and runs it.
func (s *schedule) play() {
	rng, n := s.n.rng, s.n
	for range 2 + rng.IntN(5) {
		at := time.Duration(rng.Int64N(int64(80 * time.Millisecond)))
		n.at(at, func() { s.join() })
	}
	n.deadly = []float64{0, 0, 0.03, 0.1}[rng.IntN(4)]
	n.talkEnd = s.faults + 500*time.Millisecond
	pace := time.Duration(2+rng.IntN(30)) * time.Millisecond
	var talk func()
	turns := rng.IntN(3) == 0 // one alone sends for a while, then another
	talk = func() {
		for i, p := range n.procs {
			if turns && i != int(n.now/(150*time.Millisecond))%len(n.procs) {
				continue
			}
			for range rng.IntN(3) {
				p.do(p.send)
			}
		}
		if n.now < n.talkEnd {
			n.at(n.now+pace, talk)
		}
	}
	n.at(400*time.Millisecond, talk)
	for range 1 + rng.IntN(6) {
		at := 500*time.Millisecond + time.Duration(rng.Int64N(int64(s.faults-500*time.Millisecond)))
		n.at(at, s.fault)
	}
	n.run(s.faults)
	for _, a := range n.procs { // from now on the network is whole
		for _, b := range n.procs {
			n.heal(a, b)
		}
	}
	n.run(s.end)
}

func (s *schedule) tell(format string, args ...any) {
	if *seedFlag != 0 {
		s.story = append(s.story, fmt.Sprintf("%v ", s.n.now)+fmt.Sprintf(format, args...))
	}
}

func (s *schedule) join() *process {
	if len(s.n.procs) >= 9 {
		return nil
	}
	p := s.n.join(s.c)
	switch s.n.rng.IntN(6) {
	case 0:
		p.eager = 0.3
	case 1:
		p.lazy = 60 * time.Millisecond
	case 2:
		p.size = 3000 // messages in pieces
	}
	s.tell("%v joins", p.m.ID())
	return p
}

// somebody draws a process that lives.
func (s *schedule) somebody() *process {
	for range 10 {
		if p := s.n.procs[s.n.rng.IntN(len(s.n.procs))]; !p.crashed && !p.ended {
			return p
		}
	}
	return s.n.procs[0]
}

// coordinator is the first of the newest view, mostly the one whose end does most harm.
func (s *schedule) coordinator() *process {
	var v *View
	for _, p := range s.n.procs {
		if w := p.m.View(); w != nil && !p.crashed && (v == nil || w.ID.Counter > v.ID.Counter) {
			v = w
		}
	}
	if v == nil {
		return s.somebody()
	}
	return s.n.procs[v.Members[0].ID-1]
}

func (s *schedule) fault() {
	rng, n := s.n.rng, s.n
	p := s.somebody()
	if rng.IntN(3) == 0 {
		p = s.coordinator()
	}
	soon := func(d time.Duration) time.Duration { return n.now + time.Duration(rng.Int64N(int64(d))) }
	switch rng.IntN(9) {
	case 0, 1:
		s.tell("%v crashes", p.m.ID())
		p.crash()
		if q := s.coordinator(); rng.IntN(2) == 0 { // another, in the middle of the change that follows
			n.at(n.now+300*time.Millisecond+time.Duration(rng.Int64N(int64(60*time.Millisecond))), func() {
				s.tell("%v crashes too", q.m.ID())
				q.crash()
			})
		}
		if rng.IntN(2) == 0 {
			n.at(soon(500*time.Millisecond), func() { s.join() })
		}
	case 2:
		s.join()
	case 3:
		s.tell("%v leaves", p.m.ID())
		p.leaving = true
		p.do(func() { p.m.Leave(p.now()) })
		if rng.IntN(2) == 0 {
			p.pause(time.Duration(rng.Int64N(int64(700 * time.Millisecond))))
		}
	case 4:
		d := time.Duration(rng.Int64N(int64(900 * time.Millisecond)))
		s.tell("%v pauses for %v", p.m.ID(), d)
		p.pause(d)
	case 5: // two parts
		side := make([]bool, len(n.procs)+9)
		for i := range side {
			side[i] = rng.IntN(2) == 0
		}
		s.tell("parts %v", side[:len(n.procs)])
		s.cut(func(a, b *process) bool { return side[a.index] != side[b.index] })
	case 6: // one cannot be heard, or cannot hear, or both
		how := rng.IntN(3)
		s.tell("%v cut off, way %d", p.m.ID(), how)
		s.cut(func(a, b *process) bool { return a == p && how != 0 || b == p && how != 1 })
	case 7: // one way
		q := s.somebody()
		s.tell("%v is not heard by %v", p.m.ID(), q.m.ID())
		s.cut(func(a, b *process) bool { return a == p && b == q })
	case 8:
		q := s.somebody()
		s.tell("%v loses something of %v", q.m.ID(), p.m.ID())
		if l := n.link(p.index, q.index); p != q && len(l.queue) > 0 {
			l.queue = l.queue[:len(l.queue)-1]
			l.broken = true
		}
	}
}

// cut opens some links for a time.
func (s *schedule) cut(which func(a, b *process) bool) {
	n := s.n
	d := time.Duration(n.rng.Int64N(int64(time.Second)))
	var links [][2]*process
	for _, a := range n.procs {
		for _, b := range n.procs {
			if a != b && which(a, b) {
				n.cut(a, b)
				links = append(links, [2]*process{a, b})
			}
		}
	}
	n.at(n.now+d, func() {
		s.tell("healed")
		for _, l := range links {
			n.heal(l[0], l[1])
		}
	})
}

// judge gives the logs to the checker.
func (s *schedule) judge() []check.Violation {
	c := check.Claims{Order: check.Order(min(s.c.Order, Total)), Safe: s.c.Safe, State: s.c.State, Stable: s.stable()}
	var logs []check.Log
	for _, p := range s.n.procs {
		logs = append(logs, p.log)
		if p.torn {
			return []check.Violation{{Rule: "X1", Process: p.log.Process, Event: -1, Text: "its state is not whole, or not of one giver"}}
		}
	}
	return check.Check(c, logs)
}

// stable returns the processes that liveness is claimed for: those that live, if there are enough for a next view of their group among them.
func (s *schedule) stable() (ids []uint64) {
	group := uint64(0)
	for _, p := range s.n.procs {
		if v := p.m.View(); v != nil && !p.ended && !p.crashed {
			if group != 0 && group != v.Group {
				return nil // founded twice, apart
			}
			group = v.Group
		}
		if !p.crashed && !p.ended && !p.leaving {
			ids = append(ids, uint64(p.m.ID()))
		}
	}
	var last *View
	for _, p := range s.n.procs {
		v := p.m.View()
		switch {
		case v == nil || p.crashed: // what only the dead know is not known
		case group != 0 && v.Group != group: // of a group that is over, founded apart: who left that one decides nothing in this one (M5)
		case last == nil || v.ID.Counter >= last.ID.Counter:
			last = v
		}
	}
	if last == nil {
		return nil
	}
	yes := make([]bool, len(last.Members))
	for r, q := range last.Members {
		p := s.n.procs[q.ID-1]
		// Who left before it had a view, or because nobody had the state, cannot help the others on.
		yes[r] = !p.crashed && (!p.ended || p.leaving && p.m.View() != nil && p.why == Left)
	}
	if !quorum(yes) {
		return nil
	}
	return ids
}

// seeds returns how many simulations a test runs, by default n.
func seeds(t *testing.T, n int) int {
	if k, err := strconv.Atoi(os.Getenv("VSYNC_SEEDS")); err == nil {
		return k
	}
	if testing.Short() || raceDetector {
		return n / 40
	}
	return n
}

// Schedules that have found mistakes, each of which may be rare, hold whatever else is played.
func TestSchedulesThatFoundMistakes(t *testing.T) {
	for _, seed := range []uint64{3094, 4299, 7354, 11065, 16277, 31476, 42032, 48675} {
		s := newSchedule(seed)
		s.play()
		if found := s.judge(); len(found) > 0 {
			t.Errorf("seed %d: %d violations; first %v", seed, len(found), found[0])
		}
	}
}

// Whatever happens, what a group promises holds: VSYNC_SEEDS says how many schedules are tried, VSYNC_FROM behind which seed,
// the flag -seed tries one.
func TestPromisesHold(t *testing.T) {
	run := func(seed uint64) bool {
		s := newSchedule(seed)
		s.play()
		found := s.judge()
		if len(found) == 0 {
			return true
		}
		t.Errorf("seed %d: order %v, safe %v, state %v: %d violations; first %v", seed, s.c.Order, s.c.Safe, s.c.State, len(found), found[0])
		for _, line := range s.story {
			t.Log(line)
		}
		return false
	}
	if *seedFlag != 0 {
		run(*seedFlag)
		return
	}
	var next atomic.Uint64
	if n, err := strconv.ParseUint(os.Getenv("VSYNC_FROM"), 10, 64); err == nil {
		next.Store(n) // the seeds behind n
	}
	var failed atomic.Int32
	var workers sync.WaitGroup
	total, most := next.Load()+uint64(seeds(t, 2000)), int32(10)
	if os.Getenv("VSYNC_FIRST") != "" {
		most = 1
	}
	for range 2 {
		workers.Go(func() {
			for seed := next.Add(1); seed <= total && failed.Load() < most; seed = next.Add(1) {
				if !run(seed) {
					failed.Add(1)
				}
			}
		})
	}
	workers.Wait()
}
