//go:build !netio_portable

package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// forward lets a socket send under any address, and has it tell the time to live of what it reads.
func (s socket) forward(v4 bool) error {
	level, option := unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	if v4 {
		level, option = unix.SOL_IP, unix.IP_TRANSPARENT
	}
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); cerr != nil {
		err = cerr
	}
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("sending under the address of a source needs CAP_NET_ADMIN (as root: setcap cap_net_admin,cap_net_raw+ep PROGRAM): %w", err)
	}
	if err != nil {
		return fmt.Errorf("the kernel does not let a socket send under the address of a source: %w", err)
	}
	return s.tellHops(v4)
}

func (s socket) tellHops(v4 bool) error {
	level, option := unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT
	if v4 {
		level, option = unix.SOL_IP, unix.IP_RECVTTL
	}
	if !s.set(level, option, 1) {
		return errors.New("the kernel does not tell the time to live of what arrives")
	}
	return nil
}

// hops finds the time to live, or the hop limit, of a received message; 0 if it does not say.
func hops(control []byte) int {
	for len(control) >= controlHeader+4 {
		length, level, kind := parseControl(control)
		if level == unix.SOL_IP && kind == unix.IP_TTL || level == unix.SOL_IPV6 && kind == unix.IPV6_HOPLIMIT {
			return int(binary.NativeEndian.Uint32(control[controlHeader:]))
		}
		if length < controlHeader {
			return 0
		}
		control = control[min(unix.CmsgSpace(length-controlHeader), len(control)):]
	}
	return 0
}

// appendSource appends IP_PKTINFO or IPV6_PKTINFO, which say the source address of a message, and its interface.
func appendSource(b []byte, source netip.Addr, index int) []byte {
	if source.Is4() {
		b, c := controlMessage(b, unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		binary.NativeEndian.PutUint32(c, uint32(index))
		ip := source.As4()
		copy(c[4:], ip[:])
		return b
	}
	b, c := controlMessage(b, unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	ip := source.As16()
	copy(c, ip[:])
	binary.NativeEndian.PutUint32(c[16:], uint32(index))
	return b
}
