package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gopgm/gopgm/conformance"
	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pcap"
)

// tape is a capture that is read: by who delivers it, by who judges it, or by both at once.
type tape struct {
	name    string
	file    io.Closer
	reader  *pcap.Reader // nil if there is nothing to read
	wanted  *selection   // nil: everything is
	checker *conformance.Checker
	begun   bool  // to be read
	err     error // why reading stopped before the end
}

// openTape opens the capture that the command line names. A file that cannot be opened is an error; a file that is no capture is a tape with
// nothing on it.
func openTape(o *options, stdin io.Reader) (*tape, error) {
	t := &tape{name: console.Visible(o.replay)}
	in := stdin
	if o.replay == "-" {
		t.name = "standard input"
	} else {
		f, err := os.Open(o.replay)
		if err != nil {
			return nil, err
		}
		in, t.file = f, f
	}
	t.reader, t.err = pcap.Open(in)
	if o.check {
		t.checker = conformance.NewChecker(conformance.Config{})
	}
	if o.selected {
		t.wanted = newSelection(o.endpoint)
	}
	return t, nil
}

// next reads the next packet that is wanted.
func (t *tape) next(p *pcap.Packet) error {
	if t.err != nil {
		return t.err
	}
	t.begun = true
	for {
		if err := t.reader.Read(p); err != nil {
			if !errors.Is(err, io.EOF) {
				t.err = err
			}
			return err
		}
		if t.wanted != nil && !t.wanted.wants(p) {
			continue
		}
		if t.checker != nil {
			t.checker.Take(p)
		}
		return nil
	}
}

func (t *tape) close() {
	if t.file != nil {
		t.file.Close()
	}
}

// stopped says where reading stopped before the end, and why; nothing if it did not.
func (t *tape) stopped() string {
	var f *pcap.FormatError
	switch {
	case t.err == nil:
		return ""
	case !errors.As(t.err, &f):
		return t.err.Error()
	case t.reader == nil:
		return f.Reason
	}
	return fmt.Sprintf("behind packet %d, at offset %d: %s", t.reader.Stats().Frames, f.Offset, f.Reason)
}

// foreign says what is in the capture if nothing in it is wanted.
func (t *tape) foreign() string {
	if !t.begun {
		return ""
	}
	s := t.reader.Stats()
	if s.Packets > 0 {
		if t.wanted != nil && !t.wanted.taken {
			return t.wanted.missing()
		}
		return ""
	}
	if s.Frames == 0 {
		return "there is no packet in it"
	}
	var parts []string
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{s.OtherLink, "of a kind of network that is not read"}, {s.NotIP, "not of IP"}, {s.OtherProtocol, "of other protocols"},
		{s.OtherUDP, "of UDP"}, {s.Malformed, "malformed"}, {s.Waiting, "fragments"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return fmt.Sprintf("there is no PGM among its %s: %s", console.Plural(int(s.Frames), "packet"), strings.Join(parts, ", "))
}

// replay delivers what is in a capture, judges it, or both.
func replay(ctx context.Context, o *options, stdin io.Reader, stdout, stderr io.Writer) int {
	data := o.stdout || o.lines // goes to standard output
	deliver := data || !o.check || o.dirGiven
	reports, verdicts := stdout, stdout
	if data {
		reports = stderr
	}
	if deliver {
		verdicts = stderr
	}
	n := newNarrator(o, reports, stderr)
	defer n.display.Close()
	t, err := openTape(o, stdin)
	if err != nil {
		n.failed(err)
		return console.ExitFailure
	}
	defer t.close()
	status := console.ExitOK
	switch {
	case !deliver:
		err = judge(ctx, t)
	case o.lines:
		err = replayLines(ctx, o, t, n, stdout)
	case o.stdout:
		err = replayStreams(ctx, o, t, n, stdout)
	default:
		err = replayFiles(ctx, o, t, n)
	}
	n.display.Close()
	if status = console.ExitStatus(err); status == console.ExitInterrupted {
		n.failed(err)
		return status
	}
	for _, text := range []string{t.foreign(), t.stopped()} {
		if text == "" {
			continue
		}
		if text == t.stopped() && t.reader != nil {
			text = "reading stopped " + text
		}
		n.report.Write(console.NewErrorReport(fmt.Errorf("%s: %s", t.name, text)))
		n.display.Printf("%s: %s", t.name, text)
		status = console.ExitFailure
	}
	if t.checker != nil && n.verdict(t, verdicts) {
		status = console.ExitFailure
	}
	return status
}

// judge reads a capture to its end.
func judge(ctx context.Context, t *tape) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var p pcap.Packet
		for ctx.Err() == nil && t.next(&p) == nil {
		}
	}()
	select {
	case <-done:
	case <-ctx.Done(): // a read of standard input may never return
	}
	return ctx.Err()
}

// verdictReport is the verdict for machines.
type verdictReport struct {
	Event string `json:"event"`
	*conformance.Verdict
}

// verdict tells what the judgement is, and reports whether it is that something binding was broken. A RULE binds as a MUST does: a wrong
// checksum is wrong, though §8 states what a checksum is without that word.
func (n *narrator) verdict(t *tape, w io.Writer) bool {
	v := t.checker.Verdict()
	v.Stopped = t.stopped()
	if n.o.json {
		n.report.Write(verdictReport{"verdict", v})
	} else {
		v.WriteText(w)
	}
	return v.Broken(conformance.LevelMust) || v.Broken(conformance.LevelRule)
}

// rank orders the ways in which what is delivered can fall short, the worst last.
func rank(err error) int {
	switch console.ExitStatus(err) {
	case console.ExitOK:
		return 0
	case console.ExitReset:
		return 2
	case console.ExitLost:
		return 3
	}
	return 1
}

// worse returns the worse of two outcomes.
func worse(a, b error) error {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// unheard says that there was no room for all sessions of a capture, if so.
func (n *narrator) unheard(r *conformance.Replay) error {
	if r.Stats().Refused == 0 {
		return nil
	}
	err := errors.New("sessions were left out: the capture has more at once than can be delivered")
	n.report.Write(console.NewErrorReport(err))
	n.display.Printf("%v; -e narrows it to one group or source", err)
	return err
}
