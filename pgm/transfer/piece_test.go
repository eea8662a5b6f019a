package transfer

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"lukechampine.com/blake3"
)

// hashRig is a writer's keeping of pieces and a verifier's hashing, without a session.
type hashRig struct {
	w    *writer
	v    *verifier
	part *part
	data []byte
}

func newHashRig(t *testing.T, size int) *hashRig {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &hashRig{data: make([]byte, size)}
	for i := range r.data {
		r.data[i] = byte(rng.Uint32())
	}
	r.v = newVerifier(nil, nil)
	r.w = newWriter(nil, nil, r.v)
	r.part = newPart(&segment{m: &Manifest{Block: benchBlock, Objects: []Object{{Name: "f", Size: int64(size)}}}}, 0)
	r.v.current = r.part
	return r
}

// keep tells the writer that n blocks from first on were written.
func (r *hashRig) keep(first, n int) {
	var l []placement
	for b := first; b < first+n && b*benchBlock < len(r.data); b++ {
		l = append(l, placement{r.part, uint32(b), r.data[b*benchBlock : min((b+1)*benchBlock, len(r.data))]})
	}
	if len(l) > 0 {
		r.w.keep(l)
		r.w.giveKept()
	}
}

// sum hashes the file, in which what counts in content is there and the rest zero, and returns its digest.
func (r *hashRig) sum(t *testing.T, content []byte) [32]byte {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.v.file = f
	var d digester
	sum, err := d.finish(r.v, r.v.last, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// What comes in order is hashed from memory: of the file, nothing is read.
func TestPiecesAreHashedFromMemory(t *testing.T) {
	for _, size := range []int{1, 1000, hashPiece, hashPiece + 1, maxPieces * hashPiece, maxPieces*hashPiece - 7} {
		r := newHashRig(t, size)
		for b := 0; b*benchBlock < size; b += 52 {
			r.keep(b, 52)
		}
		if r.sum(t, make([]byte, size)) != blake3.Sum256(r.data) {
			t.Errorf("%d octets: the digest is not that of what was kept", size)
		}
	}
}

// Pieces with holes are read, as are those that there was no memory for; and after both, pieces are there again.
func TestWhatIsNotKeptIsRead(t *testing.T) {
	const size = (maxPieces + 3) * hashPiece
	for name, lay := range map[string]func(*hashRig){
		"a hole":       func(r *hashRig) { r.keep(0, 100); r.keep(101, 1<<20) },
		"a late block": func(r *hashRig) { r.keep(0, 100); r.keep(101, 500); r.keep(100, 1); r.keep(601, 1<<20) },
		"backwards":    func(r *hashRig) { r.keep(300, 1<<20); r.keep(0, 300) },
		"one by one": func(r *hashRig) {
			for b := range size/benchBlock + 1 {
				r.keep(b, 1)
			}
		},
		"twice":          func(r *hashRig) { r.keep(0, 400); r.keep(0, 400); r.keep(400, 1<<20) },
		"nothing at all": func(*hashRig) {},
	} {
		r := newHashRig(t, size)
		lay(r)
		if r.sum(t, r.data) != blake3.Sum256(r.data) {
			t.Errorf("%s: wrong digest", name)
		}
		r.v.pieces.release(r.v.piece)
		r.w.dropPiece()
		if r.v.piece = nil; len(r.v.pieces.waiting) > 0 || len(r.v.pieces.free) != r.v.pieces.made || r.v.pieces.made > maxPieces {
			t.Errorf("%s: of %d pieces, %d wait and %d are free", name, r.v.pieces.made, len(r.v.pieces.waiting), len(r.v.pieces.free))
		}
	}
}

// What a file was before it was started over is not hashed.
func TestPiecesOfBeforeAreForgotten(t *testing.T) {
	r := newHashRig(t, 3*hashPiece)
	old := bytes.Clone(r.data)
	r.keep(0, 300) // one whole, and the beginning of another
	for i := range r.data {
		r.data[i] ^= 1
	}
	r.w.dropPiece()
	r.v.pieces.forget(r.part)
	r.keep(300, 1<<20)
	if r.sum(t, r.data) != blake3.Sum256(r.data) {
		t.Error("wrong digest")
	}
	if bytes.Equal(old, r.data) {
		t.Error("nothing has changed")
	}
}

// Pieces of a file that was given up are free for another.
func TestPiecesOfFilesGivenUpAreFree(t *testing.T) {
	r := newHashRig(t, maxPieces*hashPiece)
	r.keep(0, 1<<20)
	r.part.over.Store(true)
	other := newPart(&segment{m: &Manifest{Block: benchBlock, Objects: []Object{{Name: "g", Size: 10}}}}, 0)
	if c := r.v.pieces.find(other, 0); c != nil {
		t.Errorf("a piece at %d of another file", c.at)
	}
	if c := r.v.pieces.take(other, 0); c == nil {
		t.Error("none is free")
	}
}
