//go:build !netio_portable

package netio

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize is room for the control messages of one message: UDP_SEGMENT or UDP_GRO, a time to
// live, Router Alert, and a source address.
const controlSize = 160

// messages are the arguments of recvmmsg and sendmmsg, made once and used again.
type messages struct {
	headers []header
	iovecs  []unix.Iovec
	names   []unix.RawSockaddrInet6 // or an Inet4, which is shorter
	control [][controlSize]byte
}

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	Len uint32
}

// newMessages makes n messages.
func newMessages(n int) messages {
	m := messages{make([]header, n), make([]unix.Iovec, n), make([]unix.RawSockaddrInet6, n), make([][controlSize]byte, n)}
	for i := range m.headers {
		h := &m.headers[i]
		h.Iov = &m.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&m.names[i]))
		h.Control = &m.control[i][0]
	}
	return m
}

// setData points a message at its data.
func (m messages) setData(i int, data []byte) {
	m.iovecs[i].Base = unsafe.SliceData(data)
	m.iovecs[i].SetLen(len(data))
}
