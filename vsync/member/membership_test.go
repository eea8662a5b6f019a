package member

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/vsync/check"
)

// calm returns a network on which nothing goes wrong by itself, and n processes that found a group together.
func calm(t *testing.T, n int, c Config) *network {
	t.Helper()
	net := newNetwork(testRand(t))
	c.Group = "calm"
	for range n {
		net.join(c)
	}
	net.run(500 * time.Millisecond)
	for _, p := range net.procs {
		if p.members != n || len(p.viewAt) != 1 {
			t.Fatalf("process %v has %d views, the last of %d members; want one of %d", p.m.ID(), len(p.viewAt), p.members, n)
		}
	}
	return net
}

// Ten processes that start together make one view (2b, 4: other systems make ten).
func TestStartTogetherIsOneView(t *testing.T) {
	net := calm(t, 10, Config{})
	if at := net.procs[9].viewAt[0]; at > 300*time.Millisecond {
		t.Errorf("it came after %v", at)
	}
}

// Ten that join a group together make one more.
func TestJoinTogetherIsOneView(t *testing.T) {
	net := calm(t, 1, Config{State: true})
	begin := net.now
	for range 10 {
		net.join(Config{Group: "calm", State: true})
	}
	net.run(begin + time.Second)
	for _, p := range net.procs[1:] {
		if p.members != 11 || len(p.viewAt) != 1 {
			t.Errorf("process %v has %d views, the last of %d members", p.m.ID(), len(p.viewAt), p.members)
		} else if d := p.viewAt[0] - begin; d > 300*time.Millisecond {
			t.Errorf("process %v was in after %v", p.m.ID(), d)
		}
	}
}

// Data does not keep a member from saying what else it has to: a group in which all send all the time takes in who joins, with its state, and
// lets go who leaves, as soon as any other.
func TestBusyGroupChanges(t *testing.T) {
	for _, order := range []Order{FIFO, Causal, Total, Token} {
		for _, n := range []int{1, 3} {
			c := Config{Order: order, State: true, Batch: 512}
			net := calm(t, n, c)
			busy := func(d time.Duration) {
				for end := net.now + d; net.now < end; net.run(net.now + 200*time.Microsecond) {
					for _, p := range net.procs[:n] {
						p.do(p.send)
					}
				}
			}
			busy(100 * time.Millisecond)
			net.procs[n-1].bulk = 20_000
			begin := net.now
			c.Group = "calm"
			p := net.join(c)
			busy(400 * time.Millisecond)
			if p.members != n+1 || p.viewAt[0]-begin > 300*time.Millisecond {
				t.Errorf("%v, %d members: who joins sees %d, at %v after %v", order, n, p.members, p.viewAt, begin)
			}
			p.leaving = true
			p.do(func() { p.m.Leave(p.now()) })
			busy(200 * time.Millisecond)
			if !p.ended || net.procs[0].members != n {
				t.Errorf("%v: who leaves is out: %v; there are %d members", order, p.ended, net.procs[0].members)
			}
		}
	}
}

// Members that were cut off for less than the others take to go on without them stay, as soon as they answer.
func TestWhoAnswersStays(t *testing.T) {
	net := calm(t, 3, Config{Order: Total})
	first := net.procs[0]
	for _, q := range net.procs[1:] {
		net.cut(q, first) // the coordinator is deaf: it suspects both, and is too alone to go on
	}
	net.run(net.now + 360*time.Millisecond)
	for _, q := range net.procs[1:] {
		net.heal(q, first)
	}
	net.run(net.now + time.Second)
	for _, p := range net.procs {
		if p.members != 3 || p.ended {
			t.Errorf("process %v: %d members, out %v", p.m.ID(), p.members, p.ended)
		}
	}
}

// A killed member is out within half a second, the coordinator too.
func TestKilledMemberIsOutSoon(t *testing.T) {
	for _, victim := range []int{0, 2, 3} {
		net := calm(t, 4, Config{})
		begin := net.now
		net.procs[victim].crash()
		net.run(begin + time.Second)
		for i, p := range net.procs {
			if i == victim {
				continue
			}
			if d := p.viewAt[len(p.viewAt)-1] - begin; p.members != 3 || d > 500*time.Millisecond || d <= 0 {
				t.Errorf("without %d, process %d has %d members after %v", victim, i, p.members, d)
			}
		}
	}
}

// A member that was stopped suspects nobody when it goes on, however long it was: if it was not for too long, nothing has changed.
func TestPausedMemberSuspectsNobody(t *testing.T) {
	net := calm(t, 3, Config{SuspectMin: 2 * time.Second, SuspectMax: 3 * time.Second})
	// It suspects after a fifth of a second, the others not before two.
	p := net.procs[1]
	p.m.c.SuspectMin, p.m.c.SuspectMax = 200*time.Millisecond, 350*time.Millisecond
	p.pause(1500 * time.Millisecond)
	net.run(net.now + 5*time.Second)
	for _, q := range net.procs {
		if len(q.viewAt) != 1 {
			t.Errorf("process %v has another view of %d members", q.m.ID(), q.members)
		}
	}
	if p.m.Stats().Pauses == 0 {
		t.Error("the pause was not noticed")
	}
}

// A clock that jumps, in either direction, upsets nobody.
func TestClockMayJump(t *testing.T) {
	net := calm(t, 3, Config{})
	p := net.procs[0]
	for _, jump := range []time.Duration{time.Hour, -2 * time.Hour, 24 * time.Hour} {
		p.m.HandleTimeout(p.now().Add(jump))
		net.run(net.now + 100*time.Millisecond)
	}
	p.m.last = p.now()
	net.run(net.now + time.Second)
	for _, q := range net.procs {
		if q.ended {
			t.Errorf("process %v is out", q.m.ID())
		}
	}
}

// A member that was cut off learns that it is out, and comes back as a new one.
func TestCutOffMemberLearnsIt(t *testing.T) {
	net := calm(t, 3, Config{State: true})
	p := net.procs[0]
	for _, q := range net.procs[1:] {
		net.cut(p, q)
		net.cut(q, p)
	}
	net.run(net.now + time.Second)
	if p.ended {
		t.Error("it cannot know yet")
	}
	for _, q := range net.procs[1:] {
		net.heal(p, q)
		net.heal(q, p)
	}
	net.run(net.now + time.Second)
	if !p.ended {
		t.Fatal("it does not know")
	}
	again := net.join(Config{Group: "calm", State: true})
	net.run(net.now + time.Second)
	if again.members != 3 {
		t.Errorf("back among %d members", again.members)
	}
}

// Half of a view goes on if it has the first member; the other half does not.
func TestFirstMemberBreaksTheTie(t *testing.T) {
	net := calm(t, 4, Config{})
	for _, a := range net.procs {
		for _, b := range net.procs {
			if a != b && (a.index < 2) != (b.index < 2) {
				net.cut(a, b)
			}
		}
	}
	net.run(net.now + 2*time.Second)
	for i, p := range net.procs {
		if want := []int{2, 2, 4, 4}[i]; p.members != want {
			t.Errorf("process %d has a view of %d members, want %d", i, p.members, want)
		}
	}
}

// Two groups of one name, founded apart, leave each other alone; one that was founded by a process alone dissolves.
func TestTwoGroupsOfOneName(t *testing.T) {
	net := newNetwork(testRand(t))
	c := Config{Group: "twice"}
	for range 5 {
		p := net.join(c)
		for _, q := range net.procs[:p.index] {
			if p.index < 4 && (p.index < 2) != (q.index < 2) || p.index == 4 {
				net.cut(p, q)
				net.cut(q, p)
			}
		}
	}
	net.run(400 * time.Millisecond)
	for _, a := range net.procs {
		for _, b := range net.procs {
			net.heal(a, b)
		}
	}
	net.run(3 * time.Second)
	for i, p := range net.procs {
		if want := []int{2, 2, 2, 2, 1}[i]; p.members != want || p.ended != (i == 4) || len(p.viewAt) != 1 {
			t.Errorf("process %d: %d members, out %v, %d views", i, p.members, p.ended, len(p.viewAt))
		}
	}
	if net.procs[0].m.Stats().Foreign == 0 {
		t.Error("the other group was not counted")
	}
}

// Who comes with other settings is refused by name.
func TestOtherSettingsAreRefused(t *testing.T) {
	net := calm(t, 2, Config{Order: Total})
	p := net.join(Config{Group: "calm", Order: Causal})
	net.run(net.now + time.Second)
	if last := p.log.Events; len(last) != 1 || last[0].Kind != check.Out {
		t.Errorf("it saw %v; want that it is out", last)
	}
	if net.procs[0].members != 2 {
		t.Error("the group let it in")
	}
}

// Fewer than are expected found no group.
func TestExpectedMembersAreWaitedFor(t *testing.T) {
	net := newNetwork(testRand(t))
	c := Config{Group: "three", Expect: 3}
	net.join(c)
	net.join(c)
	net.run(time.Second)
	if net.procs[0].members != 0 {
		t.Fatal("two founded it")
	}
	net.join(c)
	net.run(net.now + time.Second)
	for _, p := range net.procs {
		if p.members != 3 {
			t.Errorf("a view of %d members", p.members)
		}
	}
}

// A member that takes nothing is named, and, where that is the policy, excluded; the others go on.
func TestSlowMemberIsNamedAndExcluded(t *testing.T) {
	net := calm(t, 3, Config{Order: Total, Window: 8 << 10, Backlog: 8 << 10, Batch: 1024, SlowAfter: 300 * time.Millisecond, ExcludeAfter: time.Second})
	slow := net.procs[2]
	slow.lazy = time.Hour
	begin := net.now
	named := time.Duration(0)
	for net.now < begin+3*time.Second {
		for _, p := range net.procs[:2] {
			for range 20 {
				p.do(p.send)
			}
			if p.slowest == slow.m.ID() && named == 0 {
				named = net.now - begin
			}
		}
		net.run(net.now + 10*time.Millisecond)
	}
	if named == 0 || named > time.Second {
		t.Errorf("named after %v", named)
	}
	if net.procs[0].members != 2 {
		t.Errorf("it is still in the view, of %d", net.procs[0].members)
	}
	if d := net.procs[0].log.Events[len(net.procs[0].log.Events)-1].At; d < begin+2500*time.Millisecond {
		t.Errorf("the others stopped at %v", d)
	}
}

// What a member gets behind its answer in phase one it does not say that it has: it may not be in the cut, and others would take it for
// safe.
func TestNothingIsSaidBehindAnAnswer(t *testing.T) {
	net := calm(t, 2, Config{Order: FIFO, Safe: true})
	a, b := net.procs[0], net.procs[1]
	b.m.freeze(b.now())
	said := b.m.advertised[0]
	a.send()
	for p := a.m.PollTransmit(a.now()); p != nil; p = a.m.PollTransmit(a.now()) {
		_ = b.m.HandlePacket(b.now(), a.m.ID(), p)
	}
	b.m.alive()
	if got := b.m.streams[0].received; got != said+1 {
		t.Fatalf("it has %d batches, want %d", got, said+1)
	}
	if b.m.advertised[0] != said {
		t.Errorf("it says that it has %d batches, and has answered that it has %d", b.m.advertised[0], said)
	}
}

// Who alone sends orders what it sends itself: its messages take one way, not the way to another and back. When others send again, all is in
// one order as before.
func TestLoneSenderOrders(t *testing.T) {
	net := calm(t, 4, Config{Order: Total})
	net.jitter = 0
	p := net.procs[3]
	for range 20 {
		p.do(p.send)
		net.run(net.now + time.Millisecond)
	}
	got := len(net.procs[1].log.Events)
	p.do(p.send)
	net.run(net.now + net.delay)
	if n := len(net.procs[1].log.Events) - got; n != 1 {
		t.Errorf("%d messages received after one way, want 1", n)
	}
	for i := range 40 {
		for k, q := range net.procs {
			if i >= 20 || k == 1 || k == 2 {
				q.do(q.send)
			}
		}
		net.run(net.now + time.Millisecond)
	}
	net.run(net.now + 50*time.Millisecond)
	var logs []check.Log
	for _, q := range net.procs {
		logs = append(logs, q.log)
	}
	for _, v := range check.Check(check.Claims{Order: check.Total, Stable: []uint64{1, 2, 3, 4}}, logs) {
		t.Error(v)
	}
}

// What was sent behind a message that nobody has any more is delivered to nobody, though it is there and has its place.
func TestNothingIsDeliveredBehindAHole(t *testing.T) {
	net := calm(t, 7, Config{Order: Total})
	first, lost, behind := net.procs[0], net.procs[1], net.procs[2]
	for _, q := range net.procs[3:] {
		net.cut(lost, q)
	}
	lost.do(lost.send) // comes to the first, which orders it, and to one that answers
	net.run(net.now + 2*time.Millisecond)
	behind.do(behind.send)
	net.run(net.now + 2*time.Millisecond)
	if n := net.procs[3].m.streams[2].received; n != 1 {
		t.Fatalf("%d batches of the answer came, want 1", n)
	}
	for _, p := range []*process{first, lost, behind} {
		p.crash()
	}
	net.run(net.now + 2*time.Second)
	for _, p := range net.procs[3:] {
		if p.members != 4 {
			t.Errorf("process %v has a view of %d members", p.m.ID(), p.members)
		}
		for _, e := range p.log.Events {
			if e.Kind == check.Recv {
				t.Errorf("process %v received %v", p.m.ID(), e.Message)
			}
		}
	}
}

// Who asked to leave, and was removed because nobody heard it, has not left: what it did last has no part in the end of the view.
func TestRemovedLeaverHasNotLeft(t *testing.T) {
	net := calm(t, 3, Config{})
	p := net.procs[2]
	for _, q := range net.procs[:2] {
		net.cut(p, q)
	}
	p.do(p.send)
	p.do(func() { p.m.Leave(p.now()) })
	net.run(net.now + time.Second)
	if !p.ended || p.why != Silent {
		t.Errorf("out %v: %v; want that it was silent", p.ended, p.why)
	}
}

// Who is heard and hears nothing when a view is decided, a member or one that joins, holds up nobody: it goes, the group goes on, and it learns so as
// soon as it hears again. It does not come back, though it may never have come to the view (M6).
func TestDeafMemberHoldsUpNobody(t *testing.T) {
	for _, joins := range []bool{false, true} {
		c := Config{Group: "calm", State: true, Expect: 2}
		net := calm(t, 4, c)
		others, p := net.procs[:3], net.procs[3]
		cause := func() { others[0].m.HandleLost(others[0].now(), others[1].m.ID()) } // a view of the same members
		if joins {
			p, cause = net.join(c), func() {}
			others = net.procs[:4]
		}
		decided := false
		net.heard = func(data []byte) {
			if decided || !says(data, kindInstall, others[0]) {
				return
			}
			decided = true
			for _, q := range others {
				net.cut(q, p)
			}
		}
		others[0].do(cause)
		net.run(net.now + 1500*time.Millisecond)
		if at := p.m.View(); !decided || at != nil && at.ID.Counter != 1 {
			t.Fatalf("decided %v; it is in %v", decided, at)
		}
		begin := net.now
		others[2].crash()
		net.run(begin + time.Second)
		for _, q := range others[:2] {
			if d := q.viewAt[len(q.viewAt)-1] - begin; q.members != len(others)-1 || d < 0 || d > 500*time.Millisecond {
				t.Errorf("joins %v: process %v has %d members after %v", joins, q.m.ID(), q.members, d)
			}
		}
		for _, q := range others {
			net.heal(q, p)
		}
		first := others[0].m
		first.peers[p.m.ID()].told = first.t // just now, in vain: it looks for the group before it is told again
		net.run(net.now + time.Second)
		if !p.ended {
			t.Errorf("joins %v: it is not out", joins)
		}
		var logs []check.Log
		for _, q := range net.procs {
			logs = append(logs, q.log)
		}
		for _, v := range check.Check(check.Claims{State: true}, logs) {
			t.Error(v)
		}
	}
}

// Who is heard, but whose words wait behind one that is being repaired, may have come to the view long ago: it stays, also when the first word that
// comes is one of the view before.
func TestDeafIsNotWhoseWordsAreRepaired(t *testing.T) {
	net := calm(t, 3, Config{})
	others, p := net.procs[:2], net.procs[2]
	var before packet
	decided := false
	net.heard = func(data []byte) {
		if !decided && says(data, kindAlive, p) {
			before.data = data
		}
		if decided || !says(data, kindInstall, others[0]) {
			return
		}
		decided = true
		for _, q := range others {
			net.cut(p, q)
		}
	}
	net.run(net.now + 100*time.Millisecond)
	others[0].do(func() { others[0].m.HandleLost(others[0].now(), others[1].m.ID()) })
	for end := net.now + 1500*time.Millisecond; net.now < end; net.run(net.now + 50*time.Millisecond) {
		for _, q := range others {
			q.do(func() { q.m.HandleHeard(q.now(), p.m.ID()) }) // as of an SPM
		}
	}
	for _, q := range others {
		l := net.link(p.index, q.index)
		for i := range l.queue {
			l.queue[i].at = net.now + 40*time.Millisecond
		}
		l.queue = append([]packet{before}, l.queue...)
		l.cutAt = net.now // all is repaired
		net.heal(p, q)
	}
	net.run(net.now + time.Second)
	for _, q := range net.procs {
		if q.members != 3 || len(q.viewAt) != 2 || q.ended {
			t.Errorf("process %v: %d members, %d views, out %v; want 3, 2, false", q.m.ID(), q.members, len(q.viewAt), q.ended)
		}
	}
}
