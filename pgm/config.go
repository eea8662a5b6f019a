package pgm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// Config says how a session behaves on its endpoint. The zero Config is right for most. It may be used for any number of
// sessions, at once too.
type Config struct {
	// TTL is the time to live, or hop limit, of multicast packets: 1 to 255, default 16.
	TTL int
	// NoLoopback keeps what is sent from other programs on this host.
	NoLoopback bool
	// Rate is TXW_MAX_RTE, the rate that a source never exceeds, repairs included [5.1.1-01]: in bits a second of whole IP
	// packets. Default: nine tenths of the speed of the interface where the system tells it (Linux does for hardware), else
	// 1 Gbit/s. Negative: unlimited, as fast as the socket takes it.
	Rate int
	// CC says how a source finds its rate; the default is to send at Rate. With another, Rate is a ceiling, and its default is none.
	CC CC
	// Slow says what becomes of a receiver that holds up the others, unless CC is CCFixed; the default is to wait for it.
	Slow Slow
	// MTU is the largest IP packet that a source sends, in octets, if the interface carries it. Default: what it carries, at most
	// 9000. The 64 KiB that loopback carries are slower than what one system call sends in packets of that size.
	MTU int
	// Window is the transmit window of a Conn or PacketConn, in octets of data: what is not yet sent, up to 50 ms of the rate, and
	// what is kept for repairs. Default: TXW_SECS (SourceConfig.Linger) of the rate, within 1 to 32 MiB. Receivers that lag
	// more than a window behind lose data.
	Window int
	// ReadBuffer is how much, in octets, is held for each source until it is read; default 4 MiB. Behind it,
	// ReceiverConfig.Window packets are held. When half of them are in use, a source with CCAuto is told how fast the program reads,
	// and all wait for it, unless Slow says otherwise; others do not slow down, and data is lost.
	ReadBuffer int
	// RecvBuffer and SendBuffer are the sizes of the socket buffers, in octets; 0: 16 MiB and 1 MiB, as far as the system grants
	// them.
	RecvBuffer, SendBuffer int
	// FEC is the parity that a source offers [11]; the zero FEC offers none. It is not for a group to which receivers of other stacks listen: one
	// that is in the field can abort on a correct parity packet. Packets hold some octets less then (Sender.MaxTSDU), and of a Conn
	// or PacketConn, a group is ended early where writing pauses.
	FEC FEC
	// Drop is a share, 0 to 1, of what arrives to discard at random: for demonstrations and tests of repair.
	Drop float64
	// Logger gets what a person who runs the program may want to know: default slog.Default(), at most a line a second.
	Logger *slog.Logger
	// Trace, if not nil, is shown each packet that a session sends or receives, in the order in which the session has to do with them, but
	// for those that Drop discards. It is called on the goroutine of the session, which it holds up: it is to be quick. Sessions that share
	// a Config may call it at once. Nil costs nothing.
	Trace func(Traced)
	// Source and Receiver hold the intervals and limits of RFC 3208.
	Source   SourceConfig
	Receiver ReceiverConfig

	// Tests put a network in memory and a clock of a bubble in the place of sockets and the system's.
	open func(context.Context, netio.Config) (netio.Conn, error)
}

// FEC says what parity a source offers: how many data packets a group has (Group), how many different parity packets (Parity), how many of them
// are sent unasked (Proactive), whether receivers may ask for others (OnDemand), and whether the source decides by what receivers ask for
// when that pays, and how many are sent unasked (Adaptive).
type FEC = fec.Config

// SourceConfig holds the intervals and limits of a source. Zero fields mean the defaults, which suit a LAN.
type SourceConfig struct {
	Ambient     time.Duration // between SPMs whatever happens [5.1.4-01]; default 1 s
	IHBMin      time.Duration // IHB_MIN, from data to the first heartbeat SPM [5.1.5-01]; default 10 ms
	IHBMax      time.Duration // IHB_MAX, between heartbeats at last; default 1 s
	NCFHold     time.Duration // least time between identical NCFs [5.2-03]; default 1 ms
	Linger      time.Duration // TXW_SECS: how long repairs go on after OPT_FIN or OPT_RST [9.7.2-03]; default 2 s, negative: none
	RepairShare float64       // of the rate that repairs get while there is new data too, between 0 and 1; default 0.5

	// Count is the time between polls of how many receivers there are [14.4]; the first come sooner. Default 30 s, and none at rates below
	// 1 Mbit/s; negative: none.
	Count time.Duration
	// NAK_BO_IVL follows the duplicate NAKs that come [15.2.1]: from NAKBackOff, which should be what receivers begin with, default 5 ms,
	// between NAKBackOffMin and NAKBackOffMax, default 500 µs and 100 ms. If all three are equal, it is fixed.
	NAKBackOff, NAKBackOffMin, NAKBackOffMax time.Duration
	// DuplicateNAKs is DUP_NAK_MAX, the number of duplicate NAKs for one packet that mean that multicast does not reach the receivers:
	// then NCFs are unicast for a second [15.3]. Default: none do.
	DuplicateNAKs int
}

// ReceiverConfig holds the intervals and limits of a receiver. Zero fields mean the defaults, which suit a LAN.
type ReceiverConfig struct {
	ReorderCount   int           // later packets that make a gap a loss [6.3-05]; default 2
	ReorderTimeout time.Duration // the age at which a gap is a loss [6.3-06]; default 1 ms
	NAKBackOff     time.Duration // NAK_BO_IVL, over which NAKs are spread until the source says another [15.2.2-01]; default 5 ms
	NAKBackOffMin  time.Duration // NAK_BO_IVL_MIN, the least that a source may make of it [15.2.2-02]; default 500 µs
	NAKBackOffMax  time.Duration // NAK_BO_IVL_MAX, the most; default 100 ms
	NAKRepeat      time.Duration // NAK_RPT_IVL, the wait for an NCF; default 20 ms
	NAKData        time.Duration // NAK_RDATA_IVL, the wait for the repair; default 50 ms
	// NCFRetries is NAK_NCF_RETRIES: how often the NAK for a packet is repeated while no NCF comes, before the packet is lost [6.3-26].
	// Repeats come ever more slowly, so that the default of 20 lasts some 10 s. Negative: no limit.
	NCFRetries int
	// DataRetries is NAK_DATA_RETRIES: how often a packet is asked for again that was confirmed and did not come, while no other
	// repair comes either [6.3-11]. The default of 20 lasts some 8 s. Negative: no limit.
	DataRetries int
	// MulticastNAKs sends NAKs to the group too, with a TTL of 1 [6.3-24]. It spares NAKs where many receivers share a subnet and the
	// source, or the network element that confirms NAKs, is so far that its NCF comes too late to suppress theirs.
	MulticastNAKs bool
	// IgnoreRepairers sends NAKs to the source, or to the network element before it, always [9.5.4-02]. Else those of a session go to a designated
	// local repairer that offers itself for it and is on another subnet, as long as it confirms them [9.5.4]. Nothing authenticates an offer,
	// nor an SPM: who forges the one could forge the other. One that does not hold costs a NAK and NAKRepeat, once in 10 s.
	IgnoreRepairers bool
	MaxRecovering   int           // packets of one source that are asked for at once; default 65536
	Solicit         time.Duration // SPMR_BO_IVL [13.5-01]; default 250 ms
	PeerExpiry      time.Duration // the silence after which a source is gone; default 30 s
	EndExpiry       time.Duration // the same after OPT_FIN, while something is missing; default 5 s
	// Silent receivers send nothing at all: no NAK, no report. It is for a source that nobody can answer; what is missing may come as parity, or
	// when the source repeats what it sends.
	Silent      bool
	Window      int // packets held behind a gap or a slow reader; default what 32 MiB hold, 1024 to 32768
	MaxSessions int // sources at once; default 256
}

// The defaults of Config that are not the engines'.
const (
	defaultRate       = 1_000_000_000 // bits a second, where the interface does not tell its speed
	defaultReadBuffer = 4 << 20
	defaultMTU        = 9000
	minWindow         = 1 << 20
	maxWindow         = 32 << 20
	minReceiveWindow  = 1024
	maxReceiveWindow  = 32 << 10
)

// check reports a field that cannot be meant, and completes those whose defaults do not depend on the interface.
func (c Config) check() (Config, error) {
	switch {
	case c.TTL < 0 || c.TTL > 255:
		return c, fmt.Errorf("pgm: a TTL of %d: want 1 to 255, or 0 for the default", c.TTL)
	case c.MTU < 0 || c.MTU != 0 && c.MTU < minMTU:
		return c, fmt.Errorf("pgm: an MTU of %d octets: want %d or more, or 0 for the interface's", c.MTU, minMTU)
	case c.Window < 0 || c.ReadBuffer < 0 || c.RecvBuffer < 0 || c.SendBuffer < 0:
		return c, errors.New("pgm: the size of a window or buffer is negative")
	case !(c.Drop >= 0 && c.Drop <= 1): // a NaN too
		return c, fmt.Errorf("pgm: a share of %v to drop: want 0 to 1", c.Drop)
	}
	if err := c.checkCC(); err != nil {
		return c, err
	}
	if err := c.FEC.Check(); err != nil {
		return c, fmt.Errorf("pgm: %w", err)
	}
	if c.ReadBuffer == 0 {
		c.ReadBuffer = defaultReadBuffer
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// minMTU is the least that IPv4 hosts must take (RFC 791 §3.1), and room enough for headers and options.
const minMTU = 576

// netio returns what the sockets of an endpoint need to know.
func (c Config) netio(ep Endpoint, receive bool) netio.Config {
	return netio.Config{
		Protocol: ep.protocol(), Interface: ep.Interface, Group: ep.Group, Source: ep.Source, Receive: receive,
		TTL: c.TTL, NoLoopback: c.NoLoopback, RecvBuffer: c.RecvBuffer, SendBuffer: c.SendBuffer,
	}
}

// openConn opens the sockets of an endpoint.
func (c Config) openConn(ctx context.Context, ep Endpoint, receive bool) (netio.Conn, error) {
	if err := ep.check(); err != nil {
		return nil, fmt.Errorf("pgm: endpoint %s: %w", ep, err)
	}
	open := c.open
	if open == nil {
		open = netio.Open
	}
	return open(ctx, c.netio(ep, receive))
}

// rate returns the rate of a source on the interface, or its ceiling, in octets a second; 0 is unlimited.
func (c Config) rate(ifi *net.Interface) int {
	switch {
	case c.Rate < 0:
		return 0
	case c.Rate > 0:
		return max(c.Rate/8, 1)
	case c.CC != CCFixed:
		return 0
	}
	if speed := linkSpeed(ifi); speed > 0 {
		return speed / 8 / 10 * 9
	}
	return defaultRate / 8
}

// linkSpeed returns the speed of an interface in bits a second, 0 if the system does not tell.
func linkSpeed(ifi *net.Interface) int {
	if runtime.GOOS != "linux" || ifi == nil {
		return 0
	}
	text, err := os.ReadFile("/sys/class/net/" + ifi.Name + "/speed")
	if err != nil {
		return 0
	}
	mbit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || mbit <= 0 { // -1 is unknown
		return 0
	}
	return min(mbit, math.MaxInt/1_000_000) * 1_000_000
}

// maxTSDU returns the most octets of data in a packet without options on a connection: what the MTU and the largest datagram
// leave, as a multiple of 8, which keeps checksums fast. A repair is as large as what it repairs, and may bear IP Router Alert.
func (c Config) maxTSDU(conn netio.Conn) int {
	mtu := c.MTU
	if mtu == 0 {
		mtu = defaultMTU
	}
	size := min(min(mtu, conn.MTU())-conn.Overhead()-conn.AlertOverhead(), packet.MaxRun)
	size -= packet.DataHeaderLen + c.stampLen(conn.Local().Addr())
	if f := c.FEC.WithDefaults(); f.Enabled() {
		size -= fec.Reserve(fec.Size(f.Group), f.Parity, true) // so that parity packets fit too [11.2-21]
	}
	return size &^ 7
}

// window returns the transmit window, in octets, at a rate in octets a second, 0 being unlimited.
func (c Config) window(rate int) int {
	if c.Window > 0 {
		return c.Window
	}
	if rate == 0 {
		return maxWindow
	}
	return int(min(max(float64(rate)*c.keep().Seconds(), minWindow), maxWindow))
}

// receiveWindow returns how many packets of a session are held at most. It is worth to hold as much as a source keeps: what comes
// while there is no room must be sent again.
func (c Config) receiveWindow(conn netio.Conn) int {
	if c.Receiver.Window > 0 {
		return c.Receiver.Window
	}
	return min(max(maxWindow/max(conn.MTU(), 1), minReceiveWindow), maxReceiveWindow)
}

// keep returns TXW_SECS: for how long what was sent is kept for repairs while the session lasts. Who lingers for a shorter time does not
// want less repaired before.
func (c Config) keep() time.Duration { return max(c.Source.Linger, source.DefaultLinger) }
