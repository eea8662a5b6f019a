package pgm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/pgm/source"
)

// opening is how many SPMs open a session: of one, a receiver misses nothing only if it is not lost.
const opening = 3

// Sender drives the engine of a source over sockets in real time. It is the ground on which streams, messages and file transfers
// stand; most programs want Dial or ListenPacket. Its methods are safe for concurrent use.
//
// A Sender hears unicast only: NAKs, SPMRs and reports, which all come to a source that way.
type Sender struct {
	loop
	config  Config
	group   netip.AddrPort
	raw     bool // the endpoint is pgm://
	tsi     packet.TSI
	maxTSDU int
	engine  *source.Source
	store   source.Store
	news    atomic.Bool // the store has more
	stats   snapshot[source.Stats]
	heard   []congestion.Receiver
}

// SenderOptions say what a Sender sends.
type SenderOptions struct {
	// Store holds the packets. It is called on the loop's goroutine only.
	Store source.Store
	// NewStore makes the Store when the sockets are open, so that the TSI and MaxTSDU of the Sender are known; it is used when Store
	// is nil.
	NewStore func(s *Sender) (source.Store, error)
	// First is the sequence number of the first packet. With Config.FEC it is a multiple of the size of groups.
	First packet.SQN
	// Join advertises, by OPT_JOIN, that a receiver which joins late may have whatever the store still holds [9.4].
	Join bool
	// Lag, unless nil, is called on the loop's goroutine when a receiver falls behind (Config.Slow), and when it counts again.
	Lag func(receiver netip.Addr, behind bool)
	// Report is called on the loop's goroutine when a receiver's report arrives; body is valid during the call only.
	Report func(from netip.AddrPort, body []byte)
}

// senderBatches is how many batches of datagrams a Sender may have in use: what comes to it is small and soon dealt with.
const senderBatches = 4

// NewSender opens the sockets of an endpoint and starts a source on them. ctx bounds the opening, not the session, which lasts
// until Close.
func NewSender(ctx context.Context, ep Endpoint, c Config, o SenderOptions) (*Sender, error) {
	s, err := openSender(ctx, ep, c)
	if err != nil {
		return nil, err
	}
	if err := s.start(o); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// openSender opens the sockets and chooses the TSI, and starts nothing. What is not started is released by abandon.
func openSender(ctx context.Context, ep Endpoint, c Config) (*Sender, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	conn, err := c.openConn(ctx, ep, false)
	if err != nil {
		return nil, err
	}
	tsi, err := newTSI(conn.Local().Addr())
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &Sender{config: c, group: ep.Group, raw: ep.raw(), tsi: tsi, maxTSDU: c.maxTSDU(conn)}
	s.conn = conn
	return s, nil
}

// start makes the engine and begins to drive it.
func (s *Sender) start(o SenderOptions) (err error) {
	if s.store = o.Store; s.store == nil && o.NewStore != nil {
		if s.store, err = o.NewStore(s); err != nil {
			return err
		}
	}
	if s.store == nil {
		return errors.New("pgm: SenderOptions has no Store")
	}
	c := s.config
	s.engine, err = source.New(source.Config{
		TSI: s.tsi, Dest: s.group.Port(), Source: s.conn.Local(), Group: s.conn.Group(),
		MaxTSDU: s.maxTSDU, Overhead: s.conn.Overhead(), AlertOverhead: s.conn.AlertOverhead(),
		MaxRate: c.rate(s.conn.Interface()), CC: c.CC, Slow: c.Slow, Lag: o.Lag, RepairShare: c.Source.RepairShare,
		Ambient: c.Source.Ambient, IHBMin: c.Source.IHBMin, IHBMax: c.Source.IHBMax, Opening: opening, NCFHold: c.Source.NCFHold, Linger: c.Source.Linger,
		Poll: poll.PollerConfig{Period: c.Source.Count},
		Tuner: poll.TunerConfig{
			Default: c.Source.NAKBackOff, Min: c.Source.NAKBackOffMin, Max: c.Source.NAKBackOffMax, DupMax: c.Source.DuplicateNAKs,
		},
		FEC: c.FEC, First: o.First, Join: o.Join, Store: s.store, Rand: newRand(),
		Report: func(_ time.Time, from netip.AddrPort, body []byte) {
			if o.Report != nil {
				o.Report(from, body)
			}
		},
	}, time.Now())
	if err != nil {
		return fmt.Errorf("pgm: %w", err)
	}
	s.init(c, s.conn, senderBatches, false)
	s.publish(time.Now())
	go s.drive()
	return nil
}

// abandon releases a Sender that was not started.
func (s *Sender) abandon() {
	s.conn.Close()
	releaseTSI(s.tsi)
}

// drive is the loop.
func (s *Sender) drive() {
	defer s.close()
	defer releaseTSI(s.tsi)
	for !s.ended() {
		now := time.Now()
		s.run(now)
		if s.news.Swap(false) {
			s.engine.Wake(now)
		}
		if next := s.engine.NextTimeout(); !next.IsZero() && !now.Before(next) {
			s.engine.HandleTimeout(now)
		}
		s.check(now)
		if s.engine.Done(now) {
			s.publish(now)
			return
		}
		s.engine.PollTransmit(now, s.out)
		if err := s.engine.Err(); err != nil {
			s.note(fmt.Errorf("pgm: %w", err)) // the receivers are being told, by OPT_RST
		}
		if s.transmit(now) {
			if now.Sub(s.published) >= statsEvery {
				s.publish(now)
			}
			s.poll(now)
			continue
		}
		s.publish(now)
		if b := s.wait(now, s.engine.NextTimeout(), s.engine.Paced()); b != nil {
			s.handle(time.Now(), b)
		}
	}
	s.publish(time.Now())
}

// poll takes what has arrived, without waiting.
func (s *Sender) poll(now time.Time) {
	for len(s.arrived) > 0 { // only this goroutine takes from it
		s.handle(now, <-s.arrived)
	}
}

// handle gives a batch of datagrams to the engine.
func (s *Sender) handle(now time.Time, b *netio.Batch) {
	for _, d := range b.Datagrams {
		if s.trace != nil {
			s.trace.received(now, b, d)
		}
		_ = s.engine.HandlePacket(now, d.From, d.Data) // counted by cause
	}
	b.Release()
}

func (s *Sender) publish(now time.Time) {
	s.published = now
	s.stats.set(s.engine.Stats())
}

// TSI returns the identifier of the session.
func (s *Sender) TSI() packet.TSI { return s.tsi }

// MaxTSDU returns the most octets of data that a packet without options holds: a multiple of 8. A fragment holds 20 less
// (OPT_LENGTH and OPT_FRAGMENT).
func (s *Sender) MaxTSDU() int { return s.maxTSDU }

// Rate returns the rate with which the session began, or, with congestion control, its ceiling then, in bits a second of IP packets; 0 is unlimited.
func (s *Sender) Rate() int { return s.config.rate(s.conn.Interface()) * 8 }

// LocalAddr returns the address of the source.
func (s *Sender) LocalAddr() net.Addr { return s.addr() }

func (s *Sender) addr() Addr { return Addr{TSI: s.tsi, AddrPort: s.conn.Local(), raw: s.raw} }

// Interface returns the interface that the packets leave by.
func (s *Sender) Interface() *net.Interface { return s.conn.Interface() }

// Wake says that the store has more to send than when it was asked last. It is cheap.
func (s *Sender) Wake() {
	s.news.Store(true)
	s.wake()
}

// Close ends the session properly, and returns at once: what the store has is sent, then OPT_FIN, and repairs go on for
// SourceConfig.Linger. Done tells when that is over; a program that exits before takes the rest from its receivers.
func (s *Sender) Close() error {
	s.do(func(now time.Time) { s.engine.Close(now) })
	return nil
}

// CloseNow ends the session without a word, and without delay: receivers will find out by its silence.
func (s *Sender) CloseNow() error {
	s.fail(nil)
	<-s.done
	return nil
}

// Reset gives the session up [9.8]: receivers are told at once, by OPT_RST, with a code, 0 to 63, that means something to the
// application. Repairs go on for SourceConfig.Linger, as after Close.
func (s *Sender) Reset(code uint8) error {
	s.do(func(now time.Time) { s.engine.Reset(now, code, false) })
	return nil
}

// SendReport sends one receiver a message, by unicast, that other stacks ignore: an answer to its report. It is not repeated, and is
// lost if too many wait.
func (s *Sender) SendReport(to netip.AddrPort, body []byte) {
	body = append([]byte(nil), body...)
	s.do(func(time.Time) { s.engine.SendReport(to, body) })
}

// Seal says that the store has all that it will ever have, so that the last of it can be given parity as well.
func (s *Sender) Seal() { s.do(func(now time.Time) { s.engine.Seal(now) }) }

// Repeat has all that the store has sent once more, with other parity than before, for receivers that cannot ask. Seal comes first, and all must have
// been sent; Stats says, by Rounds, when the round is over. done is called on the loop's goroutine, and told whether a round has begun.
func (s *Sender) Repeat(done func(began bool)) {
	s.do(func(now time.Time) { done(s.engine.Repeat(now)) })
}

// SetRate changes the rate, or, with congestion control, its ceiling, in bits a second of IP packets; 0 is unlimited.
func (s *Sender) SetRate(rate int) {
	octets := 0
	if rate > 0 {
		octets = max(rate/8, 1)
	}
	s.do(func(time.Time) { s.engine.SetRate(octets) })
}

// Do has f called soon on the goroutine that owns the engine, where the store is called too. It does not wait, and may be called from
// there. It reports false when the session has ended, or far too many calls wait.
func (s *Sender) Do(f func()) bool { return s.do(func(time.Time) { f() }) }

// Done is closed when the session is over, its linger included, and everything is released.
func (s *Sender) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, or is being given up, before it was closed: an interface that is gone, an error of the store. It is
// nil otherwise.
func (s *Sender) Err() error { return s.failure() }

// Stats returns the counters. While the source is busy they are up to 10 ms old.
func (s *Sender) Stats() SenderStats {
	return SenderStats{Stats: s.stats.get(), Socket: socketStats(s.conn.Stats())}
}
