package pgm

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// writer is the half of a Conn or PacketConn that is written: a transmit window in memory, which any goroutine fills and the
// Sender's empties. It is the Store of the Sender.
type writer struct {
	sender  *Sender
	backlog int // octets that may wait to be sent

	life    sync.Mutex // guards the steps of the Sender's life
	started atomic.Bool
	over    bool // closed or abandoned

	mu       sync.Mutex
	changed  sync.Cond // room, a turn, the end, a deadline
	memory   *source.Memory
	busy     bool // a Write is at work: others wait for their turn, so that what one writes stays together
	waiting  int
	closed   bool
	deadline deadline
}

const (
	// backlogTime is how much of the rate may wait to be sent: enough to keep the source busy while its writer is not, and not so much
	// that what is written leaves a long time later, or that little of the window is left for repairs.
	backlogTime = 50 * time.Millisecond
	minBacklog  = 256 << 10
	// maxMessage is the longest message, in octets: what a receiver takes whatever its ReadBuffer is.
	maxMessage = 1 << 20
	// smallPacket is the size of the packets with which the window holds fewer octets than it may.
	smallPacket = 512
)

// newWriter returns the writer to a Sender whose sockets are open; it is not started. Stream says that it is for a stream of octets, which
// is worth to have from its beginning.
func newWriter(s *Sender, stream bool) *writer {
	rate := s.config.rate(s.conn.Interface())
	window := s.config.window(rate)
	w := &writer{sender: s, backlog: window / 4}
	if rate > 0 {
		w.backlog = min(w.backlog, int(float64(rate)*backlogTime.Seconds()))
	}
	w.backlog = min(max(w.backlog, minBacklog), window/2)
	w.changed.L = &w.mu
	w.memory = source.NewMemory(source.MemoryConfig{
		MaxTSDU: s.maxTSDU, Syn: stream, Window: window, Backlog: w.backlog, Keep: s.config.keep(),
		Packets: max(source.DefaultPackets, window/smallPacket),
	})
	return w
}

// start has the Sender begin, unless it has. It advertises OPT_JOIN: otherwise nobody could have its first packet repaired, without which
// receivers do not know that there is a session.
func (w *writer) start() error {
	if w.started.Load() {
		return nil
	}
	w.life.Lock()
	defer w.life.Unlock()
	switch {
	case w.over:
		return net.ErrClosed
	case w.started.Load():
		return nil
	}
	if err := w.sender.start(SenderOptions{Store: w, Join: true}); err != nil {
		return err
	}
	w.started.Store(true)
	go w.watch()
	return nil
}

// watch wakes those who wait when the Sender has ended.
func (w *writer) watch() {
	<-w.sender.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.deadline.stop()
	w.changed.Broadcast()
}

// enter waits for the turn of a Write, and reports why there is none. The caller holds the lock, and calls leave.
func (w *writer) enter() error {
	for w.busy && w.state() == nil {
		w.pause()
	}
	if err := w.state(); err != nil {
		return err
	}
	w.busy = true
	return nil
}

func (w *writer) leave() {
	w.busy = false
	if w.waiting > 0 {
		w.changed.Broadcast()
	}
}

// state returns why nothing can be written; nil if that is not so.
func (w *writer) state() error {
	switch {
	case w.closed:
		if err := w.sender.Err(); err != nil {
			return err
		}
		return net.ErrClosed
	case w.deadline.passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (w *writer) pause() {
	w.waiting++
	w.changed.Wait()
	w.waiting--
}

// stream writes octets, waiting for room for them.
func (w *writer) stream(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.enter(); err != nil {
		return 0, err
	}
	defer w.leave()
	for {
		idle := w.memory.Backlog() == 0
		k, err := w.memory.Write(p[n:])
		n += k
		if idle && k > 0 { // else the engine has something to send, and will see this too
			w.sender.Wake()
		}
		if !errors.Is(err, source.ErrFull) {
			return n, err
		}
		w.pause()
		if err := w.state(); err != nil {
			return n, err
		}
	}
}

// longest returns the longest message that can be written, in octets.
func (w *writer) longest() int { return min(w.backlog, maxMessage) }

// message writes a message, waiting for room for it.
func (w *writer) message(p []byte) (n int, err error) {
	if len(p) > w.longest() {
		return 0, ErrTooLong
	}
	if err := w.start(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.enter(); err != nil {
		return 0, err
	}
	defer w.leave()
	for {
		idle := w.memory.Backlog() == 0
		err := w.memory.WriteAPDU(p)
		switch {
		case err == nil:
			if idle {
				w.sender.Wake()
			}
			return len(p), nil
		case !errors.Is(err, source.ErrFull):
			return 0, err
		}
		w.pause()
		if err := w.state(); err != nil {
			return 0, err
		}
	}
}

// close ends writing and has the Sender send what there is, and then its end. It reports whether it was the first to.
func (w *writer) close() bool { return w.end(func() { w.sender.Close() }) }

// reset ends writing and has the Sender give up.
func (w *writer) reset(code uint8) bool { return w.end(func() { w.sender.Reset(code) }) }

func (w *writer) end(how func()) bool {
	w.mu.Lock()
	w.closed = true
	w.deadline.stop()
	w.changed.Broadcast()
	w.mu.Unlock()
	w.life.Lock()
	defer w.life.Unlock()
	first := !w.over
	w.over = true
	switch {
	case !first:
	case w.started.Load():
		how()
	default:
		w.sender.abandon()
	}
	return first
}

// wait waits until the Sender is done, after close.
func (w *writer) wait(ctx context.Context) error {
	if !w.started.Load() {
		return nil
	}
	select {
	case <-w.sender.Done():
		return w.sender.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setDeadline is net.Conn's SetWriteDeadline.
func (w *writer) setDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	w.deadline.set(t, &w.changed)
	return nil
}

// Load implements source.Store.
func (w *writer) Load(first packet.SQN, dst []source.TSDU) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.memory.Load(first, dst)
	if w.waiting > 0 {
		w.changed.Broadcast()
	}
	return n, err
}

// Next implements source.Store.
func (w *writer) Next() packet.SQN {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory.Next()
}

// Skip implements source.Skipper.
func (w *writer) Skip(from, to packet.SQN) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory.Skip(from, to)
}

// Trail implements source.Store.
func (w *writer) Trail() packet.SQN {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.memory.Trail()
}

// Age implements source.Ager.
func (w *writer) Age(now time.Time, next packet.SQN) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory.Age(now, next)
}
