package element

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/poll"
)

// MaxInterfaces is how many interfaces an element has at most.
const MaxInterfaces = nak.MaxInterfaces

// Config says what an Element stands between. Zero fields mean the defaults, which are for a network with a round trip below 1 ms.
type Config struct {
	Group netip.AddrPort // the multicast group, and the port at which PGM in UDP is heard; each group has an Element of its own
	// Interfaces holds the address of the element on each of its interfaces: SPM_PATH on what it sends there [7.1-02]. Elsewhere an
	// interface is a number, its index here.
	Interfaces []netip.Addr
	// Toward returns the interface that leads to a source, -1 if none does. What comes from a source by another is not forwarded: it
	// has been here before, or is forged. It is asked about a source for the first packet of a session and whenever one comes from
	// elsewhere, and must be quick.
	Toward func(source netip.Addr) int

	Repairs nak.ForwarderConfig // NAK_RPT_RTE, NAK_RPT_IVL, NAK_RDATA_IVL, NAK_ELIM_IVL, and the repair states of a session at once
	// Tuner is for NAK_BO_IVL and its limits, as advertised on each interface. NAK_BO_IVL_MAX is 20 ms by default: duplicates go no
	// further than the link, and of several links those ask in time to be served by one repair that do not wait long. DUP_NAK_MAX is
	// none by default, as at a source: some hundred children on one link send as many duplicates before their back-off is tuned.
	Tuner poll.TunerConfig
	// Poll has the children on each interface counted by general polls when its Period is above zero; zero: not.
	Poll poll.PollerConfig
	// Discover is how long the element waits before it looks for off-tree repairers again, which it does when a NAK comes and it knows
	// of none [9.5.3.1-02]; zero: it does not look.
	Discover time.Duration

	// Recent is how many repairs are kept for NAKs that come just after them; default 1024, of 1500 octets at most each; negative: none.
	Recent int

	MaxSessions int           // sessions at once; default 256. Others are switched as by a router that knows no PGM
	Expiry      time.Duration // silence after which a session is forgotten; default 2 min
	NCFRate     int           // NCFs a second on one interface; default 20,000
	NAKRate     int           // NAKs and NNAKs a second towards one source; default 5,000
	// Shed is for how many packets a second one child may ask; what it asks for beyond that is not confirmed [7.6-01]. 0: no limit.
	Shed int

	RouterAlert bool       // packets go into IP itself, and bear IP Router Alert where they must
	Rand        *rand.Rand // required
}

func (c Config) withDefaults() Config {
	if c.MaxSessions == 0 {
		c.MaxSessions = 256
	}
	if c.Recent == 0 {
		c.Recent = 1024
	}
	if c.Expiry == 0 {
		c.Expiry = 2 * time.Minute
	}
	if c.NCFRate == 0 {
		c.NCFRate = 20_000
	}
	if c.NAKRate == 0 {
		c.NAKRate = 5_000
	}
	if c.Tuner.Max == 0 {
		c.Tuner.Max = max(20*time.Millisecond, c.Tuner.Default)
	}
	if c.Tuner.DupMax == 0 {
		c.Tuner.DupMax = -1
	}
	if c.Tuner.Hold == 0 {
		c.Tuner.Hold = c.Expiry // "until they receive a regular SPM from the source" [15.3.2-02]
	}
	c.Repairs = c.Repairs.WithDefaults()
	c.Tuner = c.Tuner.WithDefaults()
	if c.Poll.Period > 0 {
		c.Poll = c.Poll.WithDefaults()
	}
	return c
}

func (c *Config) check() error {
	switch {
	case c.Rand == nil:
		return errors.New("element: Config.Rand is missing")
	case c.Toward == nil:
		return errors.New("element: Config.Toward is missing")
	case !c.Group.Addr().IsMulticast():
		return fmt.Errorf("element: %v is not a multicast group", c.Group.Addr())
	case len(c.Interfaces) < 2 || len(c.Interfaces) > MaxInterfaces:
		return fmt.Errorf("element: %d interfaces; there must be 2 to %d", len(c.Interfaces), MaxInterfaces)
	case !c.Repairs.Valid():
		return errors.New("element: NAK_ELIM_IVL must be a quarter of NAK_RDATA_IVL at most, and no interval or limit negative")
	case c.MaxSessions < 0 || c.Expiry < 0 || c.NCFRate < 0 || c.NAKRate < 0 || c.Shed < 0 || c.Discover < 0 || c.Recent > 1<<20:
		return errors.New("element: a limit or interval is negative")
	}
	for i, a := range c.Interfaces {
		if !a.IsValid() || a.IsMulticast() || a.Unmap().Is4() != c.Group.Addr().Unmap().Is4() {
			return fmt.Errorf("element: interface %d has the address %v, which is none of the family of %v", i, a, c.Group.Addr())
		}
	}
	if err := c.Tuner.Check(); err != nil {
		return err
	}
	if c.Poll.Period > 0 {
		p := c.Poll
		p.Path = c.Interfaces[0]
		return p.Check()
	}
	return nil
}
