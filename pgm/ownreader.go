package pgm

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
)

// ownReader reads a socket on the loop's own goroutine: between two batches it waits there. A goroutine that did nothing but read would have to
// be woken for each batch, and then wake the loop.
type ownReader struct {
	reader   netio.Interruptible // nil: there is none
	pool     *netio.Pool
	batch    *netio.Batch // the next that is read into; nil: none was to be had
	deadline time.Time    // the reader's, as far as the loop knows
	waiting  atomic.Bool  // the reader is to be interrupted when there is something else to do
}

// shortage is how long a loop that lacks memory to read into waits before it looks for some again. It is less than those who have it need to
// be done with all of it.
const shortage = time.Millisecond

// take makes r what the loop reads, if that can be interrupted.
func (o *ownReader) take(r netio.Reader, pool *netio.Pool) bool {
	reader, ok := r.(netio.Interruptible)
	if ok {
		o.reader, o.pool = reader, pool
	}
	return ok
}

// interrupt makes the loop look at what else there is. It may be called from any goroutine, after what the loop is to find is there.
func (o *ownReader) interrupt() {
	if o.waiting.Load() {
		_ = o.reader.SetReadDeadline(past) // fails only if the socket is closed
	}
}

// past is a time that has passed.
var past = time.Unix(1, 0)

// short reports whether there is a socket to be read, and no memory to read it into.
func (o *ownReader) short() bool { return o.reader != nil && !o.ready() }

// ready reports whether there is a socket to be read, and memory to read it into.
func (o *ownReader) ready() bool {
	if o.reader != nil && o.batch == nil {
		o.batch = o.pool.TryGet()
	}
	return o.batch != nil
}

// receive waits for a batch, until a time or an interruption.
func (l *loop) receive(until time.Time) *netio.Batch {
	o := &l.own
	if !until.Equal(o.deadline) {
		_ = o.reader.SetReadDeadline(until)
		o.deadline = until
	}
	// Who has something for the loop looks at waiting after that is there, and interrupts; or it was there before waiting was set, and is seen here.
	o.waiting.Store(true)
	defer o.waiting.Store(false)
	if len(l.arrived) > 0 || len(l.woken) > 0 || l.ended() {
		return nil
	}
	err := o.reader.ReadBatch(o.batch)
	switch {
	case err == nil:
		b := o.batch
		o.batch = nil
		return b
	case errors.Is(err, os.ErrDeadlineExceeded):
		o.deadline = time.Time{} // it has to be set again
	default:
		l.fail(err)
	}
	return nil
}
