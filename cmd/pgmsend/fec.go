package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gopgm/gopgm/pgm"
)

// autoFEC is what --fec auto stands for. Where nobody can answer, the library has a better one, and takes it for this.
var autoFEC = pgm.FEC{Group: 64, OnDemand: true, Adaptive: true}

// noneUnasked is what --fec off stands for where nobody can answer: parity that is there on demand alone, which is none.
var noneUnasked = pgm.FEC{Group: 64, OnDemand: true}

// parseFEC reads what --fec says: "auto", "off", or "k=64,proactive=8,parity=64". oneWay says that nobody can ask for parity.
func parseFEC(s string, oneWay bool) (pgm.FEC, error) {
	switch {
	case s == "auto":
		return autoFEC, nil
	case s == "off" && oneWay:
		return noneUnasked, nil
	case s == "off":
		return pgm.FEC{}, nil
	}
	c := pgm.FEC{OnDemand: true}
	fields := map[string]*int{"k": &c.Group, "proactive": &c.Proactive, "parity": &c.Parity}
	for _, field := range strings.Split(s, ",") {
		name, text, _ := strings.Cut(field, "=")
		name = strings.TrimSpace(name)
		to, known := fields[name]
		n, err := strconv.Atoi(strings.TrimSpace(text))
		switch {
		case !known || err != nil:
			return c, fmt.Errorf("%q: want auto, off, or k=64,proactive=8", s)
		case to == nil:
			return c, fmt.Errorf("%q: %s is there twice", s, name)
		}
		*to, fields[name] = n, nil
	}
	if c.Group == 0 {
		return c, fmt.Errorf("%q: how many packets does a group have? want k=64, say", s)
	}
	if err := c.Check(); err != nil {
		return c, errors.New(strings.TrimPrefix(err.Error(), "fec: "))
	}
	least := min(c.Group, pgm.FEC{Group: c.Group}.WithDefaults().Parity)
	switch {
	case oneWay && c.Proactive == 0:
		return c, fmt.Errorf("%q: with --one-way nobody can ask for parity: want k=%d,proactive=%d, say, or off", s, c.Group, max(c.Group/8, 1))
	case !oneWay && c.Parity != 0 && c.Parity < least:
		return c, fmt.Errorf("%q: who misses a whole group needs as many parity packets: want parity=%d at least", s, least)
	}
	return c, nil
}
