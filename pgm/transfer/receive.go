package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/receiver"
)

const (
	// maxTransfers is how many sessions are received at once; further ones are ignored until one is over. Each may have some dozens of
	// files open.
	maxTransfers = 16
	// minExpiry is the least silence after which a source is given up: less than the time between its SPMs would be rash.
	minExpiry = 3 * time.Second
)

// Receive receives the files of the sessions that it hears on the endpoint, and puts them beneath a directory. It returns when its
// context is done or, with Once, when one session is over. What is not complete by then is kept beside its final name, and taken up again
// when the same file is sent again.
//
// The Summary is never nil. Errors: that of the endpoint or the destination; ErrTimeout; the context's, unless it ended while nothing was
// being received; with Once also that of the session: a ResetError, ErrSilent, ErrLost, or ErrFailed if not all of its objects are there.
func Receive(ctx context.Context, ep pgm.Endpoint, c pgm.Config, o ReceiveOptions) (*Summary, error) {
	o = o.withDefaults()
	if o.Timeout > 0 && c.Receiver.PeerExpiry == 0 {
		c.Receiver.PeerExpiry = max(min(o.Timeout, defaultTimeout), minExpiry)
	}
	c.Receiver.Silent = c.Receiver.Silent || o.OneWay
	// What the source has, it has until the session ends: whoever is behind a narrow link, and is let fall behind, asks for longer than a
	// stream would be worth.
	if c.Receiver.NCFRetries == 0 {
		c.Receiver.NCFRetries = -1
	}
	if c.Receiver.DataRetries == 0 {
		c.Receiver.DataRetries = -1
	}
	r := &receiving{o: o, observer: observer{f: o.Observe}, left: errClosed}
	err := r.run(ctx, func() (Loop, error) {
		l, err := pgm.NewReceiver(ctx, ep, c, pgm.ReceiverOptions{Accept: r.accept})
		if err != nil {
			return nil, err // and not a Loop that is a nil pointer
		}
		return l, nil
	})
	return &r.summary, err
}

func (o ReceiveOptions) withDefaults() ReceiveOptions {
	if o.Dir == "" {
		o.Dir = "."
	}
	if o.Progress <= 0 {
		o.Progress = defaultProgress
	}
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	return o
}

// receiving is one call of Receive or Replay.
type receiving struct {
	o        ReceiveOptions
	observer observer
	replay   bool  // see Replay
	left     error // what a session ends with that the receiver leaves
	dest     *destination
	loop     Loop
	ready    chan struct{} // closed when loop is set: accept may be called before

	mu      sync.Mutex
	joined  []*joined // sessions that are being received
	crowded bool      // there was no room for another
	summary Summary
	outcome outcome
}

// joined is a session, and what is looked after besides its packets.
type joined struct {
	in       *inbox
	session  *receiver.Session
	meter    meter
	progress time.Time // when the next is due
}

func (r *receiving) run(ctx context.Context, open func() (Loop, error)) error {
	var err error
	if r.dest, err = openDestination(r.o.Dir); err != nil {
		return err
	}
	defer r.dest.close()
	r.ready = make(chan struct{})
	r.loop, err = open()
	close(r.ready)
	if err != nil {
		return err
	}
	if !r.replay {
		r.observer.note(Event{Kind: Listening})
	}
	err = r.steer(ctx)
	if ctx.Err() != nil && !r.replay {
		r.farewell()
	}
	r.loop.Close() // each session hears of its end
	r.summary.Receiver = r.loop.Stats()
	for _, j := range r.sessions() {
		<-j.in.concluded
		r.leave(j)
	}
	return err
}

// accept joins a session, on the loop's goroutine.
func (r *receiving) accept(s *receiver.Session) receiver.Sink {
	<-r.ready
	if r.replay {
		r.clear()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.joined) >= maxTransfers {
		if !r.crowded { // of those that come until there is room, one is told
			r.crowded = true
			err := fmt.Errorf("%d sessions are being received already: this one is ignored", maxTransfers)
			r.outcome.add(err)
			go r.observer.note(Event{Kind: Failed, Session: s.TSI().String(), Peer: s.Source().Addr().String(), Err: err})
		}
		return nil
	}
	s.Unordered()
	in := newInbox(s, r.loop.Do, r.dest, &r.observer)
	in.left, in.anew = r.left, r.replay
	if r.o.OneWay {
		in.mute()
	}
	in.tsi, in.from = s.TSI().String(), s.Source().Addr().String()
	j := &joined{in: in, session: s}
	r.joined = append(r.joined, j)
	return in
}

func (r *receiving) sessions() []*joined {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*joined(nil), r.joined...)
}

// leave notes what became of a session that is over, once.
func (r *receiving) leave(j *joined) SessionSummary {
	j.in.mu.Lock()
	s := j.in.summary()
	j.in.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.joined, j); i >= 0 {
		r.joined = slices.Delete(r.joined, i, i+1)
		r.crowded = false
		r.outcome.add(s.outcome())
		if len(r.summary.Sessions) == 2*MaxSessions {
			r.summary.Sessions = append(r.summary.Sessions[:0], r.summary.Sessions[MaxSessions:]...)
		}
		r.summary.Sessions = append(r.summary.Sessions, s)
	}
	return s
}

// steer looks after the sessions until it is enough.
func (r *receiving) steer(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	idle := time.Now() // since when there has been no session
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.loop.Done():
			return r.loop.Err()
		case <-tick.C:
		}
		now := time.Now()
		sessions := r.sessions()
		for _, j := range sessions {
			r.look(now, j)
			if !j.in.over() {
				continue
			}
			s := r.leave(j)
			r.loop.Do(j.session.Close) // there is nothing more to have
			idle = now
			if r.o.Once && !errors.Is(s.Err, ErrNotTransfer) {
				return s.outcome()
			}
		}
		if len(sessions) > 0 {
			idle = now
		} else if r.o.Timeout > 0 && now.Sub(idle) >= r.o.Timeout {
			return ErrTimeout
		}
	}
}

// outcome returns the error that the session stands for.
func (s *SessionSummary) outcome() error {
	if s.Err != nil {
		return s.Err
	}
	for _, p := range s.Problems {
		if errors.Is(p.Err, ErrLost) {
			return fmt.Errorf("%w: %s", ErrLost, quoteName(p.Name))
		}
	}
	if len(s.Problems) > 0 {
		p := s.Problems[0]
		return failure(p)
	}
	return nil
}

// look tells how far a session is, and the source what is here.
func (r *receiving) look(now time.Time, j *joined) {
	in := j.in
	r.loop.Do(func() {
		in.tick(now)
		n := j.session.Stats().Recovery
		in.lost.Store(n.Lost)
		in.repaired.Store(n.Recovered)
	})
	r.state(now, j)
	if now.Before(j.progress) {
		return
	}
	in.mu.Lock()
	over := in.began.IsZero() || !in.end.IsZero()
	total, objects, resumed, began := in.total, in.objects, in.resumedN, in.began
	in.mu.Unlock()
	if over {
		return
	}
	j.progress = now.Add(r.o.Progress)
	bytes := in.written.Load()
	rate := j.meter.add(now, bytes-resumed)
	in.note(Event{
		Kind: Progress, Bytes: bytes, Total: total, Resumed: resumed, Objects: objects, Duration: now.Sub(began), Rate: rate,
		ETA: eta(total-bytes, rate), Lost: in.lost.Load(), Repaired: in.repaired.Load(),
	})
}

// state tells the source of a session what is here, if that is due.
func (r *receiving) state(now time.Time, j *joined) {
	if body := j.in.state(now, r.o.Name, nil); len(body) > 0 {
		r.loop.Do(func() { j.session.Report(body) })
	}
}

// farewellTime is how long a receiver that is told to stop repeats that it leaves, if nobody acknowledges it.
const farewellTime = 300 * time.Millisecond

// farewell tells the sources of the sessions that are not over that this receiver leaves, so that they do not wait for it.
func (r *receiving) farewell() {
	begun := time.Now()
	sessions := slices.DeleteFunc(r.sessions(), func(j *joined) bool { return !j.in.takeLeave(begun) })
	for now := begun; now.Sub(begun) < farewellTime; now = time.Now() {
		sessions = slices.DeleteFunc(sessions, func(j *joined) bool { return j.in.said() })
		if len(sessions) == 0 {
			return
		}
		for _, j := range sessions {
			r.state(now, j)
		}
		select {
		case <-r.loop.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}
