package member

import (
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
