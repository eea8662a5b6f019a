package conformance

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// ReplayConfig says what becomes of what a Replay hears.
type ReplayConfig struct {
	// Accept is called when a session is heard for the first time, and returns what takes its data, nil to ignore it. It is called, as its
	// Sinks are, on the goroutine of Run, which they may hold up. A Sink may be a pgm.Flusher; what was delivered before Accept is
	// called has been flushed.
	Accept func(*receiver.Session) receiver.Sink
	// PeerExpiry is the silence, in the time of the capture, after which a session is over; default 30 s.
	PeerExpiry time.Duration
}

// Replay drives receivers over a capture, in the time of the capture: they deliver what a receiver would have that heard what is in it, and
// send nothing. What is missing in the capture is lost. When the capture ends, sessions that do not are closed.
//
// Run drives; the other methods may be called from any goroutine. They are those of pgm.Receiver, so that a Replay can stand in its place.
type Replay struct {
	c        ReplayConfig
	sinks    pgm.Flushers
	groups   map[group]*receiver.Receiver
	order    []*receiver.Receiver
	last     group // of the packet before
	engine   *receiver.Receiver
	now      time.Time // of the capture; it does not go back
	looked   time.Time // when timeouts were looked for
	current  *batch    // being delivered
	packet   []byte    // of it, the one at which the engines are
	open     int       // sessions
	unheard  uint64
	stats    atomic.Pointer[receiver.Stats]
	stop     chan struct{}
	stopOnce sync.Once
	done     chan struct{}

	mu       sync.Mutex
	commands []func()
	ended    bool
}

// group is one group and port: what one engine hears.
type group struct {
	addr netip.Addr
	port uint16
}

// The bounds of a Replay. Packets of groups and sessions beyond them are not delivered, and counted.
const (
	replayGroups   = 64
	replaySessions = 64      // at once
	replayWindow   = 1 << 15 // packets held in an ordered session: as many as a receiver that repairs ever holds
	replayHeld     = 1 << 16 // in all of them: beyond, those that hold most give up what they wait for
	replayBatches  = 8
)

// NewReplay returns a Replay that waits for Run.
func NewReplay(c ReplayConfig) *Replay {
	r := &Replay{c: c, groups: map[group]*receiver.Receiver{}, stop: make(chan struct{}), done: make(chan struct{})}
	r.stats.Store(new(receiver.Stats))
	return r
}

// Run delivers the packets that next returns, which reads them on a goroutine of its own, until it returns an error or Close is called. It
// returns that error, nil for io.EOF and after Close. It is to be called once. After Close a call of next may go on: a read that waits cannot be
// taken back.
func (r *Replay) Run(next func(*pcap.Packet) error) error {
	defer close(r.done)
	full, free := make(chan *batch, replayBatches), make(chan *batch, replayBatches)
	for range replayBatches {
		free <- &batch{free: free}
	}
	failed := make(chan error, 1)
	go func() {
		failed <- r.read(next, full, free)
		close(full)
	}()
	err := r.drive(full, failed)
	r.mu.Lock()
	r.ended, r.commands = true, nil
	r.mu.Unlock()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// read fills batches with what next returns.
func (r *Replay) read(next func(*pcap.Packet) error, full, free chan *batch) error {
	var p pcap.Packet
	for {
		var b *batch
		select {
		case b = <-free:
		case <-r.stop:
			return nil
		}
		b.reset()
		for {
			err := next(&p)
			if err != nil {
				full <- b
				return err
			}
			if b.add(&p) {
				break
			}
			select {
			case <-r.stop:
				return nil
			default:
			}
		}
		full <- b // there is room for every batch
	}
}

// drive is the loop.
func (r *Replay) drive(full chan *batch, failed chan error) error {
	for {
		select {
		case <-r.stop:
			r.end()
			return nil
		default:
		}
		select {
		case <-r.stop:
		case b, ok := <-full:
			if !ok {
				for _, e := range r.order {
					e.Sessions(func(s *receiver.Session) { s.GiveUp() })
				}
				r.end()
				return <-failed
			}
			r.deliver(b)
			r.run()
		}
	}
}

// run calls the commands that wait.
func (r *Replay) run() {
	r.mu.Lock()
	commands := r.commands
	r.commands = nil
	r.mu.Unlock()
	for _, f := range commands {
		f()
	}
	r.sinks.Flush(pgm.NoLease{})
	r.publish()
}

// end closes what is still open.
func (r *Replay) end() {
	r.sinks.Flush(pgm.NoLease{})
	for _, e := range r.order {
		e.Sessions(func(s *receiver.Session) { s.Close() })
	}
	r.run()
}

// publish makes the counters of all engines visible.
func (r *Replay) publish() {
	all := &receiver.Stats{Refused: r.unheard}
	sum := reflect.ValueOf(all).Elem()
	for _, e := range r.order {
		one := reflect.ValueOf(e.Stats())
		for i := range sum.NumField() {
			sum.Field(i).SetUint(sum.Field(i).Uint() + one.Field(i).Uint())
		}
	}
	r.stats.Store(all)
}

// deliver gives a batch to the engines.
func (r *Replay) deliver(b *batch) {
	b.Retain()
	r.current = b
	for i := range b.packets {
		p := &b.packets[i]
		if p.at.After(r.now) {
			r.now = p.at
		}
		if r.now.Sub(r.looked) >= time.Millisecond {
			r.timeouts()
		}
		r.packet = p.data
		if e := r.find(group{p.to, p.port}); e != nil {
			_ = e.HandlePacket(r.now, p.from, p.data) // counted by cause
		} else {
			r.unheard++
		}
	}
	r.relieve()
	r.sinks.Flush(b)
	r.current = nil
	b.Release()
}

// relieve has the sessions that hold most behind what is missing give that up, until not too much is held.
func (r *Replay) relieve() {
	for {
		var most *receiver.Session
		held := 0
		for _, e := range r.order {
			e.Sessions(func(s *receiver.Session) {
				if held += s.Held(); most == nil || s.Held() > most.Held() {
					most = s
				}
			})
		}
		if held <= replayHeld {
			return
		}
		most.GiveUp()
	}
}

// timeouts has the engines do what was due by now.
func (r *Replay) timeouts() {
	r.looked = r.now
	for _, e := range r.order {
		for next := e.NextTimeout(); !next.IsZero() && !next.After(r.now); next = e.NextTimeout() {
			e.HandleTimeout(next)
		}
	}
}

// find returns the engine that hears g, nil if there are too many.
func (r *Replay) find(g group) *receiver.Receiver {
	if r.engine != nil && g == r.last {
		return r.engine
	}
	e := r.groups[g]
	if e == nil {
		if len(r.groups) == replayGroups {
			return nil
		}
		var err error
		if e, err = receiver.New(receiver.Config{
			Dest: g.port, Group: netip.AddrPortFrom(g.addr, g.port), Passive: true, PeerExpiry: r.c.PeerExpiry, Accept: r.accept,
			Window: replayWindow, MaxSessions: replaySessions, Rand: rand.New(rand.NewPCG(1, 1)), // of which nothing that is delivered depends
		}); err != nil {
			return nil
		}
		r.groups[g] = e
		r.order = append(r.order, e)
	}
	r.last, r.engine = g, e
	return e
}

func (r *Replay) accept(_ time.Time, s *receiver.Session) receiver.Sink {
	if r.current != nil {
		r.sinks.Flush(r.current)
	}
	if r.open >= replaySessions {
		r.unheard++
		return nil
	}
	sink := r.sinks.Sink(r.c.Accept(s))
	if sink == nil {
		return nil
	}
	r.open++
	return &openSink{sink, r}
}

// openSink stands before the sink of a session, and notes its end.
type openSink struct {
	receiver.Sink
	r *Replay
}

// Event passes on what the source said of its session.
func (o *openSink) Event(e receiver.Event) {
	if observer, ok := o.Sink.(receiver.Observer); ok {
		observer.Event(e)
	}
}

// Decode has parity decoded, where the sink can.
func (o *openSink) Decode(j *fec.Job) bool {
	decoder, ok := o.Sink.(receiver.Decoder)
	return ok && decoder.Decode(j)
}

// End makes room for another session.
func (o *openSink) End(why receiver.End, reset packet.Reset) {
	o.r.open--
	o.Sink.End(why, reset)
}

// Do has f called soon on the goroutine of Run. It reports false when the replay is over.
func (r *Replay) Do(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.commands = append(r.commands, f)
	return true
}

// Close ends the replay, and waits until Run has closed all sessions.
func (r *Replay) Close() error {
	r.stopOnce.Do(func() { close(r.stop) })
	<-r.done
	return nil
}

// Done is closed when Run is about to return.
func (r *Replay) Done() <-chan struct{} { return r.done }

// Err returns nil: what is wrong with the capture is what Run returns.
func (r *Replay) Err() error { return nil }

// Stats returns the counters of the receivers. Refused is not 0 if there was no room for some of the sessions or groups.
func (r *Replay) Stats() pgm.ReceiverStats { return pgm.ReceiverStats{Stats: *r.stats.Load()} }
