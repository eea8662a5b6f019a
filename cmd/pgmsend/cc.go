package main

import (
	"fmt"
	"strings"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// parseCC reads what --cc says.
func parseCC(s string) (pgm.CC, error) {
	for _, c := range []pgm.CC{pgm.CCAuto, pgm.CCFixed, pgm.CCPGMCC} {
		if s == c.String() {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%q: want auto, fixed or pgmcc", s)
}

// parseSlow reads what --slow says.
func parseSlow(s string) (pgm.Slow, error) {
	for _, p := range []pgm.Slow{pgm.SlowWait, pgm.SlowShed, pgm.SlowDemote} {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q: want wait, shed or demote", s)
}

// pace says who sets the rate, and how the network is on the way there.
func pace(f transfer.Flow) string {
	a := f.Acker
	if !a.Addr.IsValid() {
		return ""
	}
	return fmt.Sprintf("; %v sets %s: round trip %.1f ms, %.2g %% lost", a.Addr, console.FormatRate(float64(f.Rate)), a.RTT.Seconds()*1e3, a.Loss*100)
}

// slow tells what becomes of a receiver that holds up the others.
func (n *narrator) slow(e transfer.Event) {
	who := e.Peer
	if len(e.Missing) > 0 {
		who = fmt.Sprintf("%s (%s)", console.Visible(strings.Join(e.Missing, ", ")), e.Peer)
	}
	switch e.Kind {
	case transfer.Shed:
		n.display.Printf("%s holds up the others, and is waited for no more (--slow shed)", who)
	case transfer.Demoted:
		n.display.Printf("%s holds up the others: it has the rest when they have everything (--slow demote)", who)
	case transfer.Readmitted:
		n.display.Printf("the others have everything; now the rest for %s", who)
	}
}
