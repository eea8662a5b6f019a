package packet

import "net/netip"

// Message is a run of packets to one destination that lie side by side: all of Size octets, but the last, which may be shorter.
// A socket can hand such a run to the kernel in one system call.
type Message struct {
	To   netip.AddrPort
	TTL  int // of the network header; 0 is the session's
	Size int // of each packet but the last
	Data []byte
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
	slab     []byte // its length is what is used, its capacity the room; never grows
}

// MaxRun is the most octets in one Message: the largest payload of a UDP datagram over IPv4, which the kernel's segmentation is held to.
const MaxRun = 65507

// MaxRunPackets is the most packets in one Message (the kernel's UDP_MAX_SEGMENTS).
const MaxRunPackets = 64

// NewBatch returns a batch with room for size octets.
func NewBatch(size int) *Batch {
	return &Batch{slab: make([]byte, 0, size), Messages: make([]Message, 0, 64)}
}

// Reset empties the batch. What Messages held is overwritten by what comes next.
func (b *Batch) Reset() {
	b.slab = b.slab[:0]
	b.Messages = b.Messages[:0]
}

// Len returns how many octets the batch holds.
func (b *Batch) Len() int { return len(b.slab) }

// Room returns how many more octets the batch takes.
func (b *Batch) Room() int { return cap(b.slab) - len(b.slab) }

// Reserve returns the n octets that come next, for the caller to write packets into; nil when there is no room. They count
// only once Commit is called for them, before the next Reserve.
func (b *Batch) Reserve(n int) []byte {
	if n > b.Room() {
		return nil
	}
	return b.slab[len(b.slab) : len(b.slab)+n : len(b.slab)+n]
}

// Commit adds the first n octets of what was reserved last: packets of size octets, the last of which may be shorter. They join the
// message before them when they go to the same place in the same way and the kernel could send them as one.
func (b *Batch) Commit(to netip.AddrPort, ttl, size, n int) {
	if n == 0 {
		return
	}
	start := len(b.slab)
	b.slab = b.slab[:start+n]
	if k := len(b.Messages) - 1; k >= 0 {
		m := &b.Messages[k]
		whole := len(m.Data)%m.Size == 0
		if m.To == to && m.TTL == ttl && whole && (m.Size == size || n <= m.Size && n <= size) &&
			len(m.Data)+n <= MaxRun && (len(m.Data)+n+m.Size-1)/m.Size <= MaxRunPackets {
			m.Data = b.slab[start-len(m.Data) : start+n]
			return
		}
	}
	b.Messages = append(b.Messages, Message{To: to, TTL: ttl, Size: size, Data: b.slab[start : start+n]})
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
