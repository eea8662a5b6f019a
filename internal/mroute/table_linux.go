package mroute

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/afpacket"
)

// Table is the kernel's forwarding of multicast, of which a host (or namespace) has one. Read may be called by one goroutine, the other methods by
// another.
type Table struct {
	file   *os.File
	conn   syscall.RawConn
	closed atomic.Bool
}

// ErrTaken is why a Table cannot be opened while another program has it: a daemon of multicast routing.
var ErrTaken = errors.New("another program has the kernel's multicast routing: a daemon such as smcroute or pimd, or another pgmrouter")

// Open takes the table, empty, with these links, which are numbered as they are given.
func Open(links []*net.Interface) (*Table, error) {
	if len(links) > MaxLinks {
		return nil, fmt.Errorf("mroute: %d links; the kernel takes %d", len(links), MaxLinks)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_IGMP)
	if err != nil {
		return nil, fmt.Errorf("multicast routing: %w", os.NewSyscallError("socket", err))
	}
	t := &Table{file: os.NewFile(uintptr(fd), "multicast routing")}
	if err = t.open(fd, links); err == nil {
		t.conn, err = t.file.SyscallConn()
	}
	if err != nil {
		t.file.Close()
		return nil, fmt.Errorf("multicast routing: %w", err)
	}
	return t, nil
}

func (t *Table) open(fd int, links []*net.Interface) error {
	if err := afpacket.Attach(fd, filterMisses); err != nil {
		return err
	}
	switch err := unix.SetsockoptInt(fd, unix.SOL_IP, optionInit, 1); {
	case errors.Is(err, unix.EADDRINUSE):
		return ErrTaken
	case errors.Is(err, unix.ENOPROTOOPT):
		return errors.New("the kernel was built without it (CONFIG_IP_MROUTE)")
	case err != nil:
		return os.NewSyscallError("MRT_INIT", err)
	}
	var b [linkLen]byte
	for i, l := range links {
		if err := unix.SetsockoptString(fd, unix.SOL_IP, optionAddLink, string(appendLink(b[:0], i, l.Index))); err != nil {
			return fmt.Errorf("%s: %w", l.Name, os.NewSyscallError("MRT_ADD_VIF", err))
		}
	}
	return nil
}

// filterMisses keeps from the socket the messages of IGMP, which the kernel gives it too. Its own have 0 where the protocol of a packet is.
var filterMisses = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 1},
	bpf.RetConstant{Val: missLen},
	bpf.RetConstant{Val: 0},
}

// Set makes an entry, or changes the one of its source and group.
func (t *Table) Set(e Entry) error { return t.set(optionSet, "MRT_ADD_MFC", &e) }

// Delete removes the entry of a source and a group.
func (t *Table) Delete(source, group netip.Addr) error {
	return t.set(optionDelete, "MRT_DEL_MFC", &Entry{Source: source, Group: group})
}

func (t *Table) set(option int, name string, e *Entry) error {
	var b [entryLen]byte
	var err error
	if cerr := t.conn.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.SOL_IP, option, string(e.append(b[:0])))
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError(name, err)
}

// Count returns what the kernel has counted since the entry was made. The error is unix.EADDRNOTAVAIL if there is none.
func (t *Table) Count(source, group netip.Addr) (Count, error) {
	q := struct {
		source, group          [4]byte
		packets, bytes, astray uintptr // unsigned long
	}{source: source.As4(), group: group.As4()} // struct sioc_sg_req
	var errno syscall.Errno
	if err := t.conn.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, requestCount, uintptr(unsafe.Pointer(&q)))
	}); err != nil {
		return Count{}, err
	}
	runtime.KeepAlive(&q)
	if errno != 0 {
		return Count{}, os.NewSyscallError("SIOCGETSGCNT", errno)
	}
	return Count{uint64(q.packets), uint64(q.bytes), uint64(q.astray)}, nil
}

// Read waits for a packet that there is no entry for. The error is net.ErrClosed after Close.
func (t *Table) Read() (Miss, error) {
	var b [missLen]byte
	for {
		n, err := receive(t.conn, b[:])
		switch {
		case t.closed.Load():
			return Miss{}, net.ErrClosed
		case err != nil:
			return Miss{}, err
		}
		if m, ok := parseMiss(b[:n]); ok {
			return m, nil
		}
	}
}

// receive waits for something to come to a socket.
func receive(conn syscall.RawConn, b []byte) (n int, err error) {
	var rerr error
	err = conn.Read(func(fd uintptr) bool {
		n, _, rerr = unix.Recvfrom(int(fd), b, 0)
		return rerr != unix.EAGAIN && rerr != unix.EINTR
	})
	if err == nil {
		err = rerr
	}
	return n, err
}

// Close ends the kernel's forwarding. Read returns net.ErrClosed.
func (t *Table) Close() error {
	t.closed.Store(true)
	return t.file.Close()
}
