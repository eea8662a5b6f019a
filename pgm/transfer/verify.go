package transfer

import (
	"os"
	"sync"
)

// verifier computes the digests of the files of one session, beside the loop and the writer: it follows what is written from the beginning on,
// in pieces that the writer has kept, or reads it from the page cache. When a file is whole and its digest is the one that the source sent, it
// gets its name.
type verifier struct {
	dest *destination
	in   *inbox

	mu     sync.Mutex
	more   sync.Cond // there is something in queue, or closed is set
	queue  []*part   // each once; those before head have had their turn
	head   int
	files  int // that are open in queue
	closed bool

	pieces  *pieces
	piece   *piece // that is being hashed
	buf     []byte // for what is read
	last    []byte // for the last group of a file
	current *part  // whose file is open
	file    *os.File

	commits   sync.WaitGroup
	committer chan struct{} // has an element for each commit at work
}

const (
	// verifySlice is how much of a file is hashed before the others have their turn.
	verifySlice = 8 << 20
	// maxCommits is how many files are synced to the disk at once: file systems do many at the price of one.
	maxCommits = 16
)

func newVerifier(dest *destination, in *inbox) *verifier {
	v := &verifier{
		dest: dest, in: in, pieces: new(pieces), buf: make([]byte, hashPiece), last: make([]byte, hashGroup),
		committer: make(chan struct{}, maxCommits),
	}
	v.more.L = &v.mu
	return v
}

// push queues p. The lock is held.
func (v *verifier) push(p *part) {
	if !p.queued {
		p.queued = true
		v.queue = append(v.queue, p)
		v.more.Signal()
	}
}

// pop returns what is first in the queue; nil if it is empty. The lock is held. The queue keeps its memory: it is emptied all the time.
func (v *verifier) pop() *part {
	if v.head == len(v.queue) {
		return nil
	}
	p := v.queue[v.head]
	v.queue[v.head] = nil
	v.head++
	if v.head > len(v.queue)/2 {
		n := copy(v.queue, v.queue[v.head:])
		clear(v.queue[n:])
		v.queue, v.head = v.queue[:n], 0
	}
	p.queued = false
	return p
}

// advance says that the first frontier octets of p are written.
func (v *verifier) advance(p *part, frontier int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.frontier = frontier
	v.push(p)
}

// complete says that p is written wholly. f, if not nil, is its file, and the verifier's from now on.
func (v *verifier) complete(p *part, f *os.File) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.frontier, p.complete = p.o.Size, true
	switch {
	case f == nil:
	case v.files == maxOpenReceived:
		f.Close() // it is opened again when its turn comes
	default:
		p.file = f
		v.files++
	}
	v.push(p)
}

// setDigest says what the digest of p is to be.
func (v *verifier) setDigest(p *part, digest [32]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.digest, p.hasDigest = digest, true
	if p.complete {
		v.push(p)
	}
}

// close makes run return when it has dealt with all that it was told.
func (v *verifier) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	v.more.Signal()
}

// run does the work until close is called.
func (v *verifier) run() {
	for {
		v.mu.Lock()
		p := v.pop()
		for ; p == nil && !v.closed; p = v.pop() {
			v.more.Wait()
		}
		if p == nil {
			v.mu.Unlock()
			break
		}
		frontier, complete, known, f := p.frontier, p.complete, p.hasDigest, p.file
		if p.file = nil; f != nil {
			v.files--
		}
		v.mu.Unlock()
		if f != nil {
			v.hold(p, f)
		}
		if !p.over.Load() {
			v.step(p, frontier, complete, known)
		}
	}
	v.drop()
	v.commits.Wait()
}

// step hashes the next of p, and decides about it once that is all.
func (v *verifier) step(p *part, frontier int64, complete, known bool) {
	if p.hashed && !known {
		return
	}
	if _, err := v.open(p); err != nil {
		v.fail(p, err)
		return
	}
	if !p.hashed {
		if p.hash == nil {
			p.hash = new(digester)
		}
		limit := min(frontier, p.hash.offset()+verifySlice)
		err := p.hash.follow(v, limit, p.o.Size)
		if err == nil && complete && p.hash.offset()+hashGroup >= p.o.Size {
			p.sum, err = p.hash.finish(v, v.last, p.o.Size)
			p.hashed, p.hash = true, nil
		}
		switch {
		case err != nil:
			v.fail(p, err)
			return
		case !p.hashed:
			if limit < frontier {
				v.mu.Lock()
				v.push(p)
				v.mu.Unlock()
			}
			return
		}
	}
	switch {
	case !known:
		v.drop() // it may be long until the digest comes
	case p.sum == p.digest:
		v.commit(p)
	case p.resumed > 0 && !p.again:
		// What an earlier run left was of another version, or did not reach the disk before the machine stopped.
		v.drop()
		v.startOver(p)
	default:
		v.drop()
		p.discard(v.dest)
		v.in.failed(p, ErrDigest)
	}
}

// fail gives p up, whose file cannot be read.
func (v *verifier) fail(p *part, err error) {
	v.drop()
	v.in.failed(p, err)
}

// startOver has all of p sent again.
func (v *verifier) startOver(p *part) {
	p.again, p.hashed, p.hash = true, false, nil
	v.pieces.release(v.piece) // what it was before
	v.piece = nil
	v.pieces.forget(p)
	v.mu.Lock()
	p.complete, p.frontier = false, 0
	v.mu.Unlock()
	v.in.startOver(p)
}

// commit gives p its name, beside the hashing of others.
func (v *verifier) commit(p *part) {
	f := v.file
	v.current, v.file = nil, nil
	p.over.Store(true)
	v.committer <- struct{}{}
	v.commits.Go(func() {
		err := v.dest.commit(f, p)
		f.Close()
		<-v.committer
		if err != nil {
			v.in.failed(p, err)
			return
		}
		v.in.held(p)
	})
}

// open returns the file of p. It stays open until that of another is needed.
func (v *verifier) open(p *part) (*os.File, error) {
	if v.current == p {
		return v.file, nil
	}
	name := p.partName()
	if p.existing {
		name = p.o.Name
	}
	f, err := v.dest.openFile(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	v.hold(p, f)
	return f, nil
}

func (v *verifier) hold(p *part, f *os.File) {
	v.drop()
	v.current, v.file = p, f
}

func (v *verifier) drop() {
	if v.file != nil {
		v.file.Close()
	}
	v.current, v.file = nil, nil
}
