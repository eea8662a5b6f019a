package pgm

import (
	"net"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Addr is the address of a source or of a group. That of a source has the identifier of its session: two sources on one host
// differ in it. It is comparable.
type Addr struct {
	TSI      packet.TSI     // of the session; zero: the address is a group's
	AddrPort netip.AddrPort // the host and UDP port (0 without UDP), or the group and its port
	raw      bool           // without UDP
}

var _ net.Addr = Addr{}

// Network returns "epgm", or "pgm" for PGM as an IP protocol.
func (a Addr) Network() string {
	if a.raw {
		return networkRaw
	}
	return networkUDP
}

// String returns, say, "239.192.77.71:7500" for a group and "0a1b2c3d4e5f.4711@192.0.2.1:7500" for a source, which has no port without
// UDP.
func (a Addr) String() string {
	if a.TSI == (packet.TSI{}) {
		return a.AddrPort.String()
	}
	if a.raw {
		return a.TSI.String() + "@" + a.AddrPort.Addr().String()
	}
	return a.TSI.String() + "@" + a.AddrPort.String()
}

// isGroup reports whether addr is the address of the group: nil, an Addr, or one of package net that says the same.
func isGroup(addr net.Addr, group netip.AddrPort) bool {
	switch a := addr.(type) {
	case nil:
		return true
	case Addr:
		return a.TSI == (packet.TSI{}) && a.AddrPort == group
	case *net.UDPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()) == group
	}
	return addr.String() == group.String()
}
