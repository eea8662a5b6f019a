//go:build !netio_portable

package netio

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inbound is a socket whose arrivals alone wake the runtime's poller.
//
// The poller waits for sockets to become writable too, and the kernel says that they are each time that it has sent something: a thread would
// be woken for each batch that is written, and find nothing to do: half of a source's context switches. So the socket is under an epoll of
// its own, which waits for arrivals, and it is that epoll which the runtime polls.
type inbound struct {
	poll   *os.File // the epoll; what uses the socket holds it open
	fd     int
	addr   net.Addr
	closed atomic.Bool
}

// inboundOnly takes a socket from the runtime's poller. All options that need its net.PacketConn must have been set.
func (s *socket) inboundOnly() error {
	in := &inbound{addr: s.pc.LocalAddr()}
	var dup error
	err := s.raw.Control(func(fd uintptr) {
		in.fd, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err := errors.Join(err, os.NewSyscallError("F_DUPFD_CLOEXEC", dup)); err != nil {
		return err
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		unix.Close(in.fd)
		return os.NewSyscallError("epoll_create1", err)
	}
	err = unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, in.fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	if err == nil {
		err = unix.SetNonblock(poll, true) // or the runtime would not poll it
	}
	in.poll = os.NewFile(uintptr(poll), "epoll")
	var raw syscall.RawConn
	if err == nil {
		raw, err = in.poll.SyscallConn()
	}
	if err != nil {
		in.Close()
		return os.NewSyscallError("epoll", err)
	}
	s.pc.Close()
	s.pc, s.raw, s.in, s.memory = nil, raw, in, newMemoryInfo(in)
	return nil
}

// number returns the number of a socket, given that of what the runtime polls: the same, if in is nil.
func (in *inbound) number(fd uintptr) uintptr {
	if in == nil {
		return fd
	}
	return uintptr(in.fd)
}

// awaitRoom waits until the socket has room for what is to be sent, but not long: it keeps the socket from being closed.
func (in *inbound) awaitRoom(raw syscall.RawConn) error {
	return raw.Control(func(uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(in.fd), Events: unix.POLLOUT}}, 10)
	})
}

func (in *inbound) LocalAddr() net.Addr               { return in.addr }
func (in *inbound) SetReadDeadline(t time.Time) error { return in.poll.SetReadDeadline(t) }

// Close closes the socket once nobody uses it any more.
func (in *inbound) Close() error {
	in.closed.Store(true)
	return errors.Join(in.poll.Close(), unix.Close(in.fd))
}
