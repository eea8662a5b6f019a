// Command pgmrouter forwards a multicast group between interfaces as a PGM network element: NAKs and repairs stay in the part of the
// network that needs them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/gopgm/gopgm/internal/console"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: what it is given, where it writes, its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "pgmrouter: %s\npgmrouter: --help lists the flags\n", console.Explain(err))
		return console.ExitUsage
	case o.help:
		io.WriteString(stdout, usage)
		return console.ExitOK
	case o.version:
		fmt.Fprintln(stdout, console.Version("pgmrouter"))
		return console.ExitOK
	case o.show:
		err = show(o, stdout)
	default:
		err = route(ctx, o, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "pgmrouter: %s\n", console.Explain(err))
		return console.ExitFailure
	}
	return console.ExitOK
}
