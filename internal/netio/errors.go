package netio

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// writeError says between which addresses a datagram did not go.
func writeError(from, to netip.AddrPort, err error) error {
	return &net.OpError{
		Op: "write", Net: "udp",
		Source: net.UDPAddrFromAddrPort(from), Addr: net.UDPAddrFromAddrPort(to),
		Err: err,
	}
}

// errTooBig is for a datagram of more than most bytes.
func errTooBig(size, most int) error {
	return fmt.Errorf("a datagram of %d bytes does not fit, %d do: %w", size, most, syscall.EMSGSIZE)
}
