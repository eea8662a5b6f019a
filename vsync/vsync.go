// Package vsync keeps the replicas of a program in agreement: a program joins a group and receives, in one stream of events, views, messages
// and requests for its state, such that members that go together from one view to the next have received the same messages in the first,
// in FIFO, causal or total order. SPEC.md says exactly what is promised, and package vsync/check decides it from logs.
//
//	g, err := vsync.Join(ctx, vsync.Config{Group: "accounts", Order: vsync.Total, State: true})
//	for {
//		switch e, err := g.Next(ctx); e := e.(type) {
//		case *vsync.View:         // who is in the group now
//		case *vsync.Message:      // from a member: e.Data
//		case *vsync.StateRequest: // give the state, as it is now, to who joins: e.Writer(ctx)
//		case *vsync.State:        // a piece of it, before our first view
//		}
//	}
//
// PGM carries each message once to all; each member is a source of its own. What a group needs besides is in vsync/member, an
// engine without sockets or clocks, which this package joins to package pgm.
package vsync

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/vsync/member"
)

// The vocabulary of groups; see package vsync/member.
type (
	ID        = member.ID        // an incarnation
	ViewID    = member.ViewID    // a view
	Peer      = member.Peer      // a member in a view
	Departure = member.Departure // who is no longer in a view, and why
	Reason    = member.Reason    // why somebody is out
	Order     = member.Order     // in which messages are received
	Stats     = member.Stats     // counters
)

// The orders, and the reasons for which somebody is out.
const (
	FIFO   = member.FIFO
	Causal = member.Causal
	Total  = member.Total
	Token  = member.Token

	Left       = member.Left
	Silent     = member.Silent
	Broken     = member.Broken
	Slow       = member.Slow
	Unhearable = member.Unhearable
	Elsewhere  = member.Elsewhere
	StateLost  = member.StateLost
	Refused    = member.Refused
	Unknown    = member.Unknown
)

// MaxMessage is the longest message, in octets.
const MaxMessage = member.MaxMessage

// Config says what group to join, and how. Group, Order, Safe and State must be the same at all members. Fields that are zero have their
// defaults, those of member.Config where no other is said.
type Config struct {
	Endpoint string // as pgm.ParseEndpoint has it; default pgm.DefaultEndpoint. Several groups may share one
	Group    string // the name of the group
	Name     string // of this member, for people; default the name of the host

	Order  Order
	Safe   bool // receive only what all members of the view have
	State  bool // give those who join the state of the group
	Strict bool // Send waits until Next has shown the view in which the message will be
	Expect int  // how many members found the group; fewer wait. Half of those that there will be, and one, excludes that two are founded

	// The failure detector: a member is suspected after a silence of SuspectMin to SuspectMax, depending on how regularly it was heard;
	// defaults 300 and 420 ms. Alive is how often it is heard at least; default 40 ms.
	Alive, SuspectMin, SuspectMax time.Duration
	// ExcludeAfter, if not zero, is for how long a member that takes nothing may hold up the others before it is excluded.
	ExcludeAfter time.Duration

	Batch   int // octets of a packet that carries messages; default 32 KiB
	Window  int // octets of ours that not all members have, beyond which Send waits; default 4 MiB
	Backlog int // octets that Next has not shown, beyond which the senders wait; default 16 MiB

	PGM pgm.Config // the session beneath
	// Log, if not nil, gets a line for each event and message, for package vsync/check.
	Log io.Writer
}

// Event is what Next returns: a *View, *Message, *StateRequest, *State, *Blocked or *SlowMember.
type Event interface{ event() }

// View is who is in the group from now on.
type View struct{ member.View }

// Message is a message of a member, this one included. It is valid until the next call of Next.
type Message struct {
	From   ID
	Number uint64 // which message of its sender it is, from 1
	View   ViewID // in which it was sent and received
	Data   []byte
}

// State is a piece of the state of the group. Pieces come before the first View; the state is complete with the Last of them. One
// that says Restart takes the place of all before it: another member gives the state from its beginning. Data is valid until
// the next call of Next.
type State struct {
	From    ID
	Data    []byte
	Restart bool // also of the first
	Last    bool
}

// Blocked says that a view is being agreed on: what Send is given waits for it. If that lasts, the majority of the view is out of reach.
type Blocked struct{}

// SlowMember says that a member has held this one up for a second: it takes nothing of what was sent.
type SlowMember struct{ Peer }

func (*View) event()         {}
func (*Message) event()      {}
func (*StateRequest) event() {}
func (*State) event()        {}
func (*Blocked) event()      {}
func (*SlowMember) event()   {}

// ErrOut is what Next and Send return when this member is no longer in the group: the error is an *OutError, which says why. A program that
// wants to be in it again joins as a new member.
var ErrOut = errors.New("out of the group")

// OutError says why this member is out, and who said so; By is zero if it found out by itself.
type OutError struct {
	Why Reason
	By  ID
}

// Error says why.
func (e *OutError) Error() string { return fmt.Sprintf("vsync: out of the group: %v", e.Why) }

// Unwrap returns ErrOut.
func (e *OutError) Unwrap() error { return ErrOut }

// member returns the configuration of the engine.
func (c *Config) member() member.Config {
	return member.Config{
		Group: c.Group, Name: c.Name, Order: c.Order, Safe: c.Safe, State: c.State, Strict: c.Strict, Expect: c.Expect,
		Alive: c.Alive, SuspectMin: c.SuspectMin, SuspectMax: c.SuspectMax, ExcludeAfter: c.ExcludeAfter,
		Batch: c.Batch, Window: c.Window, Backlog: c.Backlog,
	}
}
