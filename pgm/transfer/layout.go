package transfer

import (
	"fmt"
	"slices"
	"sort"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Object is a file or a directory of a session, and where its packets are: one for each block of its content, all of the same
// length but the last, then one with its digest. A directory has none.
type Object struct {
	Name    string // a slash path; not checked
	Dir     bool
	Mode    uint16     // permission bits
	Size    int64      // octets; 0 for a directory
	ModTime int64      // nanoseconds since 1970, UTC
	First   packet.SQN // of the first block; of the digest, if the file is empty
}

// blocks returns how many blocks of the given length the content fills.
func blocks(size int64, block int) int64 { return (size + int64(block) - 1) / int64(block) }

// packets returns how many packets an object has.
func (o *Object) packets(block int) int64 {
	if o.Dir {
		return 0
	}
	return blocks(o.Size, block) + 1
}

// digestSQN returns the number of the packet with the digest.
func (o *Object) digestSQN(block int) packet.SQN { return o.First + packet.SQN(blocks(o.Size, block)) }

// blockLen returns the length of block i.
func (o *Object) blockLen(i uint32, block int) int {
	return int(min(o.Size-int64(i)*int64(block), int64(block)))
}

// find returns the object of m that packet s belongs to, given that it is one of m's: the last whose first packet is not after s.
func (m *Manifest) find(s packet.SQN) int {
	at := uint32(s - m.Data)
	return sort.Search(len(m.Objects), func(i int) bool { return uint32(m.Objects[i].First-m.Data) > at }) - 1
}

// place gives the objects of m their numbers, from m.Data on, and returns how many packets they have. It fails if they are
// more than a window can hold.
func (m *Manifest) place() (int64, error) {
	var n int64
	for i := range m.Objects {
		o := &m.Objects[i]
		o.First = m.Data + packet.SQN(n)
		if n += o.packets(m.Block); n > packet.MaxWindow || n < 0 {
			return 0, fmt.Errorf("%w: record %d: more than 2^31-1 packets", ErrManifest, m.Index)
		}
	}
	return n, nil
}

// layout is what is known of the packets of a session: which are records and which objects'. Numbers are compared by their
// distance from the first, so that the session may cross the wrap of sequence numbers.
type layout struct {
	first packet.SQN
	spans []span // by offset; they do not overlap
	last  int    // index of the span found last: consecutive packets mostly share it
}

// span is a run of packets, either of one record or of the objects of one record.
type span struct {
	at, n   uint32 // distance from the session's first packet, and how many
	m       *Manifest
	objects bool
}

// add puts the two spans of m in. It fails, and changes nothing, if they are beyond what a session can hold or overlap others.
func (l *layout) add(m *Manifest) error {
	var n int64
	for i := range m.Objects {
		n += m.Objects[i].packets(m.Block)
	}
	record := span{at: uint32(m.First - l.first), n: uint32(m.packets()), m: m}
	objects := span{at: uint32(m.Data - l.first), n: uint32(n), m: m, objects: true}
	if n > packet.MaxWindow || !l.free(record) || n > 0 && (!l.free(objects) || overlap(record, objects)) {
		return fmt.Errorf("%w: record %d claims packets of another", ErrManifest, m.Index)
	}
	l.insert(record)
	if n > 0 {
		l.insert(objects)
	}
	return nil
}

func overlap(a, b span) bool { return a.at < b.at+b.n && b.at < a.at+a.n }

func (l *layout) free(s span) bool {
	if uint64(s.at)+uint64(s.n) > packet.MaxWindow {
		return false
	}
	i := l.search(s.at)
	return (i < 0 || !overlap(l.spans[i], s)) && (i+1 >= len(l.spans) || !overlap(l.spans[i+1], s))
}

// search returns the index of the last span that does not begin behind at; -1 if there is none.
func (l *layout) search(at uint32) int {
	return sort.Search(len(l.spans), func(i int) bool { return l.spans[i].at > at }) - 1
}

func (l *layout) insert(s span) {
	l.spans = slices.Insert(l.spans, l.search(s.at)+1, s)
}

// find returns the span of packet s; nil when it is not known yet, or of no session. It is good until the next add.
func (l *layout) find(s packet.SQN) *span {
	at := uint32(s - l.first)
	if l.last < len(l.spans) {
		if p := &l.spans[l.last]; at-p.at < p.n {
			return p
		}
	}
	i := l.search(at)
	if i < 0 || at-l.spans[i].at >= l.spans[i].n {
		return nil
	}
	l.last = i
	return &l.spans[i]
}

// end returns the number after the last packet that is known.
func (l *layout) end() packet.SQN {
	if len(l.spans) == 0 {
		return l.first
	}
	p := &l.spans[len(l.spans)-1]
	return l.first + packet.SQN(p.at+p.n)
}
