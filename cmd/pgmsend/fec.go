package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gopgm/gopgm/pgm"
)

// autoFEC is what --fec auto stands for.
var autoFEC = pgm.FEC{Group: 64, OnDemand: true, Adaptive: true}

// parseFEC reads what --fec says: "auto", "off", or "k=64,proactive=8,parity=64".
func parseFEC(s string) (pgm.FEC, error) {
	switch s {
	case "auto":
		return autoFEC, nil
	case "off":
		return pgm.FEC{}, nil
	}
	c := pgm.FEC{OnDemand: true}
	for _, field := range strings.Split(s, ",") {
		name, text, _ := strings.Cut(field, "=")
		to := map[string]*int{"k": &c.Group, "proactive": &c.Proactive, "parity": &c.Parity}[strings.TrimSpace(name)]
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if to == nil || err != nil {
			return c, fmt.Errorf("%q: want auto, off, or k=64,proactive=8", s)
		}
		*to = n
	}
	switch {
	case c.Group == 0:
		return c, fmt.Errorf("%q: how many packets does a group have? want k=64, say", s)
	case c.Parity != 0 && c.Parity < c.Group:
		return c, fmt.Errorf("%q: who misses a whole group needs as many parity packets: want parity=%d at least", s, c.Group)
	}
	return c, c.Check()
}
