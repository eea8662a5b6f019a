//go:build !netio_portable

package netio

import (
	"context"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// peers is the one socket of an endpoint without a group.
type peers struct{ endpoint }

// OpenPeers opens a UDP endpoint for unicast with other hosts, that belongs to no group and to no interface: local is the address that it is
// bound to, perhaps unspecified, and its port. What is too big for a link on the way is sent in fragments: those who talk over it
// carry packets whose size others chose. Interface is nil, and MTU unknown, 0; Check finds nothing wrong. It is for Linux.
func OpenPeers(ctx context.Context, local netip.AddrPort, recvBuffer, sendBuffer int) (Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	p := &peers{endpoint{
		config: Config{RecvBuffer: recvBuffer, SendBuffer: sendBuffer, NoOffload: true},
		link:   link{ifi: &net.Interface{}, addr: local.Addr()},
	}}
	if err := p.open(local); err != nil {
		p.closeSockets()
		return nil, err
	}
	return p, nil
}

func (p *peers) open(local netip.AddrPort) error {
	s, err := listen(local, p.link, 0, false)
	if err != nil {
		return err
	}
	p.sockets = append(p.sockets, s)
	p.local = netip.AddrPortFrom(local.Addr(), s.port())
	level, option, value := unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT
	if local.Addr().Is4() {
		level, option, value = unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT
	}
	if err := p.sockets[0].inboundOnly(); err != nil {
		return err
	}
	s = p.sockets[0]
	s.set(level, option, value)
	s.setBuffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, p.config.SendBuffer)
	s.setBuffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, p.config.RecvBuffer)
	p.sendBuffer, p.recvBuffer = s.buffer(unix.SO_SNDBUF), s.buffer(unix.SO_RCVBUF)
	r := newReader(&p.endpoint, s, true) // as many come here as at a group's
	r.group = false
	p.readers = []Reader{r}
	p.writer = newWriter(&p.endpoint, s)
	return nil
}

// Interface returns nil: the kernel chooses one for each packet.
func (p *peers) Interface() *net.Interface { return nil }

// MTU returns 0.
func (p *peers) MTU() int { return 0 }

// Check returns nil: there is no interface that could be gone.
func (p *peers) Check() error { return nil }
