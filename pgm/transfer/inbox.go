package transfer

import (
	"fmt"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// session is what an inbox needs of a receiver.Session, on the loop's goroutine.
type session interface {
	Window() (trail, lead packet.SQN, ok bool)
	Have(first, last packet.SQN)
	Want(first, last packet.SQN)
	Limit(last packet.SQN)
	Unlimit()
	Forgo(first, last packet.SQN)
	Decoded(now time.Time, j *fec.Job)
	Silent()
	Close()
}

// segment is a record that is known, and what becomes of its objects.
type segment struct {
	m     *Manifest
	base  int     // number of its first object
	parts []*part // of each object, nil if it was refused; none at all when everything is settled
	open  int     // objects that are not settled; guarded by the tally's lock
}

// inbox takes the packets of one session: it is the Sink, and belongs to the loop but for the tally. Records make objects known; blocks go to
// the writer by the batch, or some batches at a time, with leases on the memory that they came in, and are not copied on the way.
type inbox struct {
	session session
	do      func(func()) bool // has the loop call a function
	dest    *destination
	tally

	records  assembly
	layout   layout // of the records that are known
	segments []*segment
	next     packet.SQN // of the record that is to come next
	all      bool       // the last record is known
	names    *names
	count    int // objects in those records
	octets   int // of those records

	parity parity // what groups are decoded from

	atSeg *segment // what the packet before was of
	at    int

	job    *job // what the batch at hand has brought, and those before that the writer has not been woken for
	writer *writer
	verify *verifier

	left error // what the session ends with if the receiver leaves it
	anew bool  // what earlier runs have left is not used, see Replay

	decoded bool // what comes was brought back by parity: its memory is not that of the batch

	refused bool       // something could not be taken
	limit   packet.SQN // the first of it, before a record is known
	idle    time.Time  // since when nothing else has come; zero: not at all
	patient bool       // the record that is missing may come in the next round
	ended   bool
}

// maxRecords bounds the octets of all records of a session: what is not settled yet is kept in memory.
const maxRecords = 64 << 20

var (
	_ receiver.Sink     = (*inbox)(nil)
	_ receiver.Reporter = (*inbox)(nil)
	_ pgm.Flusher       = (*inbox)(nil)
)

func newInbox(s session, do func(func()) bool, dest *destination, o *observer) *inbox {
	in := &inbox{session: s, do: do, dest: dest, names: newNames(dest.fold), left: errClosed}
	in.tally.init(o)
	in.parity.spare = make(chan *group, maxSpareGroups)
	return in
}

// Data takes a packet: a part of a record, a block, or a digest. What can never make sense is taken and forgotten, so that it is not asked
// for again; what may make sense once more records are known is not taken.
func (in *inbox) Data(d receiver.Data) bool {
	if in.ended {
		return true
	}
	if d.Fragment.Length != 0 {
		return in.record(&d)
	}
	p := in.layout.find(d.SQN)
	if p == nil && d.Syn { // a file transfer begins with a record
		in.spoil(ErrNotTransfer)
		return true
	}
	if p == nil {
		return in.strange(&d)
	}
	if !p.objects {
		in.spoil(fmt.Errorf("%w: packet %d is no part of a record", ErrManifest, d.SQN))
		return true
	}
	seg := in.segments[p.m.Index]
	if len(seg.parts) == 0 {
		return true
	}
	if seg != in.atSeg || !in.sameObject(d.SQN) {
		in.atSeg, in.at = seg, seg.m.find(d.SQN)
	}
	part := seg.parts[in.at]
	if part == nil || part.over.Load() {
		return true
	}
	block := uint32(d.SQN - part.o.First)
	switch {
	case block == part.n:
		digest, err := parseDigest(d.TSDU, uint32(part.index), part.o.Size)
		if err != nil {
			in.failed(part, err)
			return true
		}
		j := in.work()
		j.orders = append(j.orders, order{part: part, digest: digest})
	case len(d.TSDU) != part.o.blockLen(block, part.block):
		in.failed(part, fmt.Errorf("%w: a block of %d octets", ErrManifest, len(d.TSDU)))
	default:
		if d.Repaired {
			part.repaired.Add(1)
		}
		j := in.work()
		data := d.TSDU
		if in.decoded {
			data = j.own(data)
		}
		j.places = append(j.places, placement{part, block, data})
		j.size += len(data)
	}
	return true
}

// strange takes a packet of which nothing is known, and reports whether it was taken: nothing ever will be, or it is kept.
func (in *inbox) strange(d *receiver.Data) bool {
	if in.all || in.keepEarly(d) {
		return true
	}
	if len(in.segments) == 0 && (!in.refused || d.SQN.Before(in.limit)) {
		in.limit = d.SQN
		in.session.Limit(d.SQN - 1) // what came before it is what we lack
	}
	in.refused = true
	return false
}

// sameObject reports whether packet s is of the object that the packet before was of.
func (in *inbox) sameObject(s packet.SQN) bool {
	o := &in.atSeg.m.Objects[in.at]
	return !o.Dir && uint32(s-o.First) <= o.blocks(in.atSeg.m.Block)
}

// work returns the job that takes what the batch at hand brings.
func (in *inbox) work() *job {
	if in.job == nil {
		in.job = in.writer.newJob()
	}
	return in.job
}

// Flush hands what batches of datagrams brought to the writer, once it is much: blocks of files can wait, while there are more to come.
func (in *inbox) Flush(l pgm.Lease) (held bool) {
	j := in.job
	if j == nil {
		return false
	}
	if len(j.places) > j.leased {
		l.Retain()
		j.leases, j.leased = append(j.leases, l), len(j.places)
	}
	if _, none := l.(pgm.NoLease); !none && !in.ended && j.size < jobSize && len(j.leases) < maxLeases && len(j.orders)+len(j.groups) == 0 {
		return true
	}
	in.job = nil
	in.writer.jobs <- j
	if in.ended {
		close(in.writer.jobs)
	}
	return false
}

// tell gives the writer an order that did not come with a batch.
func (in *inbox) tell(o order) {
	if in.ended {
		return
	}
	j := in.writer.newJob()
	j.orders = append(j.orders, o)
	in.writer.jobs <- j
}

// record takes a part of a record.
func (in *inbox) record(d *receiver.Data) bool {
	if in.all {
		return true
	}
	next := in.next
	if len(in.segments) == 0 {
		next, _, _ = in.session.Window() // the trail does not move
	}
	first, body, ok, err := in.records.add(d, next)
	if !ok {
		in.refused = true
		return false
	}
	in.idle, in.refused = time.Time{}, false
	if in.parity.used {
		in.keepRecord(d)
	}
	for err == nil && body != nil {
		m := new(Manifest)
		if err = m.Parse(body); err != nil {
			break
		}
		if n := len(in.segments); int(m.Index) != n {
			if m.First != first || int(m.Index) < n || first == next {
				err = fmt.Errorf("%w: record %d out of its place", ErrManifest, m.Index)
			}
			break // its turn will come
		}
		in.records.done(first)
		if err = in.install(m, first, len(body)); err == nil {
			first = in.next
			body = in.records.whole(first)
		}
	}
	if err != nil {
		in.spoil(err)
	}
	return true
}

// install makes the objects of the next record known.
func (in *inbox) install(m *Manifest, first packet.SQN, length int) error {
	if len(in.segments) == 0 {
		in.layout.first = first
		in.next = first
	} else {
		head := in.segments[0].m
		if m.Session != head.Session || m.Block != head.Block || m.Count != head.Count || m.Total != head.Total {
			return fmt.Errorf("%w: record %d is of another session", ErrManifest, m.Index)
		}
	}
	if m.First != first || first != in.next {
		return fmt.Errorf("%w: record %d is not where it says", ErrManifest, m.Index)
	}
	if in.octets += length; in.octets > maxRecords {
		return manifestError("too many records")
	}
	if in.count += len(m.Objects); in.count > int(m.Count) || m.Last && in.count != int(m.Count) {
		return manifestError("the records have not as many objects as they say")
	}
	if err := in.layout.add(m); err != nil {
		return err
	}
	end := in.layout.end()
	if in.next = m.Next; m.Last && m.Next != end || !m.Last && in.layout.find(m.Next) != nil {
		return fmt.Errorf("%w: record %d names a wrong end", ErrManifest, m.Index)
	}
	in.all = m.Last
	seg := &segment{m: m, base: in.count - len(m.Objects), parts: make([]*part, len(m.Objects)), open: len(m.Objects)}
	in.segments = append(in.segments, seg)
	if len(in.segments) == 1 {
		in.verify = newVerifier(in.dest, in)
		in.writer = newWriter(in.dest, in, in.verify)
		in.begin(m)
		if m.OneWay {
			in.mute()
		}
		go in.supervise()
	}
	var refused []Problem
	for i := range m.Objects {
		o := &m.Objects[i]
		err := CheckName(o.Name)
		if err == nil {
			err = in.names.take(o.Name)
		}
		if err == nil {
			seg.parts[i] = newPart(seg, i)
			continue
		}
		refused = append(refused, Problem{o.Name, err})
		if !o.Dir {
			in.session.Forgo(o.First, o.digestSQN(m.Block))
		}
	}
	// What is known, and the next record, may be recovered now.
	switch {
	case in.all:
		in.session.Unlimit()
	case m.Next.Before(end):
		in.session.Limit(end - 1)
	default:
		in.session.Limit(m.Next)
	}
	j := in.work()
	j.orders = append(j.orders, order{segment: seg, parts: seg.parts, refused: refused})
	in.takeEarly()
	return nil
}

// Lost gives up the objects that packets are lost of.
func (in *inbox) Lost(first, last packet.SQN) {
	if in.ended {
		return
	}
	for s := first; ; {
		p := in.layout.find(s)
		if p == nil || !p.objects {
			switch {
			case in.all:
			case in.anew && len(in.segments) == 0: // nothing says that there should have been one
				in.spoil(ErrNotTransfer)
			default:
				in.spoil(fmt.Errorf("%w: a record", ErrLost))
			}
			return
		}
		seg := in.segments[p.m.Index]
		end := in.layout.first + packet.SQN(p.at+p.n)
		if len(seg.parts) > 0 {
			i := seg.m.find(s)
			end = seg.m.Objects[i].digestSQN(seg.m.Block) + 1
			if part := seg.parts[i]; part != nil {
				in.tell(order{part: part, lost: true})
			}
		}
		if s = end; last.Before(s) {
			return
		}
	}
}

// spoil gives the session up: it cannot be understood, or is none of files. What still comes is taken and forgotten, until the source has
// been told.
func (in *inbox) spoil(err error) {
	if in.ended {
		return
	}
	in.blame(err)
	if trail, _, ok := in.session.Window(); ok {
		in.session.Limit(trail - 1)
	}
	in.stop()
}

// End is the last call.
func (in *inbox) End(reason receiver.End, reset packet.Reset) {
	in.deafen()
	switch reason {
	case receiver.Finished:
		if len(in.segments) == 0 {
			in.blame(ErrNotTransfer)
			break
		}
		in.blame(ErrLost) // of what is not settled
	case receiver.Reset:
		in.blame(&ResetError{reset.Code})
	case receiver.Expired:
		in.blame(ErrSilent)
	default:
		if in.anew && len(in.segments) == 0 {
			in.blame(ErrNotTransfer)
		}
		in.blame(in.left)
	}
	in.stop()
}

// stop takes no more packets, and lets the writer come to its end.
func (in *inbox) stop() {
	if in.ended {
		return
	}
	in.ended = true
	switch {
	case in.writer == nil:
		in.conclude()
	case in.job == nil: // otherwise Flush is still to come
		close(in.writer.jobs)
	}
}

// patience is how long a session may send what cannot be understood before it is taken for one that carries no files.
const patience = 10 * time.Second

// tick looks after a session that may be none of files. It is called now and then.
func (in *inbox) tick(now time.Time) {
	switch {
	case in.ended || len(in.segments) > 0 || !in.refused || in.patient:
	case in.idle.IsZero():
		in.idle = now
	case now.Sub(in.idle) >= patience:
		in.spoil(ErrNotTransfer)
	}
}

// forget drops what is known of a segment in which everything is settled.
func (in *inbox) forget(seg *segment) {
	if in.ended {
		return
	}
	if in.parity.used {
		return // groups may have packets of it and of others
	}
	seg.parts, seg.m.Objects = nil, nil
	if in.atSeg == seg {
		in.atSeg = nil
	}
}
