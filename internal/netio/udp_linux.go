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

// udpConn is a UDP endpoint on Linux.
type udpConn struct {
	config     Config
	link       link
	local      netip.AddrPort
	sockets    []socket // the unicast one, then the group's
	readers    []Reader
	writer     *writer
	count      counters
	gro        bool
	recvBuffer int
	sendBuffer int

	mu     sync.Mutex
	closed bool
}

func openUDP(ctx context.Context, c Config, l link) (Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u := &udpConn{config: c, link: l}
	if err := u.open(); err != nil {
		u.closeSockets()
		return nil, err
	}
	return u, nil
}

func (u *udpConn) open() error {
	unicast, err := u.openUnicast()
	if err != nil {
		return err
	}
	unicast.setBuffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, u.config.SendBuffer)
	u.sendBuffer = unicast.buffer(unix.SO_SNDBUF)
	if u.config.Receive {
		if err := u.openGroup(); err != nil {
			return err
		}
	}
	u.gro = !u.config.NoOffload
	for i, s := range u.sockets {
		s.setBuffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, u.config.RecvBuffer)
		u.recvBuffer = s.buffer(unix.SO_RCVBUF)
		u.gro = u.gro && s.set(unix.SOL_UDP, unix.UDP_GRO, 1)
		u.readers = append(u.readers, newReader(u, s, i > 0))
	}
	u.writer = newWriter(u, unicast)
	return nil
}

// openUnicast opens the socket that everything is sent from.
func (u *udpConn) openUnicast() (s socket, err error) {
	for _, port := range u.config.unicastPorts() {
		s, err = listen(netip.AddrPortFrom(u.link.addr, port), u.link, false)
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return s, err
	}
	u.sockets = append(u.sockets, s)
	local := s.pc.LocalAddr().(*net.UDPAddr).AddrPort()
	u.local = netip.AddrPortFrom(u.link.addr, local.Port())
	if err := sendOn(s.pc, u.config, u.link.ifi); err != nil {
		return s, err
	}
	return s, u.checkRoute()
}

func (u *udpConn) openGroup() error {
	s, err := listen(u.config.Group, u.link, true)
	if err != nil {
		return err
	}
	u.sockets = append(u.sockets, s)
	return joinGroup(s.pc, u.config, u.link.ifi)
}

// checkRoute tells early that the kernel has no way to the group: IPv4 needs no route once the
// interface is chosen, but IPv6 does, and lo has none unless someone made it.
func (u *udpConn) checkRoute() error {
	if u.link.addr.Is4() {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil // sending will tell
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, u.link.ifi.Index)
	err = unix.Connect(fd, &unix.SockaddrInet6{Port: int(u.config.Group.Port()), Addr: u.config.Group.Addr().As16(), ZoneId: uint32(u.link.ifi.Index)})
	if err == nil {
		return nil
	}
	kind := "multicast"
	if u.link.ifi.Flags&net.FlagLoopback != 0 {
		kind = "local"
	}
	return fmt.Errorf("there is no IPv6 multicast route (%w): use an IPv4 group or, as root, ip -6 route add %s ff00::/8 dev %s table local", err, kind, u.link.ifi.Name)
}

func (u *udpConn) Readers() []Reader         { return u.readers }
func (u *udpConn) Local() netip.AddrPort     { return u.local }
func (u *udpConn) Group() netip.AddrPort     { return u.config.Group }
func (u *udpConn) Interface() *net.Interface { return u.link.ifi }
func (u *udpConn) MTU() int                  { return min(u.link.ifi.MTU, 65535) }
func (u *udpConn) Overhead() int             { return u.config.overhead() }

func (u *udpConn) WriteBatch(msgs []Message) (int, error) { return u.writer.write(msgs) }

func (u *udpConn) Check() error {
	if err := checkInterface(u.link.ifi); err != nil {
		return fmt.Errorf("netio: %w", err)
	}
	return nil
}

func (u *udpConn) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.countDrops()
	s := u.count.stats()
	s.GSO, s.GRO = u.writer.gso.Load(), u.gro
	s.RecvBuffer, s.SendBuffer = u.recvBuffer, u.sendBuffer
	return s
}

// countDrops asks the kernel while the sockets are open.
func (u *udpConn) countDrops() {
	if u.closed {
		return
	}
	var sum uint64
	for _, s := range u.sockets {
		if n, ok := s.drops(); ok {
			sum += n
		}
	}
	u.count.drops.Store(sum)
}

func (u *udpConn) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return net.ErrClosed
	}
	u.countDrops()
	u.closed = true
	return u.closeSockets()
}

func (u *udpConn) closeSockets() error {
	var errs []error
	for _, s := range u.sockets {
		errs = append(errs, s.pc.Close())
	}
	return errors.Join(errs...)
}
