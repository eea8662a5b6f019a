package netio

import (
	"errors"
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

// checkFamily refuses a destination that an endpoint with address local cannot send to.
func checkFamily(local, to netip.Addr) error {
	if !to.IsValid() {
		return errors.New("the message has no destination")
	}
	if local.Is4() != to.Unmap().Is4() {
		return fmt.Errorf("the endpoint is %s, the destination is not", family(local))
	}
	return nil
}
