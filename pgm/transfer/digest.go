package transfer

import (
	"errors"
	"io"

	"lukechampine.com/blake3/guts"
)

// hashGroup is how many octets the hash takes at a time: 16 chunks of BLAKE3, which vector instructions compress side by side.
const hashGroup = guts.MaxSIMD * guts.ChunkSize

// hashPiece is how many octets are hashed at a time: few enough to be in the processor's cache still, many enough to make a system call
// that reads them cheap. Pieces begin at multiples of it.
const hashPiece = 256 << 10

// contents is where a digester gets what it hashes. It asks for each octet once, in its turn, for no more than hashPiece at a time, and for none
// beyond a multiple of hashPiece together with those before it.
type contents interface {
	// next returns n octets from at on, valid until it is called again. What is shorter is an io.ErrUnexpectedEOF.
	next(at int64, n int) ([]byte, error)
}

// digester computes the BLAKE3-256 of a file that grows, or is read, from its beginning on. It keeps no octets, only the roots
// of the subtrees: it reads again what did not fill a group, so a file that is never finished costs nothing more. The hash of a
// library's Write would start goroutines for each piece; this one stays on the caller's.
type digester struct {
	groups uint64        // that are in the stack
	stack  [40][8]uint32 // roots of complete subtrees: of 2^i groups at i, if bit i of groups is set
}

// offset returns how many octets are hashed.
func (d *digester) offset() int64 { return int64(d.groups) * hashGroup }

// follow hashes what there is of a file of the given size whose first limit octets can be had.
func (d *digester) follow(c contents, limit, size int64) error {
	if limit >= size {
		limit = size - 1 // the last group is different: finish hashes it
	}
	for {
		at := d.offset()
		n := min(limit-at, hashPiece-at%hashPiece) / hashGroup * hashGroup
		if n <= 0 {
			return nil
		}
		p, err := c.next(at, int(n))
		if err != nil {
			return err
		}
		for ; len(p) > 0; p = p[hashGroup:] {
			d.push(guts.ChainingValue(guts.CompressBuffer((*[hashGroup]byte)(p), hashGroup, &guts.IV, d.groups*guts.MaxSIMD, 0)))
		}
	}
}

// push adds the root of the next group, and joins subtrees of the same size.
func (d *digester) push(cv [8]uint32) {
	i := 0
	for ; d.groups>>i&1 != 0; i++ {
		cv = guts.ChainingValue(guts.ParentNode(d.stack[i], cv, &guts.IV, 0))
	}
	d.stack[i] = cv
	d.groups++
}

// finish hashes the rest of the file and returns its digest. buf, of hashGroup octets, is overwritten: all of a group must be memory.
func (d *digester) finish(c contents, buf []byte, size int64) (digest [32]byte, err error) {
	if err := d.follow(c, size, size); err != nil {
		return digest, err
	}
	rest := int(size - d.offset())
	p, err := c.next(d.offset(), rest)
	if err != nil {
		return digest, err
	}
	copy(buf, p)
	n := guts.CompressBuffer((*[hashGroup]byte)(buf), rest, &guts.IV, d.groups*guts.MaxSIMD, 0)
	for i := 0; d.groups>>i != 0; i++ {
		if d.groups>>i&1 != 0 {
			n = guts.ParentNode(d.stack[i], guts.ChainingValue(n), &guts.IV, 0)
		}
	}
	n.Flags |= guts.FlagRoot
	words := guts.WordsToBytes(guts.CompressNode(n))
	return [32]byte(words[:]), nil
}

// readFull reads exactly len(p) octets at off: a file that is shorter is an io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
