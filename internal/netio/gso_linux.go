//go:build !netio_portable

package netio

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Lengths of a control message's header and of one with an int in it. They depend on the word size.
var (
	controlHeader = unix.CmsgLen(0)
	controlInt    = unix.CmsgSpace(4)
)

// segmentSize finds what UDP_GRO says of a received message: the size of the datagrams it was
// joined from, or 0 if it is one.
func segmentSize(control []byte) int {
	for len(control) >= controlHeader+4 {
		length, level, kind := parseControl(control)
		if level == unix.SOL_UDP && kind == unix.UDP_GRO {
			return int(binary.NativeEndian.Uint32(control[controlHeader:]))
		}
		if length < controlHeader {
			return 0
		}
		control = control[min(unix.CmsgSpace(length-controlHeader), len(control)):]
	}
	return 0
}

func parseControl(b []byte) (length int, level, kind uint32) {
	n := controlHeader
	if n == 16 {
		length = int(binary.NativeEndian.Uint64(b))
	} else {
		length = int(binary.NativeEndian.Uint32(b))
	}
	return length, binary.NativeEndian.Uint32(b[n-8:]), binary.NativeEndian.Uint32(b[n-4:])
}

// appendControl appends a control message that holds an int, or a UDP_SEGMENT's uint16.
func appendControl(b []byte, level, kind uint32, value int) []byte {
	size := 4
	if level == unix.SOL_UDP {
		size = 2
	}
	start := len(b)
	b = append(b, make([]byte, controlInt)...)
	c := b[start:]
	n := controlHeader
	if n == 16 {
		binary.NativeEndian.PutUint64(c, uint64(n+size))
	} else {
		binary.NativeEndian.PutUint32(c, uint32(n+size))
	}
	binary.NativeEndian.PutUint32(c[n-8:], level)
	binary.NativeEndian.PutUint32(c[n-4:], kind)
	if size == 2 {
		binary.NativeEndian.PutUint16(c[n:], uint16(value))
	} else {
		binary.NativeEndian.PutUint32(c[n:], uint32(value))
	}
	return b
}
