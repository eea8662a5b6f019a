package fec

import "fmt"

// Config says what parity a source offers. The zero Config offers none.
type Config struct {
	Group     int  // k, the data packets of a group: a power of two from 2 to 128; 0: no parity
	Parity    int  // h, the different parity packets that a group has, 1..255-k; 0: all of them
	Proactive int  // how many of them are sent unasked, behind the group's data: 0..h
	OnDemand  bool // send others when receivers ask for them
	Adaptive  bool // Proactive is where it begins: it follows what receivers report (Adapter)
}

// Enabled reports whether any parity is offered.
func (c Config) Enabled() bool { return c.Group != 0 }

// Params returns what SPMs say of it.
func (c Config) Params() Params {
	return Params{Group: Size(c.Group), Proactive: c.Proactive > 0 || c.Adaptive, OnDemand: c.OnDemand}
}

// WithDefaults returns c with the defaults in the place of zeros.
func (c Config) WithDefaults() Config {
	if c.Parity == 0 && c.Enabled() {
		c.Parity = MaxPackets - c.Group
	}
	return c
}

// Check returns what is wrong with c, with its defaults; nil for one that offers nothing.
func (c Config) Check() error {
	if c == (Config{}) {
		return nil
	}
	c = c.WithDefaults()
	k := Size(c.Group)
	switch {
	case c.Group < 0 || c.Group > MaxGroup || !k.Valid():
		return fmt.Errorf("fec: a group of %d packets: want a power of two from %d to %d", c.Group, MinGroup, MaxGroup)
	case c.Parity < 1 || c.Parity > k.MaxParity():
		return fmt.Errorf("fec: %d parity packets for a group of %d: want 1 to %d", c.Parity, c.Group, k.MaxParity())
	case c.Proactive < 0 || c.Proactive > c.Parity:
		return fmt.Errorf("fec: %d pro-active parity packets: want 0 to %d", c.Proactive, c.Parity)
	case c.Proactive == 0 && !c.OnDemand && !c.Adaptive: // [11.8.1-01]
		return fmt.Errorf("fec: groups of %d packets, and neither pro-active nor on-demand parity", c.Group)
	}
	return nil
}
