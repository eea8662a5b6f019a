//go:build !netio_portable

package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a UDP or raw socket under the runtime's poller.
type socket struct {
	pc     filePacketConn // nil when in has taken it over
	in     *inbound
	raw    syscall.RawConn // of what the runtime polls: see number
	memory *memoryInfo
}

// handle is what remains of a socket's connection once its options are set.
type handle interface {
	LocalAddr() net.Addr
	SetReadDeadline(t time.Time) error
	Close() error
}

func (s *socket) handle() handle {
	if s.in != nil {
		return s.in
	}
	return s.pc
}

// filePacketConn is a *net.UDPConn or a *net.IPConn.
type filePacketConn interface {
	net.PacketConn
	syscall.Conn
}

// listen opens a socket bound to addr on the link's interface: a UDP socket, or a raw one if
// protocol is not 0. A group's UDP socket shares its port with others on this host. Package net
// cannot do this: it binds the wildcard address where a group's is asked for, so that groups on one
// port would hear each other.
func listen(addr netip.AddrPort, l link, protocol int, shared bool) (socket, error) {
	domain, kind := unix.AF_INET6, unix.SOCK_DGRAM
	if addr.Addr().Is4() {
		domain = unix.AF_INET
	}
	if protocol != 0 {
		kind = unix.SOCK_RAW
		addr = netip.AddrPortFrom(addr.Addr(), 0)
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return socket{}, socketError(protocol, err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close() // FilePacketConn has its own copy
	if shared {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return socket{}, os.NewSyscallError("SO_REUSEADDR", err)
		}
		ownGroupOnly(fd, l)
	} else if protocol != 0 {
		noGroup(fd)
	}
	if err := dontFragment(fd, domain); err != nil {
		return socket{}, err
	}
	if err := unix.Bind(fd, bindAddress(addr, l)); err != nil {
		return socket{}, fmt.Errorf("cannot bind %v: %w", addr, err)
	}
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return socket{}, err
	}
	s := socket{pc: pc.(filePacketConn), memory: newMemoryInfo(nil)}
	if s.raw, err = s.pc.SyscallConn(); err != nil {
		s.pc.Close()
		return socket{}, err
	}
	return s, nil
}

// closing returns err, which is net.ErrClosed if the socket is closed.
func (s *socket) closing(err error) error {
	if errors.Is(err, net.ErrClosed) || s.in != nil && s.in.closed.Load() {
		return net.ErrClosed
	}
	return err
}

// port is the UDP port that the socket is bound to, 0 for a raw one.
func (s socket) port() uint16 {
	if a, ok := s.handle().LocalAddr().(*net.UDPAddr); ok {
		return uint16(a.Port)
	}
	return 0
}

func bindAddress(addr netip.AddrPort, l link) unix.Sockaddr {
	a := addr.Addr()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: a.As16(), ZoneId: uint32(l.ifi.Index)}
}

// ownGroupOnly keeps from the socket what other sockets on this host have joined: the same group on
// another interface, or from sources that this one did not ask for. Old kernels lack an option and
// then deliver more, which is dropped further up.
func ownGroupOnly(fd int, l link) {
	if l.addr.Is4() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
	// For IPv6 the kernel looks at the group only, not at the interface that it was joined on.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, l.ifi.Index)
}

// noGroup keeps from a raw socket of IPv6 what comes to the groups that others joined: it is bound to
// a unicast address, but the kernel does not look at that for multicast.
func noGroup(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
}

// dontFragment makes a datagram that is bigger than the interface's MTU an error, EMSGSIZE, rather
// than fragments: the loss of one fragment loses them all, and UDP_SEGMENT does not fragment
// either, so the same packet would fare differently with it and without. PROBE rather than DO: both
// set DF, but DO also obeys a path MTU learned from ICMP, which anyone can forge, and which for
// multicast means nothing.
func dontFragment(fd, domain int) error {
	if domain == unix.AF_INET {
		return os.NewSyscallError("IP_MTU_DISCOVER", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE))
	}
	return os.NewSyscallError("IPV6_MTU_DISCOVER", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE))
}

// setBuffer asks for a buffer beyond the system's limit, which needs CAP_NET_ADMIN, then within it.
func (s socket) setBuffer(force, option, bytes int) {
	_ = s.raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(s.in.number(fd)), unix.SOL_SOCKET, force, bytes) != nil {
			_ = unix.SetsockoptInt(int(s.in.number(fd)), unix.SOL_SOCKET, option, bytes)
		}
	})
}

// buffer is what the kernel granted. It doubles what it is asked for, to pay for its bookkeeping.
func (s socket) buffer(option int) int {
	n := s.get(unix.SOL_SOCKET, option)
	return n / 2
}

func (s socket) get(level, option int) int {
	n := 0
	_ = s.raw.Control(func(fd uintptr) {
		n, _ = unix.GetsockoptInt(int(s.in.number(fd)), level, option)
	})
	return n
}

// set sets an option and reports whether the kernel has it.
func (s socket) set(level, option, value int) bool {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(s.in.number(fd)), level, option, value)
	}); cerr != nil {
		return false
	}
	return err == nil
}

// drops is how many datagrams the kernel dropped at this socket. SO_MEMINFO costs a system call
// when someone asks; SO_RXQ_OVFL would cost a control message with every datagram after the first
// that was dropped.
func (s socket) drops() (n uint64, ok bool) {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	err := s.raw.Control(m.read)
	return uint64(m.info[unix.SK_MEMINFO_DROPS]), m.ok && err == nil
}

// memoryInfo is what SO_MEMINFO is read into. It is kept, with the function that reads it, because a session that
// controls congestion asks all the time, and would allocate each time.
type memoryInfo struct {
	mu   sync.Mutex
	info [unix.SK_MEMINFO_VARS]uint32
	size uint32
	ok   bool
	read func(fd uintptr)
}

func newMemoryInfo(in *inbound) *memoryInfo {
	m := &memoryInfo{}
	m.read = func(fd uintptr) {
		fd = in.number(fd)
		m.size = uint32(unsafe.Sizeof(m.info))
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&m.info)), uintptr(unsafe.Pointer(&m.size)), 0)
		m.ok = errno == 0
	}
	return m
}
