package netio

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Memory is a network of endpoints without sockets, for tests: what one sends to a group, every
// other that reads the group hears, and itself too, in order and without loss. It waits on
// condition variables only, so it works inside a testing/synctest bubble.
type Memory struct {
	mu     sync.Mutex
	conns  []*memoryConn
	port   uint16
	filter func(from, to netip.AddrPort, data []byte) bool
}

// memoryMTU is what most networks carry.
const memoryMTU = 1500

// NewMemory returns a network without endpoints.
func NewMemory() *Memory { return &Memory{port: 49152} }

// SetFilter sets a function that says, for each datagram and each endpoint it would reach, whether
// it does. To is the endpoint's own address, of multicast too. The filter may be called from
// several goroutines at once and must not send.
func (m *Memory) SetFilter(f func(from, to netip.AddrPort, data []byte) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.filter = f
}

// Open adds an endpoint with a unicast address. If the port is 0, or another endpoint has the
// address, it gets a port of its own. It panics if the configuration is one that no network could
// fulfil, because that is a mistake in the test.
func (m *Memory) Open(c Config, local netip.AddrPort) Conn {
	c, err := c.complete()
	if err == nil && local.Addr().Is4() != c.Group.Addr().Is4() {
		err = net.InvalidAddrError(local.String() + " and the group are not of one address family")
	}
	if err != nil {
		panic("netio: " + err.Error())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for local.Port() == 0 || m.taken(local) {
		local = netip.AddrPortFrom(local.Addr(), m.port)
		m.port++
	}
	conn := &memoryConn{net: m, config: c, local: local}
	conn.unicast.init(conn, false)
	conn.multicast.init(conn, true)
	m.conns = append(m.conns, conn)
	return conn
}

func (m *Memory) taken(a netip.AddrPort) bool {
	for _, c := range m.conns {
		if c.local == a {
			return true
		}
	}
	return false
}

func (m *Memory) remove(c *memoryConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.conns {
		if m.conns[i] == c {
			m.conns = append(m.conns[:i], m.conns[i+1:]...)
			return
		}
	}
}

// send delivers one datagram.
func (m *Memory) send(from *memoryConn, to netip.AddrPort, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		r := &c.unicast
		switch {
		case !to.Addr().IsMulticast():
			if c.local != to {
				continue
			}
		case !c.config.Receive || c.config.Group != to || from.config.NoLoopback && c.local.Addr() == from.local.Addr():
			continue
		case c.config.Source.IsValid() && c.config.Source != from.local.Addr():
			continue
		default:
			r = &c.multicast
		}
		if m.filter == nil || m.filter(from.local, c.local, data) {
			r.push(from.local, data)
		}
	}
}

type memoryConn struct {
	net                *Memory
	config             Config
	local              netip.AddrPort
	unicast, multicast memoryReader

	count  counters
	closed atomic.Bool
}

func (c *memoryConn) Readers() []Reader {
	if c.config.Receive {
		return []Reader{&c.unicast, &c.multicast}
	}
	return []Reader{&c.unicast}
}

func (c *memoryConn) WriteBatch(msgs []Message) (int, error) {
	for i := range msgs {
		if err := c.write(&msgs[i]); err != nil {
			return i, err
		}
	}
	return len(msgs), nil
}

func (c *memoryConn) write(m *Message) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	n := m.Datagrams()
	if size := min(m.SegmentSize, len(m.Data)); n == 1 && len(m.Data) > MaxPayload || n > 1 && size > MaxPayload {
		c.count.writeErrors.Add(1)
		return writeError(c.config, c.local, m.To, errTooBig(size, MaxPayload))
	}
	c.count.wrote(n, len(m.Data))
	data := m.Data
	for ; n > 1; n-- {
		c.net.send(c, m.To, data[:m.SegmentSize])
		data = data[m.SegmentSize:]
	}
	c.net.send(c, m.To, data)
	return nil
}

func (c *memoryConn) Local() netip.AddrPort { return c.local }
func (c *memoryConn) Group() netip.AddrPort { return c.config.Group }
func (c *memoryConn) MTU() int              { return memoryMTU }
func (c *memoryConn) Overhead() int         { return c.config.overhead() }
func (c *memoryConn) AlertOverhead() int    { return c.config.alertOverhead() }
func (c *memoryConn) Check() error          { return nil }

func (c *memoryConn) Interface() *net.Interface {
	return &net.Interface{Index: 1, MTU: memoryMTU, Name: "memory", Flags: net.FlagUp | net.FlagMulticast}
}

func (c *memoryConn) Stats() Stats {
	s := c.count.stats()
	s.GSO, s.GRO = true, true
	s.RecvBuffer, s.SendBuffer = c.config.RecvBuffer, c.config.SendBuffer
	return s
}

func (c *memoryConn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.net.remove(c)
	c.unicast.close()
	c.multicast.close()
	return nil
}

// memoryReader is a queue of datagrams, of no more bytes than the receive buffer.
type memoryReader struct {
	conn  *memoryConn
	group bool

	mu     sync.Mutex
	more   sync.Cond
	queue  []Datagram
	bytes  int
	closed bool
}

func (r *memoryReader) init(c *memoryConn, group bool) {
	r.conn, r.group = c, group
	r.more.L = &r.mu
}

func (r *memoryReader) push(from netip.AddrPort, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if r.bytes+len(data) > r.conn.config.RecvBuffer {
		r.conn.count.drops.Add(1)
		return
	}
	r.bytes += len(data)
	r.queue = append(r.queue, Datagram{Data: append([]byte(nil), data...), From: from})
	r.more.Signal()
}

func (r *memoryReader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.more.Broadcast()
}

func (r *memoryReader) Multicast() bool { return r.group }

func (r *memoryReader) ReadBatch(b *Batch) error {
	b.reset()
	b.Multicast = r.group
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) == 0 && !r.closed {
		r.more.Wait()
	}
	if r.closed {
		return net.ErrClosed
	}
	n, bytes := 0, 0
	for _, d := range r.queue {
		p := b.room(len(d.Data))
		if p == nil {
			break
		}
		copy(p, d.Data)
		b.add(p, 0, d.From)
		bytes += len(p)
		n++
	}
	r.queue = append(r.queue[:0], r.queue[n:]...)
	r.bytes -= bytes
	r.conn.count.read(n, bytes)
	return nil
}
