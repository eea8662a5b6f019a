//go:build !netio_portable

package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Subscribe says what an endpoint that was opened with Unjoined wants to hear of its group, in the place of what it wanted before: what the
// sources send (exclude false; none: nothing), or what all but they send. The host reports it as that of any program, and hears
// nothing else. Where the kernel has no room for so many sources, all are heard. One goroutine at a time may call it.
func (e *endpoint) Subscribe(exclude bool, sources []netip.Addr) error {
	switch {
	case !e.config.Unjoined:
		return errors.New("the endpoint has joined for good")
	case e.config.Alert:
		return errors.New("the endpoint takes what bears Router Alert, for which it must not join")
	}
	err := e.subscribe(exclude, sources)
	if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM) {
		err = e.subscribe(true, nil)
	}
	if err != nil {
		return fmt.Errorf("group %v on %s: %w", e.config.Group, e.link.ifi.Name, err)
	}
	return nil
}

func (e *endpoint) subscribe(exclude bool, sources []netip.Addr) error {
	group, s := e.config.Group.Addr(), e.sockets[len(e.sockets)-1] // the group's
	request := e.membership(group)
	var err error
	switch {
	case !exclude && len(sources) == 0:
		if e.subscribed {
			err = s.setBytes(group.Is4(), unix.MCAST_LEAVE_GROUP, request)
		}
		e.subscribed = e.subscribed && err != nil
		return os.NewSyscallError("MCAST_LEAVE_GROUP", err)
	case e.subscribed:
	case exclude:
		err = s.setBytes(group.Is4(), unix.MCAST_JOIN_GROUP, request)
	default:
		err = s.setBytes(group.Is4(), unix.MCAST_JOIN_SOURCE_GROUP, appendStorage(request, sources[0]))
	}
	if err != nil {
		return os.NewSyscallError("MCAST_JOIN_GROUP", err)
	}
	e.subscribed = true
	mode := uint32(unix.MCAST_INCLUDE)
	if exclude {
		mode = unix.MCAST_EXCLUDE
	}
	filter := binary.NativeEndian.AppendUint32(e.membership(group), mode)
	filter = binary.NativeEndian.AppendUint32(filter, uint32(len(sources)))
	for _, a := range sources {
		filter = appendStorage(filter, a)
	}
	return os.NewSyscallError("MCAST_MSFILTER", s.setBytes(group.Is4(), unix.MCAST_MSFILTER, filter))
}

// membership returns a struct group_req, which is what the others begin with.
func (e *endpoint) membership(group netip.Addr) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(e.link.ifi.Index))
	return appendStorage(b, group)
}

// storageLen is the length of a struct sockaddr_storage.
const storageLen = 128

// appendStorage appends a struct sockaddr_storage, where that may lie.
func appendStorage(b []byte, a netip.Addr) []byte {
	for len(b)%int(unsafe.Sizeof(uintptr(0))) != 0 {
		b = append(b, 0)
	}
	start := len(b)
	if a.Is4() {
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
		b = append(b, 0, 0)
		b = append(b, a.AsSlice()...)
	} else {
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = append(b, 0, 0, 0, 0, 0, 0)
		b = append(b, a.AsSlice()...)
	}
	return append(b, make([]byte, start+storageLen-len(b))...)
}

// setBytes sets an option of IPv4 or IPv6 that is a structure.
func (s socket) setBytes(v4 bool, option int, value []byte) error {
	level := unix.SOL_IPV6
	if v4 {
		level = unix.SOL_IP
	}
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), level, option, string(value)) }); cerr != nil {
		err = cerr
	}
	return err
}
