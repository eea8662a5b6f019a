package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// config returns the configuration of the sockets that the command line asks for.
func (o *options) config(d *console.Display) pgm.Config {
	c := pgm.Config{Drop: o.drop, Trace: o.trace, Logger: slog.New(console.NewLogHandler(d, o.verbose))}
	c.Receiver.Silent = o.oneWay
	if o.timeout > 0 {
		c.Receiver.PeerExpiry = o.timeout
	}
	return c
}

// streamReport is what reports for machines say of a stream.
type streamReport struct {
	Event  string    `json:"event"` // began, lost, done
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
	Bytes  int64     `json:"bytes"`
	Second float64   `json:"seconds,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// receiveStreams writes the stream of one source after the other to stdout. What other sources send meanwhile is not received.
func receiveStreams(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	n := newNarrator(o, stderr, stderr) // stdout has the data
	defer n.display.Close()
	l, err := (&pgm.ListenConfig{Config: o.config(n.display)}).Listen(ctx, "", o.endpoint.String())
	if err != nil {
		n.failed(err)
		return console.ExitStatus(err)
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	n.display.Printf("listening on %v for a stream", o.endpoint)
	for {
		if o.timeout > 0 {
			l.SetDeadline(time.Now().Add(o.timeout))
		}
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			n.failed(ctx.Err())
			return console.ExitInterrupted
		case errors.Is(err, os.ErrDeadlineExceeded):
			n.failed(transfer.ErrTimeout)
			return console.ExitFailure
		case err != nil:
			n.failed(err)
			return console.ExitStatus(err)
		}
		l.SetDeadline(time.Time{})
		stop := turnAway(ctx, l, n)
		err = n.stream(ctx, conn, stdout)
		stop()
		if ctx.Err() != nil {
			n.failed(ctx.Err())
			return console.ExitInterrupted
		}
		if o.once || isOutput(err) {
			return console.ExitStatus(err)
		}
	}
}

// errOutput is what is wrong with standard output: nothing more can be written.
var errOutput = errors.New("standard output")

func outputError(err error) error { return fmt.Errorf("%w: %w", errOutput, err) }

func isOutput(err error) bool { return errors.Is(err, errOutput) }

// stream writes what comes from one source to stdout.
func (n *narrator) stream(ctx context.Context, conn net.Conn, stdout io.Writer) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return n.write(ctx, conn, conn.RemoteAddr().String(), stdout)
}

// write writes a stream, or the content of the files that it is of, to stdout.
func (n *narrator) write(ctx context.Context, stream io.Reader, source string, stdout io.Writer) error {
	start := time.Now()
	if n.o.verbose {
		n.display.Printf("stream from %s", source)
	}
	n.report.Write(streamReport{Event: "began", Time: time.Now(), Source: source})
	w := &output{w: stdout}
	in := bufio.NewReaderSize(stream, 256<<10)
	var err error
	if transfer.IsTransfer(in) {
		err = transfer.DecodeStream(in, w)
		if reset := (*pgm.ResetError)(nil); errors.As(err, &reset) {
			err = &transfer.ResetError{Code: reset.Code} // which knows what the code means
		}
	} else {
		_, err = in.WriteTo(w)
		if n.o.replay != "" && (errors.Is(err, pgm.ErrExpired) || errors.Is(err, transfer.ErrCut)) {
			n.display.Printf("stream from %s: %v; nobody can tell whether there was more", source, err)
			err = nil
		}
	}
	if w.err != nil {
		err = outputError(w.err)
	}
	r := streamReport{Event: "done", Time: time.Now(), Source: source, Bytes: w.n, Second: time.Since(start).Seconds()}
	if err != nil && ctx.Err() == nil {
		r.Error = err.Error()
		n.display.Printf("stream from %s ended early, after %s: %s", source, console.FormatSize(w.n), console.Explain(err))
	}
	n.report.Write(r)
	return err
}

// output counts what is written, and keeps apart the errors that are its own.
type output struct {
	w   io.Writer
	n   int64
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.n += int64(n)
	if err != nil {
		o.err = err
	}
	return n, err
}

// turnAway refuses the sources that are heard while standard output belongs to another, until the function that it returns is called.
func turnAway(ctx context.Context, l *pgm.Listener, n *narrator) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.display.Printf("%v sends too, and is not received: standard output takes one stream at a time", conn.RemoteAddr())
			conn.Close()
		}
	}()
	return func() {
		l.SetDeadline(time.Unix(1, 0))
		<-done
		l.SetDeadline(time.Time{})
	}
}
