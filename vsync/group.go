package vsync

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
	"github.com/gopgm/gopgm/vsync/check"
	"github.com/gopgm/gopgm/vsync/member"
)

// Group is this program's place in a group. Its methods are safe for concurrent use; Next is for one goroutine at a time, because what it
// returns is valid until it is called again.
type Group struct {
	sender   *pgm.Sender
	receiver *pgm.Receiver
	group    uint64

	mu      sync.Mutex
	m       *member.Member
	out     outlet
	inlets  map[member.ID]*inlet
	idle    bool          // the source has nothing: it must be woken
	changed chan struct{} // closed and replaced when a Send that waits should try again
	waiters int
	outWhy  *OutError
	told    bool // the log says so
	log     *check.Writer

	news   chan struct{} // has one element when there may be events
	closed chan struct{}
	once   sync.Once
	done   chan struct{} // closed when the loop has ended

	// What Next is in the middle of.
	next    sync.Mutex
	batch   [batchEvents]member.Event
	at, n   int
	message Message
	state   State
}

// batchEvents is how many events Next takes from the engine at once.
const batchEvents = 32

// Join opens the sockets and begins to look for the group, or to found it. ctx bounds the opening; the first events of Next tell
// when this program is in: the state of the group, if it has one, then a View.
func Join(ctx context.Context, c Config) (*Group, error) {
	if c.Endpoint == "" {
		c.Endpoint = pgm.DefaultEndpoint
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname()
		c.Name = c.Name[:min(len(c.Name), member.MaxName)]
	}
	ep, err := pgm.ParseEndpoint(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("vsync: %w", err)
	}
	mc := c.member()
	var seed [16]byte
	cryptorand.Read(seed[:])
	mc.ID = member.ID(binary.BigEndian.Uint64(seed[:])) | 1
	mc.Rand = rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[8:]), uint64(mc.ID)))
	m, err := member.New(mc, time.Now())
	if err != nil {
		return nil, fmt.Errorf("vsync: %w", err)
	}
	g := &Group{
		m: m, group: member.GroupOf(c.Group), inlets: map[member.ID]*inlet{}, changed: make(chan struct{}), idle: true,
		news: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{}),
	}
	if c.Log != nil {
		g.log = check.NewWriter(c.Log)
	}
	if err := g.open(ctx, ep, c.PGM); err != nil {
		return nil, fmt.Errorf("vsync: %w", err)
	}
	go g.drive()
	return g, nil
}

// open opens the sockets: a source of its own for this member, and a receiver for all others.
func (g *Group) open(ctx context.Context, ep pgm.Endpoint, c pgm.Config) (err error) {
	g.out.g = g
	ready := make(chan struct{})
	defer close(ready)
	g.sender, err = pgm.NewSender(ctx, ep, c, pgm.SenderOptions{NewStore: func(s *pgm.Sender) (source.Store, error) {
		window := c.Window
		if window == 0 {
			window = transmitWindow
		}
		g.out.memory = source.NewMemory(source.MemoryConfig{
			MaxTSDU: s.MaxTSDU(), Window: window, Backlog: window / 2, Packets: max(source.DefaultPackets, window/256),
		})
		return &g.out, nil
	}})
	if err != nil {
		return err
	}
	c.Receiver.PeerExpiry = max(c.Receiver.PeerExpiry, time.Minute)
	own := g.sender.TSI()
	g.receiver, err = pgm.NewReceiver(ctx, ep, c, pgm.ReceiverOptions{
		Accept: func(s *receiver.Session) receiver.Sink {
			<-ready
			return &inlet{g: g, session: s, apdus: receiver.Assembler{Max: maxPacket}}
		},
		Ignore: func(tsi packet.TSI) bool { return tsi == own },
	})
	if err != nil {
		g.sender.CloseNow()
	}
	return err
}

// transmitWindow is how many octets the source keeps for repairs. The group holds each sender to less that has not been received.
const transmitWindow = 32 << 20

// drive lets the engine know of the time.
func (g *Group) drive() {
	defer close(g.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	listened := time.Now()
	for {
		now := time.Now()
		if now.Sub(listened) >= listenEvery {
			listened = now
			g.receiver.Do(g.listen)
		}
		g.mu.Lock()
		g.m.HandleTimeout(now)
		next := g.m.NextTimeout()
		g.mu.Unlock()
		g.stir()
		wait := listenEvery
		if !next.IsZero() {
			wait = min(max(time.Until(next), time.Millisecond), wait)
		}
		timer.Reset(wait)
		select {
		case <-g.closed:
			return
		case <-timer.C:
		}
	}
}

// listenEvery is how often sessions are asked whether they were heard.
const listenEvery = 20 * time.Millisecond

// stir wakes whoever may have something to do: Next, Sends that wait, the source.
func (g *Group) stir() {
	g.mu.Lock()
	g.notify()
	wake := g.idle && g.m.Wants()
	if wake {
		g.idle = false
	}
	g.mu.Unlock()
	if wake {
		g.sender.Wake()
	}
}

// notify wakes Next and the Sends that wait, if there is something for them. The lock is held.
func (g *Group) notify() {
	if g.m.HasEvent() {
		select {
		case g.news <- struct{}{}:
		default:
		}
	}
	if g.waiters > 0 && g.m.Ready() {
		close(g.changed)
		g.changed = make(chan struct{})
		g.waiters = 0
	}
}

// ID returns this member's identity.
func (g *Group) ID() ID { return g.m.ID() }

// Stats returns the counters of the group's engine.
func (g *Group) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.m.Stats()
}

// SessionStats returns the counters of the PGM session beneath: of this member's source, and of the receiver of all others.
func (g *Group) SessionStats() (pgm.SenderStats, pgm.ReceiverStats) {
	return g.sender.Stats(), g.receiver.Stats()
}

// Send sends a message to all members, this one included, which receive it as a Message. It waits while the group agrees on a view, or is
// too far behind, until ctx is done. When it returns without an error the message is on its way: every member that stays will receive
// it, this one too. p may be used again.
func (g *Group) Send(ctx context.Context, p []byte) error {
	for {
		g.mu.Lock()
		n, err := g.m.Send(time.Now(), p)
		if err == nil {
			if g.log != nil {
				g.record(sent(n, g.m.View().ID, g.m.ID(), p))
			}
			wake := g.idle
			g.idle = false
			g.mu.Unlock()
			if wake {
				g.sender.Wake()
			}
			return nil
		}
		why, wait := g.outWhy, g.changed
		g.waiters++
		g.mu.Unlock()
		switch {
		case errors.Is(err, member.ErrOut) && why != nil:
			return why
		case errors.Is(err, member.ErrOut), errors.Is(err, member.ErrTooLong):
			return fmt.Errorf("vsync: %w", err)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		case <-g.closed:
			return net.ErrClosed
		}
	}
}

// Leave asks the group to go on without this member, and waits until it does or ctx is done. What was sent is received by all who
// stay. Next must go on being called; it returns an *OutError in the end.
func (g *Group) Leave(ctx context.Context) error {
	g.mu.Lock()
	g.m.Leave(time.Now())
	g.mu.Unlock()
	g.stir()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	var over time.Time
	for {
		g.mu.Lock()
		if over.IsZero() && g.m.Over() {
			over = time.Now()
		}
		g.mu.Unlock()
		if !over.IsZero() && time.Since(over) > farewell {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-g.closed:
			return net.ErrClosed
		}
	}
}

// farewell is for how long a member that left stays to answer those who have not heard of it.
const farewell = 100 * time.Millisecond

// Close ends the program's part in the group without a word to it, unless Leave has been called: the others find out by the silence.
// Next and Send return net.ErrClosed.
func (g *Group) Close() error {
	g.once.Do(func() {
		close(g.closed)
		<-g.done
		g.sender.Close()
		g.receiver.Close()
	})
	return nil
}

// record writes a line to the log; the lock of g is held.
func (g *Group) record(e check.Event) {
	if g.log != nil {
		_ = g.log.Write(uint64(g.m.ID()), e)
	}
}
