package pgm

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
)

// loop is what the goroutine that owns an engine needs besides the engine: sockets, the goroutines that read them, a clock to sleep
// by, and a way for other goroutines to reach it. Sender and Receiver drive an engine with it in the same way:
//
//	for {
//		commands, datagrams and timeouts go into the engine
//		what the engine wants sent goes out
//		sleep until the next of them
//	}
type loop struct {
	conn    netio.Conn
	log     *slog.Logger
	trace   *tracer // nil: nobody wants to see what goes through the sockets
	precise bool    // the clock is the system's, and short sleeps may be exact

	readers sync.WaitGroup
	arrived chan *netio.Batch // from the goroutines
	own     ownReader         // what this one reads
	stop    chan struct{}     // closed when the loop is to end at once
	done    chan struct{}     // closed when it has ended and everything is released
	stopped sync.Once

	woken    chan struct{} // has one element when there are commands or news
	mu       sync.Mutex
	commands []func(now time.Time)
	refuse   bool // the loop has ended: no more commands
	err      error

	out       *packet.Batch
	messages  []netio.Message
	timer     *time.Timer
	checkAt   time.Time // when to look after the interface
	failing   int       // how many looks in a row have failed
	complain  time.Time // when the log may get a line again
	published time.Time // when statistics were last made visible

	dropped atomic.Uint64 // datagrams that Config.Drop discarded
	unsent  atomic.Uint64 // messages that a socket refused
}

const (
	// maxCommands bounds the commands that wait.
	maxCommands = 1 << 16
	// checkEvery is how often the interface is looked after, and checkPatience how many failures in a row end the session: an
	// interface that was taken down for a moment does not.
	checkEvery    = time.Second
	checkPatience = 3
	// shortest is the shortest wait that is left to a timer of the runtime, which may be a millisecond late.
	shortest = 1500 * time.Microsecond
	// floor is the least time that a loop sleeps before it looks again at an engine that had nothing to send.
	floor = 20 * time.Microsecond
	// statsEvery bounds the age of statistics while a loop is busy.
	statsEvery = 10 * time.Millisecond
	// slabSize is the room for what is sent in one go: four messages of the largest size, which stay in a second-level cache.
	slabSize = 4 * packet.MaxRun
)

// init prepares the loop. Batches is how many batches of received datagrams may be in use at once; own, whether the loop reads the group's
// socket itself.
func (l *loop) init(c Config, conn netio.Conn, batches int, own bool) {
	l.conn, l.log, l.trace = conn, c.Logger, newTracer(c, conn)
	l.precise = c.open == nil
	l.arrived = make(chan *netio.Batch, batches)
	l.stop, l.done = make(chan struct{}), make(chan struct{})
	l.woken = make(chan struct{}, 1)
	l.out = packet.NewBatch(slabSize)
	l.out.RouterAlert = conn.AlertOverhead() > 0
	l.timer = time.NewTimer(time.Hour)
	l.checkAt = time.Now().Add(checkEvery)
	pool := netio.NewPool(batches)
	for _, r := range conn.Readers() {
		if own && r.Multicast() && l.own.take(r, pool) {
			continue
		}
		l.readers.Go(func() { l.read(r, pool) })
	}
}

// read hands what one socket receives to the loop.
func (l *loop) read(r netio.Reader, pool *netio.Pool) {
	for {
		b, err := pool.Get(l.stop)
		if err != nil {
			return
		}
		if err := r.ReadBatch(b); err != nil {
			b.Release()
			if !errors.Is(err, net.ErrClosed) {
				l.fail(err)
			}
			return
		}
		l.arrived <- b // there is room for every batch of the pool
		l.own.interrupt()
	}
}

// wake makes the loop look at its engine.
func (l *loop) wake() {
	select {
	case l.woken <- struct{}{}:
		l.own.interrupt()
	default:
	}
}

// do has the loop call f soon. It reports false when the loop has ended, or far too many calls wait.
func (l *loop) do(f func(now time.Time)) bool {
	l.mu.Lock()
	ok := !l.refuse && len(l.commands) < maxCommands
	if ok {
		l.commands = append(l.commands, f)
	}
	l.mu.Unlock()
	if ok {
		l.wake()
	}
	return ok
}

// note keeps the first of the errors that end a session.
func (l *loop) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// fail ends the loop at once, because of err; nil is for an end that was asked for.
func (l *loop) fail(err error) {
	l.note(err)
	l.stopped.Do(func() { close(l.stop) })
	l.own.interrupt()
}

// failure returns why the loop ended, nil if it was asked to or has not.
func (l *loop) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// run calls the commands that wait and reports whether there were any.
func (l *loop) run(now time.Time) bool {
	l.mu.Lock()
	commands := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, f := range commands {
		f(now)
	}
	return len(commands) > 0
}

// transmit sends what is in l.out and reports whether there was anything.
func (l *loop) transmit(now time.Time) bool {
	if len(l.out.Messages) == 0 {
		return false
	}
	l.messages = l.messages[:0]
	for i := range l.out.Messages {
		m := &l.out.Messages[i]
		l.messages = append(l.messages, netio.Message{To: m.To, TTL: m.TTL, Alert: m.Alert, SegmentSize: m.Size, Data: m.Data})
	}
	l.out.Reset()
	for rest := l.messages; len(rest) > 0; {
		n, err := l.conn.WriteBatch(rest)
		if l.trace != nil {
			l.trace.sent(now, rest[:n])
		}
		if err == nil {
			break
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
		// The network takes losses in its stride, so a message that cannot be sent is one more; what is behind it may fare better.
		l.unsent.Add(1)
		l.warn(now, "cannot send", err)
		rest = rest[min(n+1, len(rest)):]
	}
	return true
}

// warn writes a line to the log, at most one a second.
func (l *loop) warn(now time.Time, message string, err error) {
	if now.Before(l.complain) {
		return
	}
	l.complain = now.Add(time.Second)
	l.log.Warn("pgm: "+message, "interface", l.conn.Interface().Name, "err", err)
}

// check looks after the interface when it is time to, and ends the loop when that is gone.
func (l *loop) check(now time.Time) {
	if now.Before(l.checkAt) {
		return
	}
	l.checkAt = now.Add(checkEvery)
	err := l.conn.Check()
	if err == nil {
		l.failing = 0
		return
	}
	l.warn(now, "interface", err)
	if l.failing++; l.failing >= checkPatience {
		l.fail(fmt.Errorf("pgm: %w", err))
	}
}

// wait sleeps until next, the zero time being never, or until something comes: a batch, which it returns, a command, or the end. Before it
// sleeps, it looks at all of them. A short sleep that is to be exact is not ended by what comes.
func (l *loop) wait(now, next time.Time, exact bool) *netio.Batch {
	if len(l.arrived) > 0 { // only this goroutine takes from it
		return <-l.arrived
	}
	if len(l.woken) > 0 {
		<-l.woken
		return nil
	}
	until := l.checkAt
	if !next.IsZero() && next.Before(until) {
		until = next
	}
	// The engine has just been asked for all that it may send, so a time that has passed means that it wants to be asked again: soon, but
	// not at the price of a whole processor.
	d := max(until.Sub(now), floor)
	if d < shortest && exact && l.precise {
		netio.Sleep(d)
		return nil
	}
	switch {
	case l.own.ready():
		return l.receive(now.Add(d))
	case l.own.reader != nil:
		d = min(d, shortage)
	}
	l.timer.Reset(d)
	select {
	case b := <-l.arrived:
		return b
	case <-l.woken:
	case <-l.timer.C:
	case <-l.stop:
	}
	return nil
}

// ended reports whether the loop is to end at once.
func (l *loop) ended() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// close releases what the loop has, and tells those who wait for it.
func (l *loop) close() {
	l.stopped.Do(func() { close(l.stop) })
	l.conn.Close()
	l.readers.Wait()
	l.timer.Stop()
	l.mu.Lock()
	l.refuse, l.commands = true, nil
	l.mu.Unlock()
	close(l.done)
}

// newRand returns a generator with a seed of its own.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }
