//go:build !linux || netio_portable

package netio

import (
	"context"
	"errors"
	"net/netip"
)

// OpenPeers opens a UDP endpoint for unicast with other hosts. It is for Linux.
func OpenPeers(context.Context, netip.AddrPort, int, int) (Conn, error) {
	return nil, errors.New("legs are for Linux only")
}
