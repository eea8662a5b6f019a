//go:build !netio_portable

package netio

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer sends with sendmmsg. A message of several datagrams goes as one, which the kernel (or the
// device) splits, as long as it can; else, and where a message is bigger than the kernel takes, the
// writer splits it.
type writer struct {
	conn *endpoint
	sock socket
	gso  atomic.Bool // until the kernel refuses

	messages
	says [writes]say    // what control holds
	ends [writes]cursor // where in the caller's messages each one ends
	to   destinations

	// What send works on: a closure would have to be allocated for each call.
	send  func(fd uintptr) bool
	n     int
	sent  int
	errno unix.Errno

	suspect bool // the last message was refused as it was, and is now being tried split
}

// One system call takes at most so many messages, and so many bytes if they are more than one.
const (
	writes     = 64
	writeBytes = 256 << 10
)

// maxSegments is how many datagrams a message to the kernel holds at most. Newer kernels take 128
// (UDP_MAX_SEGMENTS), older ones 64.
const maxSegments = 64

// say is what control messages tell the kernel of a message.
type say struct {
	segment int // size in bytes, 0 for none
	ttl     int // time to live, 0 for the socket's
	alert   bool
	source  netip.Addr // not valid: the socket's
}

// cursor is a place in the caller's messages: the index of one, and an offset in its data.
type cursor struct{ message, offset int }

func newWriter(e *endpoint, s socket) *writer {
	w := &writer{conn: e, sock: s, messages: newMessages(writes), to: destinations{link: e.link, raw: e.config.Protocol != 0}}
	w.send = w.sendmmsg
	// An old kernel does not know the option; that a device or a tunnel cannot do it shows when
	// something is sent.
	w.gso.Store(!e.config.NoOffload && e.config.Protocol == 0 && s.set(unix.SOL_UDP, unix.UDP_SEGMENT, 0))
	for i := range w.headers {
		w.headers[i].Control = nil
	}
	return w
}

func (w *writer) write(msgs []Message) (int, error) {
	var at cursor
	pause := time.Duration(0)
	for at.message < len(msgs) {
		n, err := w.fill(msgs, at)
		if err != nil && n == 0 {
			w.conn.count.writeErrors.Add(1)
			return at.message, err
		}
		w.n = n
		if err := w.sock.raw.Write(w.send); err != nil {
			return at.message, w.sock.closing(err)
		}
		if w.sent > 0 {
			w.account()
			at = w.ends[w.sent-1]
			pause, w.suspect = 0, false
			continue
		}
		if w.errno == unix.EAGAIN {
			if err := w.sock.in.awaitRoom(w.sock.raw); err != nil {
				return at.message, w.sock.closing(err)
			}
			continue
		}
		w.conn.count.writeErrors.Add(1)
		switch {
		case w.refused():
			// If it goes split, that is how it will be done from now on.
			w.gso.Store(false)
			w.suspect = true
		case w.errno == unix.ENOBUFS || w.errno == unix.ENOMEM:
			if pause = 2*pause + minPause; pause > maxPause {
				// The kernel had its time. What it has no memory for is lost, as on the wire.
				at, pause = w.ends[0], 0
				continue
			}
			time.Sleep(pause)
		case w.errno == unix.ECONNREFUSED:
			// The answer to something that was sent before. It was taken off by this error.
		default:
			if w.suspect { // it was not the splitting
				w.gso.Store(true)
				w.suspect = false
			}
			return at.message, w.failed(&msgs[at.message])
		}
	}
	return len(msgs), nil
}

// A socket without memory is tried again after 50 µs, and later and later, for 12 ms in all.
const (
	minPause = 50 * time.Microsecond
	maxPause = 10 * time.Millisecond
)

// fill lays out as many messages to the kernel as it can from a place on.
func (w *writer) fill(msgs []Message, at cursor) (n int, err error) {
	for bytes := 0; n < writes && at.message < len(msgs); {
		m := &msgs[at.message]
		size, segment := w.portion(m, at.offset)
		if bytes += size; bytes > writeBytes && n > 0 {
			break
		}
		length, err := w.to.put(&w.names[n], m.To)
		if err != nil {
			return n, writeError(w.conn.config, w.conn.local, m.To, err)
		}
		w.headers[n].Namelen = length
		w.setData(n, m.Data[at.offset:at.offset+size])
		w.setControl(n, say{segment, m.TTL, m.Alert && w.to.raw, m.Source})
		if at.offset += size; at.offset >= len(m.Data) {
			at = cursor{at.message + 1, 0}
		}
		w.ends[n] = at
		n++
	}
	return n, nil
}

// portion says how many bytes of a message go to the kernel in one, and of which segment size if
// they are several datagrams.
func (w *writer) portion(m *Message, offset int) (size, segment int) {
	rest := len(m.Data) - offset
	if m.SegmentSize <= 0 || rest <= m.SegmentSize {
		return rest, 0
	}
	// The kernel does not split into what is too big for the interface; on its own each gets the
	// error that says so.
	count := min(MaxPayload/m.SegmentSize, maxSegments)
	if !w.gso.Load() || count < 2 || m.SegmentSize > w.conn.MTU()-w.conn.Overhead() {
		return m.SegmentSize, 0
	}
	return min(rest, count*m.SegmentSize), m.SegmentSize
}

func (w *writer) setControl(i int, s say) {
	if w.says[i] == s {
		return
	}
	w.says[i] = s
	b := w.control[i][:0]
	if s.segment > 0 {
		b = appendControl16(b, unix.SOL_UDP, unix.UDP_SEGMENT, uint16(s.segment))
	}
	v4 := w.conn.link.addr.Is4()
	switch {
	case s.ttl > 0 && v4:
		b = appendControl32(b, unix.IPPROTO_IP, unix.IP_TTL, uint32(s.ttl))
	case s.ttl > 0:
		b = appendControl32(b, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, uint32(s.ttl))
	}
	switch {
	case s.alert && v4:
		b = appendControl(b, unix.IPPROTO_IP, unix.IP_RETOPTS, alert4[:])
	case s.alert:
		b = appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, alert6[:])
	}
	if s.source.IsValid() {
		b = appendSource(b, s.source, w.conn.link.ifi.Index)
	}
	h := &w.headers[i]
	h.SetControllen(len(b))
	h.Control = nil
	if len(b) > 0 {
		h.Control = &w.control[i][0]
	}
}

// account counts what was sent.
func (w *writer) account() {
	datagrams, bytes := 0, 0
	for i := range w.sent {
		n := int(w.iovecs[i].Len)
		bytes += n
		datagrams++
		if s := w.says[i].segment; s > 0 {
			datagrams += (n - 1) / s
		}
	}
	w.conn.count.wrote(datagrams, bytes)
}

// refused reports that the kernel did not take the first message perhaps because it was to split it:
// the interface cannot (EIO), or it does not know how.
func (w *writer) refused() bool {
	if w.says[0].segment == 0 {
		return false
	}
	switch w.errno {
	case unix.EIO, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		return true
	}
	return false
}

// failed says why the first message was not sent.
func (w *writer) failed(m *Message) error {
	var err error = w.errno
	ifi := w.conn.link.ifi
	switch w.errno {
	case unix.EMSGSIZE:
		size := int(w.iovecs[0].Len)
		if w.says[0].segment > 0 {
			size = w.says[0].segment
		}
		most := w.conn.MTU() - w.conn.Overhead()
		if w.says[0].alert {
			most -= w.conn.AlertOverhead()
		}
		err = errTooBig(size, min(most, MaxPayload))
	case unix.EPERM:
		err = fmt.Errorf("%w: a firewall on this host forbids it", err)
	case unix.ENODEV, unix.ENXIO, unix.ENETDOWN, unix.ENETUNREACH, unix.EADDRNOTAVAIL, unix.EINVAL:
		err = fmt.Errorf("interface %s: %w", ifi.Name, err)
		if gone := checkInterface(ifi); gone != nil {
			err = fmt.Errorf("%w (%w)", gone, w.errno)
		}
	}
	return writeError(w.conn.config, w.conn.local, m.To, err)
}

// sendmmsg reports whether it is done: false asks the poller to wait until there is room. The call
// never blocks, and what it does is bounded by writeBytes: half a millisecond to an interface that
// takes packets of 1500 bytes one by one, 50 µs to one that takes them joined. So the scheduler is
// not told: telling it wakes the runtime's monitor each time, and up to a quarter of the sender's
// time is gone.
func (w *writer) sendmmsg(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, w.sock.in.number(fd), uintptr(unsafe.Pointer(&w.headers[0])), uintptr(w.n), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			w.sent, w.errno = int(n), 0
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			if w.sock.in == nil {
				return false
			}
			fallthrough // that is not for the runtime's poller to wait for
		default:
			w.sent, w.errno = 0, errno
			return true
		}
	}
}
