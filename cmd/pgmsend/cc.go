package main

import (
	"fmt"

	"github.com/gopgm/gopgm/pgm"
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
