//go:build !linux || netio_portable

package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// udpConn is a UDP endpoint on a system without a batching interface: a datagram to each system
// call. The build tag netio_portable chooses it on Linux, so that it can be tested there.
type udpConn struct {
	config  Config
	link    link
	local   netip.AddrPort
	unicast *net.UDPConn
	group   *net.UDPConn // nil unless the endpoint receives
	readers []Reader
	count   counters
	closed  atomic.Bool
}

// openLink opens an endpoint on a link.
func openLink(ctx context.Context, c Config, l link) (Conn, error) {
	if c.Forward || c.Beside != nil {
		return nil, errors.New("forwarding for other hosts is for Linux only")
	}
	if c.Unjoined {
		return nil, errors.New("joining later is for Linux only")
	}
	if c.Protocol != 0 {
		return nil, fmt.Errorf("raw IP sockets are not supported on %s: use UDP (epgm://)", runtime.GOOS)
	}
	u := &udpConn{config: c, link: l}
	if err := u.open(ctx); err != nil {
		u.closeSockets()
		return nil, err
	}
	return u, nil
}

func (u *udpConn) open(ctx context.Context) error {
	c := u.config
	var err error
	ports := c.unicastPorts()
	if runtime.GOOS == "linux" {
		// It does not let the group's socket have the wildcard address beside the group's port.
		ports = []uint16{0}
	}
	for _, port := range ports {
		at := netip.AddrPortFrom(u.link.addr, port)
		if u.unicast, err = net.ListenUDP(c.network(), net.UDPAddrFromAddrPort(at)); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	u.local = netip.AddrPortFrom(u.link.addr, u.unicast.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	if err := sendOn(u.unicast, c, u.link.ifi); err != nil {
		return err
	}
	// Systems have limits of their own; what they grant is enough to work.
	_ = u.unicast.SetReadBuffer(c.RecvBuffer)
	_ = u.unicast.SetWriteBuffer(c.SendBuffer)
	u.readers = []Reader{&reader{conn: u, from: u.unicast, receive: unfiltered(u.unicast)}}
	if !c.Receive {
		return nil
	}
	// Package net binds the wildcard address here, and shares the port.
	pc, err := new(net.ListenConfig).ListenPacket(ctx, c.network(), c.Group.String())
	if err != nil {
		return err
	}
	u.group = pc.(*net.UDPConn)
	_ = u.group.SetReadBuffer(c.RecvBuffer)
	if err := joinGroup(u.group, c, u.link.ifi); err != nil {
		return err
	}
	u.readers = append(u.readers, &reader{conn: u, from: u.group, multicast: true, receive: filtered(u.group, c.Group.Addr())})
	return nil
}

// network is the name of the group's address family in package net.
func (c Config) network() string {
	if c.Group.Addr().Is4() {
		return "udp4"
	}
	return "udp6"
}

func (u *udpConn) Readers() []Reader         { return u.readers }
func (u *udpConn) Local() netip.AddrPort     { return u.local }
func (u *udpConn) Group() netip.AddrPort     { return u.config.Group }
func (u *udpConn) Interface() *net.Interface { return u.link.ifi }
func (u *udpConn) MTU() int                  { return min(u.link.ifi.MTU, 65535) }
func (u *udpConn) Overhead() int             { return u.config.overhead() }
func (u *udpConn) AlertOverhead() int        { return u.config.alertOverhead() }

func (u *udpConn) Check() error {
	return checkInterface(u.link.ifi)
}

func (u *udpConn) Stats() Stats {
	s := u.count.stats()
	s.RecvBuffer, s.SendBuffer = u.config.RecvBuffer, u.config.SendBuffer
	return s
}

func (u *udpConn) Close() error {
	if u.closed.Swap(true) {
		return net.ErrClosed
	}
	return u.closeSockets()
}

func (u *udpConn) closeSockets() error {
	var errs []error
	for _, s := range []*net.UDPConn{u.unicast, u.group} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

func (u *udpConn) WriteBatch(msgs []Message) (int, error) {
	for i := range msgs {
		if err := u.write(&msgs[i]); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return i, net.ErrClosed
			}
			u.count.writeErrors.Add(1)
			return i, err
		}
	}
	return len(msgs), nil
}

func (u *udpConn) write(m *Message) error {
	if err := checkFamily(u.link.addr, m.To.Addr()); err != nil {
		return writeError(u.config, u.local, m.To, err)
	}
	if m.TTL > 0 {
		if err := u.setTTL(m.TTL, m.TTL); err != nil {
			return writeError(u.config, u.local, m.To, err)
		}
		defer u.setTTL(u.config.TTL, defaultUnicastTTL)
	}
	data := m.Data
	for n := m.Datagrams(); n > 0; n-- {
		d := data
		if n > 1 {
			d = data[:m.SegmentSize]
		}
		data = data[len(d):]
		if err := u.writeOne(d, m.To); err != nil {
			return err
		}
		u.count.wrote(1, len(d))
	}
	return nil
}

func (u *udpConn) writeOne(d []byte, to netip.AddrPort) error {
	_, err := u.unicast.WriteToUDPAddrPort(d, to)
	switch {
	case errors.Is(err, syscall.ENOBUFS):
		// The interface's queue is full. Lost, as on the wire.
		u.count.writeErrors.Add(1)
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		// The answer to something that was sent before. It was taken off by this error.
		_, err = u.unicast.WriteToUDPAddrPort(d, to)
	}
	switch {
	case errors.Is(err, syscall.EMSGSIZE):
		return writeError(u.config, u.local, to, errTooBig(len(d), min(u.MTU()-u.Overhead(), MaxPayload)))
	case err != nil && !errors.Is(err, net.ErrClosed):
		if cerr := checkInterface(u.link.ifi); cerr != nil {
			err = fmt.Errorf("%w (%w)", cerr, err)
		}
		return writeError(u.config, u.local, to, err)
	}
	return err
}

// defaultUnicastTTL is what systems send unicast with.
const defaultUnicastTTL = 64

func (u *udpConn) setTTL(multicast, unicast int) error {
	if u.link.addr.Is4() {
		p := ipv4.NewPacketConn(u.unicast)
		return errors.Join(p.SetMulticastTTL(multicast), p.SetTTL(unicast))
	}
	p := ipv6.NewPacketConn(u.unicast)
	return errors.Join(p.SetMulticastHopLimit(multicast), p.SetHopLimit(unicast))
}

// reader reads a socket, one datagram to a batch.
type reader struct {
	conn      *udpConn
	from      *net.UDPConn
	multicast bool
	// receive reads a datagram. It is not wanted if it came to another group.
	receive func(b []byte) (n int, from netip.AddrPort, wanted bool, err error)
}

// maxFailures is how many ICMP errors in a row a socket may have kept.
const maxFailures = 1000

func (r *reader) Multicast() bool { return r.multicast }

func (r *reader) ReadBatch(b *Batch) error {
	b.reset()
	b.Multicast = r.multicast
	for failures := 0; ; failures++ {
		n, from, wanted, err := r.receive(b.arena[:slotSize])
		switch {
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case err != nil && r.conn.closed.Load():
			return net.ErrClosed
		case err != nil && failures > maxFailures:
			return err
		case err != nil:
			continue // an ICMP error, the answer to something that was sent: it passes
		case !wanted:
			continue
		}
		b.add(b.arena[:n], 0, from)
		r.conn.count.read(1, n)
		return nil
	}
}

func unfiltered(c *net.UDPConn) func([]byte) (int, netip.AddrPort, bool, error) {
	return func(b []byte) (int, netip.AddrPort, bool, error) {
		n, from, err := c.ReadFromUDPAddrPort(b)
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), true, err
	}
}

// filtered leaves out what was sent to other groups on the port, where the system says what was;
// Windows does not.
func filtered(c *net.UDPConn, group netip.Addr) func([]byte) (int, netip.AddrPort, bool, error) {
	want := net.IP(group.AsSlice())
	result := func(n int, dst net.IP, src net.Addr, err error) (int, netip.AddrPort, bool, error) {
		if err != nil {
			return 0, netip.AddrPort{}, false, err
		}
		from := src.(*net.UDPAddr).AddrPort()
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), dst == nil || dst.Equal(want), nil
	}
	if group.Is4() {
		p := ipv4.NewPacketConn(c)
		if p.SetControlMessage(ipv4.FlagDst, true) != nil {
			return unfiltered(c)
		}
		return func(b []byte) (int, netip.AddrPort, bool, error) {
			n, cm, src, err := p.ReadFrom(b)
			var dst net.IP
			if cm != nil {
				dst = cm.Dst
			}
			return result(n, dst, src, err)
		}
	}
	p := ipv6.NewPacketConn(c)
	if p.SetControlMessage(ipv6.FlagDst, true) != nil {
		return unfiltered(c)
	}
	return func(b []byte) (int, netip.AddrPort, bool, error) {
		n, cm, src, err := p.ReadFrom(b)
		var dst net.IP
		if cm != nil {
			dst = cm.Dst
		}
		return result(n, dst, src, err)
	}
}
