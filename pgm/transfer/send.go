package transfer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// The intervals of Send that are not options.
const (
	// settle is between the records and the first block: heartbeats run meanwhile, so that a receiver which missed the records has them
	// before there is much that it cannot place.
	settle = 30 * time.Millisecond
	// noReceiverAfter is when to say that no receiver was heard.
	noReceiverAfter = 3 * time.Second
	// defaultTimeout and defaultLinger are those of SendOptions. lingerHeard is the linger when all that were heard have finished.
	defaultTimeout  = 30 * time.Second
	defaultLinger   = 2 * time.Second
	lingerHeard     = 300 * time.Millisecond
	defaultProgress = 500 * time.Millisecond
	// endLinger is how long the session remains after its end was announced, unless repairs are asked for; endPatience is how long that is
	// waited for when it was interrupted.
	endLinger   = 300 * time.Millisecond
	endPatience = time.Second
	// lookEvery is how often progress and receivers are looked at.
	lookEvery = 20 * time.Millisecond
)

// Send sends files and trees to whoever receives the endpoint's group, and returns when all that have said that they receive have
// finished, or have been silent for too long. Each path is a file, sent by its base name, or a directory, sent with all in it by
// names that begin with its own; "." and "/" are sent without one. Symbolic links and special files beneath are left out, and told of.
//
// The Summary is never nil. Errors: that of a path or of the endpoint; ErrNothing; ErrChanged if a file has shrunk, which resets the
// session; ErrMissing; ErrFailed if a file could not be sent, or a receiver could not take one; the context's.
func Send(ctx context.Context, ep pgm.Endpoint, c pgm.Config, paths []string, o SendOptions) (*Summary, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Progress <= 0 {
		o.Progress = defaultProgress
	}
	s := &sending{ctx: ctx, o: o, observer: observer{f: o.Observe}, news: make(chan struct{}, 1)}
	s.summary.Sessions = make([]SessionSummary, 1)
	err := s.run(ep, c, paths)
	s.summary.Sessions[0].Err = err
	return &s.summary, err
}

// sending is one call of Send.
type sending struct {
	ctx      context.Context
	o        SendOptions
	observer observer
	sender   *pgm.Sender
	store    *store
	ledger   *ledger
	news     chan struct{} // has an element when a receiver has stated something new

	start    time.Time
	opened   time.Time // when the objects were let go
	sent     time.Time // when the last packet had been sent
	complete int       // objects that Complete was told of
	meter    meter
	progress time.Time // when the next is due
	rounds   rounds
	slow     pgm.Slow
	fixed    bool      // the rate is nobody's to set
	lonely   time.Time // since when nobody is left who could finish; zero: someone is
	told     int       // receivers that the sender knows of

	mu      sync.Mutex
	summary Summary
}

func (s *sending) note(e Event) {
	if s.sender != nil {
		e.Session = s.sender.TSI().String()
	}
	s.observer.note(e)
}

// problem notes an object that is not, or not rightly, sent.
func (s *sending) problem(kind Kind, p Problem) {
	s.mu.Lock()
	r := &s.summary.Sessions[0]
	r.Failed++
	if len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, p)
	}
	s.mu.Unlock()
	s.note(Event{Kind: kind, Name: p.Name, Err: p.Err})
}

func (s *sending) run(ep pgm.Endpoint, c pgm.Config, paths []string) error {
	found, err := scanPaths(paths, func(p Problem) { s.problem(Refused, p) })
	if err != nil {
		return err
	}
	found.names = nil
	if c.Source.Linger == 0 {
		c.Source.Linger = endLinger
	}
	if s.o.OneWay {
		c = oneWay(c)
	}
	s.slow, s.fixed = c.Slow, c.CC == pgm.CCFixed
	var session SessionID
	rand.Read(session[:])
	var number [4]byte
	rand.Read(number[:])
	first := packet.SQN(binary.BigEndian.Uint32(number[:])) &^ (fec.MaxGroup - 1) // a group begins with it
	_, err = pgm.NewSender(s.ctx, ep, c, pgm.SenderOptions{
		NewStore: func(sender *pgm.Sender) (source.Store, error) {
			p, err := arrange(found.objects, found.total, sender.MaxTSDU(), session, first)
			if err != nil {
				return nil, err
			}
			for _, m := range p.records {
				m.OneWay = s.o.OneWay
			}
			s.sender = sender
			s.store = newStore(p, found, sender.Wake)
			s.ledger = newLedger(p, s.o.Expect, s.o.ExpectFrom)
			return s.store, nil
		},
		First: first, Join: true, Report: s.report, Lag: s.lag,
	})
	if err != nil {
		return err
	}
	s.start = time.Now()
	s.summary.Sessions[0].Session = s.sender.TSI().String()
	s.note(Event{Kind: Began, Objects: len(found.objects), Total: found.total})
	ctx, cancel := context.WithCancel(s.ctx)
	var hashing sync.WaitGroup
	hashing.Go(func() {
		s.store.hash(ctx, func(name string) { s.problem(Failed, Problem{name, ErrChanged}) })
	})
	err = s.steer()
	cancel()
	s.end(err)
	hashing.Wait()
	s.store.close()
	return s.conclude(err)
}

// report takes what a receiver states, on the loop's goroutine.
func (s *sending) report(from netip.AddrPort, body []byte) {
	acknowledge, news := s.ledger.take(time.Now(), from, body)
	if acknowledge != nil {
		s.sender.SendReport(from, acknowledge)
	}
	if news == nil {
		return
	}
	s.note(Event{Kind: Receipt, Peer: news.Addr, Receiver: news})
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// steer lets the objects go when it is time to, and returns when the session is to end: nil if it is to end properly.
func (s *sending) steer() error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	s.progress = s.start.Add(s.o.Progress)
	quiet, waiting := true, ""
	for {
		select {
		case <-s.ctx.Done():
			if s.o.OneWay && s.o.Rounds == 0 && !s.sent.IsZero() {
				return nil // it goes on until it is told to end
			}
			return s.ctx.Err()
		case <-s.store.failed:
			return s.store.failure().Err
		case <-s.sender.Done():
			if err := s.sender.Err(); err != nil {
				return err
			}
			return errors.New("transfer: the session ended early")
		case <-s.news:
		case <-tick.C:
		}
		now := time.Now()
		begun, finished := s.ledger.count()
		if begun != s.told {
			s.told = begun
			s.sender.SetReceivers(begun)
		}
		if quiet && !s.o.OneWay && now.Sub(s.start) >= noReceiverAfter {
			quiet = false
			s.unheard(begun)
		}
		s.look(now, begun, finished)
		missing := s.ledger.missing(!s.sent.IsZero())
		if text := strings.Join(missing, ", "); text != waiting && now.Sub(s.start) > settle+noReceiverAfter/4 && (s.opened.IsZero() || !s.sent.IsZero()) {
			if waiting = text; text != "" {
				s.note(Event{Kind: Waiting, Bytes: s.store.ahead.sent.Load(), Receivers: begun, Finished: finished, Expected: s.expected(), Missing: missing})
			}
		}
		switch {
		case s.opened.IsZero():
			switch {
			case len(missing) == 0 && now.Sub(s.start) >= settle:
				s.opened = now
				s.store.open()
			case now.Sub(s.start) >= s.o.Timeout:
				return fmt.Errorf("%w: not begun: %s", ErrMissing, strings.Join(missing, ", "))
			}
		case s.sent.IsZero():
			if err := s.alone(now, begun); err != nil {
				return err
			}
		case s.o.OneWay:
			if s.rounds.done(s) {
				return nil
			}
		case s.ledger.waiting(now, s.o.Timeout):
		case now.Sub(s.sent) >= s.linger(begun, missing):
			return nil
		}
	}
}

// expected returns how many receivers must finish.
func (s *sending) expected() int { return max(s.o.Expect, len(s.o.ExpectFrom)) }

// linger returns how long the session is to stay once all is sent, and all that have spoken have finished.
func (s *sending) linger(begun int, missing []string) time.Duration {
	switch {
	case s.expected() > 0 && len(missing) == 0:
		return 0 // those that matter have it
	case s.o.Linger != 0:
		return s.o.Linger
	case begun > 0:
		return lingerHeard
	}
	return defaultLinger
}

// look tells what has been sent since it looked last.
func (s *sending) look(now time.Time, begun, finished int) {
	for done := s.store.sentObjects(); s.complete < done; s.complete++ {
		o := &s.store.objects[s.complete]
		e := Event{Kind: Complete, Name: o.Name, Dir: o.Dir, Size: o.Size, Digest: s.store.digests[s.complete], Duration: now.Sub(s.start)}
		s.note(e)
	}
	all := s.store.sent.Load() == s.store.gate.Load() && !s.opened.IsZero()
	if all && s.sent.IsZero() {
		s.sent = now
		s.progress = now
		s.sender.Seal()
	}
	if now.Before(s.progress) {
		return
	}
	s.progress = now.Add(s.o.Progress)
	bytes := s.store.ahead.sent.Load()
	rate := s.meter.add(now, bytes)
	stats := s.sender.Stats()
	s.note(Event{
		Kind: Progress, Bytes: bytes, Total: s.store.total, Objects: s.complete, Duration: now.Sub(s.start), Rate: rate, ETA: eta(s.store.total-bytes, rate),
		Repaired: repairs(stats), Receivers: begun, Finished: finished, Expected: s.expected(), Flow: flow(stats),
	})
}

// repairs returns how many packets were sent because receivers asked for them: data, or parity.
func repairs(s pgm.SenderStats) uint64 { return s.RDATA + s.DemandParity }

// end ends the session: as it should, or by a reset that says why.
func (s *sending) end(err error) {
	patience := time.Duration(1<<63 - 1)
	switch {
	case err == nil:
		s.sender.Close()
	case s.store.failure() != nil:
		s.sender.Reset(ResetUnreadable)
		patience = endPatience
	case errors.Is(err, ErrMissing):
		s.sender.Reset(ResetMissing)
		patience = endPatience
	default:
		s.sender.Reset(ResetInterrupted)
		patience = endPatience
	}
	select {
	case <-s.sender.Done():
		return
	case <-time.After(patience):
	case <-s.ctx.Done():
		if err == nil { // the files are sent; a repair or two are not waited for any more
			break
		}
		select {
		case <-s.sender.Done():
			return
		case <-time.After(patience):
		}
	}
	s.sender.CloseNow()
}

// conclude fills the summary and decides whether all is well.
func (s *sending) conclude(err error) error {
	stats := s.sender.Stats()
	s.summary.Source = stats
	end := s.sent
	if end.IsZero() {
		end = time.Now()
	}
	s.mu.Lock()
	r := &s.summary.Sessions[0]
	r.Objects, r.Bytes = s.store.sentObjects(), s.store.ahead.sent.Load()
	r.Wire, r.Repaired, r.Duration = stats.Sent, repairs(stats), end.Sub(s.start)
	// That a link is left out is as it should be.
	failed := slices.IndexFunc(r.Problems, func(p Problem) bool { return !errors.Is(p.Err, ErrKind) })
	s.mu.Unlock()
	s.summary.Receivers = s.ledger.summaries()
	s.summary.Missing = s.ledger.missing(true)
	switch {
	case err != nil:
	case len(s.summary.Missing) > 0:
		err = fmt.Errorf("%w: %s", ErrMissing, strings.Join(s.summary.Missing, ", "))
	case failed >= 0:
		err = failure(r.Problems[failed])
	case s.ledger.failed():
		err = fmt.Errorf("%w: a receiver could not take all of them", ErrFailed)
	}
	begun, finished := s.ledger.count()
	e := Event{
		Kind: Done, Objects: r.Objects, Bytes: r.Bytes, Total: s.store.total, Duration: r.Duration, Repaired: r.Repaired,
		Receivers: begun, Finished: finished, Expected: s.expected(), Missing: s.summary.Missing, Err: err,
	}
	if secs := r.Duration.Seconds(); secs > 0 {
		e.Rate = float64(r.Bytes) / secs
	}
	s.note(e)
	return err
}
