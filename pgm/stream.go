package pgm

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// streamReader is the half of an accepted Conn that is read: the sink of one session, which keeps its octets in order until they
// are. The engine's goroutine writes, any other reads.
type streamReader struct {
	resume  func()       // has the engine offer again what it was refused
	leave   func()       // ends the session at this receiver
	failure func() error // why the receiver ended, if not because it was told to

	mu       sync.Mutex
	changed  sync.Cond // data, the end, a deadline
	data     byteQueue
	held     bool  // the engine holds data that there was no room for
	waiting  int   // Reads that wait
	closed   bool  // by Close
	err      error // what comes behind the data; nil while the session lasts
	deadline deadline
	begun    bool // there was a packet
	whole    bool // the first packet was the first of the session
}

func newStreamReader(limit int) *streamReader {
	r := &streamReader{data: byteQueue{limit: limit}}
	r.changed.L = &r.mu
	return r
}

// Data takes the next octets of the stream.
func (r *streamReader) Data(d receiver.Data) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.err != nil {
		return true // nobody will read it
	}
	if !r.data.room(len(d.TSDU)) {
		r.held = true
		return false
	}
	if !r.begun {
		r.begun, r.whole = true, d.Syn
	}
	if len(d.TSDU) > 0 {
		r.data.write(d.TSDU)
	}
	return true
}

// Flush wakes those who wait for what a batch brought: once, not for each packet.
func (r *streamReader) Flush(Lease) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting > 0 {
		r.changed.Broadcast()
	}
	return false
}

// Lost breaks the stream: what comes behind the gap is of no use to who reads octets in sequence.
func (r *streamReader) Lost(first, last packet.SQN) {
	r.end(&LostError{First: first, Last: last})
	r.leave()
}

// End says that the session is over.
func (r *streamReader) End(reason receiver.End, reset packet.Reset) {
	r.end(endError(reason, reset, r.failure()))
}

func (r *streamReader) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.changed.Broadcast()
}

// read is net.Conn's Read, its error undressed.
func (r *streamReader) read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.closed:
			return 0, net.ErrClosed
		case r.deadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case r.data.size > 0:
			n := r.data.read(p)
			if r.held && r.data.size <= r.data.limit/2 {
				r.held = false
				r.resume()
			}
			return n, nil
		case r.err != nil:
			return 0, r.err
		}
		r.waiting++
		r.changed.Wait()
		r.waiting--
	}
}

// setDeadline is net.Conn's SetReadDeadline.
func (r *streamReader) setDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	r.deadline.set(t, &r.changed)
	return nil
}

// close ends reading, and the session if it lasts; it reports whether it was the first to.
func (r *streamReader) close() bool {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.deadline.stop()
	r.data.release()
	r.changed.Broadcast()
	r.mu.Unlock()
	if first {
		r.leave()
	}
	return first
}

// fromStart reports whether the stream began with its first octet.
func (r *streamReader) fromStart() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.whole
}
