package transfer

import (
	"fmt"
	"time"
)

// supervise runs the writer and the verifier, and draws the session's conclusion when all is settled, or nothing more comes.
func (in *inbox) supervise() {
	written, verified := make(chan struct{}), make(chan struct{})
	go func() {
		in.writer.run()
		close(written)
	}()
	go func() {
		in.verify.run()
		close(verified)
	}()
	select {
	case <-in.settledAll:
		in.conclude()
		<-written
		in.verify.close()
		<-verified
	case <-written:
		in.verify.close()
		<-verified
		in.keepComplete()
		in.conclude()
	}
}

// keepComplete saves the state of files that are whole but whose digest has not come.
func (in *inbox) keepComplete() {
	for _, seg := range in.segments {
		for _, p := range seg.parts {
			if p != nil && !p.over.Load() && p.opened && !p.existing && p.held.full() {
				_ = p.save(in.dest)
			}
		}
	}
}

// conclude does what remains when nothing more comes: what is not settled has failed; directories get their times; and what was renamed is
// made to last.
func (in *inbox) conclude() {
	in.mu.Lock()
	left := in.count - in.objects - in.failedN
	cause := in.cause
	dirs := in.dirs
	in.dirs = nil
	in.mu.Unlock()
	for i := len(dirs) - 1; i >= 0; i-- { // what is beneath comes after, and is done first
		if err := in.dest.finishDir(&dirs[i]); err != nil {
			in.mu.Lock()
			in.objects--
			in.problem(noObject, dirs[i].Name, err)
			in.mu.Unlock()
			in.note(Event{Kind: Failed, Name: dirs[i].Name, Dir: true, Err: err})
		}
	}
	err := in.dest.sync()
	in.mu.Lock()
	switch {
	case left > 0 || in.began.IsZero():
		err = cause
		in.failedN += left
	case err != nil:
		err = fmt.Errorf("transfer: the destination cannot be synced: %w", err)
	}
	in.err = err
	in.end = time.Now()
	in.reporter.finished = true
	in.reporter.news(in.end, heldDelay)
	s := in.summary()
	in.mu.Unlock()
	if s.Err != nil && left > 0 || in.began.IsZero() {
		in.note(Event{Kind: Failed, Err: err})
	}
	e := Event{Kind: Done, Objects: s.Objects, Bytes: s.Bytes, Total: in.total, Resumed: in.resumedN, Duration: s.Duration,
		Lost: s.Lost, Repaired: s.Repaired, Err: s.Err}
	if secs := s.Duration.Seconds(); secs > 0 {
		e.Rate = float64(s.Bytes-in.resumedN) / secs
	}
	in.note(e)
	close(in.concluded)
}
