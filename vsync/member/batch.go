package member

import (
	"encoding/binary"
)

// batch is a packet of messages: what is ordered, acknowledged, kept and sent again as one. Its place is (view, sender, seq). Behind
// the header:
//
//	48  seq                       64  octets of messages    72  orders    76  messages, each behind its length as a varint;
//	52  pos                       68  flags, reserved           74  members       of a piece of a long one, as it is
//	56  number of the first       70  next to order                       ..  vector, dependencies (causal), orders
//
// pos is how many batches the sender had delivered in total order. The vector says how many batches of each member the sender has, as far
// as it wants that known (Member.advertise). Orders are pairs: so many batches of that member come next.
type batch struct {
	seq, pos uint32
	rank     int
	number   uint64 // of the first message that begins in it
	flags    byte
	to       int
	buf      []byte // the packet
	body     []byte // messages
	vec      []byte
	deps     []byte
	orders   []byte
	refs     int // who needs it: the stream, the order, events
}

// The flags of a batch.
const (
	flagOrders = 1 << iota // it has its place in the total order, behind its orders
	flagPass               // the next orders come from the member that it names
	flagFirst              // the body is the beginning of a long message: 4 octets of length, then octets
	flagPiece              // the body is the continuation of one
)

const (
	batchHeader = 76
	bodyAt      = batchHeader
)

// parse takes the packet p apart, which the batch then owns; n is the number of members, causal whether there are dependencies.
func (b *batch) parse(p []byte, n int, causal bool) error {
	if len(p) < batchHeader {
		return ErrMalformed
	}
	b.seq = binary.BigEndian.Uint32(p[48:])
	b.pos = binary.BigEndian.Uint32(p[52:])
	b.number = binary.BigEndian.Uint64(p[56:])
	size := binary.BigEndian.Uint32(p[64:])
	b.flags = p[68]
	b.to = int(binary.BigEndian.Uint16(p[70:]))
	orders, members := int(binary.BigEndian.Uint16(p[72:])), int(binary.BigEndian.Uint16(p[74:]))
	rest := reader{p: p[bodyAt:]}
	if members != n || b.to >= n || orders > n || uint64(size) > uint64(len(p)) {
		return ErrMalformed
	}
	b.body = rest.take(int(size))
	b.vec = rest.take(4 * n)
	if b.deps = nil; causal {
		b.deps = rest.take(4 * n)
	}
	b.orders = rest.take(4 * orders)
	for o := b.orders; len(o) > 0; o = o[4:] {
		if int(binary.BigEndian.Uint16(o)) >= n {
			return ErrMalformed
		}
	}
	if b.flags&flagFirst != 0 && (len(b.body) < 4 || binary.BigEndian.Uint32(b.body) > MaxMessage) {
		return ErrMalformed
	}
	if b.flags&(flagFirst|flagPiece) == 0 && !wellFormed(b.body) {
		return ErrMalformed
	}
	b.buf = p
	return rest.end()
}

// wellFormed reports whether a body is messages behind their lengths.
func wellFormed(body []byte) bool {
	for len(body) > 0 {
		n, k := binary.Uvarint(body)
		if k <= 0 || n > uint64(len(body)-k) {
			return false
		}
		body = body[k+int(n):]
	}
	return true
}

func count(vec []byte, rank int) uint32 { return binary.BigEndian.Uint32(vec[4*rank:]) }

// pool keeps batches with their memory for use again. There are three sizes of memory, so that many small batches do not hold much.
type pool struct {
	size  int // of the largest
	spare [3][]*batch
}

// maxSpare bounds what is kept of each size.
const maxSpare = 512

// class returns which size n octets take.
func (p *pool) class(n int) (class, size int) {
	switch {
	case n <= 512:
		return 0, 512
	case n <= 4096 && p.size > 4096:
		return 1, 4096
	}
	return 2, max(n, p.size)
}

func (p *pool) get(n int) *batch {
	class, size := p.class(n)
	if k := len(p.spare[class]); k > 0 && size <= cap(p.spare[class][k-1].buf) {
		b := p.spare[class][k-1]
		p.spare[class] = p.spare[class][:k-1]
		*b = batch{buf: b.buf[:0], refs: 1}
		return b
	}
	return &batch{buf: make([]byte, 0, size), refs: 1}
}

func (p *pool) unref(b *batch) {
	if b.refs--; b.refs > 0 {
		return
	}
	if b.refs < 0 {
		panic("member: a batch was released twice")
	}
	if class, size := p.class(cap(b.buf)); size == cap(b.buf) && len(p.spare[class]) < maxSpare {
		p.spare[class] = append(p.spare[class], b)
	}
}

// fit returns b, or a copy of it with memory that fits what it has come to be, and has room for n octets more.
func (p *pool) fit(b *batch, n int) *batch {
	if class, _ := p.class(len(b.buf) + n); class == 2 {
		return b
	}
	small := p.get(len(b.buf) + n)
	small.buf = append(small.buf, b.buf...)
	small.number, small.flags = b.number, b.flags
	p.unref(b)
	return small
}

// outbox is what was sent by the program and has no place among the batches yet.
type outbox struct {
	queue  []*batch
	octets int
	number uint64 // messages sent since the member began
}

// put appends a message; room is how many octets of messages a batch takes. A message that does not fit in one is cut into pieces, which
// are batches of their own.
func (o *outbox) put(p []byte, room int, pool *pool) {
	o.number++
	var last *batch
	if n := len(o.queue); n > 0 && o.queue[n-1].flags == 0 {
		last = o.queue[n-1]
	}
	if need := len(p) + binary.MaxVarintLen32; need <= room {
		if last == nil || len(last.buf)-bodyAt+need > room {
			last = o.open(pool, 0)
			last.number = o.number
		}
		n := len(last.buf)
		last.buf = binary.AppendUvarint(last.buf, uint64(len(p)))
		last.buf = append(last.buf, p...)
		o.octets += len(last.buf) - n
		return
	}
	b := o.open(pool, flagFirst)
	b.number = o.number
	b.buf = binary.BigEndian.AppendUint32(b.buf, uint32(len(p)))
	for {
		n := min(len(p), room-(len(b.buf)-bodyAt))
		b.buf = append(b.buf, p[:n]...)
		o.octets += len(b.buf) - bodyAt
		if p = p[n:]; len(p) == 0 {
			return
		}
		b = o.open(pool, flagPiece)
		b.number = o.number
	}
}

func (o *outbox) open(pool *pool, flags byte) *batch {
	b := pool.get(pool.size)
	b.buf = b.buf[:bodyAt]
	b.flags = flags
	o.queue = append(o.queue, b)
	return b
}

// take removes the oldest batch; nil if there is none.
func (o *outbox) take() *batch {
	if len(o.queue) == 0 {
		return nil
	}
	b := o.queue[0]
	o.queue = append(o.queue[:0], o.queue[1:]...)
	o.octets -= len(b.buf) - bodyAt
	return b
}
