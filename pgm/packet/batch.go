package packet

import "net/netip"

// Message is a run of packets to one destination that lie side by side: all of Size octets, but the last, which may be shorter.
// A socket can hand such a run to the kernel in one system call.
type Message struct {
	To    netip.AddrPort
	TTL   int  // of the network header; 0 is the session's
	Alert bool // the network header is to have IP Router Alert; only in a Batch whose RouterAlert is set
	Size  int  // of each packet but the last
	Data  []byte
	Route Route // at a network element
}

// Route is what a network element says of a message besides, which has several interfaces and forwards what others sent. A host leaves
// it zero.
type Route struct {
	Source     netip.Addr // of the network header; not valid: the sender's own
	Interfaces uint32     // what the message leaves by, a bit for each; 0: where the kernel sends it
}

// Packets returns how many packets the message holds.
func (m *Message) Packets() int {
	if m.Size <= 0 {
		return 0
	}
	return (len(m.Data) + m.Size - 1) / m.Size
}

// Batch collects the packets that an engine wants sent now, in order, in one slab of memory that is used again after Reset.
// The zero Batch holds nothing and has no room; NewBatch makes one.
type Batch struct {
	Messages []Message
	// RouterAlert says that the packets go into IP itself, where some types must bear IP Router Alert [4-01]: they share no message with
	// others. PGM in UDP bears none: it is the protocol number, 113, by which network elements know what an alert is about.
	RouterAlert bool
	Route       Route  // of what is committed from now on
	slab        []byte // its length is what is used, its capacity the room; never grows
}

// MaxRun is the most octets in one Message: the largest payload of a UDP datagram over IPv4, which the kernel's segmentation is held to.
const MaxRun = 65507

// MaxRunPackets is the most packets in one Message (the kernel's UDP_MAX_SEGMENTS).
const MaxRunPackets = 64

// maxMessages is the number of messages from which on a batch has no room, so that it need not allocate any more of them.
const maxMessages = 256

// NewBatch returns a batch with room for size octets.
func NewBatch(size int) *Batch {
	return &Batch{slab: make([]byte, 0, size), Messages: make([]Message, 0, maxMessages)}
}

// Reset empties the batch. What Messages held is overwritten by what comes next.
func (b *Batch) Reset() {
	b.slab = b.slab[:0]
	b.Messages = b.Messages[:0]
	b.Route = Route{}
}

// Len returns how many octets the batch holds.
func (b *Batch) Len() int { return len(b.slab) }

// Room returns how many more octets the batch takes.
func (b *Batch) Room() int {
	if len(b.Messages) >= maxMessages {
		return 0
	}
	return cap(b.slab) - len(b.slab)
}

// Reserve returns the n octets that come next, for the caller to write packets into; nil when there is no room. They count
// only once Commit is called for them, before the next Reserve.
func (b *Batch) Reserve(n int) []byte {
	if n > b.Room() {
		return nil
	}
	return b.slab[len(b.slab) : len(b.slab)+n : len(b.slab)+n]
}

// Commit adds the first n octets of what was reserved last: packets of one type and of size octets, the last of which may be shorter. As
// many as the kernel could send with them join the message before, if they go to the same place in the same way.
func (b *Batch) Commit(to netip.AddrPort, ttl, size, n int) {
	alert := b.RouterAlert && b.alerts(to, min(size, n))
	for n > 0 {
		size = min(size, n)
		if size <= 0 || size > MaxRun {
			panic("packet: a batch of packets of an impossible size")
		}
		start := len(b.slab)
		take := 0
		if k := len(b.Messages) - 1; k >= 0 {
			m := &b.Messages[k]
			if m.To == to && m.TTL == ttl && m.Alert == alert && m.Route == b.Route {
				take = m.takes(size, n)
				m.Data = b.slab[start-len(m.Data) : start+take]
			}
		}
		if take == 0 {
			m := Message{To: to, TTL: ttl, Alert: alert, Size: size, Route: b.Route}
			take = m.takes(size, n)
			m.Data = b.slab[start : start+take]
			b.Messages = append(b.Messages, m)
		}
		b.slab = b.slab[:start+take]
		n -= take
	}
}

// alerts reports whether the packet of size octets that was reserved last is to have IP Router Alert. What is unicast is not: it is
// for the next host that speaks PGM alone [9.5.2.2-05]. A POLR is multicast by an upstream repairer only, for elements [9.5.2.1-04].
func (b *Batch) alerts(to netip.AddrPort, size int) bool {
	at := len(b.slab)
	if size < HeaderLen || !to.Addr().IsMulticast() {
		return false
	}
	t := Type(b.slab[:at+HeaderLen][at+4] & 0x0f)
	return t.RouterAlert() || t == TypePOLR
}

// takes returns how many of n octets, packets of size octets of which the last may be shorter, the message can hold besides
// what it has: nothing follows a packet that is shorter than the rest, and only the last may be so.
func (m *Message) takes(size, n int) int {
	if len(m.Data)%m.Size != 0 || size > m.Size || size < m.Size && n > size {
		return 0
	}
	packets := min((MaxRun-len(m.Data))/m.Size, MaxRunPackets-m.Packets())
	if packets == 0 && n < m.Size && len(m.Data)+n <= MaxRun && m.Packets() < MaxRunPackets {
		return n // a short one where no whole one has room
	}
	return min(n, packets*m.Size)
}

// Append copies one finished packet into the batch, and reports whether there was room.
func (b *Batch) Append(to netip.AddrPort, ttl int, p []byte) bool {
	dst := b.Reserve(len(p))
	if dst == nil {
		return false
	}
	copy(dst, p)
	b.Commit(to, ttl, len(p), len(p))
	return true
}
