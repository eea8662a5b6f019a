package netio

import (
	"net/netip"
	"strconv"
	"sync/atomic"
)

// arenaSize is the memory in bytes of one batch: room for four messages of the largest size as the
// kernel joins them, or for well over a hundred datagrams of 1500 bytes, side by side.
const arenaSize = 4 * slotSize

// slotSize is the room in bytes that a message read from a socket may need.
const slotSize = 64 << 10

// Batch is what one ReadBatch read: datagrams, and the memory that they lie in. The zero value is
// ready to use; a Pool bounds how many there are.
//
// The data stays as it is until the last holder releases the batch or reads into it again. Whoever
// got the batch holds it once; Retain adds a holder, Release takes one off. Both are safe for
// concurrent use.
type Batch struct {
	Datagrams []Datagram
	Multicast bool // they came to the group, not to the unicast address; the last ReadBatch says so

	arena []byte // allocated by the first read
	used  int
	pool  *Pool
	// holders is the number of holders less one, so that the zero value has one. A batch that
	// lies in its pool has -1.
	holders atomic.Int32
}

// Retain adds a holder: the data stays until Release was called once more.
func (b *Batch) Retain() {
	if n := b.holders.Add(1); n < 1 {
		panic("netio: Retain of a batch with " + strconv.Itoa(int(n)) + " holders")
	}
}

// Release takes off a holder. The last Release gives the batch back to its pool; its datagrams
// must not be touched after that.
func (b *Batch) Release() {
	n := b.holders.Add(-1)
	if n >= 0 {
		return
	}
	if n < -1 {
		panic("netio: Release of a batch that has no holder")
	}
	if b.pool == nil {
		b.holders.Store(0)
		return
	}
	b.pool.free <- b // never blocks: there is room for every batch of the pool
}

// reset empties the batch for a read.
func (b *Batch) reset() {
	if n := b.holders.Load(); n != 0 {
		panic("netio: ReadBatch into a batch with " + strconv.Itoa(int(n)+1) + " holders")
	}
	if b.arena == nil {
		b.arena = make([]byte, arenaSize)
	}
	b.Datagrams = b.Datagrams[:0]
	b.used = 0
}

// room returns n bytes of the arena behind what is used, or nil if there are not so many.
func (b *Batch) room(n int) []byte {
	// Messages start on a cache line of their own, which also suits what sums them up.
	start := (b.used + 63) &^ 63
	if start+n > len(b.arena) {
		return nil
	}
	b.used = start + n
	return b.arena[start:b.used:b.used]
}

// add appends the datagrams of one message that lies in the batch: segment bytes each, the last
// what remains; one, if segment is 0.
func (b *Batch) add(data []byte, segment int, from netip.AddrPort) {
	for segment > 0 && len(data) > segment {
		b.Datagrams = append(b.Datagrams, Datagram{Data: data[:segment:segment], From: from})
		data = data[segment:]
	}
	b.Datagrams = append(b.Datagrams, Datagram{Data: data[:len(data):len(data)], From: from})
}
