//go:build !linux || netio_portable

package netio

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
)

// Tap sees the IP packets that reach an interface for a group. Only Linux has it.
type Tap struct{}

// OpenTap returns an error: this is not Linux.
func OpenTap(*net.Interface, netip.Addr) (*Tap, error) {
	return nil, fmt.Errorf("seeing packets before sockets do is not supported on %s", runtime.GOOS)
}

// Read returns an error.
func (t *Tap) Read([]byte) (int, error) { return 0, net.ErrClosed }

// Close does nothing.
func (t *Tap) Close() error { return nil }
