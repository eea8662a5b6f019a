// Package afpacket hears what comes by an interface, whoever it is for: packet sockets of Linux, with a filter that the kernel runs. It needs
// CAP_NET_RAW.
package afpacket

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Protocol is that of the packets which a Socket hears.
type Protocol uint16

// The protocols.
const (
	IPv4 Protocol = unix.ETH_P_IP
	IPv6 Protocol = unix.ETH_P_IPV6
)

// Socket hears packets of one interface, from the IP header on. Close may be called at any time, Read by one goroutine.
type Socket struct {
	file   *os.File
	conn   syscall.RawConn
	closed atomic.Bool
}

// Open opens a socket for the packets that the filter lets pass. Set, if not nil, sets options of it before anything comes in.
func Open(ifi *net.Interface, p Protocol, filter []bpf.Instruction, set func(fd int) error) (*Socket, error) {
	// No protocol at first: nothing is to come in before the filter is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &Socket{file: os.NewFile(uintptr(fd), "packets of "+ifi.Name)}
	err = Attach(fd, filter)
	if err == nil && set != nil {
		err = set(fd)
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(p<<8 | p>>8), Ifindex: ifi.Index}))
	}
	if err == nil {
		s.conn, err = s.file.SyscallConn()
	}
	if err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// Read waits for a packet, and copies as much of it to b as there is room for. It returns how long the packet is that the filter let pass, which may
// be more. While the interface is down it returns ENETDOWN, once. The error is net.ErrClosed after Close.
func (s *Socket) Read(b []byte) (n int, err error) {
	var rerr error
	err = s.conn.Read(func(fd uintptr) bool {
		n, _, rerr = unix.Recvfrom(int(fd), b, unix.MSG_TRUNC)
		return rerr != unix.EAGAIN && rerr != unix.EINTR
	})
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	return n, errors.Join(err, rerr)
}

// Close ends Read.
func (s *Socket) Close() error {
	s.closed.Store(true)
	return s.file.Close()
}

// Attach gives any socket a filter that the kernel runs.
func Attach(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	return os.NewSyscallError("SO_ATTACH_FILTER", err)
}
