//go:build !netio_portable

package netio

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sources turns the kernel's addresses into ours without allocating: it keeps the names of the
// interfaces that link-local addresses came from. One goroutine uses it.
type sources struct {
	from unix.RawSockaddrInet6 // the address seen last
	addr netip.AddrPort        // and what it is
	name map[uint32]string     // by interface number
}

func newSources(ifi *net.Interface) sources {
	return sources{name: map[uint32]string{uint32(ifi.Index): ifi.Name}}
}

// addrPort returns the address in a message's name.
func (z *sources) addrPort(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), swap(v4.Port))
	}
	// One source sends most of what comes; a zone takes a search each time.
	if *name == z.from {
		return z.addr
	}
	a := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 {
		a = a.WithZone(z.zone(name.Scope_id))
	}
	z.from, z.addr = *name, netip.AddrPortFrom(a, swap(name.Port))
	return z.addr
}

func (z *sources) zone(index uint32) string {
	if s, ok := z.name[index]; ok {
		return s
	}
	s := strconv.FormatUint(uint64(index), 10)
	if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
		s = ifi.Name
	}
	z.name[index] = s // bounded by the number of interfaces
	return s
}

// swap turns a port between the machine's order and the wire's.
func swap(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// destinations turns our addresses into the kernel's. One goroutine uses it.
type destinations struct {
	link link
	raw  bool              // there are no ports, and the kernel takes them for something else
	zone map[string]uint32 // interface numbers of zones other than the link's own
}

// maxZones bounds the zones that are remembered: a caller may make them up.
const maxZones = 64

// put writes an address to where the kernel reads it, and returns its length.
func (d *destinations) put(name *unix.RawSockaddrInet6, to netip.AddrPort) (uint32, error) {
	a, port := to.Addr().Unmap(), swap(to.Port())
	if d.raw {
		port = 0
	}
	if err := checkFamily(d.link.addr, a); err != nil {
		return 0, err
	}
	if a.Is4() {
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(name)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: a.As4()}
		return unix.SizeofSockaddrInet4, nil
	}
	scope, err := d.scope(a)
	if err != nil {
		return 0, err
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: a.As16(), Scope_id: scope}
	return unix.SizeofSockaddrInet6, nil
}

// scope is the number of the interface that an address belongs to; 0 if it belongs to all.
func (d *destinations) scope(a netip.Addr) (uint32, error) {
	zone := a.Zone()
	if zone == d.link.ifi.Name || zone == "" && a.IsLinkLocalUnicast() {
		return uint32(d.link.ifi.Index), nil
	}
	if zone == "" {
		return 0, nil
	}
	if n, ok := d.zone[zone]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		ifi, err := net.InterfaceByName(zone)
		if err != nil {
			return 0, fmt.Errorf("no interface is called %q", zone)
		}
		n = uint64(ifi.Index)
	}
	if d.zone == nil || len(d.zone) == maxZones {
		d.zone = make(map[string]uint32)
	}
	d.zone[zone] = uint32(n)
	return uint32(n), nil
}
