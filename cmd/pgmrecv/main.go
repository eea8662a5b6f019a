// Command pgmrecv receives what pgmsend and other PGM sources send: files, streams, messages.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // trees of very many files are the most that is held: little of it is to be garbage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: what it is given, where it writes, its exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseOptions(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "pgmrecv: %s\npgmrecv: --help lists the flags\n", console.Explain(err))
		return console.ExitUsage
	case o.help:
		io.WriteString(stdout, usage)
		return console.ExitOK
	case o.version:
		fmt.Fprintln(stdout, console.Version("pgmrecv"))
		return console.ExitOK
	case o.doctor:
		return doctor(ctx, o, stdout, stderr)
	case o.replay != "":
		return replay(ctx, o, stdin, stdout, stderr)
	}
	receive, reports := receiveFiles, stdout
	switch {
	case o.lines:
		receive, reports = receiveLines, stderr
	case o.stdout:
		receive, reports = receiveStreams, stderr
	}
	if !o.json {
		reports = nil
	}
	r := console.Recording{Program: "pgmrecv", Path: o.capture, Stderr: stderr, Reports: reports}
	return console.Record(r, func(trace func(pgm.Traced)) int {
		o.trace = trace
		return receive(ctx, o, stdout, stderr)
	})
}
