// Package member is the engine of one member of a group: membership with views that are agreed, a flush that carries messages and their
// order from one view to the next, FIFO, causal and total order, safe delivery, and state transfer. SPEC.md of package vsync says what
// it promises; this package is how.
//
// A Member has no socket, goroutine, lock or clock. Packets of other members, in the order in which each sent them, and the time go in;
// packets for all come out of PollTransmit, and events for the program out of PollEvent. The transport beneath is reliable and FIFO for each
// sender as long as it says nothing: what it cannot repair it reports by HandleLost, and that member counts as out of reach from then on.
package member

import (
	"fmt"
	"slices"
	"time"
)

// ID is the incarnation of a member: a number that no other has, and that is not used again.
type ID uint64

// String writes the ID in hexadecimal.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// ViewID identifies a view. The counter grows by one from each view to the next; there is no other view with the same one.
type ViewID struct {
	Counter     uint64
	Coordinator ID // who proposed it
}

// String writes the view as counter@coordinator.
func (v ViewID) String() string { return fmt.Sprintf("%d@%v", v.Counter, v.Coordinator) }

// Peer is a member as a view has it.
type Peer struct {
	ID   ID
	Name string
}

// Reason says why a member is no longer in the view, or why this one is out.
type Reason uint8

// The reasons.
const (
	Left       Reason = iota + 1 // it asked to leave
	Silent                       // nothing was heard of it for too long
	Broken                       // what it sent was lost beyond repair, to it or from it
	Slow                         // it held up the group for longer than the policy allows
	Unhearable                   // it and another could not hear each other, and the other stayed
	Elsewhere                    // it is in another group of the same name
	StateLost                    // nobody who had the group's state is left
	Refused                      // its settings are not those of the group
	Unknown                      // the group went on without it
)

var reasons = [...]string{"", "left", "silent", "lost beyond repair", "too slow", "out of another's hearing", "in another group of the same name",
	"nobody has the state any more", "other settings than the group's", "the group went on"}

// String says it in words.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return "unknown reason"
}

// Departure says who is no longer in the view and why.
type Departure struct {
	Peer
	Why    Reason
	By     ID            // who found so
	Silent time.Duration // how long it had not been heard
}

// View is the group as all its members see it at the same place in their streams of events.
type View struct {
	Group    uint64 // the founding that the group's history began with
	ID       ViewID
	Members  []Peer      // in the order of their coming: the same at every member
	Together []ID        // those who come from the same view as this member: with them it has received the same messages
	Joined   []ID        // in this view for the first time
	Left     []Departure // in the view before, and no longer
	Blocked  time.Duration
	Resent   int // packets of others that this member had to be sent again for the flush
}

// Rank returns the place of a member, -1 if it is none.
func (v *View) Rank(id ID) int {
	return slices.IndexFunc(v.Members, func(p Peer) bool { return p.ID == id })
}

// quorum reports whether the ranks in yes may decide for a view of n members: more than half of them, or just half with the first. Any
// two such sets have a member in common, which makes the next view the only one.
func quorum(yes []bool) bool {
	n := 0
	for _, y := range yes {
		if y {
			n++
		}
	}
	return 2*n > len(yes) || 2*n == len(yes) && len(yes) > 0 && yes[0]
}
