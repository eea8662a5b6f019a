package transfer

import (
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"lukechampine.com/blake3"
)

// part is a file that is being received: its blocks go into an unfinished file beside its final name, which becomes the file once
// its digest is right. Three goroutines have to do with it, each with fields of its own: the loop that delivers packets, the
// writer that puts them into the file, and the verifier that hashes it.
type part struct {
	o     *Object
	seg   *segment
	index int // number of the object in the session
	block int
	n     uint32 // blocks
	began time.Time

	settled bool // what became of it is counted; guarded by the tally's lock
	// over is set when the object is held, refused or failed: what still comes for it is taken and forgotten.
	over atomic.Bool
	// repaired counts the blocks that came as repairs.
	repaired atomic.Uint64

	// Of the writer.
	name     string   // of the unfinished file, once it is needed
	held     blockSet // blocks that are in the file
	resumed  int64    // octets that were there when the session began
	existing bool     // the blocks are in a file that has the final name already
	opened   bool     // the unfinished file was opened, and checked, before
	unsaved  bool     // held has changed since it was saved
	hasState bool     // there is a state file
	told     int64    // frontier that the verifier was told of

	// Of the verifier; guarded by its lock where it is said.
	frontier  int64 // guarded: octets from the beginning on that are written
	complete  bool  // guarded: all of them
	queued    bool  // guarded
	hasDigest bool  // guarded
	digest    [32]byte
	hash      *digester // while it is hashed
	hashed    bool      // sum is the digest of the whole file
	sum       [32]byte
	file      *os.File // guarded: handed over by the writer when the file was complete
	again     bool     // it was started over
}

func newPart(seg *segment, i int) *part {
	o, block := &seg.m.Objects[i], seg.m.Block
	n := o.blocks(block)
	return &part{o: o, seg: seg, index: seg.base + i, block: block, n: n, began: time.Now(), held: newBlockSet(n)}
}

// partName returns the name of the unfinished file.
func (p *part) partName() string {
	if p.name == "" {
		p.name = partName(p.o)
	}
	return p.name
}

// blocks returns the number of blocks.
func (o *Object) blocks(block int) uint32 { return uint32(blocks(o.Size, block)) }

// A state file says which blocks of an unfinished file are there:
//
//	'G' 'P' 'G' 'S'   Version = 1   three octets reserved   Block Length (4)   Size (8)   time of modification (8)
//	Length of the name (4)   name   set of blocks   the first 8 octets of the BLAKE3 of all before
//
// It is a hint: what makes a file right is its digest. So it need not be newer than the file, nor synced, and blocks may be used again
// in another session that sends an object of the same name, size and time.
const (
	stateMagic  = "GPGS\x01\x00\x00\x00"
	stateHeader = 32
	stateSum    = 8
	// maxState bounds what is read as one: the set of the blocks of the largest object, a name, and then some.
	maxState = 384 << 20
)

func (p *part) appendState(b []byte) []byte {
	b = append(b, stateMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(p.block))
	b = binary.BigEndian.AppendUint64(b, uint64(p.o.Size))
	b = binary.BigEndian.AppendUint64(b, uint64(p.o.ModTime))
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.o.Name)))
	b = append(b, p.o.Name...)
	b = p.held.append(b)
	sum := blake3.Sum256(b)
	return append(b, sum[:stateSum]...)
}

var errState = errors.New("no state of this file")

// parseState reads what appendState wrote for the same version of the same object, in blocks of the same length.
func (p *part) parseState(b []byte) error {
	if len(b) < stateHeader+len(p.o.Name)+stateSum {
		return errState
	}
	body := b[:len(b)-stateSum]
	sum := blake3.Sum256(body)
	at := stateHeader + len(p.o.Name)
	switch {
	case string(sum[:stateSum]) != string(b[len(body):]),
		string(b[:8]) != stateMagic,
		binary.BigEndian.Uint32(b[8:]) != uint32(p.block),
		binary.BigEndian.Uint64(b[12:]) != uint64(p.o.Size),
		binary.BigEndian.Uint64(b[20:]) != uint64(p.o.ModTime),
		binary.BigEndian.Uint32(b[28:]) != uint32(len(p.o.Name)),
		string(b[stateHeader:at]) != p.o.Name:
		return errState
	}
	return p.held.parse(body[at:])
}

// resume looks for what an earlier run has left of p, and reports whether there is something. A file that has the final name, size
// and time already counts as all of it: whether it is, its digest will say.
func (p *part) resume(d *destination) bool {
	if p.o.Size == 0 {
		return false
	}
	if info, err := d.lstat(p.o.Name); err == nil {
		if info.Mode().IsRegular() && info.Size() == p.o.Size && info.ModTime().UnixNano() == p.o.ModTime {
			for i := range p.n {
				p.held.add(i)
			}
			p.existing, p.resumed = true, p.o.Size
			return true
		}
	}
	f, err := d.openFile(p.partName()+stateSuffix, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	p.hasState = true
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxState {
		return false
	}
	b := make([]byte, info.Size())
	if readFull(f, b, 0) != nil || p.parseState(b) != nil {
		return false
	}
	if info, err := d.lstat(p.partName()); err != nil || !info.Mode().IsRegular() || info.Size() != p.o.Size {
		p.held = newBlockSet(p.n)
		return false
	}
	p.resumed = p.held.octets(p.o.Size, p.block)
	return p.resumed > 0
}

// save writes the state of p beside its unfinished file.
func (p *part) save(d *destination) error {
	name := p.partName() + stateSuffix
	p.unsaved, p.hasState = false, true
	return d.replace(name, name+stateNew, p.appendState(nil))
}

// discard removes what there is of p besides a file with its final name.
func (p *part) discard(d *destination) {
	d.remove(p.partName())
	p.discardState(d)
}

func (p *part) discardState(d *destination) {
	if !p.hasState {
		return
	}
	d.remove(p.partName() + stateSuffix)
}

// discardEmpty removes the unfinished file if nothing is in it.
func (p *part) discardEmpty(d *destination) {
	if p.opened && p.held.len() == 0 {
		p.discard(d)
	}
}

// checkSpace is how large a file is at least, in octets, for which the room is looked at before it is received.
const checkSpace = 64 << 10

// openFor opens the unfinished file of p, of the size that it is going to have: what is not written takes no room.
func (d *destination) openFor(p *part) (*os.File, error) {
	f, err := d.openPart(p.partName())
	if err != nil || p.opened {
		return f, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != p.o.Size && (p.n != 1 || info.Size() != 0) {
		err = f.Truncate(p.o.Size)
	}
	if need := p.o.Size - p.resumed; err == nil && need >= checkSpace {
		if free := freeSpace(f); free >= 0 && need > free {
			err = &SpaceError{Need: need, Free: free}
		}
	}
	if err != nil {
		f.Close()
		if p.resumed == 0 {
			d.remove(p.partName())
		}
		return nil, err
	}
	p.opened = true
	return f, nil
}
