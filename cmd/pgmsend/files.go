package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// sendFiles sends the files and trees that the command line names.
func sendFiles(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	n := newNarrator(o, stdout, stderr)
	defer n.display.Close()
	summary, err := transfer.Send(ctx, o.endpoint, o.config(n), o.paths, transfer.SendOptions{
		Expect: o.expect, ExpectFrom: o.expectFrom, Timeout: o.timeout, Linger: o.linger, OneWay: o.oneWay, Rounds: o.rounds, Observe: n.observe,
	})
	n.display.Close()
	n.conclude(summary, err)
	return console.ExitStatus(err)
}

// narrator tells what happens: to a person on stderr, to a program, if it wants to know, on stdout.
type narrator struct {
	o       *options
	display *console.Display
	report  *console.Report
	objects int  // of the session
	unheard bool // that no receiver has answered was the last that was said of them
}

func newNarrator(o *options, stdout, stderr io.Writer) *narrator {
	n := &narrator{o: o, display: console.NewDisplay("pgmsend", stderr, o.progress), report: console.NewReport(nil)}
	if o.json {
		n.report = console.NewReport(stdout)
	}
	return n
}

func (n *narrator) observe(e transfer.Event) {
	if e.Kind != transfer.Done { // conclude reports that, with all that is known by then
		n.report.Write(console.NewTransferReport(e))
	}
	say := n.display.Printf
	switch e.Kind {
	case transfer.Began:
		n.objects = e.Objects
		say("sending %s, %s, to %v", console.Entries(e.Objects), console.FormatSize(e.Total), n.o.endpoint)
		if n.o.verbose {
			say("session %s", e.Session)
		}
	case transfer.Progress:
		note := console.Plural(e.Receivers, "receiver")
		if e.Finished > 0 {
			note += fmt.Sprintf(", %d finished", e.Finished)
		}
		if n.o.verbose {
			note += pace(e.Flow)
		}
		n.display.Progress(e.Session, console.Status{Name: "sent", Done: e.Bytes, Total: e.Total, Rate: e.Rate, ETA: e.ETA, Note: note})
	case transfer.Complete:
		if n.o.verbose {
			say("sent %s, %s, blake3 %x", console.Visible(e.Name), console.FormatSize(e.Size), e.Digest)
		}
	case transfer.Refused, transfer.Failed:
		say("%s", console.About(e.Name, e.Err))
	case transfer.NoReceiver:
		n.unheard = true
		switch {
		case e.Expected > 0 || len(e.Missing) > 0:
			say("no receiver has answered so far; waiting for %s, up to %v (--timeout)", n.awaited(e), n.o.timeout)
		case e.Bytes < e.Total && n.o.cc != pgm.CCFixed:
			say("no receiver has answered so far; until one does, it goes out slowly, at %s, which takes %v (--expect N would wait for N of them)", console.FormatRate(float64(e.Flow.Rate)), e.ETA.Round(time.Second))
		default:
			say("no receiver has answered so far; sending all the same (--expect N would wait for N of them)")
		}
	case transfer.Waiting:
		if n.present(e) >= e.Expected && e.Bytes > 0 {
			break // all have finished, not all with everything: the end tells
		}
		say("%d of %d receivers %s; waiting for %s", n.present(e), e.Expected, n.doing(e), n.awaited(e))
	case transfer.Alone:
		n.unheard = true
		say("every receiver has failed or fallen silent; unless one comes back, this ends in %s, with %s of %s sent", e.ETA.Round(time.Second), console.FormatSize(e.Bytes), console.FormatSize(e.Total))
	case transfer.Shed, transfer.Demoted, transfer.Readmitted:
		n.slow(e)
	case transfer.Receipt:
		n.receipt(e.Receiver)
	}
}

func (n *narrator) present(e transfer.Event) int {
	if e.Bytes > 0 {
		return e.Finished
	}
	return e.Receivers
}

func (n *narrator) doing(e transfer.Event) string {
	if e.Bytes > 0 {
		return "have finished"
	}
	return "are there"
}

func (n *narrator) awaited(e transfer.Event) string {
	if e.Bytes > 0 && len(n.o.expectFrom) == 0 { // who has finished without everything is missing, and not waited for
		return console.Plural(max(e.Receivers-e.Finished, 1), "more receiver")
	}
	if len(e.Missing) > 0 {
		return console.Visible(strings.Join(e.Missing, ", "))
	}
	return console.Plural(max(e.Expected-n.present(e), 1), "more receiver")
}

func (n *narrator) receipt(r *transfer.ReceiverSummary) {
	switch {
	case r.Finished:
		n.outcome(*r)
	case (n.o.verbose || n.unheard) && r.Objects == 0 && r.Failed == 0:
		n.unheard = false
		n.display.Printf("%s (%s) has begun", console.Visible(r.Name), r.Addr)
	}
}

func (n *narrator) outcome(r transfer.ReceiverSummary) {
	has := "nothing complete"
	if r.Objects > 0 {
		has = console.Entries(r.Objects) + " of " + console.FormatSize(r.Bytes)
	}
	n.display.Printf("%s (%s) %s: %s, %s, %d lost packets repaired", console.Visible(r.Name), r.Addr, console.Standing(r),
		console.FormatDuration(r.Duration), has, r.Repaired)
	for _, p := range r.Problems {
		n.display.Printf("%s: %s", console.Visible(r.Name), console.Visible(p.String()))
	}
}

// conclude tells how it ended, naming each receiver.
func (n *narrator) conclude(s *transfer.Summary, err error) {
	r := console.TransferReport{Event: "done", Time: time.Now()}
	if len(s.Sessions) > 0 {
		r = console.NewSessionReport(s.Sessions[len(s.Sessions)-1])
	}
	for _, v := range s.Receivers {
		r.Receivers = append(r.Receivers, console.NewReceiverReport(v))
	}
	r.Missing = s.Missing
	r.AddSource(&s.Source)
	switch {
	case err == nil, errors.Is(err, transfer.ErrFailed), errors.Is(err, transfer.ErrMissing):
		n.closing(s)
	}
	if err != nil {
		r.Error = err.Error()
		if errors.Is(err, context.Canceled) {
			n.display.Printf("interrupted: the receivers were told")
		} else {
			n.display.Printf("%s", console.Explain(err))
		}
	}
	n.report.Write(r)
}

// closing says what was sent, how fast, and who has it.
func (n *narrator) closing(s *transfer.Summary) {
	e := s.Sessions[0]
	if e.Bytes == 0 && (e.Objects == 0 || errors.Is(e.Err, transfer.ErrMissing)) {
		return // nothing was: whoever was to be there was not
	}
	rate := 0.0
	if e.Duration > 0 {
		rate = float64(e.Bytes) / e.Duration.Seconds()
	}
	what := console.Entries(e.Objects)
	if e.Objects < n.objects {
		what = fmt.Sprintf("%d of %s", e.Objects, console.Entries(n.objects))
	}
	n.display.Printf("sent %s, %s in %s (%s), %d packets again", what, console.FormatSize(e.Bytes),
		console.FormatDuration(e.Duration), console.FormatRate(rate), e.Repaired)
	var whole, parts []string
	for _, v := range s.Receivers {
		name := console.Visible(v.Name)
		switch {
		case console.Standing(v) == "complete":
			whole = append(whole, name)
		case v.Finished:
			parts = append(parts, fmt.Sprintf("%s (%d of %d)", name, v.Objects, n.objects))
		case v.Shed:
			parts = append(parts, fmt.Sprintf("%s (too slow: %d of %d)", name, v.Objects, n.objects))
		default:
			parts = append(parts, fmt.Sprintf("%s (did not finish: %d of %d)", name, v.Objects, n.objects))
		}
	}
	if len(whole) > 0 {
		n.display.Printf("all of it is at %s: %s", console.Plural(len(whole), "receiver"), strings.Join(whole, ", "))
	}
	if len(parts) > 0 {
		n.display.Printf("not all of it is at %s: %s", console.Plural(len(parts), "receiver"), strings.Join(parts, ", "))
	}
	if len(whole)+len(parts) == 0 {
		n.display.Printf("no receiver has reported that it has anything of it (--expect N would have waited for N of them; those that write to standard output do not report)")
	}
}
