package pgm

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/pgm/receiver"
)

// ListenConfig holds what Listen and ListenPacket may be told.
type ListenConfig struct {
	Config Config
	// Backlog bounds the sources that wait to be accepted by a Listener; those beyond it are not heard. Default 128.
	Backlog int
	// Lost, if not nil, is called when messages to a PacketConn were lost beyond repair, on the goroutine that receives, which it
	// holds up [6.3-30]. Streams report a loss by an error of Read.
	Lost func(source Addr, err *LostError)
	// Joined, if not nil, is called before the first message of a source to a PacketConn can be read, on the goroutine that receives.
	// fromStart is true if nothing was before it: the source said so [9.6-02]. Who joins late, or lost the first packet, gets false.
	Joined func(source Addr, fromStart bool)
	// Left, if not nil, is called for each source that has Joined when nothing more comes from it, on the goroutine that receives;
	// messages may still wait to be read. The error is what Read of a stream returns at its end: io.EOF if the source was closed
	// properly, a *ResetError with its code if it gave up, ErrExpired if it fell silent. It is not called when the PacketConn is
	// closed itself. A source that comes back has another TSI, and joins again.
	Left func(source Addr, err error)
}

const defaultBacklog = 128

// Listener waits for sources: Accept returns a net.Conn for each, which carries its octets in order. It is safe for concurrent use.
type Listener struct {
	receiver *Receiver
	group    Addr
	buffer   int
	users    atomic.Int32

	mu       sync.Mutex
	changed  sync.Cond
	backlog  []*Conn
	limit    int
	closed   bool
	deadline deadline
}

var _ net.Listener = (*Listener)(nil)

// Listen joins the group of an endpoint (ParseEndpoint has the form) and hears sources with the default Config. The network is "epgm" or
// "pgm", with a 4 or 6 behind it for one address family, or "" for what the endpoint says.
func Listen(network, endpoint string) (net.Listener, error) {
	l, err := new(ListenConfig).Listen(context.Background(), network, endpoint)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Listen joins the group of an endpoint and hears sources. ctx bounds the opening; the Listener lasts until Close.
func (c *ListenConfig) Listen(ctx context.Context, network, endpoint string) (*Listener, error) {
	ep, err := resolve(network, endpoint)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: networkName(network), Err: err}
	}
	config, err := c.Config.check()
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: ep.network(), Err: err}
	}
	l := &Listener{group: ep.addr(), buffer: config.ReadBuffer, limit: c.Backlog}
	if l.limit <= 0 {
		l.limit = defaultBacklog
	}
	l.changed.L = &l.mu
	l.users.Store(1)
	opened := make(chan struct{})
	l.receiver, err = NewReceiver(ctx, ep, config, ReceiverOptions{Accept: func(s *receiver.Session) receiver.Sink {
		<-opened // until l.receiver is set
		return l.accept(s)
	}})
	close(opened)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: l.group.Network(), Addr: l.group, Err: err}
	}
	go l.watch()
	return l, nil
}

// watch ends the Listener when its receiver has.
func (l *Listener) watch() {
	<-l.receiver.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// accept makes a Conn of a session that was heard for the first time.
func (l *Listener) accept(s *receiver.Session) receiver.Sink {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.backlog) >= l.limit {
		return nil
	}
	r := newStreamReader(l.buffer)
	r.resume = func() { l.receiver.Resume(s) }
	r.leave = func() { l.receiver.Do(s.Close) }
	r.failure = l.receiver.Err
	c := &Conn{reader: r, local: l.group, remote: Addr{TSI: s.TSI(), AddrPort: s.Source(), raw: l.group.raw}}
	c.release = sync.OnceFunc(l.release)
	l.users.Add(1)
	l.backlog = append(l.backlog, c)
	l.changed.Signal()
	return r
}

// release ends the receiver when neither the Listener nor a Conn that it accepted needs it any more.
func (l *Listener) release() {
	if l.users.Add(-1) == 0 {
		l.receiver.Close()
	}
}

// Accept waits for a source that was not heard before and returns its stream, a *Conn. The stream begins where the source began,
// or, for a Listener that comes late, with the oldest packet that the source still repairs.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.accepted()
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: l.group.Network(), Addr: l.group, Err: err}
	}
	return c, nil
}

func (l *Listener) accepted() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, net.ErrClosed
		case l.deadline.passed:
			return nil, os.ErrDeadlineExceeded
		case len(l.backlog) > 0:
			c := l.backlog[0]
			l.backlog = append(l.backlog[:0], l.backlog[1:]...)
			return c, nil
		case l.receiver.Err() != nil:
			return nil, l.receiver.Err()
		}
		l.changed.Wait()
	}
}

// SetDeadline bounds the waiting of Accept; the zero time is no bound.
func (l *Listener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "set", Net: l.group.Network(), Addr: l.group, Err: net.ErrClosed}
	}
	l.deadline.set(t, &l.changed)
	return nil
}

// Close ends listening, and the streams that nobody accepted. Those that were go on; the group is left when the last of them is
// closed.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return &net.OpError{Op: "close", Net: l.group.Network(), Addr: l.group, Err: net.ErrClosed}
	}
	l.closed = true
	l.deadline.stop()
	backlog := l.backlog
	l.backlog = nil
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, c := range backlog {
		c.Close()
	}
	l.release()
	return nil
}

// Addr returns the group, an Addr.
func (l *Listener) Addr() net.Addr { return l.group }

// Stats returns the counters of all sources together.
func (l *Listener) Stats() ReceiverStats { return l.receiver.Stats() }
