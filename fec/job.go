package fec

import (
	"errors"
	"iter"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Load gets the data packet s of a session. room is where its TSDU may be written to, from the front, as long as the longest of the group: it
// may be in memory of its own instead, which is read until decoding is over. ok is false when the packet is not to be had.
//
// Of memory of its own, octets between the length and the capacity may be read as well, up to the next multiple of 64 from the
// beginning: what they are does not matter, but nobody may write them meanwhile. Where that cannot be, the capacity is cut: b[:n:n].
type Load func(s packet.SQN, room []byte) (o Original, ok bool)

// Job is one group to be decoded: as many parity packets as data packets are missing. Groups.Next returns it and Groups.Done takes
// it back; in between it belongs to whoever has it, on whatever goroutine:
//
//	for j := groups.Next(); j != nil; j = groups.Next() {
//		if decoder.Decode(j, load) == nil {
//			for s, o := range j.Rebuilt() {
//				deliver(s, o) // and groups.Have(s)
//			}
//		}
//		groups.Done(j)
//	}
//
// or, with the work beside the loop, the loop sends jobs to a worker that has a Decoder of its own, and calls Done when they come back.
type Job struct {
	tg       packet.SQN
	size     int
	shape    shape
	missing  []int
	parity   []int
	blocks   [][]byte // parity, then what it became
	octets   int      // what they count for
	attached []Original
	has      [MaxGroup / 64]uint64 // which are attached
	rebuilt  []Original
	err      error
	group    *group
}

// Group returns TG_SQN of the group, and how many data packets it has.
func (j *Job) Group() (tg packet.SQN, size int) { return j.tg, j.size }

// Missing returns how many packets decoding brings back.
func (j *Job) Missing() int { return len(j.missing) }

// Attach gives the Job the data packets that are there, by load, which is called with no room: their memory is as Load says, until Done. So
// Decode needs nothing of the receiver's, and can run beside it. It reports whether load had all of them.
func (j *Job) Attach(load Load) bool {
	for i := range j.present() {
		o, ok := load(j.tg+packet.SQN(i), nil)
		if !ok {
			j.err = ErrLoad
			return false
		}
		j.attached[i] = o
		j.has[i/64] |= 1 << (i % 64)
	}
	return true
}

// present ranges over the data packets that are there.
func (j *Job) present() iter.Seq[int] {
	return func(yield func(int) bool) {
		n := 0
		for i := range j.size {
			if n < len(j.missing) && j.missing[n] == i {
				n++
			} else if !yield(i) {
				return
			}
		}
	}
}

// Rebuilt ranges over the packets that Decode brought back, oldest first: none if it failed. They are valid until Groups.Done.
func (j *Job) Rebuilt() iter.Seq2[packet.SQN, Original] {
	return func(yield func(packet.SQN, Original) bool) {
		for n, o := range j.rebuilt {
			if !yield(j.tg+packet.SQN(j.missing[n]), o) {
				return
			}
		}
	}
}

// Err returns why decoding failed: ErrDisagree, ErrNonsense or ErrLoad; nil if it did not.
func (j *Job) Err() error { return j.err }

// Decoder decodes Jobs: each worker has one. It holds a Codec and a group's packets, some 100 KiB for 64 packets of 1,400 octets. It is
// not safe for concurrent use.
type Decoder struct {
	codec   *Codec
	rooms   [][]byte
	blocks  [][]byte
	src     [][]byte
	scratch [][]byte
}

// NewDecoder returns a Decoder for groups of up to k packets.
func NewDecoder(k Size) *Decoder {
	return &Decoder{codec: NewCodec(int(k)), rooms: make([][]byte, k), blocks: make([][]byte, k)}
}

// Decode brings back what the group of j lacks. Data packets that are not attached are got by load. The error is that of j.Err. Whatever
// it is given, it returns packets of the shape that the source's have, or fails: lengths that disagree are not decoded, and what comes out
// with a length, padding or option that the source cannot have sent is no packet.
func (d *Decoder) Decode(j *Job, load Load) error {
	if j.err == nil {
		j.err = d.decode(j, load)
	}
	return j.err
}

func (d *Decoder) decode(j *Job, load Load) error {
	width := j.shape.width()
	d.src = d.src[:0]
	n := 0
	for i := range j.size {
		if n < len(j.missing) && j.missing[n] == i {
			d.src = append(d.src, j.blocks[n])
			n++
			continue
		}
		room := fit(&d.rooms[i], width)
		o := j.attached[i]
		if j.has[i/64]>>(i%64)&1 == 0 {
			ok := load != nil
			if ok {
				o, ok = load(j.tg+packet.SQN(i), room[:j.shape.longest():j.shape.longest()])
			}
			if !ok {
				return ErrLoad
			}
		}
		if !j.shape.fits(o) {
			return ErrDisagree
		}
		d.src = append(d.src, j.shape.blockOf(o, room))
	}
	d.scratch = d.scratch[:0]
	for n := range j.missing {
		d.scratch = append(d.scratch, fit(&d.blocks[n], width))
	}
	d.codec.Decode(d.src, j.missing, j.parity, d.scratch)
	for n, i := range j.missing {
		o, err := j.shape.open(j.blocks[n], j.tg+packet.SQN(i))
		if err != nil {
			j.rebuilt = j.rebuilt[:0]
			return err
		}
		j.rebuilt = append(j.rebuilt, o)
	}
	return nil
}

// fit returns *b with a length of n, made anew if it has no room for it.
func fit(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return *b
}

// blockOf returns the block of o: where it lies, if it can be read as one, or in room.
func (s shape) blockOf(o Original, room []byte) []byte {
	if s.plain() && cap(o.TSDU) >= s.width() {
		return o.TSDU[:s.width()]
	}
	if len(o.TSDU) > 0 && &o.TSDU[0] != &room[0] {
		copy(room, o.TSDU)
	}
	s.complete(room, o)
	return room
}

// Next returns a group that can be decoded, the first that could; nil when there is none.
func (g *Groups) Next() *Job {
	for len(g.ready) > 0 {
		p := g.open[g.ready[0]]
		g.ready = append(g.ready[:0], g.ready[1:]...)
		if p == nil || !p.queued {
			continue
		}
		p.queued = false
		if g.count(p); p.missing == 0 {
			g.close(p)
		} else if len(p.indexes) >= p.missing {
			return g.newJob(p)
		}
	}
	return nil
}

func (g *Groups) newJob(p *group) *Job {
	var j *Job
	if n := len(g.jobs); n > 0 {
		j, g.jobs = g.jobs[n-1], g.jobs[:n-1]
	} else {
		j = &Job{attached: make([]Original, g.k)}
	}
	*j = Job{
		tg: p.tg, size: p.size, shape: p.shape, group: p,
		missing: j.missing[:0], parity: j.parity[:0], blocks: j.blocks[:0], attached: j.attached, rebuilt: j.rebuilt[:0],
	}
	for i := range p.size {
		if !p.has(i) {
			j.missing = append(j.missing, i)
		}
	}
	j.parity = append(j.parity, p.indexes[:p.missing]...)
	j.blocks = append(j.blocks, p.blocks[:p.missing]...)
	j.octets = p.missing * p.shape.width()
	for i := p.missing; i < len(p.blocks); i++ {
		g.freeBlock(p.blocks[i])
	}
	clear(p.blocks)
	p.indexes, p.blocks, p.job = p.indexes[:0], p.blocks[:0], j
	return j
}

// Done takes a Job back that was decoded, or will not be. What it brought back, and was taken, Have must have been told of: what is then
// still missing needs new parity. A group that could not be decoded begins anew.
func (g *Groups) Done(j *Job) {
	p := j.group
	if p == nil || p.job != j {
		panic("fec: a Job that was done before")
	}
	switch {
	case errors.Is(j.err, ErrLoad):
		g.stats.NotLoaded++
	case j.err != nil:
		g.stats.Undecodable++
	case len(j.rebuilt) > 0:
		g.stats.Decoded++
		g.stats.Rebuilt += uint64(len(j.rebuilt))
	}
	for i, b := range j.blocks {
		g.spare = append(g.spare, b)
		j.blocks[i] = nil
	}
	g.held -= j.octets
	clear(j.attached)
	j.group, p.job = nil, nil
	g.jobs = append(g.jobs, j)
	if !p.closed {
		delete(g.open, p.tg) // whoever needs more of it opens it again
	}
	g.recycle(p)
}
