package transfer

import (
	"context"
	"errors"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// Loop drives the engine of a receiver: a pgm.Receiver over sockets, or what stands in its place for Replay. Its methods are safe for
// concurrent use, and mean what those of a pgm.Receiver do.
type Loop interface {
	Do(f func()) bool
	Close() error
	Done() <-chan struct{}
	Err() error
	Stats() pgm.ReceiverStats
}

// Replay receives files from what was recorded of their sessions, as Receive does from a group: with the same code from the engine's sinks
// on. Open makes the loop that is to drive the engine, whose sessions get their sinks from accept; what accept returns may be a pgm.Flusher.
// When accept is called, what was delivered before it must have been flushed: it waits for the conclusion of sessions that have ended.
//
// What was recorded cannot be asked for anything again, so all of it is used and nothing of what earlier runs have left: a file of the same
// name is replaced once the new one is verified. Replay returns when the loop is done. Of the options, Once and Timeout do not count.
//
// The Summary is never nil. The error is the context's or the destination's, or what the sessions stand for: ErrLost if one of them lacks
// packets; otherwise a ResetError, ErrSilent, ErrCut, or ErrFailed for the first that did not succeed; ErrNotTransfer only if none is of files.
func Replay(ctx context.Context, open func(accept func(*receiver.Session) receiver.Sink) (Loop, error), o ReceiveOptions) (*Summary, error) {
	o.Once, o.Timeout = false, 0
	o = o.withDefaults()
	r := &receiving{o: o, observer: observer{f: o.Observe}, replay: true, left: ErrCut}
	err := r.run(ctx, func() (Loop, error) { return open(r.accept) })
	if err == nil {
		err = r.outcome.err()
	}
	return &r.summary, err
}

// outcome is what the sessions so far stand for together.
type outcome struct {
	lost, first, foreign error
	any                  bool // one was of files
}

// add takes the outcome of one session.
func (o *outcome) add(err error) {
	switch {
	case errors.Is(err, ErrNotTransfer):
		o.foreign = err
		return
	case errors.Is(err, ErrLost) && o.lost == nil:
		o.lost = err
	case o.first == nil:
		o.first = err
	}
	o.any = true
}

// err returns the worst of them.
func (o *outcome) err() error {
	switch {
	case o.lost != nil:
		return o.lost
	case o.any:
		return o.first
	}
	return o.foreign
}

// clear waits for the conclusion of the sessions that have ended. A loop that replays is faster than what is done with what it delivers, and
// what ended before another session began may be of the same files.
func (r *receiving) clear() {
	for _, j := range r.sessions() {
		if j.in.ended {
			<-j.in.concluded
			r.leave(j)
		}
	}
}
