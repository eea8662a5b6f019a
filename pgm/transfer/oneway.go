package transfer

import (
	"sync/atomic"

	"github.com/gopgm/gopgm/pgm"
)

// OneWayFEC is the parity of a one-way session unless another is asked for: nobody can ask for any, so it is sent with each group, an eighth
// of it, which makes up for the loss of 5 % in all but one group of a hundred; the next round makes up for that.
var OneWayFEC = pgm.FEC{Group: 64, Proactive: 8}

// oneWay returns the configuration of a session whose source hears nobody: parity is sent unasked or not at all, and nobody is counted.
func oneWay(c pgm.Config) pgm.Config {
	if c.FEC.Adaptive || !c.FEC.Enabled() {
		c.FEC = OneWayFEC
	}
	if c.FEC.OnDemand = false; c.FEC.Proactive == 0 {
		c.FEC = pgm.FEC{}
	}
	c.Source.Count = -1
	return c
}

// rounds are those of a one-way session: the first was sent, others follow.
type rounds struct {
	sent    int // that were begun besides the first
	asked   atomic.Bool
	refused atomic.Bool
}

// done begins the next round when one is over, and reports whether that was the last.
func (r *rounds) done(s *sending) bool {
	if r.asked.Load() {
		return false
	}
	if r.refused.Swap(false) {
		r.sent-- // it was too early
	}
	if s.sender.Stats().Rounds < uint64(r.sent) {
		return false
	}
	if s.o.Rounds > 0 && r.sent+1 >= s.o.Rounds {
		return true
	}
	r.sent++
	r.asked.Store(true)
	s.sender.Repeat(func(began bool) {
		r.refused.Store(!began)
		r.asked.Store(false)
	})
	return false
}
