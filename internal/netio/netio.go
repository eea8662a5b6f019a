// Package netio moves datagrams between a multicast group and a program: one endpoint sends to the
// group and, if asked, reads it, and sends and reads unicast beside it. It encapsulates in UDP, or
// sends as an IP protocol of its own, over IPv4 or IPv6, with any-source or source-specific joins
// ([Open]), or carries the datagrams in memory, for tests without sockets ([Memory]). It knows
// nothing of what it carries.
//
// The kernel is the cost of a datagram, so everything goes in batches. On Linux one system call
// writes many messages, each of up to 64 datagrams (UDP_SEGMENT), and one reads many, each as many
// datagrams as the kernel put together (UDP_GRO); neither way allocates. Raw endpoints have system
// calls for many messages only: the kernel splits and joins nothing but UDP. Elsewhere the same
// interface works a datagram at a time, in UDP.
package netio

import (
	"net"
	"net/netip"
	"time"
)

// Conn is an endpoint: a unicast socket that everything is sent from, and, if it receives, a socket
// that hears the group.
type Conn interface {
	// Readers are the unicast socket first, then, if the endpoint receives, the group's. One
	// goroutine at a time may read each of them.
	Readers() []Reader
	// WriteBatch sends messages in order and returns how many it took. With an error, the message at
	// that index was not sent, or only in part; sending may go on behind it. It splits what is too
	// big for the kernel, waits while the socket's buffer is full, and allocates nothing in the
	// steady state. What the kernel has no memory for after some 12 ms is lost, as on the wire, and
	// counted in WriteErrors. One goroutine at a time may write.
	WriteBatch(msgs []Message) (int, error)
	// Local is the unicast address and port that the endpoint sends from and hears unicast on. A raw
	// endpoint has port 0, and so has whatever it hears from.
	Local() netip.AddrPort
	// Group is the multicast group and port that the configuration names.
	Group() netip.AddrPort
	// Interface is the interface that the endpoint sends on and has joined on.
	Interface() *net.Interface
	// MTU is the size in bytes of the largest IP packet on the interface, at most 65535.
	MTU() int
	// Overhead is how many bytes of an IP packet are IP and UDP header: 28 or 48, or 20 or 40 raw.
	Overhead() int
	// AlertOverhead is how many more they are in a message with Alert: 0, or 4 or 8 raw.
	AlertOverhead() int
	// Check returns an error that names the interface if that has gone or is down: the kernel does
	// not say so to one who only reads. It costs some system calls.
	Check() error
	// Stats returns the counters so far. It may be called at any time, after Close too.
	Stats() Stats
	// Close closes the sockets. Readers return net.ErrClosed.
	Close() error
}

// Subscriber is a Conn that was opened with Config.Unjoined.
type Subscriber interface {
	// Subscribe says what the endpoint wants to hear of its group, in the place of what it wanted before: what the sources send (exclude
	// false; none: nothing), or what all but they send. The host reports it as it does for any program.
	Subscribe(exclude bool, sources []netip.Addr) error
}

// Reader reads one socket of an endpoint.
type Reader interface {
	// Multicast reports whether this is the group's socket.
	Multicast() bool
	// ReadBatch waits for at least one datagram and fills b.Datagrams with what there is. What b
	// held before is gone: it must not be retained by anyone else. The error is net.ErrClosed after
	// Close; ICMP errors do not end reading.
	ReadBatch(b *Batch) error
}

// Interruptible is a Reader whose wait can be bounded, and cut short.
type Interruptible interface {
	Reader
	// SetReadDeadline makes ReadBatch return os.ErrDeadlineExceeded from t on, also one that waits already; a zero t: never. It may be called
	// at any time.
	SetReadDeadline(t time.Time) error
}

// Message is one datagram to send, or several of one size to the same destination.
type Message struct {
	To          netip.AddrPort // destination
	TTL         int            // time to live or hop limit, 1 to 255; 0: the endpoint's
	Alert       bool           // with IP Router Alert (RFC 2113, RFC 2711); in UDP it has no effect
	SegmentSize int            // > 0: Data holds datagrams of this size in bytes, the last may be shorter
	Data        []byte         // payload; 65507 bytes a datagram at most
	Source      netip.Addr     // that it is sent under, if not the endpoint's own; only of an endpoint that forwards
}

// Datagrams returns how many datagrams the message holds.
func (m *Message) Datagrams() int {
	if m.SegmentSize <= 0 || len(m.Data) <= m.SegmentSize {
		return 1
	}
	return (len(m.Data) + m.SegmentSize - 1) / m.SegmentSize
}

// Datagram is a received payload. Data belongs to the batch that it came in.
type Datagram struct {
	Data []byte
	From netip.AddrPort
	TTL  int // time to live or hop limit as it arrived; 0 unless the endpoint forwards
}

// Stats counts what an endpoint did since it was opened.
type Stats struct {
	Drops          uint64 // datagrams that the kernel dropped because a receive buffer was full
	Reads, Writes  uint64 // system calls that moved something
	ReadDatagrams  uint64
	WriteDatagrams uint64
	ReadBytes      uint64 // payload
	WriteBytes     uint64 // payload
	WriteErrors    uint64 // system calls that failed, ENOBUFS included
	GSO, GRO       bool   // whether the kernel splits what is sent and joins what is received
	RecvBuffer     int    // bytes that the kernel granted, without its own bookkeeping; of the group's socket if there is one
	SendBuffer     int
}

// MaxPayload is the largest payload in bytes that an endpoint sends: what UDP over IPv4 can carry.
const MaxPayload = 65507
