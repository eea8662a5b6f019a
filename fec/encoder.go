package fec

import (
	"fmt"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Encoder makes the parity packets of one group at a time. Begin it with a group, give it the group's data packets by Room and Set,
// and have it Append parity packets, in any number and order, until the next Begin: as long as a group is asked for again and
// again, its packets need be loaded once.
//
// It holds k packets and a few parity packets: some 100 KiB for 64 packets of 1,400 octets. It is not safe for concurrent use.
type Encoder struct {
	k       Size
	maxTSDU int
	codec   *Codec
	blocks  [][]byte
	set     []Original // those of the group
	have    int
	tg      packet.SQN
	size    int
	sealed  bool
	shape   shape
	src     [][]byte // the blocks, as long as they are in this group
	rows    [][]byte // parity blocks that are computed,
	dst     [][]byte // as long as they are,
	first   int      // from this one on
}

// NewEncoder returns an Encoder for groups of up to k packets with a TSDU of up to maxTSDU octets. It panics when k is not Valid.
func NewEncoder(k Size, maxTSDU int) *Encoder {
	if !k.Valid() || maxTSDU < 0 || maxTSDU > packet.MaxRun {
		panic(fmt.Sprintf("fec: an encoder for groups of %d packets of %d octets", k, maxTSDU))
	}
	e := &Encoder{k: k, maxTSDU: maxTSDU, codec: NewCodec(int(k)), set: make([]Original, k)}
	stride := e.stride()
	e.blocks = cutBlocks(int(k), stride)
	e.rows = cutBlocks(maxRows, stride)
	return e
}

// stride is the greatest width of a block.
func (e *Encoder) stride() int { return shape{e.maxTSDU + lengthLen, true, true}.width() }

// cutBlocks returns n blocks of size octets, side by side.
func cutBlocks(n, size int) [][]byte {
	all := make([]byte, n*size)
	b := make([][]byte, n)
	for i := range b {
		b[i] = all[i*size : (i+1)*size : (i+1)*size]
	}
	return b
}

// Begin says that what follows is about the group tg of size data packets, 1..k: all that were sent of it. What was set before is
// forgotten.
func (e *Encoder) Begin(tg packet.SQN, size int) {
	if e.k.Index(tg) != 0 || size < 1 || size > int(e.k) {
		panic(fmt.Sprintf("fec: %v is not the beginning of a group of %d packets, %d at most", tg, size, e.k))
	}
	e.tg, e.size, e.have, e.sealed = tg, size, 0, false
	clear(e.set)
}

// Group returns the group that the Encoder was begun with and has all data packets of; ok is false when there is none.
func (e *Encoder) Group() (tg packet.SQN, size int, ok bool) {
	return e.tg, e.size, e.size > 0 && e.have == e.size
}

// Room returns where the TSDU of the group's data packet i can be written to, to save a copy: maxTSDU octets.
func (e *Encoder) Room(i int) []byte { return e.blocks[i][:e.maxTSDU:e.maxTSDU] }

// Set gives the Encoder the group's data packet i: each once, in any order. The TSDU lies in Room(i), at its front, or is copied.
func (e *Encoder) Set(i int, o Original) {
	if i >= e.size || len(o.TSDU) > e.maxTSDU || e.set[i].TSDU != nil {
		panic(fmt.Sprintf("fec: packet %d of a group of %d, with %d octets", i, e.size, len(o.TSDU)))
	}
	room := e.Room(i)
	if len(o.TSDU) > 0 && &o.TSDU[0] != &room[0] {
		copy(room, o.TSDU)
	}
	o.TSDU = room[:len(o.TSDU)]
	e.set[i] = o
	e.have++
}

// seal lays the blocks out, once all are there.
func (e *Encoder) seal() {
	if e.sealed {
		return
	}
	if e.have != e.size || e.size == 0 {
		panic(fmt.Sprintf("fec: parity of group %v, of which %d of %d packets are there", e.tg, e.have, e.size))
	}
	s := shape{length: len(e.set[0].TSDU)}
	for _, o := range e.set[:e.size] {
		s.variable = s.variable || len(o.TSDU) != s.length // from the lengths there are, as the deployed stacks do [11.2-22]
		s.fragment = s.fragment || o.Fragment.Length != 0
	}
	if s.variable {
		for _, o := range e.set[:e.size] {
			s.length = max(s.length, len(o.TSDU))
		}
		s.length += lengthLen
	}
	e.src = e.src[:0]
	for i, o := range e.set[:e.size] {
		s.complete(e.blocks[i], o)
		e.src = append(e.src, e.blocks[i][:s.width()])
	}
	e.shape, e.dst, e.sealed = s, e.dst[:0], true
}

// Prepare computes up to n parity packets from first on at once, which is faster than one by one, for Append to use; it returns how
// many they are, 16 at most. Runs of 16 and of 8 that begin at a multiple of that are the fastest.
func (e *Encoder) Prepare(first, n int) int {
	e.seal()
	e.dst, e.first = e.dst[:0], first
	for _, b := range e.rows[:min(n, len(e.rows))] {
		e.dst = append(e.dst, b[:e.shape.width()])
	}
	e.codec.Encode(e.dst, first, e.src)
	return len(e.dst)
}

// Append appends the whole parity packet j of the group to b, as Parity.Append does: h is the header of ODATA for pro-active parity
// [11.4-05], of RDATA for what was asked for [11.4-09]. It is computed if it is not there from Prepare. The Encoder must have all data
// packets of the group, and j be below MaxPackets less their number.
func (e *Encoder) Append(b []byte, h packet.Header, trail packet.SQN, j int) []byte {
	if e.seal(); j < e.first || j >= e.first+len(e.dst) {
		e.Prepare(j, 1)
	}
	p := e.parity(j)
	return p.Append(b, e.k, h, trail)
}

// Len returns how many octets Append appends.
func (e *Encoder) Len(j int) int {
	e.seal()
	p := Parity{Size: e.size, Index: j, HasFragment: e.shape.fragment, TSDU: e.blocks[0][:e.shape.length]}
	return p.Len(e.k)
}

// parity returns the packet j, which was computed.
func (e *Encoder) parity(j int) Parity {
	block := e.dst[j-e.first]
	p := Parity{
		Group: e.tg, Index: j, Size: e.size, TSDU: block[:e.shape.length],
		Variable: e.shape.variable, HasFragment: e.shape.fragment,
	}
	if p.HasFragment {
		copy(p.Fragment[:], block[e.shape.option():])
	}
	return p
}
