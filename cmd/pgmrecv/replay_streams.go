package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/gopgm/gopgm/conformance"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// play replays a tape until it ends or the context does. In the latter case what is under way is left alone: standard output may be stuck, and
// the replay with it.
func (t *tape) play(ctx context.Context, r *conformance.Replay) error {
	go r.Run(t.next) // the tape keeps what is wrong with it
	select {
	case <-r.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replayStreams writes the streams of a capture to stdout, one after the other. What begins while another lasts is not written.
func replayStreams(ctx context.Context, o *options, t *tape, n *narrator, stdout io.Writer) error {
	s := &streams{n: n, ctx: ctx, stdout: stdout}
	r := conformance.NewReplay(conformance.ReplayConfig{Accept: s.accept, PeerExpiry: o.timeout})
	s.replay = r
	if err := t.play(ctx, r); err != nil {
		return err
	}
	s.others.rest(n.display, "source")
	return worse(s.worst, n.unheard(r))
}

// streams are those of a capture. They belong to the goroutine of the replay.
type streams struct {
	n      *narrator
	ctx    context.Context
	stdout io.Writer
	replay *conformance.Replay
	open   *streamSink // the one that standard output belongs to
	others few
	worst  error
}

func (s *streams) accept(session *receiver.Session) receiver.Sink {
	from := pgm.Addr{TSI: session.TSI(), AddrPort: session.Source()}.String()
	switch {
	case isOutput(s.worst):
		return nil
	case s.open != nil:
		s.others.say(s.n.display, "%s sends too, and is not written: standard output takes one stream at a time", from)
		return nil
	}
	r, w := io.Pipe()
	k := &streamSink{
		streams: s, session: session, source: from, begun: s.replay.Beginning(),
		pipe: w, out: bufio.NewWriterSize(w, 256<<10), done: make(chan error, 1),
	}
	s.open = k
	go func() {
		err := s.n.write(s.ctx, r, from, s.stdout)
		r.Close() // what still comes is of no use
		k.done <- err
	}()
	return k
}

// streamSink takes one stream, and hands it over a pipe to who writes it.
type streamSink struct {
	*streams
	session *receiver.Session
	source  string
	pipe    *io.PipeWriter
	out     *bufio.Writer
	done    chan error
	err     error // how the stream ended
	begun   bool  // something was written, or the capture has the beginning: what is lost from now on breaks the stream
	absent  *pgm.LostError
}

// Data writes a packet.
func (k *streamSink) Data(d receiver.Data) bool {
	if k.err != nil || k.absent != nil && !k.begin(d) {
		return true
	}
	k.begun = true
	if _, err := k.out.Write(d.TSDU); err != nil {
		k.stop(err)
	}
	return true
}

// Lost breaks the stream, as it does for who listens. But a capture that begins in mid-session cannot have what its source offers to
// those who join late and ask.
func (k *streamSink) Lost(first, last packet.SQN) {
	switch lost := (&pgm.LostError{First: first, Last: last}); {
	case k.begun:
		k.stop(lost)
	case k.absent == nil:
		k.absent = lost
	default:
		k.absent.Last = last
	}
}

// begin has the stream begin with d, if it is data that was sent while the capture was taken and not the repair of something older.
func (k *streamSink) begin(d receiver.Data) bool {
	if d.Repaired {
		return false
	}
	k.absent.Last = d.SQN - 1
	k.n.report.Write(streamReport{Event: "lost", Time: time.Now(), Source: k.source, Error: k.absent.Error()})
	k.n.display.Printf("stream from %s: the capture begins in mid-session, and the stream with packet %v: it lacks %v to %v",
		k.source, d.SQN, k.absent.First, k.absent.Last)
	k.absent = nil
	return true
}

// stop ends the stream before the session does.
func (k *streamSink) stop(err error) {
	if k.err == nil {
		k.err = err
		k.session.Close()
	}
}

// End ends the stream, and waits until it is written.
func (k *streamSink) End(end receiver.End, reset packet.Reset) {
	if k.err == nil {
		switch end {
		case receiver.Reset:
			k.err = &pgm.ResetError{Code: reset.Code}
		case receiver.Expired:
			k.err = pgm.ErrExpired
		case receiver.Closed:
			k.err = transfer.ErrCut
		}
	}
	k.out.Flush()
	k.pipe.CloseWithError(k.err) // nil is io.EOF
	k.worst = worse(k.worst, <-k.done)
	k.open = nil
}

// replayLines writes the messages of a capture to stdout, each as a line.
func replayLines(ctx context.Context, o *options, t *tape, n *narrator, stdout io.Writer) error {
	var worst, broken error
	w := &lines{n: n, out: bufio.NewWriterSize(stdout, 256<<10)}
	r := conformance.NewReplay(conformance.ReplayConfig{Accept: w.accept, PeerExpiry: o.timeout})
	w.ended = func(err error) {
		switch {
		case isOutput(err):
			if broken == nil {
				broken = err
				go r.Close() // nothing more can be written
			}
		case !errors.Is(err, pgm.ErrExpired): // a source may fall silent when it has said everything
			worst = worse(worst, err)
		}
	}
	if err := t.play(ctx, r); err != nil {
		return err
	}
	if broken != nil {
		n.failed(broken)
		return broken
	}
	return worse(worst, n.unheard(r))
}
