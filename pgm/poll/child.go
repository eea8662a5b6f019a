package poll

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Verdict is what a Child makes of a POLL.
type Verdict uint8

// The verdicts.
const (
	Scheduled  Verdict = iota // a POLR will be due
	Unselected                // the random condition does not hold [14.5-03]
	Unknown                   // a sub-type that is not known, or asks for what this child is not [14.3.2-03]
	Unopened                  // a round of a poll whose round 0 was not received [14.5-04]
	Repeated                  // a round that was received before
	Unroutable                // POLL_PATH is no address that a POLR could be sent to
)

// String returns the verdict's name.
func (v Verdict) String() string {
	return [...]string{"scheduled", "not selected", "sub-type not known", "round 0 not received", "repeated", "no POLL_PATH"}[v]
}

// Child is what replies to the POLLs of one session, at a receiver or network element [14.5]. The zero Child with a NodeID is
// ready.
type Child struct {
	NodeID uint32 // RAND_NODE_ID, drawn once when the program starts, for all sessions [14.5-01]
	DLR    bool   // it is a designated local repairer, and replies to polls for such

	known   bool
	open    bool       // round 0 of the last poll was received
	sqn     packet.SQN // POLL_SQN of the last poll
	round   uint16     // the newest round of it that was received
	pending []pending
}

type pending struct {
	reply Reply
	to    netip.Addr
	at    time.Time
}

// maxPending bounds the POLRs that wait: a parent collects those of one round before it opens the next. Of a parent that does
// not, the oldest round is forgotten.
const maxPending = 8

// Heard takes a POLL of the session and schedules the reply to it, if there is to be one.
func (c *Child) Heard(now time.Time, p *Packet, rng *rand.Rand) Verdict {
	// "A PGM receiver or network element MUST cancel any pending transmission of POLRs if a new POLL is received with POLL_SQN
	// different from POLR_SQN of the poll that scheduled POLRs" (RFC 3208 §14.5): whatever else becomes of the new one.
	if !c.known || p.SQN != c.sqn {
		c.known, c.open, c.sqn, c.round = true, false, p.SQN, 0
		c.pending = c.pending[:0]
	}
	// Round 0 fixes who is counted, and those whom its mask leaves out are: they may be asked in later rounds. So it was received
	// even when it is discarded.
	switch {
	case p.Round == 0 && !c.open:
		c.open = true
	case !c.open:
		return Unopened
	case p.Round <= c.round:
		return Repeated // "a single POLR"
	}
	c.round = p.Round
	switch {
	case (c.NodeID^p.Rand)&p.Mask != 0:
		return Unselected
	case p.Subtype != General && !(p.Subtype == DLR && c.DLR):
		return Unknown
	case !isHost(p.Path):
		return Unroutable
	}
	if len(c.pending) == maxPending {
		c.pending = append(c.pending[:0], c.pending[1:]...)
	}
	// "The random delay is chosen in the interval [0, POLL_BO_IVL]" [14.5-06].
	delay := time.Duration(rng.Int64N(int64(max(p.BackOff, 0)) + 1))
	c.pending = append(c.pending, pending{Reply{SQN: p.SQN, Round: p.Round}, p.Path, now.Add(delay)})
	return Scheduled
}

// Due returns a POLR that is to be unicast now, and to whom [14.5-07]; ok is false when there is none. What is returned counts as
// sent.
func (c *Child) Due(now time.Time) (r Reply, to netip.Addr, ok bool) {
	for i, p := range c.pending {
		if !now.Before(p.at) {
			c.pending = append(c.pending[:i], c.pending[i+1:]...)
			return p.reply, p.to, true
		}
	}
	return Reply{}, netip.Addr{}, false
}

// Next returns when Due has a reply; zero: none waits.
func (c *Child) Next() (next time.Time) {
	for _, p := range c.pending {
		if next.IsZero() || p.at.Before(next) {
			next = p.at
		}
	}
	return next
}
