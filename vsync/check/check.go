// Package check decides, from the logs of the processes of a group, whether what SPEC.md claims was so: the properties M, D, O, S, L
// and X there, each under its letter and number. It knows nothing of how the group works, so that it can judge it.
//
// A log is what one process saw, in its order: what it sent, what it received, its views, its state. It ends where the process did. Logs
// come from a simulation, from tests with real processes, or from production: Writer and Read keep them as lines of JSON.
package check

import (
	"fmt"
	"sort"
	"time"
)

// Kind says what happened.
type Kind string

// What a log tells.
const (
	Send  Kind = "send"  // the process sent Message: in View, if that is there, else in its current one
	Recv  Kind = "recv"  // it received Message
	View  Kind = "view"  // it installed View
	Block Kind = "block" // it was told that nothing can be sent until the next view
	Give  Kind = "give"  // it was asked for its state, and State is the digest of what it gave
	State Kind = "state" // it received its state, with the digest State, from the process From; the view follows
	Out   Kind = "out"   // it was told that it is out of the group, or left
	Crash Kind = "crash" // it ended without a word; written by who ended it
)

// ViewID identifies a view: a counter that grows by one with each view of a group, and who proposed it.
type ViewID struct {
	Counter     uint64 `json:"counter"`
	Coordinator uint64 `json:"coordinator,omitempty"`
}

// Less reports whether v is before w.
func (v ViewID) Less(w ViewID) bool {
	return v.Counter < w.Counter || v.Counter == w.Counter && v.Coordinator < w.Coordinator
}

// String writes the view as "7@1f".
func (v ViewID) String() string { return fmt.Sprintf("%d@%x", v.Counter, v.Coordinator) }

// Message identifies a message: the incarnation that sent it, and its number there, from 1.
type Message struct {
	Sender uint64 `json:"sender"`
	N      uint64 `json:"n"`
}

// String writes the message as "1f/7".
func (m Message) String() string { return fmt.Sprintf("%x/%d", m.Sender, m.N) }

// Event is one line of a log. Which fields count depends on the Kind.
type Event struct {
	Kind     Kind          `json:"kind"`
	At       time.Duration `json:"at,omitempty"` // since a moment that is the same for all logs; L7 alone reads it
	Message  Message       `json:"message,omitzero"`
	Sum      uint64        `json:"sum,omitempty"`   // of the message's octets
	Group    uint64        `json:"group,omitempty"` // of a view: which founding its history began with
	View     ViewID        `json:"view,omitzero"`
	Members  []uint64      `json:"members,omitempty"`
	Together []uint64      `json:"together,omitempty"` // the transitional set: who comes from the same view as this process
	From     uint64        `json:"from,omitempty"`
	State    uint64        `json:"state,omitempty"` // digest of the process's state; of a Recv: behind the message, 0 if not known
}

// Log is what one incarnation of a process saw, in its order.
type Log struct {
	Process uint64
	Events  []Event
}

// Order is the order that a group claims for its messages.
type Order int

// The orders, each of which includes those before it.
const (
	FIFO Order = iota
	Causal
	Total
)

// Claims says which properties a group was set to have. M1 to M7, D1 to D10, O1 and O2 are claimed always.
type Claims struct {
	Order Order
	Safe  bool // S1, S2 and, for total order, O5 and O7 of the processes that ended too
	State bool // X1 to X3
	// Stable, if not empty, are the processes that were connected with each other and nobody else, long enough before the logs end:
	// L1 to L4 and X4 are claimed for them.
	Stable []uint64
	// Block, if not 0, bounds the time from a Block to the next View (L7).
	Block time.Duration
}

// Violation is one property that does not hold.
type Violation struct {
	Rule    string // as in SPEC.md: "D6"
	Process uint64
	Event   int // the place in the process's log; -1: the log as a whole
	Text    string
}

// String says it in a line.
func (v Violation) String() string {
	if v.Event < 0 {
		return fmt.Sprintf("%s: process %x: %s", v.Rule, v.Process, v.Text)
	}
	return fmt.Sprintf("%s: process %x, event %d: %s", v.Rule, v.Process, v.Event, v.Text)
}

// maxViolations bounds what is reported: the first few say what is wrong.
const maxViolations = 100

// Check judges the logs and returns what does not hold, in the order of rules. The logs must be of all processes that sent anything. It
// takes time linear in the events, for causal order times the members.
func Check(c Claims, logs []Log) []Violation {
	j := newJudge(c, logs)
	j.membership()
	j.messages()
	j.synchrony()
	j.fifo()
	if c.Order >= Causal {
		j.causal()
	}
	if c.Order == Total {
		j.total()
	}
	if c.Safe {
		j.safe()
	}
	if c.State {
		j.state()
	}
	j.liveness()
	sort.SliceStable(j.found, func(a, b int) bool { return j.found[a].Rule < j.found[b].Rule })
	return j.found
}
