package member

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Order says in which order messages are received.
type Order uint8

// The orders. Each includes those above it.
const (
	FIFO   Order = iota // those of one sender in the order in which it sent them
	Causal              // a message behind all that its sender had sent or received before
	Total               // all messages in one order at all members, made by the first of the view
	Token               // the same, made by whoever has a token that goes round
)

// String names the order.
func (o Order) String() string {
	switch o {
	case FIFO:
		return "fifo"
	case Causal:
		return "causal"
	case Total:
		return "total"
	}
	return "token"
}

// Limits of what a group can be.
const (
	MaxMembers = 128
	MaxMessage = 16 << 20 // octets
	MaxName    = 64
	maxBatch   = 60 << 10
	minBatch   = 512
)

// Config says how a member behaves. Group, Order, Safe and State must be the same at all members: a member with others is refused. Fields
// that are zero have their defaults.
type Config struct {
	ID    ID     // there is no default
	Group string // the name of the group
	Name  string // of this member, for people; at most MaxName octets

	Order Order
	Safe  bool // deliver only what all members of the view have
	State bool // give those who join the state of the group

	// Strict has Send refuse, with ErrBlocked, until the program has taken the event of the current view: then it knows exactly who may get
	// what it sends. Else a message may belong to a view whose event the program has yet to take.
	Strict bool

	// Expect is how many members found the group: fewer wait. Default 1: whoever finds nobody founds it alone.
	Expect int
	// Found is how long a member that finds no group waits before it founds one with others, and half of how long before it
	// founds one alone; default 150 ms. Settle is how long nobody may have come
	// before it does, so that members that start together make one view; default 100 ms.
	Found, Settle time.Duration
	// Gather is how long a group waits for more to join once one wants to; default 15 ms.
	Gather time.Duration

	// Alive is the longest that a member is silent; default 40 ms. What is not heard for longer than four times the longest gap of late, but
	// between SuspectMin and SuspectMax, is suspected; defaults 300 and 420 ms. The time counts in which this member runs: a pause of its own
	// makes nobody suspect.
	Alive, SuspectMin, SuspectMax time.Duration

	Batch       int // octets of a packet that carries messages; default 32 KiB, at most 60 KiB
	Window      int // octets that this member has sent and not all have; default 4 MiB
	SendBuffer  int // octets that wait to be sent; default 256 KiB, and one message always fits
	Backlog     int // octets received that the program has not taken, beyond which the group is slowed down; default 16 MiB
	StateWindow int // octets of state that the program of who joins has not taken; default 1 MiB
	// StateBacklog takes the place of Backlog while this member waits for its state; default 64 MiB.
	StateBacklog int

	// SlowAfter is how long another may hold this member up before it is reported; default 1 s. ExcludeAfter, if not zero, is how long before
	// it is excluded.
	SlowAfter, ExcludeAfter time.Duration

	Rand *rand.Rand // draws the identity of a group that is founded; nil: it is made of ID
}

// withDefaults completes the configuration and says what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.ID == 0:
		return c, errors.New("member: no ID")
	case c.Group == "":
		return c, errors.New("member: no name of a group")
	case len(c.Name) > MaxName:
		return c, fmt.Errorf("member: a name of %d octets: want %d at most", len(c.Name), MaxName)
	case c.Order > Token:
		return c, fmt.Errorf("member: order %d is none", c.Order)
	case c.Expect < 0 || c.Expect > MaxMembers:
		return c, fmt.Errorf("member: %d members expected: want 1 to %d", c.Expect, MaxMembers)
	case c.Batch != 0 && c.Batch < minBatch || c.Batch > maxBatch:
		return c, fmt.Errorf("member: packets of %d octets: want %d to %d", c.Batch, minBatch, maxBatch)
	}
	duration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	size := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	duration(&c.Found, 150*time.Millisecond)
	duration(&c.Settle, 100*time.Millisecond)
	duration(&c.Gather, 15*time.Millisecond)
	duration(&c.Alive, 40*time.Millisecond)
	duration(&c.SuspectMin, 300*time.Millisecond)
	duration(&c.SuspectMax, 420*time.Millisecond)
	duration(&c.SlowAfter, time.Second)
	size(&c.Expect, 1)
	size(&c.Batch, 32<<10)
	size(&c.Window, 4<<20)
	size(&c.SendBuffer, 256<<10)
	size(&c.Backlog, 16<<20)
	size(&c.StateWindow, 1<<20)
	size(&c.StateBacklog, 64<<20)
	c.SuspectMax = max(c.SuspectMax, c.SuspectMin)
	if c.SuspectMin < 2*c.Alive {
		return c, fmt.Errorf("member: suspicion after %v with a word every %v: want twice that at least", c.SuspectMin, c.Alive)
	}
	return c, nil
}

// name returns what packets of the group bear instead of its name.
func (c *Config) name() uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.Group))
	return h.Sum64()
}

// settings returns what must be the same at all members.
func (c *Config) settings() byte {
	s := byte(c.Order)
	if c.Safe {
		s |= 1 << 4
	}
	if c.State {
		s |= 1 << 5
	}
	return s
}
