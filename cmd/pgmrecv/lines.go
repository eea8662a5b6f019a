package main

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// maxMessage is the largest message that is received, in octets.
const maxMessage = 16 << 20

// receiveLines writes the messages of all sources to stdout, each as a line.
func receiveLines(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	n := newNarrator(o, stderr, stderr) // stdout has the data
	defer n.display.Close()
	ended, heard := make(chan error, 1), make(chan struct{}, 1)
	w := &lines{n: n, out: bufio.NewWriterSize(stdout, 256<<10)}
	w.ended = func(err error) {
		select {
		case ended <- err:
		default:
		}
	}
	w.heard = func() {
		select {
		case heard <- struct{}{}:
		default:
		}
	}
	r, err := pgm.NewReceiver(ctx, o.endpoint, o.config(n.display), pgm.ReceiverOptions{Accept: w.accept})
	if err != nil {
		n.failed(err)
		return console.ExitStatus(err)
	}
	n.display.Printf("listening on %v for messages", o.endpoint)
	switch err = waitForLines(ctx, o, r, heard, ended); {
	case err != nil && ctx.Err() != nil:
		// Not closed: standard output may be stuck, and the receiver with it.
		n.failed(ctx.Err())
		return console.ExitInterrupted
	case err != nil:
		n.failed(err)
	}
	r.Close()
	return console.ExitStatus(err)
}

// lines writes messages as lines. It is used by the goroutine of the receiver, which a slow standard output holds up: then the socket's
// buffer fills, and what does not fit is asked for again.
type lines struct {
	n     *narrator
	out   *bufio.Writer
	ended func(error) // is told what a session ended with, or what is wrong with standard output
	heard func()      // is told of each session; may be nil
}

// waitForLines returns when there is nothing more to do.
func waitForLines(ctx context.Context, o *options, r *pgm.Receiver, heard <-chan struct{}, ended <-chan error) error {
	var expired <-chan time.Time
	if o.timeout > 0 {
		t := time.NewTimer(o.timeout)
		defer t.Stop()
		expired = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.Done():
			return r.Err()
		case <-expired:
			return transfer.ErrTimeout
		case <-heard:
			expired = nil
		case err := <-ended:
			if o.once || isOutput(err) {
				return err
			}
		}
	}
}

func (w *lines) accept(s *receiver.Session) receiver.Sink {
	if w.heard != nil {
		w.heard()
	}
	source := s.TSI().String() + "@" + s.Source().Addr().String()
	w.n.report.Write(streamReport{Event: "began", Time: time.Now(), Source: source})
	return &lineSink{lines: w, source: source, apdus: receiver.Assembler{Max: maxMessage}}
}

// lineSink takes the messages of one source.
type lineSink struct {
	*lines
	source string
	apdus  receiver.Assembler
	bytes  int64
	losses few
	err    error
}

// Data writes the message that a packet completes.
func (s *lineSink) Data(d receiver.Data) bool {
	apdu, ok := s.apdus.Add(d)
	if !ok {
		return true
	}
	s.bytes += int64(len(apdu))
	s.out.Write(apdu)
	s.fail(s.out.WriteByte('\n'))
	return true
}

// Flush writes what a batch of packets brought.
func (s *lineSink) Flush(pgm.Lease) bool {
	s.fail(s.out.Flush())
	return false
}

func (s *lineSink) fail(err error) {
	if err != nil {
		s.ended(outputError(err))
	}
}

// Lost says that messages are missing.
func (s *lineSink) Lost(first, last packet.SQN) {
	s.apdus.Lost()
	lost := &pgm.LostError{First: first, Last: last}
	if s.err == nil {
		s.err = lost
	}
	s.n.report.Write(streamReport{Event: "lost", Time: time.Now(), Source: s.source, Error: lost.Error()})
	s.losses.say(s.n.display, "messages from %s: %v", s.source, lost)
}

// End says that the source is done.
func (s *lineSink) End(end receiver.End, reset packet.Reset) {
	s.fail(s.out.Flush())
	s.losses.rest(s.n.display, "loss")
	switch end {
	case receiver.Reset:
		s.err = &pgm.ResetError{Code: reset.Code}
	case receiver.Expired:
		s.err = pgm.ErrExpired
	}
	r := streamReport{Event: "done", Time: time.Now(), Source: s.source, Bytes: s.bytes}
	if s.err != nil {
		r.Error = s.err.Error()
		s.n.display.Printf("messages from %s: %v", s.source, s.err)
	}
	s.n.report.Write(r)
	s.ended(s.err)
}
