package pgm

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/source"
)

// CC says how a source finds its rate.
type CC = source.CC

// The ways to find a rate.
const (
	// CCFixed sends at Config.Rate.
	CCFixed = source.Fixed
	// CCAuto sends as fast as the network and the slowest receiver take it. Receivers of other stacks say nothing about that: if nobody
	// else is there, it sends 8 Mbit/s.
	CCAuto = source.Auto
	// CCPGMCC is the congestion control that OpenPGM has too. It finds the rate slowly, and halves it at each loss.
	CCPGMCC = source.PGMCC
)

// Slow says what becomes of a receiver that holds up the others.
type Slow = source.Slow

// What may become of it.
const (
	SlowWait   = source.Wait   // the others wait for it
	SlowShed   = source.Shed   // it is heard no more, and loses what it misses
	SlowDemote = source.Demote // it has the rest when the others have everything that was sent: for files
)

// checkCC reports what cannot be meant.
func (c *Config) checkCC() error {
	switch {
	case c.CC > CCPGMCC:
		return fmt.Errorf("pgm: %v is no way to find a rate", c.CC)
	case c.Slow > SlowDemote:
		return fmt.Errorf("pgm: %d says nothing of slow receivers", c.Slow)
	case c.Slow != SlowWait && c.CC == CCFixed:
		return fmt.Errorf("pgm: to %v slow receivers, the source must find its rate itself (Config.CC)", c.Slow)
	}
	return nil
}

// stampLen is how many octets of a data packet congestion control takes.
func (c *Config) stampLen(local netip.Addr) int {
	if c.CC == CCPGMCC {
		return source.StampLen(local)
	}
	return 0
}

// SetReceivers says how many receivers there are, as far as the program knows. It matters to Config.Slow: the only one holds up nobody.
func (s *Sender) SetReceivers(n int) {
	s.do(func(time.Time) { s.engine.SetReceivers(n) })
}

// Receivers calls f, soon and on the loop's goroutine, with the receivers that congestion control has heard of lately: who sets the rate, and
// who has missed something. They are valid during the call.
func (s *Sender) Receivers(f func([]congestion.Receiver)) {
	s.do(func(time.Time) {
		s.heard = s.heard[:0]
		s.engine.Receivers(func(r congestion.Receiver) bool {
			s.heard = append(s.heard, r)
			return true
		})
		f(s.heard)
	})
}

// overflowEvery is how often a receiver asks the kernel what it has dropped, while something arrives.
const overflowEvery = 5 * time.Millisecond

// countOverflow has the engine know how many packets found the socket's buffer full.
func (r *Receiver) countOverflow(now time.Time) {
	if now.Sub(r.counted) >= overflowEvery || now.Before(r.counted) {
		r.counted = now
		r.engine.SetOverflow(r.conn.Stats().Drops)
	}
}
