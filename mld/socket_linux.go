package mld

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/afpacket"
)

// sockets are those of a Port: a packet socket that hears the link, whoever a message is for, and a raw one that lets the kernel build the
// headers of what is sent and gives it to this host's own listeners too.
type sockets struct {
	in      *afpacket.Socket
	out     *os.File
	outConn syscall.RawConn
	buf     []byte
}

func (s *sockets) open(p *Port) error {
	in, err := openIn(p)
	if err != nil {
		return err
	}
	out, err := openOut(p)
	if err != nil {
		in.Close()
		return err
	}
	s.in, s.out = in, os.NewFile(uintptr(out), "mld out")
	if s.outConn, err = s.out.SyscallConn(); err != nil {
		s.Close()
		return err
	}
	s.buf = make([]byte, 65536)
	return nil
}

// openIn opens the packet socket: "the router must configure that interface to listen to all link-layer multicast addresses" [7].
func openIn(p *Port) (*afpacket.Socket, error) {
	protocol, filter := afpacket.IPv6, filterMLD
	if p.family == IGMP {
		protocol, filter = afpacket.IPv4, filterIGMP
	}
	return afpacket.Open(p.ifi, protocol, filter, func(fd int) error {
		all := unix.PacketMreq{Ifindex: int32(p.ifi.Index), Type: unix.PACKET_MR_ALLMULTI}
		return os.NewSyscallError("PACKET_ADD_MEMBERSHIP", unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &all))
	})
}

// openOut opens the raw socket, which sends with a hop limit of 1 and Router Alert, and reads nothing.
func openOut(p *Port) (int, error) {
	family, protocol := unix.AF_INET6, protocolICMPv6
	if p.family == IGMP {
		family, protocol = unix.AF_INET, protocolIGMP
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return -1, err
	}
	if p.family == IGMP {
		err = setIGMP(fd, p)
	} else {
		err = setMLD(fd, p)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

const internetworkControl = 0xc0 // the traffic class of routing protocols (RFC 2474 §4.2.2.2)

func setMLD(fd int, p *Port) error {
	group := unix.IPv6Mreq{Multiaddr: MLD.ReportAddress().As16(), Interface: uint32(p.ifi.Index)}
	set := func(name, v int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, name, v) }
	return errors.Join(
		afpacket.Attach(fd, filterNothing),
		set(unix.IPV6_MULTICAST_HOPS, 1),
		set(unix.IPV6_UNICAST_HOPS, 1),
		set(unix.IPV6_MULTICAST_LOOP, 1),
		set(unix.IPV6_MULTICAST_IF, p.ifi.Index),
		set(unix.IPV6_TCLASS, internetworkControl),
		unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, string(alertOptions[:])),
		// "MUST perform the multicast address listener part of MLDv2 for that address on that interface" [7]: the kernel does.
		unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &group),
		unix.Bind(fd, &unix.SockaddrInet6{Addr: p.addr.As16(), ZoneId: uint32(p.ifi.Index)}),
	)
}

func setIGMP(fd int, p *Port) error {
	set := func(name, v int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, name, v) }
	group := unix.IPMreqn{Multiaddr: IGMP.ReportAddress().As4(), Ifindex: int32(p.ifi.Index)}
	return errors.Join(
		afpacket.Attach(fd, filterNothing),
		set(unix.IP_MULTICAST_TTL, 1),
		set(unix.IP_TTL, 1),
		set(unix.IP_MULTICAST_LOOP, 1),
		set(unix.IP_TOS, internetworkControl),
		unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x94\x04\x00\x00"), // Router Alert (RFC 2113)
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Address: p.addr.As4(), Ifindex: int32(p.ifi.Index)}),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &group),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: p.addr.As4()}),
	)
}

// The filters that the kernel runs, so that nothing but the few messages of the protocol is copied.
var (
	filterNothing = []bpf.Instruction{bpf.RetConstant{Val: 0}}
	// filterMLD lets the types of MLD pass, with and without a Hop-by-Hop Options header: those without are to be counted.
	filterMLD = []bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolICMPv6, SkipFalse: 2},
		bpf.LoadConstant{Dst: bpf.RegX, Val: 0},
		bpf.Jump{Skip: 7},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 11},
		bpf.LoadAbsolute{Off: 40, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocolICMPv6, SkipTrue: 9},
		bpf.LoadAbsolute{Off: 41, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: 8},
		bpf.TAX{},
		bpf.LoadIndirect{Off: 40, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeReportV2, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: typeQuery, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: typeDone, SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
	filterIGMP = []bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocolIGMP, SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
)

// Read waits for a packet of the protocol, whether it is valid or not. Its payload is the caller's. The error is net.ErrClosed after Close.
func (p *Port) Read() (Packet, error) {
	for {
		n, err := p.in.Read(p.buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return Packet{}, err
		case errors.Is(err, unix.ENETDOWN): // said once; the socket goes on when the interface is up again, if it is still there
			if _, gone := net.InterfaceByIndex(p.ifi.Index); gone != nil {
				return Packet{}, fmt.Errorf("%s: %w", p.ifi.Name, err)
			}
			continue
		case err != nil:
			return Packet{}, fmt.Errorf("%s: %w", p.ifi.Name, err)
		}
		var in Packet
		if n <= len(p.buf) && in.Parse(p.family, p.buf[:n]) == nil {
			in.Payload = append([]byte(nil), in.Payload...)
			return in, nil
		}
	}
}

// Send sends a packet of this port's address; its Src is not looked at.
func (p *Port) Send(out *Packet) error {
	var to unix.Sockaddr
	if p.family == IGMP {
		to = &unix.SockaddrInet4{Addr: out.Dst.As4()}
	} else {
		to = &unix.SockaddrInet6{Addr: out.Dst.As16(), ZoneId: uint32(p.ifi.Index)}
	}
	var serr error
	err := p.outConn.Write(func(fd uintptr) bool {
		serr = unix.Sendto(int(fd), out.Payload, 0, to)
		return serr != unix.EAGAIN && serr != unix.EINTR
	})
	if err == nil {
		err = serr
	}
	if err != nil {
		p.failed.Add(1)
	}
	return err
}

// Join has this host listen to a group, as a program that joins it would: the kernel reports it, and answers for it, until Leave or Close.
func (p *Port) Join(group netip.Addr) error { return p.membership(group, true) }

// Leave ends what Join began. A querier on the link asks at once who else listens.
func (p *Port) Leave(group netip.Addr) error { return p.membership(group, false) }

func (p *Port) membership(group netip.Addr, join bool) error {
	var merr error
	err := p.outConn.Control(func(f uintptr) {
		fd := int(f)
		if p.family == IGMP {
			name := unix.IP_DROP_MEMBERSHIP
			if join {
				name = unix.IP_ADD_MEMBERSHIP
			}
			merr = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, name, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(p.ifi.Index)})
			return
		}
		name := unix.IPV6_LEAVE_GROUP
		if join {
			name = unix.IPV6_JOIN_GROUP
		}
		merr = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, name, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(p.ifi.Index)})
	})
	return errors.Join(err, merr)
}

// Close closes the sockets; Read returns net.ErrClosed.
func (s *sockets) Close() error {
	return errors.Join(s.in.Close(), s.out.Close())
}
