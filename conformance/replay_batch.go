package conformance

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

// batch is some packets of a capture, and the memory that they lie in. It is the lease of what is delivered from it.
type batch struct {
	packets []heard
	arena   []byte
	holders atomic.Int32
	free    chan *batch
}

// heard is a packet of a source, as it comes to an engine.
type heard struct {
	at   time.Time
	from netip.AddrPort
	to   netip.Addr
	port uint16 // the Data-Destination Port
	data []byte
}

const (
	// batchRoom is the memory of a batch, in octets. One that is full has room for another packet of maxHeard.
	batchRoom = 512 << 10
	maxHeard  = 256 << 10
	batchTime = 100 * time.Millisecond // of the capture that a batch spans at most, so that commands get their turn
)

// reset empties the batch, which nobody holds.
func (b *batch) reset() {
	if b.arena == nil {
		b.arena = make([]byte, 0, batchRoom)
	}
	b.arena, b.packets = b.arena[:0], b.packets[:0]
}

// add copies p into the batch, if it is something that receivers heed who ask for nothing, and reports whether the batch is full.
func (b *batch) add(p *pcap.Packet) (full bool) {
	if p.Truncated || !p.Dst.Addr().IsMulticast() || len(p.Data) < packet.HeaderLen || len(p.Data) > maxHeard {
		return false
	}
	switch packet.Type(p.Data[4] & 0x0f) {
	case packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA:
	default:
		return false
	}
	at := len(b.arena)
	b.arena = append(b.arena, p.Data...)
	b.packets = append(b.packets, heard{
		at: p.Time, from: p.Src, to: p.Dst.Addr().Unmap().WithZone(""), port: binary.BigEndian.Uint16(p.Data[2:]),
		data: b.arena[at:len(b.arena):len(b.arena)],
	})
	return len(b.arena) > batchRoom-maxHeard || p.Time.Sub(b.packets[0].at) > batchTime
}

// Retain adds a holder.
func (b *batch) Retain() { b.holders.Add(1) }

// Release takes one off; behind the last, the memory is used again.
func (b *batch) Release() {
	if b.holders.Add(-1) == 0 {
		b.free <- b // there is room for every batch
	}
}
