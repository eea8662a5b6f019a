//go:build !netio_portable

package netio

import (
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader reads a socket with recvmmsg. There are two ways, chosen by what came last:
//
//   - Directly into the batch, a few messages of up to 64 KiB: for messages that the kernel joined
//     from many datagrams.
//   - Many messages into memory of the reader's own, from where they are copied side by side into the
//     batch: for single datagrams. Each still has room for 64 KiB, so nothing is ever cut off, but
//     pages that nothing is written to take no memory, and the batch holds no gaps.
//
// The kernel need not be told: UDP_GRO stays on, and messages that do not fit into the batch wait
// for the next one.
type reader struct {
	conn  *endpoint
	sock  socket
	group bool
	raw4  bool       // the kernel leaves the IP header in front
	alert bool       // what comes may be for others
	only  netip.Addr // unless zero, from which host datagrams are wanted

	messages
	sources sources
	scratch []byte // a slot for each message
	direct  bool   // the next read goes directly into the batch
	next, n int    // messages in scratch that wait to be handed out: next to n

	// What recv works on: a closure would have to be allocated for each call.
	recv  func(fd uintptr) bool
	want  int
	got   int
	errno unix.Errno
}

// How many messages a read asks for. More come at the group's socket, and each takes 64 KiB of
// address space.
const (
	groupReads   = 64
	unicastReads = 16
)

// directBytes is the mean size of messages in bytes from which they are read directly.
const directBytes = 8 << 10

func newReader(e *endpoint, s socket, group bool) *reader {
	n := unicastReads
	if group {
		n = groupReads
	}
	r := &reader{conn: e, sock: s, group: group, messages: newMessages(n), scratch: make([]byte, n*slotSize), sources: newSources(e.link.ifi), raw4: e.config.Protocol != 0 && e.link.addr.Is4(), alert: group && e.config.Alert}
	if group && e.config.Protocol != 0 && !e.link.addr.Is4() {
		// A raw socket of IPv6 that is bound to a group hears it from all whom someone on this host asked for.
		r.only = e.config.Source.WithZone("")
	}
	r.recv = r.recvmmsg
	r.got = n // all of the messages are to be made ready
	return r
}

func (r *reader) Multicast() bool { return r.group }

func (r *reader) SetReadDeadline(t time.Time) error { return r.sock.handle().SetReadDeadline(t) }

func (r *reader) ReadBatch(b *Batch) error {
	b.reset()
	b.Multicast = r.group
	bytes := 0
	for len(b.Datagrams) == 0 { // what came may all be of others
		var n int
		var err error
		switch {
		case r.next < r.n:
			n, bytes = r.unload(b)
		case r.direct:
			n, bytes, err = r.readInto(b)
		default:
			r.point(r.scratch)
			if err = r.wait(len(r.headers)); err == nil {
				r.next, r.n = 0, r.got
				n, bytes = r.unload(b)
			}
		}
		if err != nil {
			return err
		}
		r.direct = n > 0 && bytes >= n*directBytes
	}
	r.conn.count.readDatagrams.Add(uint64(len(b.Datagrams)))
	r.conn.count.readBytes.Add(uint64(bytes))
	return nil
}

// readInto reads messages to where they stay. It returns how many there are, and their size.
func (r *reader) readInto(b *Batch) (n, bytes int, err error) {
	r.point(b.arena)
	if err := r.wait(len(b.arena) / slotSize); err != nil {
		return 0, 0, err
	}
	for i := range r.got {
		if data, from, ok := r.datagram(i); ok {
			r.handOut(b, i, data, from)
			bytes += len(data)
			n++
		}
	}
	return n, bytes, nil
}

// unload copies messages from scratch into the batch, as many as it has room for.
func (r *reader) unload(b *Batch) (n, bytes int) {
	for ; r.next < r.n; r.next++ {
		data, from, ok := r.datagram(r.next)
		if !ok {
			continue
		}
		to := b.room(len(data))
		if to == nil {
			break
		}
		copy(to, data)
		r.handOut(b, r.next, to, from)
		bytes += len(data)
		n++
	}
	return n, bytes
}

// point makes the messages lie in memory, slot by slot.
func (r *reader) point(memory []byte) {
	if r.iovecs[0].Base == &memory[0] {
		return
	}
	for i := range min(len(r.headers), len(memory)/slotSize) {
		r.setData(i, memory[i*slotSize:][:slotSize])
	}
}

// datagram is what came as message i, and from whom; not ok if it is not wanted.
func (r *reader) datagram(i int) (data []byte, from netip.AddrPort, ok bool) {
	data = unsafe.Slice(r.iovecs[i].Base, slotSize)[:r.headers[i].Len]
	if r.raw4 {
		n := 0
		if len(data) > 0 {
			n = int(data[0]&0xf) * 4
		}
		if n < ipv4HeaderLen || n > len(data) || r.foreign(data) {
			return nil, from, false
		}
		data = data[n:]
	}
	from = r.sources.addrPort(&r.names[i])
	if r.only.IsValid() && from.Addr().WithZone("") != r.only {
		return nil, from, false
	}
	return data, from, true
}

// ipv4HeaderLen is the length in bytes of an IPv4 header without options.
const ipv4HeaderLen = 20

// handOut appends message i, which lies at data in the batch, as the datagrams that it is.
func (r *reader) handOut(b *Batch, i int, data []byte, from netip.AddrPort) {
	control := r.control[i][:r.headers[i].Controllen]
	before := len(b.Datagrams)
	b.add(data, segmentSize(control), from)
	if r.conn.config.Forward {
		ttl := hops(control)
		for i := before; i < len(b.Datagrams); i++ {
			b.Datagrams[i].TTL = ttl
		}
	}
}

// wait waits for at least one message, and at most want.
func (r *reader) wait(want int) error {
	for {
		r.ready()
		r.want = want
		if err := r.sock.raw.Read(r.recv); err != nil {
			return r.sock.closing(err)
		}
		if r.got > 0 {
			r.conn.count.reads.Add(1)
			return nil
		}
		switch r.errno {
		case unix.EBADF, unix.ENOTSOCK, unix.EFAULT, unix.EINVAL, unix.ENOSYS, unix.EPERM:
			// Nothing will ever come. All that is left is ICMP errors and a kernel short of memory,
			// which pass.
			return &net.OpError{Op: "read", Net: r.sock.handle().LocalAddr().Network(), Addr: r.sock.handle().LocalAddr(), Err: r.errno}
		}
	}
}

// ready says again what the kernel overwrote in the messages that it returned last.
func (r *reader) ready() {
	for i := range r.got {
		h := &r.headers[i]
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	r.got = 0
}

// recvmmsg reports whether it is done: false asks the poller to wait until there is something. The
// call never blocks and copies 256 KiB at most, so the scheduler is not told: telling it wakes the
// runtime's monitor each time, and a third of the receiver's time is gone.
func (r *reader) recvmmsg(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, r.sock.in.number(fd), uintptr(unsafe.Pointer(&r.headers[0])), uintptr(r.want), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			r.got, r.errno = int(n), 0
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			r.got, r.errno = 0, errno
			return true
		}
	}
}
