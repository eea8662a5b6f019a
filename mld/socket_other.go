//go:build !linux

package mld

import (
	"fmt"
	"net/netip"
	"runtime"
)

// sockets are those of a Port; other systems have none.
type sockets struct{}

func errNoSystem() error {
	return fmt.Errorf("no packet sockets on %s: MLD and IGMP are for Linux", runtime.GOOS)
}

func (s *sockets) open(*Port) error { return errNoSystem() }

// Read returns an error: this is not Linux.
func (p *Port) Read() (Packet, error) { return Packet{}, errNoSystem() }

// Send returns an error: this is not Linux.
func (p *Port) Send(*Packet) error { return errNoSystem() }

// Join returns an error: this is not Linux.
func (p *Port) Join(netip.Addr) error { return errNoSystem() }

// Leave returns an error: this is not Linux.
func (p *Port) Leave(netip.Addr) error { return errNoSystem() }

// Close does nothing.
func (s *sockets) Close() error { return nil }
