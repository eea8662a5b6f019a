// Command pgmsend sends files and trees, or standard input, to every host of a network that runs pgmrecv, with one transmission.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: what it is given, where it writes, its exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parseOptions(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "pgmsend: %s\npgmsend: --help lists the flags\n", console.Explain(err))
		return console.ExitUsage
	case o.help:
		io.WriteString(stdout, usage)
		return console.ExitOK
	case o.version:
		fmt.Fprintln(stdout, console.Version("pgmsend"))
		return console.ExitOK
	}
	if o.querier {
		q, err := o.openQuerier(ctx)
		if err != nil {
			fmt.Fprintf(stderr, "pgmsend: %s\n", console.Explain(err))
			return console.ExitStatus(err)
		}
		defer q.Close()
	}
	r := console.Recording{Program: "pgmsend", Path: o.capture, Stderr: stderr}
	if o.json {
		r.Reports = stdout
	}
	return console.Record(r, func(trace func(pgm.Traced)) int {
		o.trace = trace
		if o.stream() {
			return sendStream(ctx, o, stdin, stdout, stderr)
		}
		return sendFiles(ctx, o, stdout, stderr)
	})
}
