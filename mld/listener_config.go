package mld

import (
	"fmt"
	"net/netip"
	"time"
)

// ListenerConfig configures a Listener. Zero fields mean the default.
type ListenerConfig struct {
	Family  Family     // default MLD
	Address netip.Addr // the interface's own: link-local in MLD; without one, reports are sent from the unspecified address [5.2.13]
	MTU     int        // of the link, in octets; default 1280 for MLD, 576 for IGMP, which every link takes

	Version                   Version       // the latest to speak, e.g. MLDv1; default MLDv2. Queries of earlier versions lead further back [8.2.1]
	IgnoreOlder               bool          // take no notice of queries of earlier versions than Version [10.1]
	Robustness                int           // [Robustness Variable], until a query says otherwise; 1 to 7, default 2 [9.1]
	UnsolicitedReportInterval time.Duration // of MLDv2 and IGMPv3; default 1 s [9.11]
	OlderReportInterval       time.Duration // the same before MLDv2; default 10 s [7 of v1]
	AlwaysDone                bool          // before MLDv2, send Done even if somebody else was the last to report [4 of v1]

	MaxGroups  int // listened to; default 4096
	MaxSources int // in the filter of a group, and asked for in pending queries of a group; default 512
}

// minPause is the least time between answers to general queries, and between answers to specific queries about a group: queries that leave
// no time to answer, in a flood, do not make a flood of reports.
const minPause = 100 * time.Millisecond

func (c *ListenerConfig) check() error {
	if c.Family == 0 {
		c.Family = MLD
	}
	if c.Version == 0 {
		c.Version = MLDv2
	}
	c.Address = addressOr(c.Address, c.Family)
	c.MTU = or(c.MTU, c.Family.minMTU())
	c.Robustness = or(c.Robustness, 2)
	c.UnsolicitedReportInterval = or(c.UnsolicitedReportInterval, time.Second)
	c.OlderReportInterval = or(c.OlderReportInterval, 10*time.Second)
	c.MaxGroups = or(c.MaxGroups, 4096)
	c.MaxSources = or(c.MaxSources, 512)
	switch {
	case !c.Family.valid():
		return fmt.Errorf("mld: unknown family %d", c.Family)
	case !c.Family.speaks(c.Version):
		return fmt.Errorf("mld: %v has no version of the value %d", c.Family, c.Version)
	case !c.Family.own(c.Address):
		return fmt.Errorf("mld: address %v: want a link-local one for MLD, an IPv4 one for IGMP", c.Address)
	case c.MTU < c.Family.minMTU() || c.MTU > 65535:
		return fmt.Errorf("mld: MTU %d: want %d to 65535", c.MTU, c.Family.minMTU())
	case c.Robustness < 1 || c.Robustness > 7:
		return fmt.Errorf("mld: robustness %d: want 1 to 7", c.Robustness)
	case c.UnsolicitedReportInterval < 0 || c.OlderReportInterval < 0:
		return fmt.Errorf("mld: a negative interval")
	case c.MaxGroups < 0 || c.MaxSources < 0:
		return fmt.Errorf("mld: a negative limit")
	}
	return nil
}

// or returns v, or d if v is zero.
func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// addressOr returns a without its zone, or the unspecified address of f if a is none.
func addressOr(a netip.Addr, f Family) netip.Addr {
	if !a.IsValid() {
		return f.Unspecified()
	}
	return a.WithZone("")
}

func (f Family) valid() bool { return f == MLD || f == IGMP }

// speaks reports whether the family has the version.
func (f Family) speaks(v Version) bool {
	return v >= IGMPv1 && v <= IGMPv3 && (f == IGMP || v >= MLDv1)
}

// own reports whether a can be an interface's own address, or is unspecified.
func (f Family) own(a netip.Addr) bool {
	return f.has(a) && !a.IsMulticast() && (f == IGMP || a.IsUnspecified() || a.IsLinkLocalUnicast())
}

// minMTU returns the MTU that no link is below, in octets.
func (f Family) minMTU() int {
	if f == IGMP {
		return 576
	}
	return 1280
}
