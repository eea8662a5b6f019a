package transfer

import (
	"os"
	"path"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm"
)

// job is what some batches of datagrams brought for the files of a session: placements, and the leases on the memory that they lie in. The
// loop fills it, the writer empties it.
type job struct {
	places []placement
	leased int         // placements that lie in what leases has; those behind are of the batch at hand
	leases []pgm.Lease // at most maxLeases
	size   int         // octets to place
	orders []order
	groups []*group      // to be decoded, after the placements
	done   chan struct{} // closed when the job is done; nil: nobody waits
	octets []byte        // what own has copied
}

// own returns a copy of data that is the job's.
func (j *job) own(data []byte) []byte {
	if len(j.octets)+len(data) > cap(j.octets) {
		j.octets = make([]byte, 0, max(2*cap(j.octets), 64<<10, len(data))) // what was copied before stays where it is
	}
	j.octets = append(j.octets, data...)
	return j.octets[len(j.octets)-len(data):]
}

// placement is a block and where it belongs.
type placement struct {
	part  *part
	block uint32
	data  []byte
}

// order is something else that the writer has to do, before the placements of its job.
type order struct {
	segment *segment  // objects have become known
	parts   []*part   // of those: the loop may have forgotten them when the writer's turn comes
	refused []Problem // of those
	part    *part     // a digest has come for it; or it is to be started over
	restart bool
	lost    bool // packets of it cannot be had any more
	digest  [32]byte
}

const (
	// maxJobs bounds the jobs that wait for the writer. The leases that a pgm.Receiver can grant are fewer, so it is they that bound the
	// memory, and the loop does not wait here: when the writer lags, there are no batches first to read the socket into, and the
	// kernel's receive buffer takes the load. That loses least: refusing a packet would cost a NAK, an NCF and a repair for each.
	maxJobs = 128
	// jobPlaces is how many placements a new job has room for: what it usually gets.
	jobPlaces = 256
	// jobSize is how many octets make a job worth the writer's while: it is woken, and calls the system, once for so many. Far fewer batches
	// than there are may wait for that.
	jobSize   = 256 << 10
	maxLeases = 8
	// saveEvery is how often the states of unfinished files are written, and saveMin the size from which on it is worth it.
	saveEvery = 2 * time.Second
	saveMin   = 1 << 20
)

// writer puts blocks into files, beside the loop: runs that lie side by side by one system call. It belongs to one session, and ends
// when its jobs do.
type writer struct {
	dest   *destination
	verify *verifier
	in     *inbox
	jobs   chan *job
	spare  chan *job // that were done, to be used again

	files    fileCache
	target   *part // whose file is being asked for
	iov      vector
	pieces   *pieces      // the verifier's
	piece    *piece       // that is being written; nil: none
	kept     []*piece     // whole, but not written yet
	decoder  *fec.Decoder // nil: nothing was decoded
	readPart *part        // whose file was read last to decode, though it is whole
	readFile *os.File
	parts    map[int]*part // with an unfinished file, or with blocks that an earlier run has left
}

func newWriter(dest *destination, in *inbox, verify *verifier) *writer {
	w := &writer{
		dest: dest, in: in, verify: verify, pieces: verify.pieces,
		jobs: make(chan *job, maxJobs), spare: make(chan *job, maxJobs), parts: make(map[int]*part),
	}
	w.files.open, w.files.max = w.openTarget, maxOpenReceived
	return w
}

// newJob returns an empty job.
func (w *writer) newJob() *job {
	select {
	case j := <-w.spare:
		return j
	default:
		return &job{places: make([]placement, 0, jobPlaces), leases: make([]pgm.Lease, 0, maxLeases)}
	}
}

// recycle gives up what a job held.
func (w *writer) recycle(j *job) {
	for _, l := range j.leases {
		l.Release()
	}
	clear(j.places)
	clear(j.orders)
	clear(j.groups)
	clear(j.leases)
	*j = job{places: j.places[:0], leases: j.leases[:0], orders: j.orders[:0], groups: j.groups[:0], octets: j.octets[:0]}
	select {
	case w.spare <- j:
	default:
	}
}

// run does the jobs until there are no more, and then saves what is unfinished.
func (w *writer) run() {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case j, ok := <-w.jobs:
			if !ok {
				w.finish()
				return
			}
			w.do(j)
			w.recycle(j)
		case <-tick.C:
			for _, p := range w.parts {
				if p.unsaved && p.o.Size >= saveMin {
					_ = p.save(w.dest) // a hint for another run, which is worse off without, but not wrong
				}
			}
		}
	}
}

// finish leaves unfinished files as another run can use them.
func (w *writer) finish() {
	w.files.close()
	w.dropRead()
	for _, p := range w.parts {
		switch {
		case p.existing:
		case p.over.Load(): // it was given up because of what came for it
			p.discard(w.dest)
		case p.held.len() == 0:
			p.discardEmpty(w.dest)
		default:
			_ = p.save(w.dest)
		}
	}
}

func (w *writer) do(j *job) {
	for i := range j.orders {
		w.obey(&j.orders[i])
	}
	w.place(j.places)
	for _, g := range j.groups {
		w.decode(g)
	}
	if j.done != nil {
		close(j.done)
	}
}

// place writes blocks to where they belong.
func (w *writer) place(places []placement) {
	for i := 0; i < len(places); {
		p, first := places[i].part, places[i].block
		n := 0
		for i+n < len(places) && n < maxBlocks && places[i+n].part == p && places[i+n].block == first+uint32(n) && !p.held.has(first+uint32(n)) {
			n++
		}
		if n > 0 && !p.over.Load() {
			w.write(places[i : i+n])
		}
		i += max(n, 1) // none: an earlier run has left it here
	}
}

// maxBlocks is how many blocks are written at once: the end of a piece may lie in each.
const maxBlocks = maxVector / 2

// write writes blocks that lie side by side in a file.
func (w *writer) write(places []placement) {
	p, first := places[0].part, places[0].block
	f, err := w.file(p)
	if err == nil {
		w.keep(places)
		err = w.iov.writeAt(f, int64(first)*int64(p.block))
	}
	if err != nil {
		w.fail(p, err)
		return
	}
	w.giveKept()
	for i := range places {
		p.held.add(first + uint32(i))
	}
	p.unsaved = true
	w.in.wrote(int64(w.iov.size))
	w.advance(p)
}

// file returns the unfinished file of p, open.
func (w *writer) file(p *part) (*os.File, error) {
	w.target = p
	return w.files.get(p.index)
}

func (w *writer) openTarget(int) (*os.File, error) {
	w.parts[w.target.index] = w.target
	return w.dest.openFor(w.target)
}

// advance tells the verifier how far p is there from its beginning on, piece by piece.
func (w *writer) advance(p *part) {
	complete := p.held.full()
	frontier := min(int64(p.held.contiguous())*int64(p.block), p.o.Size)
	if !complete {
		frontier -= frontier % hashPiece
		if frontier == p.told {
			return
		}
	}
	p.told = frontier
	if !complete {
		w.verify.advance(p, frontier)
		return
	}
	delete(w.parts, p.index)
	w.verify.complete(p, w.files.take(p.index))
}

func (w *writer) obey(o *order) {
	p := o.part
	switch {
	case o.segment != nil:
		w.begin(o.segment, o.parts, o.refused)
	case p.over.Load():
	case o.lost:
		w.fail(p, ErrLost)
	case o.restart:
		w.dropPiece() // it may be of what p was before
		p.held = newBlockSet(p.n)
		p.existing, p.resumed, p.told = false, 0, 0
		p.discard(w.dest)
		p.opened = false
	default:
		w.verify.setDigest(p, o.digest)
		if p.n == 0 { // an empty file is complete as it is
			if _, err := w.file(p); err != nil {
				w.fail(p, err)
				return
			}
			w.advance(p)
		}
	}
}

// begin looks for what earlier runs have left of the files of a segment, and makes its directories.
func (w *writer) begin(s *segment, parts []*part, refused []Problem) {
	var resumed int64
	dir, none := "", false // the directory of the part before, and whether it does not exist
	for _, p := range parts {
		if p == nil || p.o.Dir || p.over.Load() {
			continue
		}
		if parent := path.Dir(p.o.Name); parent != dir {
			dir, none = parent, missing(w.dest.with(p.o.Name, func(*os.Root, string) error { return nil }))
		}
		if !none && w.in.anew {
			p.hasState = true // if there is one, it is of no more use
		} else if !none && p.resume(w.dest) {
			w.in.resumed(p)
			w.parts[p.index] = p
			resumed += p.resumed
		}
	}
	if s.m.Index == 0 {
		w.in.note(Event{Kind: Began, Objects: int(s.m.Count), Total: int64(s.m.Total), Resumed: resumed, Bytes: resumed})
	}
	w.in.refuse(s, refused)
	for _, p := range parts {
		switch {
		case p == nil || p.over.Load():
		case p.o.Dir:
			if err := w.dest.mkdir(p.o.Name); err != nil {
				w.in.failed(p, err)
			} else {
				w.in.held(p)
			}
		case p.resumed > 0:
			w.advance(p)
		}
	}
}

// fail gives p up. What there is of it is kept for another run.
func (w *writer) fail(p *part, err error) {
	if f := w.files.take(p.index); f != nil {
		f.Close()
	}
	if !p.existing && p.opened && p.held.len() > 0 {
		_ = p.save(w.dest)
	} else {
		p.discardEmpty(w.dest)
	}
	delete(w.parts, p.index)
	w.in.failed(p, err)
}
