package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// receiveFiles receives files beneath a directory.
func receiveFiles(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	n := newNarrator(o, stdout, stderr)
	defer n.display.Close()
	summary, err := transfer.Receive(ctx, o.endpoint, o.config(n.display), transfer.ReceiveOptions{
		Dir: o.dir, Once: o.once, Timeout: o.timeout, Name: o.name, OneWay: o.oneWay, Observe: n.observe,
	})
	n.display.Close()
	if err != nil && (!n.told || errors.Is(err, context.Canceled)) {
		n.failed(err)
	}
	n.report.Write(console.NewExitReport(&summary.Receiver))
	return console.ExitStatus(err)
}

// narrator tells what happens: to a person on stderr, to a program, if it wants to know, on stdout.
type narrator struct {
	o       *options
	display *console.Display
	report  *console.Report
	told    bool // why a session failed has been said
	foreign few  // sessions that are not of files
}

func newNarrator(o *options, reports, stderr io.Writer) *narrator {
	n := &narrator{o: o, display: console.NewDisplay("pgmrecv", stderr, o.progress), report: console.NewReport(nil)}
	if o.json {
		n.report = console.NewReport(reports)
	}
	return n
}

func (n *narrator) observe(e transfer.Event) {
	n.report.Write(console.NewTransferReport(e))
	say := n.display.Printf
	switch e.Kind {
	case transfer.Listening:
		say("listening on %v for files to put beneath %s", n.o.endpoint, console.Visible(n.o.dir))
	case transfer.Began:
		verb := "receiving"
		if n.o.replay != "" {
			verb = "restoring"
		}
		text := fmt.Sprintf("%s %s, %s, from %s", verb, console.Entries(e.Objects), console.FormatSize(e.Total), e.Peer)
		if e.Resumed > 0 {
			text += fmt.Sprintf("; %s of it are here from before", console.FormatSize(e.Resumed))
		}
		say("%s", text)
		if n.o.verbose {
			say("session %s", e.Session)
		}
	case transfer.Progress:
		note := ""
		if e.Repaired > 0 {
			note = fmt.Sprintf("%d packets repaired", e.Repaired)
		}
		n.display.Progress(e.Session, console.Status{Name: "from " + e.Peer, Done: e.Bytes, Total: e.Total, Rate: e.Rate, ETA: e.ETA, Note: note})
	case transfer.Complete:
		if !e.Dir {
			switch {
			case n.o.replay != "": // which is as fast as it is
				say("%s: complete, %s, digest right", console.Visible(e.Name), console.FormatSize(e.Size))
			case e.Resumed > 0 && e.Resumed == e.Size:
				say("%s: complete, %s, all here from before, digest right", console.Visible(e.Name), console.FormatSize(e.Size))
			default:
				say("%s: complete, %s in %s (%s), digest right, %d lost packets repaired", console.Visible(e.Name), console.FormatSize(e.Size),
					console.FormatDuration(e.Duration), console.FormatRate(e.Rate), e.Repaired)
			}
			if n.o.verbose {
				say("%s: blake3 %x", console.Visible(e.Name), e.Digest)
			}
		}
	case transfer.Refused, transfer.Failed:
		switch {
		case errors.Is(e.Err, transfer.ErrNotTransfer) && n.o.replay != "":
			n.foreign.say(n.display, "session from %s: a stream or messages (--stdout and --lines are for those), or files whose beginning the capture does not have", e.Peer)
		case errors.Is(e.Err, transfer.ErrNotTransfer):
			say("%s sends no files but a stream or messages: --stdout and --lines are for those", e.Peer)
		case e.Name == "":
			n.told = n.o.once
			say("session from %s: %s", e.Peer, console.Explain(e.Err))
		default:
			say("%s", console.About(e.Name, e.Err))
		}
	case transfer.Done:
		n.display.Finish(e.Session)
		if e.Err == nil && e.Objects > 1 && n.o.replay != "" {
			say("session from %s: %s, %s", e.Peer, console.Entries(e.Objects), console.FormatSize(e.Bytes))
		} else if e.Err == nil && e.Objects > 1 {
			say("session from %s: %s, %s in %s (%s)", e.Peer, console.Entries(e.Objects), console.FormatSize(e.Bytes),
				console.FormatDuration(e.Duration), console.FormatRate(e.Rate))
		}
	}
}

// failed says why the program ends with an error.
func (n *narrator) failed(err error) {
	n.report.Write(console.NewErrorReport(err))
	switch {
	case errors.Is(err, context.Canceled):
		n.display.Printf("interrupted; what is not complete can be taken up again")
	case errors.Is(err, transfer.ErrTimeout):
		n.display.Printf("no session began within %v; is a sender running, on this endpoint and network?", n.o.timeout)
	default:
		n.display.Printf("%s", console.Explain(err))
	}
}
