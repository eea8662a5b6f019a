package transfer

import (
	"slices"
	"sync"
)

// piece is a part of a file that has just been written, kept in memory to be hashed, so that it need not be read again. It begins at a multiple
// of hashPiece, and ends at the next or at the end of the file.
type piece struct {
	part *part
	at   int64
	data []byte
}

// end returns where the piece ends when it is whole.
func (c *piece) end() int64 { return min(c.at+hashPiece, c.part.o.Size) }

// pieces are those of a session that wait to be hashed, and those that are free. It is safe for concurrent use: the writer makes pieces, the
// verifier takes them.
type pieces struct {
	mu      sync.Mutex
	waiting []*piece
	free    []*piece
	made    int
}

// maxPieces bounds the pieces of a session: what the verifier may be behind without reading from the file. A hole in a file keeps those behind it
// waiting; what comes when there are no more is read.
const maxPieces = 8

// take returns a piece of p that begins at an offset, with nothing in it; nil if there are no more.
func (s *pieces) take(p *part, at int64) (c *piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c = s.free[n-1]
		s.free = s.free[:n-1]
	} else if s.made < maxPieces {
		s.made++
		c = &piece{data: make([]byte, 0, hashPiece)}
	} else {
		return nil
	}
	c.part, c.at, c.data = p, at, c.data[:0]
	return c
}

// give has a whole piece wait to be hashed.
func (s *pieces) give(c *piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, c)
}

// release frees a piece, which nobody else has; nil is none.
func (s *pieces) release(c *piece) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.part = nil
	s.free = append(s.free, c)
}

// find takes the piece with the octets from at on of p out of those that wait; nil if there is none. Those that nobody will ask for any more
// are free then.
func (s *pieces) find(p *part, at int64) (found *piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(c *piece) bool {
		if found == nil && c.part == p && c.at <= at && at < c.end() {
			found = c
			return true
		}
		return s.stale(c, c.part.over.Load() || c.part == p && c.at <= at)
	})
	return found
}

// forget frees those of p, which begins anew.
func (s *pieces) forget(p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(c *piece) bool { return s.stale(c, c.part == p) })
}

// stale frees c if it is, and returns whether.
func (s *pieces) stale(c *piece, is bool) bool {
	if is {
		c.part = nil
		s.free = append(s.free, c)
	}
	return is
}

// keep adds to the piece at hand what is to be written of one file, side by side, and has the vector write it from there: it lies in one piece,
// and in the processor's cache, where blocks that have just come from the network do not. A piece that this does not continue is given up, and
// one begins where what is written lies over its beginning.
func (w *writer) keep(places []placement) {
	w.iov.reset()
	w.giveKept() // if they could not be written, nobody asks for them
	p := places[0].part
	at := int64(places[0].block) * int64(p.block)
	if c := w.piece; c != nil && (c.part != p || c.at+int64(len(c.data)) != at) {
		w.dropPiece()
	}
	for _, l := range places {
		for data := l.data; len(data) > 0; {
			if w.piece == nil && at%hashPiece == 0 {
				w.piece = w.pieces.take(p, at)
			}
			c, end := w.piece, min((at/hashPiece+1)*hashPiece, p.o.Size)
			n := min(int64(len(data)), end-at)
			block := data[:n]
			if c != nil {
				c.data = append(c.data, block...)
				block = c.data[len(c.data)-len(block):]
			}
			w.iov.add(block)
			data, at = data[n:], at+n
			if c != nil && at == end {
				w.kept = append(w.kept, c)
				w.piece = nil
			}
		}
	}
}

// giveKept passes whole pieces on, once they are written.
func (w *writer) giveKept() {
	for i, c := range w.kept {
		w.pieces.give(c)
		w.kept[i] = nil
	}
	w.kept = w.kept[:0]
}

// dropPiece gives up the piece at hand.
func (w *writer) dropPiece() {
	w.pieces.release(w.piece)
	w.piece = nil
}

// next implements contents for the current file: from the piece that has it, or from the file.
func (v *verifier) next(at int64, n int) ([]byte, error) {
	if c := v.piece; c == nil || c.part != v.current || at < c.at || at >= c.end() {
		v.pieces.release(c)
		v.piece = v.pieces.find(v.current, at)
	}
	if c := v.piece; c != nil && at+int64(n) <= c.end() {
		return c.data[at-c.at:][:n], nil
	}
	if err := readFull(v.file, v.buf[:n], at); err != nil {
		return nil, err
	}
	return v.buf[:n], nil
}
