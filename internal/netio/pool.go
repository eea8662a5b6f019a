package netio

import (
	"net"
	"sync"
)

// Pool holds a fixed number of batches and so bounds the memory of what was received and is not yet
// done with: at most 256 KiB each, of which only what was used counts. It is safe for concurrent use.
type Pool struct {
	free chan *Batch

	mu   sync.Mutex
	left int // batches not yet made
}

// NewPool returns a pool of n batches, at least one, which it makes when they are first needed.
func NewPool(n int) *Pool {
	n = max(n, 1)
	return &Pool{free: make(chan *Batch, n), left: n}
}

// Get returns a batch that the caller holds. While all are in use it waits for one to be released,
// or for done, which makes it return net.ErrClosed; a nil done never does.
func (p *Pool) Get(done <-chan struct{}) (*Batch, error) {
	if b := p.TryGet(); b != nil {
		return b, nil
	}
	select {
	case b := <-p.free:
		b.holders.Store(0)
		return b, nil
	case <-done:
		return nil, net.ErrClosed
	}
}

// TryGet returns a batch that the caller holds, or nil while all are in use.
func (p *Pool) TryGet() *Batch {
	select {
	case b := <-p.free: // one that was used before is warm
		b.holders.Store(0)
		return b
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return nil
	}
	p.left--
	return &Batch{pool: p}
}
