//go:build !netio_portable

package netio

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
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
