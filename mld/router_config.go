package mld

import (
	"fmt"
	"net/netip"
	"time"
)

// The defaults of [9], the same in all versions.
const (
	defaultQueryInterval    = 125 * time.Second
	defaultResponseInterval = 10 * time.Second
	defaultLastInterval     = time.Second
)

// RouterConfig configures a Router. Zero fields mean the default. The timers "MUST be consistent among all nodes on a single link" [9]; what
// the elected querier says of its own is followed while it is there.
type RouterConfig struct {
	Family  Family       // default MLD
	Address netip.Addr   // the interface's own, link-local in MLD: queries are sent from it, and the lowest one on the link is elected [7.6.2]
	Prefix  netip.Prefix // of the link, for IGMP: reports from elsewhere are refused, those from 0.0.0.0 aside; none: all are taken
	MTU     int          // of the link, in octets; default 1280 for MLD, 576 for IGMP

	Version          Version       // to query in: MLDv1 where there are routers of it [8.3.1]; default MLDv2
	IgnoreOlder      bool          // take no notice of reports of earlier versions than Version [10.2]
	Robustness       int           // [Robustness Variable], 1 to 7; default 2 [9.1]
	QueryInterval    time.Duration // [Query Interval]; default 125 s [9.2]
	ResponseInterval time.Duration // [Query Response Interval], at most QueryInterval; default 10 s, or QueryInterval if less [9.3]
	StartupInterval  time.Duration // [Startup Query Interval]; default a quarter of QueryInterval [9.6]
	StartupCount     int           // [Startup Query Count]; default Robustness [9.7]
	LastInterval     time.Duration // [Last Listener Query Interval]; default 1 s [9.8]
	LastCount        int           // [Last Listener Query Count]; default Robustness [9.9]
	FastLeave        bool          // believe the first that leaves, without asking: for links with one listener
	MaxSilence       time.Duration // the most that one query of another querier silences this one; default [Other Querier Present Timeout] of this configuration
	MaxGroups        int           // with listeners; default 4096. Reports about more are ignored
	MaxSources       int           // of a group; default 512. More are ignored: those in EXCLUDE mode then come though nobody wants them
	QueriesPerSecond int           // specific queries that reports lead to, their repetitions included; default 50, and as many at once. Those beyond wait

	// Changed, if set, is called when what listeners want of a group changes: "notify routing" in RFC 2710 §6. The zero Filter
	// says that nobody listens any more. It must not call the Router.
	Changed func(now time.Time, group netip.Addr, f Filter)
}

func (c *RouterConfig) check() error {
	if c.Family == 0 {
		c.Family = MLD
	}
	if c.Version == 0 {
		c.Version = MLDv2
	}
	c.Address = addressOr(c.Address, c.Family)
	c.MTU = or(c.MTU, c.Family.minMTU())
	c.Robustness = or(c.Robustness, 2)
	c.QueryInterval = or(c.QueryInterval, defaultQueryInterval)
	c.ResponseInterval = or(c.ResponseInterval, min(defaultResponseInterval, c.QueryInterval))
	c.StartupInterval = or(c.StartupInterval, c.QueryInterval/4)
	c.StartupCount = or(c.StartupCount, c.Robustness)
	c.LastInterval = or(c.LastInterval, defaultLastInterval)
	c.LastCount = or(c.LastCount, c.Robustness)
	c.MaxSilence = or(c.MaxSilence, time.Duration(c.Robustness)*c.QueryInterval+c.ResponseInterval/2)
	c.MaxGroups = or(c.MaxGroups, 4096)
	c.MaxSources = or(c.MaxSources, 512)
	c.QueriesPerSecond = or(c.QueriesPerSecond, 50)
	switch {
	case !c.Family.valid():
		return fmt.Errorf("mld: unknown family %d", c.Family)
	case !c.Family.speaks(c.Version):
		return fmt.Errorf("mld: %v has no version of the value %d", c.Family, c.Version)
	case !c.Family.own(c.Address) || c.Address.IsUnspecified():
		return fmt.Errorf("mld: address %v: want a link-local one for MLD, an IPv4 one for IGMP", c.Address)
	case c.MTU < c.Family.minMTU() || c.MTU > 65535:
		return fmt.Errorf("mld: MTU %d: want %d to 65535", c.MTU, c.Family.minMTU())
	case c.Robustness < 1 || c.Robustness > 7:
		return fmt.Errorf("mld: robustness %d: want 1 to 7", c.Robustness)
	case c.QueryInterval < time.Second || c.QueryInterval > maxQueryInterval:
		return fmt.Errorf("mld: query interval %v: want 1s to %v", c.QueryInterval, maxQueryInterval)
	case c.ResponseInterval < igmpDelayUnit || c.ResponseInterval > c.QueryInterval:
		return fmt.Errorf("mld: query response interval %v: want %v to the query interval, %v", c.ResponseInterval, igmpDelayUnit, c.QueryInterval)
	case c.LastInterval < igmpDelayUnit || c.LastInterval > c.QueryInterval:
		return fmt.Errorf("mld: last listener query interval %v: want %v to the query interval, %v", c.LastInterval, igmpDelayUnit, c.QueryInterval)
	case c.StartupInterval < 0 || c.MaxSilence < 0:
		return fmt.Errorf("mld: a negative interval")
	case c.StartupCount < 0 || c.LastCount < 0 || c.MaxGroups < 0 || c.MaxSources < 0 || c.QueriesPerSecond < 0:
		return fmt.Errorf("mld: a negative number")
	}
	// Timers are those that the listeners are told: a code may say less than was asked for.
	c.ResponseInterval = c.Family.represent(c.Version, c.ResponseInterval)
	c.LastInterval = c.Family.represent(c.Version, c.LastInterval)
	c.QueryInterval = time.Duration(decode(encode(count(c.QueryInterval, intervalUnit), narrowMantissa), narrowMantissa)) * intervalUnit
	return nil
}

// maxQueryInterval is the largest interval that a query can say: 31744 s.
const maxQueryInterval = 31744 * time.Second
