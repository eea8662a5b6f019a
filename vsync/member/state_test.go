package member

import (
	"encoding/binary"
	"testing"
	"time"
)

// Who joins while its giver dies gets another's state, whole, and is told that what it had of the first is void (X4). Where the second
// begins does not matter: its state is that of a later place in the stream, so nothing of the first can be used.
func TestGiverDiesInTheMiddle(t *testing.T) {
	c := Config{Group: "calm", Order: Total, State: true, Batch: 512, StateWindow: 512}
	net := calm(t, 3, c)
	giver := net.procs[2] // who came last
	giver.bulk = 20_000
	p := net.join(c)
	for end := net.now + time.Second; len(p.taking) < 600; net.run(net.now + 50*time.Microsecond) {
		giver.send() // the state of the one is not that of the other
		if net.now > end || p.members > 0 {
			t.Fatalf("in the middle of the transfer was no time: %d octets, %d members", len(p.taking), p.members)
		}
	}
	if p.restarts != 1 {
		t.Fatalf("its state began %d times before anybody died", p.restarts)
	}
	giver.crash()
	net.run(net.now + 2*time.Second)
	if p.members != 3 || p.restarts != 2 || p.torn {
		t.Errorf("%d members, state begun %d times, torn %v; want 3, 2, false", p.members, p.restarts, p.torn)
	}
	if p.state != net.procs[0].state {
		t.Error("it has another state than the others")
	}
}

// midway returns three members, of which the last came last, and a process that waits for the rest of its state, which the last gives.
func midway(t *testing.T) (net *network, giver, joiner *process) {
	t.Helper()
	c := Config{Group: "calm", State: true, Batch: 512, StateWindow: 4 << 10}
	net = calm(t, 3, c)
	giver = net.procs[2]
	giver.bulk = 20_000
	joiner = net.join(c)
	for end := net.now + time.Second; len(joiner.taking) < 600; net.run(net.now + 50*time.Microsecond) {
		if net.now > end || joiner.members > 0 {
			t.Fatalf("in the middle of the transfer was no time: %d octets, %d members", len(joiner.taking), joiner.members)
		}
	}
	return net, giver, joiner
}

// says reports whether a packet is of the kind k and by p.
func says(packet []byte, k kind, p *process) bool {
	var h header
	_, err := h.parse(packet)
	return err == nil && h.kind == k && h.sender == p.m.ID()
}

// has judges that p has its state, whole, when it was begun so many times at most.
func has(t *testing.T, p *process, members, begun int) {
	t.Helper()
	if p.members != members || p.torn || p.restarts > begun {
		t.Errorf("%d members, state begun %d times, torn %v; want %d members, and %d times at most", p.members, p.restarts, p.torn, members, begun)
	}
}

// A piece of state may turn out to be lost when who waits for it has said, in phase one, that nothing is. The view then goes on with the
// transfer, and the flush brings no pieces: the next view begins it anew (X4).
func TestLostStateIsBegunAnewBehindAnAnswer(t *testing.T) {
	net, giver, p := midway(t)
	lost := false
	net.heard = func(data []byte) {
		if !lost && p.m.pending != nil && says(data, kindAck, p) {
			lost = true
			net.at(net.now, func() { p.lost(giver.m.ID()) })
		}
	}
	first := net.procs[0]
	first.do(func() {
		first.m.Leave(first.now())
		first.timeout() // it proposes the view without it at once
	})
	net.run(net.now + time.Second)
	if !lost {
		t.Fatal("it was not asked while it waited")
	}
	has(t, p, 3, 2)
}

// All that a new giver sends may be lost before who waits for it has heard of the view with which it begins: it is begun once more (X4).
func TestLostStateIsBegunAnewBehindTheView(t *testing.T) {
	net, giver, p := midway(t)
	first, next := net.procs[0], net.procs[1]
	decided := false
	net.heard = func(data []byte) {
		if !decided && says(data, kindInstall, first) {
			decided = true
			net.cut(first, p)
			net.cut(next, p)
		}
	}
	giver.crash()
	for end := net.now + time.Second; !decided && net.now < end; net.run(net.now + 50*time.Microsecond) {
	}
	net.run(net.now + 10*time.Millisecond) // all that the state is of is in the window of a giver that has had no answer
	if n := next.m.View().ID.Counter; n != p.m.View().ID.Counter+1 || len(next.m.gifts) > 0 {
		t.Fatalf("the giver is in view %d, with %d gifts, who waits in %d", n, len(next.m.gifts), p.m.View().ID.Counter)
	}
	l := net.link(next.index, p.index)
	l.queue, l.broken = nil, true
	net.heal(next, p)
	net.run(net.now + 50*time.Millisecond)
	net.heal(first, p)
	net.run(net.now + time.Second)
	has(t, p, 3, 3)
}

// Who joins may hear nothing for so long, from the moment at which its first view is decided, that it has given up waiting for it. All that
// came of the view meanwhile is gone; when it hears of the view after all, its state is begun anew (X4).
func TestLostStateIsBegunAnewForWhoGaveUp(t *testing.T) {
	c := Config{Group: "calm", State: true, Expect: 2, SuspectMax: 3 * time.Second} // nobody founds or suspects meanwhile
	net := calm(t, 3, c)
	p := net.join(c)
	decided := false
	net.heard = func(data []byte) {
		if !decided && says(data, kindInstall, net.procs[0]) {
			decided = true
			for _, q := range net.procs[:3] {
				net.cut(q, p)
			}
		}
	}
	net.run(net.now + 20*joinLate + time.Second)
	if !decided || p.m.invited != 0 {
		t.Fatalf("its view is decided: %v; it waits for view %d", decided, p.m.invited)
	}
	for _, q := range net.procs[:3] {
		net.heal(q, p)
	}
	net.run(net.now + time.Second)
	has(t, p, 4, 1)
}

// Who is given more pieces while the view is changed than it can hold has lost some, and says so.
func TestStateThatCannotBeHeldIsLost(t *testing.T) {
	net, giver, p := midway(t)
	p.m.freeze(p.now())
	piece := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, p.m.pending.since), p.m.pending.came)
	for range 2*p.m.c.StateWindow/minBatch + 2 {
		if p.m.spoiled() {
			t.Fatalf("it is lost with %d pieces held", len(p.m.pending.held))
		}
		_ = p.m.handleState(p.m.peers[giver.m.ID()], &reader{p: append(piece, 0)})
	}
	if !p.m.spoiled() {
		t.Errorf("it holds %d pieces, and the last is lost", len(p.m.pending.held))
	}
	net.run(net.now + time.Second)
	has(t, p, 4, 2)
}
