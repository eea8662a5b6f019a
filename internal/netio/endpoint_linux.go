//go:build !netio_portable

package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// endpoint is an endpoint on Linux, in UDP or raw: they differ in how their sockets are opened, in ports, which raw ones lack, and
// in the IP header that IPv4 leaves in front of what they read.
type endpoint struct {
	config     Config
	link       link
	local      netip.AddrPort
	sockets    []socket // the unicast one, unless it is another endpoint's, then the group's
	readers    []Reader
	writer     *writer
	count      counters
	gro        bool
	recvBuffer int
	sendBuffer int
	subscribed bool // of an endpoint that is opened unjoined: it has joined

	mu     sync.Mutex
	closed bool
}

// openLink opens an endpoint on a link.
func openLink(ctx context.Context, c Config, l link) (Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := &endpoint{config: c, link: l}
	if err := e.open(); err != nil {
		e.closeSockets()
		return nil, err
	}
	return e, nil
}

func (e *endpoint) open() error {
	unicast, err := e.openUnicast()
	if err != nil {
		return err
	}
	if e.config.Beside == nil {
		if err := e.sockets[0].inboundOnly(); err != nil {
			return err
		}
		unicast = e.sockets[0]
	}
	unicast.setBuffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, e.config.SendBuffer)
	e.sendBuffer = unicast.buffer(unix.SO_SNDBUF)
	if e.config.Receive {
		if err := e.openGroup(); err != nil {
			return err
		}
	}
	e.gro = !e.config.NoOffload && e.config.Protocol == 0
	for i, s := range e.sockets {
		s.setBuffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, e.config.RecvBuffer)
		e.recvBuffer = s.buffer(unix.SO_RCVBUF)
		e.gro = e.gro && s.set(unix.SOL_UDP, unix.UDP_GRO, 1)
		e.readers = append(e.readers, newReader(e, s, i > 0 || e.config.Beside != nil))
	}
	e.writer = newWriter(e, unicast)
	return nil
}

// openUnicast opens the socket that everything is sent from.
func (e *endpoint) openUnicast() (s socket, err error) {
	if e.config.Beside != nil {
		return e.besides()
	}
	for _, port := range e.config.unicastPorts() {
		s, err = listen(netip.AddrPortFrom(e.link.addr, port), e.link, e.config.Protocol, false)
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return s, err
	}
	e.sockets = append(e.sockets, s)
	e.local = netip.AddrPortFrom(e.link.addr, s.port())
	if e.config.Forward {
		if err := s.forward(e.link.addr.Is4()); err != nil {
			return s, err
		}
	}
	if err := sendOn(s.pc, e.config, e.link.ifi); err != nil {
		return s, err
	}
	return s, e.checkRoute()
}

// besides takes the unicast socket of another endpoint. Several writers may use one socket: each call sends what it is given.
func (e *endpoint) besides() (s socket, err error) {
	other, ok := e.config.Beside.(*endpoint)
	if !ok || e.config.Protocol != 0 || other.config.Protocol != 0 || other.link.ifi.Index != e.link.ifi.Index || other.link.addr != e.link.addr || !e.config.Receive {
		return s, fmt.Errorf("an endpoint beside that of %v must be in UDP, at the same address of the same interface, and receive", e.config.Beside.Group())
	}
	e.local = other.local
	return other.writer.sock, e.checkRoute()
}

func (e *endpoint) openGroup() error {
	s, err := listen(e.config.Group, e.link, e.config.Protocol, true)
	if err != nil {
		return err
	}
	e.sockets = append(e.sockets, s)
	if e.config.Forward {
		if err := s.tellHops(e.link.addr.Is4()); err != nil {
			return err
		}
	}
	if e.config.Alert {
		return e.intercept(s)
	}
	if e.config.Unjoined {
		return nil
	}
	return joinGroup(s.pc, e.config, e.link.ifi)
}

// checkRoute tells early that the kernel has no way to the group: IPv4 needs no route once the
// interface is chosen, but IPv6 does, and lo has none unless someone made it.
func (e *endpoint) checkRoute() error {
	if e.link.addr.Is4() {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil // sending will tell
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, e.link.ifi.Index)
	err = unix.Connect(fd, &unix.SockaddrInet6{Port: int(e.config.Group.Port()), Addr: e.config.Group.Addr().As16(), ZoneId: uint32(e.link.ifi.Index)})
	if err == nil {
		return nil
	}
	kind := "multicast"
	if e.link.ifi.Flags&net.FlagLoopback != 0 {
		kind = "local"
	}
	return fmt.Errorf("there is no IPv6 multicast route (%w): use an IPv4 group or, as root, ip -6 route add %s ff00::/8 dev %s table local", err, kind, e.link.ifi.Name)
}

func (e *endpoint) Readers() []Reader         { return e.readers }
func (e *endpoint) Local() netip.AddrPort     { return e.local }
func (e *endpoint) Group() netip.AddrPort     { return e.config.Group }
func (e *endpoint) Interface() *net.Interface { return e.link.ifi }
func (e *endpoint) MTU() int                  { return min(e.link.ifi.MTU, 65535) }
func (e *endpoint) Overhead() int             { return e.config.overhead() }
func (e *endpoint) AlertOverhead() int        { return e.config.alertOverhead() }

func (e *endpoint) WriteBatch(msgs []Message) (int, error) { return e.writer.write(msgs) }

func (e *endpoint) Check() error {
	return checkInterface(e.link.ifi)
}

func (e *endpoint) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.countDrops()
	s := e.count.stats()
	s.GSO, s.GRO = e.writer.gso.Load(), e.gro
	s.RecvBuffer, s.SendBuffer = e.recvBuffer, e.sendBuffer
	return s
}

// countDrops asks the kernel while the sockets are open.
func (e *endpoint) countDrops() {
	if e.closed {
		return
	}
	var sum uint64
	for _, s := range e.sockets {
		if n, ok := s.drops(); ok {
			sum += n
		}
	}
	e.count.drops.Store(sum)
}

func (e *endpoint) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.countDrops()
	e.closed = true
	return e.closeSockets()
}

func (e *endpoint) closeSockets() error {
	var errs []error
	for _, s := range e.sockets {
		errs = append(errs, s.handle().Close())
	}
	return errors.Join(errs...)
}
