package mroute

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Queues asks the kernel what the queues of interfaces have taken and dropped, whoever sent it. It is not safe for concurrent use.
type Queues struct {
	fd  int
	buf []byte
}

// OpenQueues opens what asks.
func OpenQueues() (*Queues, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("queues of interfaces: %w", os.NewSyscallError("socket", err))
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
	return &Queues{fd: fd, buf: make([]byte, 1<<16)}, nil
}

// Close closes it.
func (q *Queues) Close() error { return unix.Close(q.fd) }

const (
	messageHeader = 16         // struct nlmsghdr
	queueHeader   = 20         // struct tcmsg
	rootQueue     = 0xffffffff // TC_H_ROOT
	statsNested   = 7          // TCA_STATS2
	statsBasic    = 1          // TCA_STATS_BASIC: 64 bits of octets, 32 of packets
	statsQueue    = 3          // TCA_STATS_QUEUE: length, backlog, drops, requeues, overlimits
)

// Count returns the counters by the index of the interface. Interfaces that have no queue, or are gone, are not there. After an error, the next
// answer may be to this question: close it.
func (q *Queues) Count() (map[int]QueueCount, error) {
	b := q.buf[:messageHeader+queueHeader]
	clear(b)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETQDISC)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(q.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("RTM_GETQDISC", err)
	}
	counts := make(map[int]QueueCount)
	for {
		n, _, err := unix.Recvfrom(q.fd, q.buf, 0)
		if err == unix.EINTR { // with a timeout, the kernel does not go on by itself
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("RTM_GETQDISC", err)
		}
		if done := parseQueues(q.buf[:n], counts); done {
			return counts, nil
		}
	}
}

// parseQueues reads messages about queues into counts, until the last.
func parseQueues(b []byte, counts map[int]QueueCount) (done bool) {
	for len(b) >= messageHeader {
		length, kind := int(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint16(b[4:])
		if length < messageHeader || length > len(b) || kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR {
			return true
		}
		m := b[messageHeader:length]
		if kind == unix.RTM_NEWQDISC && len(m) >= queueHeader && binary.NativeEndian.Uint32(m[12:]) == rootQueue {
			var c QueueCount
			stats := attribute(m[queueHeader:], statsNested)
			if v := attribute(stats, statsBasic); len(v) >= 12 {
				c.Packets = binary.NativeEndian.Uint32(v[8:])
			}
			if v := attribute(stats, statsQueue); len(v) >= 12 {
				c.Dropped = binary.NativeEndian.Uint32(v[8:])
			}
			counts[int(int32(binary.NativeEndian.Uint32(m[4:])))] = c
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return false
}

// attribute returns the value of the first attribute of a kind, nil if there is none.
func attribute(b []byte, kind uint16) []byte {
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		if length < 4 || length > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:])&0x3fff == kind {
			return b[4:length]
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return nil
}
