//go:build !netio_portable

package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Tap sees the IP packets that reach an interface for a group, before a firewall, a route or a socket has a say, so that one can tell what never
// came from what was kept back. It needs CAP_NET_RAW. What this host itself sends it does not see.
type Tap struct {
	file   *os.File
	conn   syscall.RawConn
	closed atomic.Bool
}

// OpenTap opens a tap. It does not join the group: switches and the interface let through what they would for others.
func OpenTap(ifi *net.Interface, group netip.Addr) (*Tap, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("seeing packets on %s needs the capability CAP_NET_RAW (%w): run the program as root or, once, setcap cap_net_raw+ep %s", ifi.Name, err, executable())
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	protocol := uint16(unix.ETH_P_IPV6)
	if group.Is4() {
		protocol = unix.ETH_P_IP
	}
	raw, err := bpf.Assemble(tapFilter(group))
	if err == nil {
		code := make([]unix.SockFilter, len(raw))
		for i, r := range raw {
			code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
		}
		err = errors.Join(
			unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: ifi.Index}),
		)
	}
	t := &Tap{file: os.NewFile(uintptr(fd), "tap")}
	if err == nil {
		t.conn, err = t.file.SyscallConn()
	}
	if err != nil {
		t.file.Close()
		return nil, fmt.Errorf("seeing packets on %s: %w", ifi.Name, err)
	}
	return t, nil
}

// tapHead is how much of a packet a tap copies, in bytes: the headers.
const tapHead = 128

// tapFilter lets the head of packets to the group pass.
func tapFilter(group netip.Addr) (f []bpf.Instruction) {
	at, words := 16, 1
	if group.Is6() {
		at, words = 24, 4
	}
	b := group.AsSlice()
	for i := range words {
		f = append(f,
			bpf.LoadAbsolute{Off: uint32(at + 4*i), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[4*i:]), SkipTrue: uint8(2*(words-i) - 1)})
	}
	return append(f, bpf.RetConstant{Val: tapHead}, bpf.RetConstant{Val: 0})
}

// Read waits for a packet and copies its head, from the IP header on, to b. The error is net.ErrClosed after Close.
func (t *Tap) Read(b []byte) (n int, err error) {
	var rerr error
	err = t.conn.Read(func(fd uintptr) bool {
		n, _, rerr = unix.Recvfrom(int(fd), b, 0)
		return rerr != unix.EAGAIN && rerr != unix.EINTR
	})
	switch {
	case t.closed.Load():
		return 0, net.ErrClosed
	case err != nil:
		return 0, err
	}
	return n, rerr
}

// Close closes the tap.
func (t *Tap) Close() error {
	t.closed.Store(true)
	return t.file.Close()
}
