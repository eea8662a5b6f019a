package mroute

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/afpacket"
)

// Transit sends unicast packets of a protocol on to where they go, if they bear Router Alert: as long as any socket of this protocol intercepts
// them, the kernel does not.
type Transit struct {
	in, out *os.File
	conn    syscall.RawConn
	send    syscall.RawConn
	closed  atomic.Bool
	count   atomic.Uint64
}

// OpenTransit opens a Transit. It does its work in Run.
func OpenTransit(protocol int) (*Transit, error) {
	t := &Transit{}
	err := t.open(protocol)
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("packets of IP protocol %d with Router Alert: %w", protocol, err)
	}
	return t, nil
}

func (t *Transit) open(protocol int) error {
	in, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	t.in = os.NewFile(uintptr(in), "transit in")
	out, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	t.out = os.NewFile(uintptr(out), "transit out")
	if err := afpacket.Attach(in, filterUnicast); err != nil {
		return err
	}
	// Nothing comes to this address but what is intercepted, for which the kernel does not look at it. It is there even if lo is down.
	if err := unix.SetsockoptInt(in, unix.SOL_IP, unix.IP_FREEBIND, 1); err != nil {
		return os.NewSyscallError("IP_FREEBIND", err)
	}
	if err := unix.Bind(in, &unix.SockaddrInet4{Addr: [4]byte{127, 255, 255, 254}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.SetsockoptInt(in, unix.SOL_IP, unix.IP_ROUTER_ALERT, 1); err != nil {
		return os.NewSyscallError("IP_ROUTER_ALERT", err)
	}
	if t.conn, err = t.in.SyscallConn(); err == nil {
		t.send, err = t.out.SyscallConn()
	}
	return err
}

// filterUnicast keeps multicast from the socket.
var filterUnicast = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 16, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 224, SkipTrue: 1},
	bpf.RetConstant{Val: 65535},
	bpf.RetConstant{Val: 0},
}

// Run sends packets on until Close, and then returns net.ErrClosed.
func (t *Transit) Run() error {
	b := make([]byte, 65535)
	for {
		n, err := receive(t.conn, b)
		switch {
		case t.closed.Load():
			return net.ErrClosed
		case err != nil:
			return err
		}
		if p, ok := age(b[:n]); ok {
			to := &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}
			// What cannot be sent is lost, as it is when the kernel forwards.
			_ = t.send.Write(func(fd uintptr) bool { return unix.Sendto(int(fd), p, 0, to) != unix.EAGAIN })
			t.count.Add(1)
		}
	}
}

// age takes one from the time to live of the IPv4 packet p, which is not to be sent on if nothing is left of it. The kernel completes the header.
func age(p []byte) ([]byte, bool) {
	if len(p) < 20 || p[0]>>4 != 4 || p[8] <= 1 {
		return nil, false
	}
	p[8]--
	binary.BigEndian.PutUint16(p[10:], 0)
	return p, true
}

// Count returns how many packets were sent on.
func (t *Transit) Count() uint64 { return t.count.Load() }

// Close ends Run.
func (t *Transit) Close() error {
	t.closed.Store(true)
	for _, f := range []*os.File{t.in, t.out} {
		if f != nil {
			f.Close()
		}
	}
	return nil
}
