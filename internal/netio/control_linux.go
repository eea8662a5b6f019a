//go:build !netio_portable

package netio

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// controlHeader is the length of a control message's header. It depends on the word size.
var controlHeader = unix.CmsgLen(0)

// parseControl reads the header of the first control message in b, which holds one.
func parseControl(b []byte) (length int, level, kind uint32) {
	n := controlHeader
	if n == 16 {
		length = int(binary.NativeEndian.Uint64(b))
	} else {
		length = int(binary.NativeEndian.Uint32(b))
	}
	return length, binary.NativeEndian.Uint32(b[n-8:]), binary.NativeEndian.Uint32(b[n-4:])
}

// appendControl appends a control message that holds value.
func appendControl(b []byte, level, kind uint32, value []byte) []byte {
	b, c := controlMessage(b, level, kind, len(value))
	copy(c, value)
	return b
}

func appendControl16(b []byte, level, kind uint32, value uint16) []byte {
	b, c := controlMessage(b, level, kind, 2)
	binary.NativeEndian.PutUint16(c, value)
	return b
}

func appendControl32(b []byte, level, kind uint32, value uint32) []byte {
	b, c := controlMessage(b, level, kind, 4)
	binary.NativeEndian.PutUint32(c, value)
	return b
}

// controlMessage appends a control message of so many bytes, which it returns, zero.
func controlMessage(b []byte, level, kind uint32, size int) (all, value []byte) {
	n := controlHeader
	all = append(b, make([]byte, unix.CmsgSpace(size))...)
	c := all[len(b):]
	if n == 16 {
		binary.NativeEndian.PutUint64(c, uint64(n+size))
	} else {
		binary.NativeEndian.PutUint32(c, uint32(n+size))
	}
	binary.NativeEndian.PutUint32(c[n-8:], level)
	binary.NativeEndian.PutUint32(c[n-4:], kind)
	return all, c[n : n+size]
}
