package source

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// The defaults of Config: for a network of 1 Gbit/s or more with a round trip below 1 ms.
const (
	DefaultRepairShare = 0.5
	DefaultLinger      = 2 * time.Second
	DefaultMaxRepairs  = 65536
	DefaultMaxReports  = 1024
	DefaultProbe       = 3 // of Tuner
)

// MinPollRate is the rate, in octets a second, from which on receivers are counted unless Config.Poll says otherwise: below, the
// network may be too slow for their replies.
const MinPollRate = 125_000

// Config says what a source sends, where, and how fast. Fields that are zero have their defaults.
type Config struct {
	TSI    packet.TSI     // of the session
	Dest   uint16         // the Data-Destination Port
	Source netip.AddrPort // our own: its address is the Path NLA of SPMs and what NAKs name
	Group  netip.AddrPort // where packets go; its address is what NAKs name

	MaxTSDU  int // octets that a packet without options carries: what the MTU leaves behind Overhead and packet.DataHeaderLen
	Overhead int // network octets in front of each packet, which the rate counts: 28 in UDP over IPv4, 48 over IPv6, 20 or 40 without UDP
	MaxRate  int // TXW_MAX_RTE in octets a second, for all that is sent, Overhead included [5.1.1-01]; 0: unlimited
	// CC says how the rate is found; MaxRate is its ceiling unless it is Fixed. PGMCC makes data packets up to StampLen octets longer than MaxTSDU
	// says.
	CC CC
	// Slow says what becomes of a receiver that holds up the others, unless CC is Fixed; Lag, unless nil, is told when one falls behind,
	// and when it counts again.
	Slow  Slow
	Lag   func(receiver netip.Addr, behind bool)
	Peak  int // the rate of a burst, in octets a second; 0: congestion.PacerConfig's default
	Burst int // octets that leave back to back; 0: congestion.PacerConfig's default
	// AlertOverhead is how many octets IP Router Alert adds to Overhead where it goes with a packet [4-01]: 4 or 8 over IP itself, 0 in UDP.
	AlertOverhead int

	// RepairShare is the part of the rate that RDATA has while there are both RDATA and ODATA to send; alone, each has all of it
	// [5.1.3-02]. Between 0 and 1; default 0.5.
	RepairShare float64
	// MaxRepairs bounds the packets that wait to be repaired. NAKs for more are confirmed, but the packet is not queued: the
	// receiver asks again after NAK_RDATA_IVL. Default 65,536.
	MaxRepairs int
	// MaxReports bounds the reports that wait to be sent; default 1,024.
	MaxReports int

	Ambient, IHBMin, IHBMax time.Duration // of SPMs; see spm.ScheduleConfig
	Opening                 int           // SPMs that open the session; likewise
	NCFHold                 time.Duration // for how long an SQN is not confirmed again; see ncf.Config

	// Linger is for how long the session is kept after OPT_FIN or OPT_RST: TXW_SECS [9.7.2-03], [9.8.2-05]. Each repair
	// starts it again, so that a receiver that lags is not cut off, until LingerMax is over. Default 2 s and 60
	// times Linger; negative: none.
	Linger, LingerMax time.Duration

	// Poll says how receivers are counted, by general polls [14.4-01]; who is asked, and POLL_PATH, are not taken from it. A Period of
	// zero is poll.DefaultPeriod if MaxRate is at least MinPollRate, or unlimited, and none below that. Negative: no polls.
	// Without Rand there are none either.
	Poll poll.PollerConfig
	// Tuner says how NAK_BO_IVL, over which receivers spread their NAKs, follows the duplicates that come [15.2.1]. Its Default, 5 ms,
	// is what they begin with: what differs from it is advertised. Min, Default and Max that are equal fix it. Counted is not taken
	// from it; Probe is DefaultProbe unless given, and DUP_NAK_MAX none: a packet that hundreds of receivers lost draws as many
	// NAKs within a round trip as one whose NCF nobody hears.
	Tuner poll.TunerConfig

	// FEC is the parity that is offered [11]; the zero Config offers none. Parity packets are up to fec.Reserve octets longer than data packets
	// with MaxTSDU octets. With Adaptive and OnDemand, parity is advertised on demand only once it pays. First must
	// begin a group.
	FEC fec.Config

	First packet.SQN // of the first data packet
	Join  bool       // have each SPM bear OPT_JOIN with the trail: who joins late may ask for the whole window [9.4.3-01]
	Store Store
	Rand  *rand.Rand // draws the first SPM_SQN, which is 0 if it is nil, and polls

	// Report, unless nil, is called for each report of a receiver (packet.TypeReport): body is valid during the call.
	Report func(now time.Time, from netip.AddrPort, body []byte)
}

// minTSDU is the least MaxTSDU: room for the options of a packet and some data.
const minTSDU = 64

func (c Config) withDefaults() Config {
	if c.RepairShare == 0 {
		c.RepairShare = DefaultRepairShare
	}
	if c.MaxRepairs == 0 {
		c.MaxRepairs = DefaultMaxRepairs
	}
	if c.MaxReports == 0 {
		c.MaxReports = DefaultMaxReports
	}
	if c.Poll.Period == 0 && c.MaxRate > 0 && c.MaxRate < MinPollRate {
		c.Poll.Period = -1
	}
	c.Poll.Path, c.Poll.Subtype = c.Source.Addr().Unmap().WithZone(""), poll.General
	if c.Tuner.Probe == 0 {
		c.Tuner.Probe = DefaultProbe
	}
	c.Tuner.Counted = c.polls()
	if c.Tuner.DupMax == 0 {
		c.Tuner.DupMax = -1
	}
	if c.Linger == 0 {
		c.Linger = DefaultLinger
	}
	c.Linger = max(c.Linger, 0)
	if c.LingerMax == 0 {
		c.LingerMax = 60 * c.Linger
	}
	c.LingerMax = max(c.LingerMax, c.Linger)
	return c
}

// check returns what is wrong with a configuration whose defaults are in place.
func (c *Config) check() error {
	src, grp := c.Source.Addr(), c.Group.Addr()
	switch {
	case c.Store == nil:
		return errors.New("source: no Store")
	case !src.IsValid() || src.IsUnspecified() || src.IsMulticast():
		return fmt.Errorf("source: %v is not a source's address", c.Source)
	case !grp.IsValid() || grp.IsUnspecified() || c.Group.Port() == 0:
		return fmt.Errorf("source: %v is not a group's address and port", c.Group)
	case src.Unmap().Is4() != grp.Unmap().Is4():
		return fmt.Errorf("source: %v and %v are of different families", src, grp)
	case c.MaxTSDU < minTSDU || c.MaxTSDU > packet.MaxRun-packet.DataHeaderLen-c.reserve()-c.stampLen():
		return fmt.Errorf("source: MaxTSDU %d is not in %d..%d", c.MaxTSDU, minTSDU, packet.MaxRun-packet.DataHeaderLen-c.reserve()-c.stampLen())
	case c.Overhead < 0 || c.AlertOverhead < 0 || c.MaxRate < 0 || c.Peak < 0 || c.Burst < 0 || c.MaxRepairs < 0 || c.MaxReports < 0:
		return errors.New("source: a rate or bound is negative")
	case !(c.RepairShare > 0 && c.RepairShare < 1):
		return fmt.Errorf("source: RepairShare %v is not between 0 and 1", c.RepairShare)
	case c.Tuner.Polled && !c.polls():
		return errors.New("source: NAK_BO_IVL is to follow polls, and there are none")
	}
	if c.polls() {
		if err := c.Poll.Check(); err != nil {
			return fmt.Errorf("source: %w", err)
		}
	}
	if err := c.FEC.Check(); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if f := c.FEC.WithDefaults(); f.OnDemand && f.Parity < f.Group { // who lacks a whole group could not be served
		return fmt.Errorf("source: %d parity packets for a group of %d: want as many at least, on demand", f.Parity, f.Group)
	}
	if k := fec.Size(c.FEC.Group); c.FEC.Enabled() && k.Index(c.First) != 0 {
		return fmt.Errorf("source: the first packet, %v, does not begin a group of %d", c.First, k)
	}
	if err := c.Tuner.Check(); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	return c.schedule().Check()
}

// reserve returns how many octets a parity packet is longer than a data packet at most.
func (c *Config) reserve() int {
	f := c.FEC.WithDefaults()
	if !f.Enabled() {
		return 0
	}
	return fec.Reserve(fec.Size(f.Group), f.Parity, true)
}

// polls reports whether receivers are counted.
func (c *Config) polls() bool { return c.Poll.Period >= 0 && c.Rand != nil }

func (c *Config) schedule() spm.ScheduleConfig {
	return spm.ScheduleConfig{Ambient: c.Ambient, IHBMin: c.IHBMin, IHBMax: c.IHBMax, Opening: c.Opening}
}
