package pgm

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// PacketConn is a message bus: what one writes, all others read, each message whole, those of one source in order. It is a
// net.PacketConn, and safe for concurrent use.
//
// A message that is larger than a packet goes out in fragments [9.2]. A message that is lost beyond repair is missing: the loss is
// counted and reported (ListenConfig.Lost), and those behind it come. What a PacketConn writes, it does not read. Who joins late also
// hears what a source still keeps for repairs, some seconds at most.
type PacketConn struct {
	group    Addr
	receiver *Receiver
	writer   *writer
	lost     func(Addr, *LostError)
	joined   func(source Addr, fromStart bool)
	left     func(source Addr, err error)

	mu       sync.Mutex
	changed  sync.Cond
	inbox    inbox
	held     []*messageSink // sessions with something for which there was no room
	waiting  int            // ReadFroms that wait
	closed   bool
	deadline deadline
}

var _ net.PacketConn = (*PacketConn)(nil)

// ListenPacket joins the group of an endpoint (ParseEndpoint has the form) for messages, to send and to receive, with the default
// Config. The network is "epgm" or "pgm", with a 4 or 6 behind it for one address family, or "" for what the endpoint says.
func ListenPacket(network, endpoint string) (net.PacketConn, error) {
	c, err := new(ListenConfig).ListenPacket(context.Background(), network, endpoint)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenPacket joins the group of an endpoint for messages. ctx bounds the opening; the PacketConn lasts until Close. The source that
// it is becomes known to others with its first message.
func (c *ListenConfig) ListenPacket(ctx context.Context, network, endpoint string) (*PacketConn, error) {
	fail := func(err error) (*PacketConn, error) {
		return nil, &net.OpError{Op: "listen", Net: networkName(network), Err: err}
	}
	ep, err := resolve(network, endpoint)
	if err != nil {
		return fail(err)
	}
	network = ep.network()
	config, err := c.Config.check()
	if err != nil {
		return fail(err)
	}
	p := &PacketConn{group: ep.addr(), lost: c.Lost, joined: c.Joined, left: c.Left, inbox: newInbox(config.ReadBuffer)}
	p.changed.L = &p.mu
	sender, err := openSender(ctx, ep, config)
	if err != nil {
		return fail(err)
	}
	p.writer = newWriter(sender, false)
	opened := make(chan struct{})
	own := sender.TSI()
	p.receiver, err = NewReceiver(ctx, ep, config, ReceiverOptions{
		Accept: func(s *receiver.Session) receiver.Sink {
			<-opened // until p.receiver is set
			return &messageSink{conn: p, session: s, from: Addr{TSI: s.TSI(), AddrPort: s.Source(), raw: p.group.raw}, apdus: receiver.Assembler{Max: max(config.ReadBuffer, maxMessage)}}
		},
		Ignore: func(tsi packet.TSI) bool { return tsi == own },
	})
	close(opened)
	if err != nil {
		sender.abandon()
		return fail(err)
	}
	go func() {
		<-p.receiver.Done()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	}()
	return p, nil
}

// messageSink takes what one source sends.
type messageSink struct {
	conn    *PacketConn
	session *receiver.Session
	from    Addr
	apdus   receiver.Assembler
	whole   []byte // an APDU of several fragments that is complete, and for which there was no room yet
	held    bool   // the engine holds a packet; under the lock of conn
	here    bool   // the source has joined
}

// join tells of a source that was not heard before.
func (m *messageSink) join(fromStart bool) {
	if m.here {
		return
	}
	if m.here = true; m.conn.joined != nil {
		m.conn.joined(m.from, fromStart)
	}
}

// Data takes the next packet.
func (m *messageSink) Data(d receiver.Data) bool {
	m.join(d.Syn)
	apdu, fragments := m.whole, d.Fragment.Length != 0
	if apdu == nil {
		var ok bool
		if apdu, ok = m.apdus.Add(d); !ok {
			return true
		}
	}
	taken := m.conn.put(m, apdu)
	if m.whole = nil; !taken && fragments {
		m.whole = apdu
	}
	return taken
}

// Flush wakes those who wait for what a batch brought.
func (m *messageSink) Flush(Lease) bool {
	c := m.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting > 0 {
		c.changed.Broadcast()
	}
	return false
}

// Lost says that messages are missing.
func (m *messageSink) Lost(first, last packet.SQN) {
	m.join(false)
	m.apdus.Lost()
	m.whole = nil
	if m.conn.lost != nil {
		m.conn.lost(m.from, &LostError{First: first, Last: last})
	}
}

// End says that the source is gone; messages may come from it again under another TSI.
func (m *messageSink) End(end receiver.End, reset packet.Reset) {
	failure := m.conn.receiver.Err()
	if m.here && m.conn.left != nil && (end != receiver.Closed || failure != nil) {
		m.conn.left(m.from, endError(end, reset, failure))
	}
}

// put takes a message for ReadFrom, if there is room.
func (c *PacketConn) put(m *messageSink, apdu []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return true
	case c.inbox.put(m.from, apdu):
		return true
	case !m.held:
		m.held = true
		c.held = append(c.held, m)
	}
	return false
}

// ReadFrom waits for a message and copies it to b; what does not fit is gone, as with UDP. The address is an Addr with the TSI
// of the source, which tells apart two sources on one host.
func (c *PacketConn) ReadFrom(b []byte) (n int, from net.Addr, err error) {
	n, addr, err := c.read(b)
	if err != nil {
		return 0, nil, c.opError("read", err)
	}
	return n, addr, nil
}

func (c *PacketConn) read(b []byte) (int, Addr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, Addr{}, net.ErrClosed
		case c.deadline.passed:
			return 0, Addr{}, os.ErrDeadlineExceeded
		case !c.inbox.empty():
			n, from := c.inbox.take(b)
			if len(c.held) > 0 && c.inbox.low() {
				for i, m := range c.held {
					m.held, c.held[i] = false, nil
					c.receiver.Resume(m.session)
				}
				c.held = c.held[:0]
			}
			return n, from, nil
		case c.receiver.Err() != nil:
			return 0, Addr{}, c.receiver.Err()
		}
		c.waiting++
		c.changed.Wait()
		c.waiting--
	}
}

// Write sends a message to the group.
func (c *PacketConn) Write(b []byte) (int, error) {
	n, err := c.writer.message(b)
	if err != nil {
		return n, c.opError("write", err)
	}
	return n, nil
}

// WriteTo sends a message to the group: addr is the group's address, or nil. It waits while the transmit window has no room, that
// is, until the rate allows for what was written before.
func (c *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if !isGroup(addr, c.group.AddrPort) {
		return 0, &net.OpError{Op: "write", Net: c.group.Network(), Source: c.LocalAddr(), Addr: addr, Err: errAddress}
	}
	return c.Write(b)
}

// MaxMessage returns the most octets of a message that can be written: 256 KiB to 1 MiB, as the rate and the transmit window
// allow; less with a window of less than 1 MiB.
func (c *PacketConn) MaxMessage() int { return c.writer.longest() }

// MaxPacket returns the most octets of a message that goes out in one packet; ZeroMQ, for one, takes no others.
func (c *PacketConn) MaxPacket() int { return c.writer.sender.MaxTSDU() }

// SetDeadline sets both deadlines.
func (c *PacketConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds the waiting of ReadFrom; the zero time is no bound.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.deadline.set(t, &c.changed)
	return nil
}

// SetWriteDeadline bounds the waiting of Write and WriteTo; the zero time is no bound.
func (c *PacketConn) SetWriteDeadline(t time.Time) error {
	if err := c.writer.setDeadline(t); err != nil {
		return c.opError("set", err)
	}
	return nil
}

// Close ends reception, and the source properly: it returns at once, while what was written is sent, and repaired for
// SourceConfig.Linger. A program that is about to exit calls CloseWait.
func (c *PacketConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.deadline.stop()
	c.inbox = inbox{}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.writer.close()
	c.receiver.Close()
	return nil
}

// CloseWait closes the PacketConn and waits until everything is sent and the time for repairs is over, or ctx is done, whose error it
// returns. It may follow Close.
func (c *PacketConn) CloseWait(ctx context.Context) error {
	c.Close()
	return c.writer.wait(ctx)
}

// LocalAddr returns the address of the source that this end is, an Addr.
func (c *PacketConn) LocalAddr() net.Addr { return c.writer.sender.LocalAddr() }

// Group returns the address of the group, an Addr, for WriteTo.
func (c *PacketConn) Group() net.Addr { return c.group }

// SenderStats returns the counters of what is sent.
func (c *PacketConn) SenderStats() SenderStats { return c.writer.sender.Stats() }

// ReceiverStats returns the counters of what is received.
func (c *PacketConn) ReceiverStats() ReceiverStats { return c.receiver.Stats() }

func (c *PacketConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.group.Network(), Source: c.LocalAddr(), Addr: c.group, Err: err}
}

// inbox is a bounded queue of messages with their sources.
type inbox struct {
	data    byteQueue // the messages, one behind the other
	entries []entry   // a ring
	head, n int
}

type entry struct {
	size int
	from Addr
}

// entryCost is how many octets of the limit a message takes besides its own, so that small ones are bounded too.
const entryCost = 64

func newInbox(limit int) inbox { return inbox{data: byteQueue{limit: limit}} }

func (q *inbox) empty() bool { return q.n == 0 }

// low reports whether there is room enough that it is worth to ask for more.
func (q *inbox) low() bool { return q.data.size+q.n*entryCost <= q.data.limit/2 }

// put appends a message if there is room; one always fits.
func (q *inbox) put(from Addr, message []byte) bool {
	if q.n > 0 && q.data.size+len(message)+(q.n+1)*entryCost > q.data.limit {
		return false
	}
	if q.n == len(q.entries) {
		grown := make([]entry, max(2*q.n, 64))
		k := copy(grown, q.entries[q.head:])
		copy(grown[k:], q.entries[:q.head])
		q.entries, q.head = grown, 0
	}
	q.entries[(q.head+q.n)%len(q.entries)] = entry{len(message), from}
	q.n++
	if len(message) > 0 {
		q.data.write(message)
	}
	return true
}

// take copies the oldest message to b, as far as it fits.
func (q *inbox) take(b []byte) (int, Addr) {
	e := q.entries[q.head]
	q.head = (q.head + 1) % len(q.entries)
	q.n--
	n := q.data.read(b[:min(len(b), e.size)])
	if n < e.size {
		q.data.discard(e.size - n)
	}
	return n, e.from
}
