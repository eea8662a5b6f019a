package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// writeError says between which addresses a datagram did not go.
func writeError(c Config, from, to netip.AddrPort, err error) error {
	if c.Protocol != 0 {
		return &net.OpError{Op: "write", Net: c.rawNetwork(), Source: ipAddr(from.Addr()), Addr: ipAddr(to.Addr()), Err: err}
	}
	return &net.OpError{
		Op: "write", Net: "udp",
		Source: net.UDPAddrFromAddrPort(from), Addr: net.UDPAddrFromAddrPort(to),
		Err: err,
	}
}

// rawNetwork is the name in package net of a raw endpoint's network.
func (c Config) rawNetwork() string {
	if c.Group.Addr().Is4() {
		return "ip4:" + strconv.Itoa(c.Protocol)
	}
	return "ip6:" + strconv.Itoa(c.Protocol)
}

func ipAddr(a netip.Addr) *net.IPAddr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }

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
