package transfer

import (
	"context"
	"io"
	"sync/atomic"
)

// readAhead holds content from when it is hashed until it is sent, so that files are read once. It is a ring: the goroutine that hashes fills it,
// the loop takes from it, and neither ever waits for the other to be through with something. A loop that is ahead of the hash reads the file
// itself. Offsets count the content of all objects, in their order.
type readAhead struct {
	ring   []byte
	filled atomic.Int64 // what is before it was read
	sent   atomic.Int64 // what is before it was loaded into packets
	hungry atomic.Bool  // the hash waits for the ring to be half empty
	room   chan struct{}
}

// aheadSize is the size of the ring in octets: much enough to hide a slow read, little enough to stay in the processor's cache.
const aheadSize = 2 << 20

func newReadAhead() *readAhead {
	return &readAhead{ring: make([]byte, aheadSize), room: make(chan struct{}, 1)}
}

// has reports whether the content from..end-1 is there, and stays until it is sent. It is the loop's, as copy and advance are.
func (a *readAhead) has(from, end int64) bool { return from >= a.sent.Load() && end <= a.filled.Load() }

// copy copies content that is there.
func (a *readAhead) copy(dst []byte, from int64) {
	n := copy(dst, a.ring[from%aheadSize:])
	copy(dst[n:], a.ring)
}

// advance says that the content before end was loaded.
func (a *readAhead) advance(end int64) {
	a.sent.Store(end)
	if a.filled.Load()-end <= aheadSize/2 && a.hungry.Load() && a.hungry.Swap(false) {
		select {
		case a.room <- struct{}{}:
		default:
		}
	}
}

// await waits until n octets have room behind what is filled: as soon as there is none, until half of the ring is free, so that the hash
// is woken seldom.
func (a *readAhead) await(ctx context.Context, n int) error {
	at := a.filled.Load()
	if at+int64(n)-a.sent.Load() <= aheadSize {
		return ctx.Err()
	}
	for a.hungry.Store(true); at-a.sent.Load() > aheadSize/2; a.hungry.Store(true) {
		select {
		case <-a.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a.hungry.Store(false)
	return nil
}

// object reads an object through the ring, from its beginning to its end, for its digest.
type object struct {
	*readAhead
	ctx  context.Context
	file io.ReaderAt
	wrap []byte // for what does not lie in the ring in one piece: hashPiece octets
}

// next implements contents.
func (o *object) next(at int64, n int) ([]byte, error) {
	if err := o.await(o.ctx, n); err != nil {
		return nil, err
	}
	from := o.filled.Load()
	p := o.ring[from%aheadSize:]
	if n <= len(p) {
		p = p[:n]
	} else {
		p = o.wrap[:n]
	}
	if err := readFull(o.file, p, at); err != nil {
		return nil, err
	}
	if i := from % aheadSize; i+int64(n) > aheadSize {
		copy(o.ring, p[copy(o.ring[i:], p):])
	}
	o.filled.Store(from + int64(n))
	return p, nil
}
