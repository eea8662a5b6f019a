package pcap

import (
	"bytes"
	"container/list"
	"net/netip"
	"time"
)

const (
	// maxFragmented is how many datagrams may be in pieces at once. Beyond, the one that has waited longest is given up. Each holds
	// up to 64 KiB, so this bounds the memory of the reassembly to some 9 MiB.
	maxFragmented = 128
	// fragmentLife is how long the pieces of a datagram wait for the rest (RFC 1122 §3.3.2, RFC 8200 §4.5).
	fragmentLife = 60 * time.Second
	// maxDatagram is the most octets of payload that fragments can make up.
	maxDatagram = 65535
	// The offset of a fragment counts in units of eight octets.
	fragmentUnit = 8
)

type fragmentKey struct {
	src, dst netip.Addr
	proto    byte // IPv4 identifies datagrams by protocol as well
	id       uint32
}

// pieces is a datagram in reassembly.
type pieces struct {
	key   fragmentKey
	first time.Time // when its first fragment came
	head  datagram  // of the fragment at offset 0, when it has come
	held  bool      // it has
	buf   []byte
	have  [(maxDatagram/fragmentUnit + 1 + 63) / 64]uint64 // a bit for each unit
	units int                                              // bits that are set
	total int                                              // octets; -1 until the last fragment has come
	whole int                                              // octets from the start that no snap length cut away
}

// reassembly puts IP fragments together. Fragments that overlap, other than as copies of each other, discard the datagram, as
// RFC 5722 has it: no host sends them in good faith.
type reassembly struct {
	parts map[fragmentKey]*list.Element // of *pieces
	order list.List                     // from the one that began first on
	spare []*pieces
	last  *pieces // handed out; in use until the next add
	lost  uint64  // datagrams given up
}

// add takes the fragment d, and reports whether it completed a datagram, which replaces d. Its payload is valid until the next
// call.
func (r *reassembly) add(now time.Time, d *datagram) bool {
	if r.last != nil {
		r.spare, r.last = append(r.spare, r.last), nil
	}
	if r.parts == nil {
		r.parts = map[fragmentKey]*list.Element{}
	}
	for e := r.order.Front(); e != nil && now.Sub(e.Value.(*pieces).first) > fragmentLife; e = r.order.Front() {
		r.giveUp(e)
	}
	key := fragmentKey{d.src, d.dst, d.proto, d.id}
	if d.dst.Is6() {
		key.proto = 0 // that of a later fragment does not count
	}
	e := r.parts[key]
	if e == nil {
		if r.order.Len() == maxFragmented {
			r.giveUp(r.order.Front())
		}
		e = r.begin(key, now)
	}
	p := e.Value.(*pieces)
	if !p.add(d) {
		r.giveUp(e)
		return false
	}
	if !p.complete() {
		return false
	}
	r.order.Remove(e)
	delete(r.parts, key)
	r.last = p
	*d = p.head
	d.payload, d.length = p.buf[:min(p.total, p.whole)], p.total
	return true
}

func (r *reassembly) begin(key fragmentKey, now time.Time) *list.Element {
	var p *pieces
	if n := len(r.spare); n > 0 {
		p, r.spare = r.spare[n-1], r.spare[:n-1]
		*p = pieces{buf: p.buf[:0]}
	} else {
		p = &pieces{}
	}
	p.key, p.first, p.total, p.whole = key, now, -1, maxDatagram
	e := r.order.PushBack(p)
	r.parts[key] = e
	return e
}

func (r *reassembly) giveUp(e *list.Element) {
	p := r.order.Remove(e).(*pieces)
	delete(r.parts, p.key)
	r.spare = append(r.spare, p)
	r.lost++
}

// waiting returns how many datagrams are not complete.
func (r *reassembly) waiting() int { return r.order.Len() }

// add takes one fragment. It returns false if what it says contradicts the others, or cannot be.
func (p *pieces) add(d *datagram) bool {
	end := d.offset + d.length
	if d.length == 0 || end > maxDatagram || d.more && d.length%fragmentUnit != 0 {
		return false
	}
	if !d.more {
		if p.total >= 0 && p.total != end {
			return false
		}
		p.total = end
	}
	if p.total >= 0 && (end > p.total || len(p.buf) > p.total) {
		return false
	}
	if len(p.buf) < end {
		p.buf = append(p.buf, make([]byte, end-len(p.buf))...)
	}
	first, last := d.offset/fragmentUnit, (end+fragmentUnit-1)/fragmentUnit
	already := 0
	for u := first; u < last; u++ {
		if p.have[u/64]&(1<<(u%64)) != 0 {
			already++
		}
	}
	part := p.buf[d.offset:end][:len(d.payload)]
	switch already {
	case 0:
	case last - first:
		return bytes.Equal(part, d.payload)
	default:
		return false
	}
	for u := first; u < last; u++ {
		p.have[u/64] |= 1 << (u % 64)
	}
	p.units += last - first
	copy(part, d.payload)
	if len(d.payload) < d.length {
		p.whole = min(p.whole, d.offset+len(d.payload))
	}
	if d.offset == 0 {
		p.head, p.held = *d, true
	}
	return true
}

func (p *pieces) complete() bool {
	return p.held && p.total >= 0 && p.units == (p.total+fragmentUnit-1)/fragmentUnit
}
