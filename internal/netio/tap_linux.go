//go:build !netio_portable

package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/gopgm/gopgm/internal/afpacket"
)

// Tap sees the IP packets that reach an interface for a group, before a firewall, a route or a socket has a say, so that one can tell what never
// came from what was kept back. It needs CAP_NET_RAW. What this host itself sends it does not see.
type Tap struct{ socket *afpacket.Socket }

// OpenTap opens a tap. It does not join the group: switches and the interface let through what they would for others.
func OpenTap(ifi *net.Interface, group netip.Addr) (*Tap, error) {
	protocol := afpacket.IPv6
	if group.Is4() {
		protocol = afpacket.IPv4
	}
	socket, err := afpacket.Open(ifi, protocol, tapFilter(group), func(fd int) error {
		return os.NewSyscallError("SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20))
	})
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("seeing packets on %s needs the capability CAP_NET_RAW (%w): run the program as root or, once, setcap cap_net_raw+ep %s", ifi.Name, err, executable())
	case err != nil:
		return nil, fmt.Errorf("seeing packets on %s: %w", ifi.Name, err)
	}
	return &Tap{socket}, nil
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
func (t *Tap) Read(b []byte) (int, error) {
	n, err := t.socket.Read(b)
	return min(n, len(b)), err
}

// Close closes the tap.
func (t *Tap) Close() error { return t.socket.Close() }
