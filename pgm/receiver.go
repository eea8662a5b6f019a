package pgm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// Receiver drives the engine of a receiver over sockets in real time. It is the ground on which streams, messages and file transfers
// stand; most programs want Listen or ListenPacket. Its methods are safe for concurrent use.
type Receiver struct {
	loop
	engine *receiver.Receiver
	drop   float64
	rng    *rand.Rand
	strays atomic.Uint64
	sinks  Flushers
	stats  snapshot[receiver.Stats]

	counted time.Time // when the kernel's drops were
	due     time.Time // when what a sink keeps back is to go on; zero: nothing is kept
}

// ReceiverOptions say what becomes of what a Receiver hears.
type ReceiverOptions struct {
	// Accept is called on the loop's goroutine when a session is heard for the first time, and returns what takes its data, or nil to
	// ignore it. The Session may be used on that goroutine only: in a Sink's methods, and by Do.
	Accept func(*receiver.Session) receiver.Sink
	// Ignore, if not nil, reports whether a session is one of the program's own, of which nothing is wanted.
	Ignore func(packet.TSI) bool
	// Window, if not 0, takes the place of ReceiverConfig.Window.
	Window int
}

// receiverBatches is how many batches of datagrams a Receiver may have in use, leases included: 8 MiB at most.
const receiverBatches = 32

// NewReceiver opens the sockets of an endpoint and starts a receiver on them. ctx bounds the opening; the receiver lasts until
// Close.
func NewReceiver(ctx context.Context, ep Endpoint, c Config, o ReceiverOptions) (*Receiver, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	conn, err := c.openConn(ctx, ep, true)
	if err != nil {
		return nil, err
	}
	r := &Receiver{drop: c.Drop, rng: newRand()}
	t := c.Receiver
	if t.Window = c.receiveWindow(conn); o.Window > 0 {
		t.Window = o.Window
	}
	r.engine, err = receiver.New(receiver.Config{
		Dest: ep.Group.Port(), Group: conn.Group(), Ignore: o.Ignore,
		Accept: func(_ time.Time, s *receiver.Session) receiver.Sink {
			if o.Accept == nil {
				return nil
			}
			return r.sinks.Sink(o.Accept(s))
		},
		ReorderCount: t.ReorderCount, ReorderTimeout: t.ReorderTimeout,
		Recovery: nak.RecoveryConfig{
			BackOff: t.NAKBackOff, Repeat: t.NAKRepeat, Data: t.NAKData,
			NCFRetries: t.NCFRetries, DataRetries: t.DataRetries, Max: t.MaxRecovering,
		},
		BackOffMin: t.NAKBackOffMin, BackOffMax: t.NAKBackOffMax, MulticastNAKs: t.MulticastNAKs, Redirect: t.redirect(conn.Interface()),
		Self: conn.Local().Addr(), Overhead: conn.Overhead(), Passive: t.Silent, Solicit: t.Solicit, PeerExpiry: t.PeerExpiry, EndExpiry: t.EndExpiry,
		Window: t.Window, MaxSessions: t.MaxSessions, Rand: newRand(),
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("pgm: %w", err)
	}
	r.init(c, conn, receiverBatches, true)
	r.publish(time.Now())
	go r.drive()
	return r, nil
}

// drive is the loop.
func (r *Receiver) drive() {
	defer r.close()
	for !r.ended() {
		now := time.Now()
		acted := r.run(now) // Session.Resume delivers
		if next := r.engine.NextTimeout(); !next.IsZero() && !now.Before(next) {
			r.engine.HandleTimeout(now)
			acted = true
		}
		// What is kept back need not go on before its time because of what else is done.
		if r.due.IsZero() && acted || !r.due.IsZero() && (!now.Before(r.due) || r.own.short()) {
			r.flush(now, NoLease{})
		}
		r.check(now)
		r.engine.PollTransmit(now, r.out)
		sent := r.transmit(now)
		if !sent || now.Sub(r.published) >= statsEvery {
			r.publish(now)
		}
		if sent {
			continue
		}
		if b := r.wait(now, earliest(r.due, r.engine.NextTimeout()), false); b != nil {
			r.handle(b)
		}
	}
	r.engine.Sessions(func(s *receiver.Session) { s.Close() })
	r.flush(time.Now(), NoLease{})
	r.publish(time.Now())
}

// handle gives a batch of datagrams to the engine, and then tells the sinks that got something from it.
func (r *Receiver) handle(b *netio.Batch) {
	now := time.Now()
	r.countOverflow(now)
	for _, d := range b.Datagrams {
		if !b.Multicast && forSource(d.Data) {
			r.strays.Add(1)
			continue
		}
		if r.drop > 0 && r.rng.Float64() < r.drop {
			r.dropped.Add(1)
			continue
		}
		if b.Multicast {
			if r.trace != nil {
				r.trace.received(now, b, d)
			}
			_ = r.engine.HandlePacket(now, d.From, d.Data) // counted by cause
		} else {
			_ = r.engine.HandleUnicast(now, d.From, d.Data)
		}
	}
	r.flush(now, b)
	b.Release()
}

// earliest returns the earlier of two times, of which the zero time is never.
func earliest(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// flush tells the sinks that got something, and notes until when one may keep it back.
func (r *Receiver) flush(now time.Time, l Lease) {
	switch held := r.sinks.Flush(l); {
	case !held:
		r.due = time.Time{}
	case r.due.IsZero():
		r.due = now.Add(HoldFor)
	}
}

// forSource reports whether a packet that came by unicast is meant for a source. Raw sockets of IP know no ports, so a receiver hears what
// is sent to the sources on its host, its own NAKs too. They are not like NAKs to the group [9.3.2-02]: nobody meant it to hear them. A report
// may be an answer to ours, which only its Sink can tell.
func forSource(p []byte) bool {
	if len(p) < packet.HeaderLen {
		return false
	}
	t := packet.Type(p[4] & 0x0f)
	return t.IsUpstream() && t != packet.TypeReport
}

func (r *Receiver) publish(now time.Time) {
	r.published = now
	r.stats.set(r.engine.Stats())
}

// Close ends reception at once: each sink hears of its End. It must not be called from a Sink.
func (r *Receiver) Close() error {
	r.fail(nil)
	<-r.done
	return nil
}

// Do has f called soon on the goroutine that owns the engine, which is where Sessions may be used. It does not wait, and may be
// called from there. It reports false when the receiver has ended, or far too many calls wait.
func (r *Receiver) Do(f func()) bool { return r.do(func(time.Time) { f() }) }

// Resume offers the sink of an ordered session again what it did not take. It may be called from any goroutine.
func (r *Receiver) Resume(s *receiver.Session) bool {
	return r.do(func(now time.Time) { s.Resume(now) })
}

// Done is closed when the receiver has ended and everything is released.
func (r *Receiver) Done() <-chan struct{} { return r.done }

// Err returns why the receiver ended before it was closed; nil otherwise.
func (r *Receiver) Err() error { return r.failure() }

// Group returns the group and port that are heard.
func (r *Receiver) Group() netip.AddrPort { return r.conn.Group() }

// Interface returns the interface on which the group was joined.
func (r *Receiver) Interface() *net.Interface { return r.conn.Interface() }

// Stats returns the counters. While much arrives they are up to 10 ms old.
func (r *Receiver) Stats() ReceiverStats {
	return ReceiverStats{Stats: r.stats.get(), Dropped: r.dropped.Load(), Strays: r.strays.Load(), Socket: socketStats(r.conn.Stats())}
}
