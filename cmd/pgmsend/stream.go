package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

// config returns the configuration of the sockets that the command line asks for.
func (o *options) config(n *narrator) pgm.Config {
	return pgm.Config{Trace: o.trace, Rate: int(o.rate), CC: o.cc, Slow: o.slow, TTL: o.ttl, MTU: o.mtu, FEC: o.fec, Logger: slog.New(console.NewLogHandler(n.display, o.verbose))}
}

// streamReport is what reports for machines say of a stream.
type streamReport struct {
	Event    string    `json:"event"` // began, done
	Time     time.Time `json:"time"`
	Session  string    `json:"session"`
	Bytes    int64     `json:"bytes"`
	Messages int64     `json:"messages,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"`
	ODATA    uint64    `json:"odata"`
	RDATA    uint64    `json:"rdata"`
	NAKs     uint64    `json:"naks"`
	Error    string    `json:"error,omitempty"`
}

// sendStream sends standard input, as octets or, with --lines, as messages.
func sendStream(ctx context.Context, o *options, stdin io.Reader, stdout, stderr io.Writer) int {
	n := newNarrator(o, stdout, stderr)
	defer n.display.Close()
	c := o.config(n)
	c.Source.Linger = o.linger
	conn, err := (&pgm.Dialer{Config: c}).DialContext(ctx, "", o.endpoint.String())
	if err != nil {
		return n.streamFailed(err)
	}
	r := streamReport{Event: "began", Time: time.Now(), Session: conn.TSI().String()}
	n.report.Write(r)
	if o.verbose {
		n.display.Printf("session %s to %v", r.Session, o.endpoint)
	}
	defer n.warnUnheard(conn).Stop()
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- n.copy(conn, stdin, &r) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err() // a read of standard input may never return
	}
	if err != nil {
		conn.Reset(0)
		farewell, cancel := context.WithTimeout(context.Background(), farewellTime)
		defer cancel()
		conn.CloseWait(farewell)
		return n.streamFailed(err)
	}
	if err := conn.CloseWait(ctx); err != nil {
		return n.streamFailed(err)
	}
	s := conn.Stats()
	r.Time = time.Now()
	r.Event, r.Seconds, r.ODATA, r.RDATA, r.NAKs = "done", time.Since(start).Seconds(), s.ODATA, s.RDATA, s.NAKs
	n.report.Write(r)
	if o.verbose {
		n.display.Printf("sent %s, %d packets, %d again", console.FormatSize(r.Bytes), r.ODATA, r.RDATA)
	}
	return console.ExitOK
}

// unheardTime is longer than PGMCC waits for an acknowledgement.
const unheardTime = 4 * time.Second

// warnUnheard says, after a while, that nobody acknowledges what PGMCC sends, which is slow then: receivers of other stacks seldom do. Receivers of
// files always do, so that there it is nobody who is there, and that is said anyway.
func (n *narrator) warnUnheard(conn *pgm.Conn) *time.Timer {
	return time.AfterFunc(unheardTime, func() {
		if s := conn.Stats(); n.o.cc == pgm.CCPGMCC && s.ODATA > 0 && s.Control.ACKs == 0 {
			n.display.Printf("no receiver acknowledges: without one, --cc pgmcc sends a packet each 3 s (--cc fixed --rate R needs none)")
		}
	})
}

// farewellTime is how long a session that failed goes on telling its receivers so.
const farewellTime = 200 * time.Millisecond

// maxLine bounds a line that is sent as one message.
const maxLine = 1 << 20

// copy sends what it reads until the end, and counts it in r.
func (n *narrator) copy(conn *pgm.Conn, in io.Reader, r *streamReport) error {
	if !n.o.lines {
		written, err := io.CopyBuffer(onlyWriter{conn}, in, make([]byte, 256<<10))
		r.Bytes = written
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		if _, err := conn.WriteMessage(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", r.Messages+1, err)
		}
		r.Messages++
		r.Bytes += int64(len(lines.Bytes()))
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %s", r.Messages+1, console.FormatSize(maxLine))
	}
	return lines.Err()
}

// onlyWriter hides every method but Write.
type onlyWriter struct{ io.Writer }

func (n *narrator) streamFailed(err error) int {
	n.report.Write(console.NewErrorReport(err))
	if errors.Is(err, context.Canceled) {
		n.display.Printf("interrupted: the receivers were told")
	} else {
		n.display.Printf("%s", console.Explain(err))
	}
	return console.ExitStatus(err)
}
