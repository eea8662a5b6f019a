// Command mutants shows that what holds the clauses of RFC 3208 would notice if they were broken: it seeds mistakes in the engines, one at
// a time, and runs the rules over captures and the tests on each.
//
//	go run ./internal/mutants [--only WORD,...] [--list] [--rewrite]
//
// A mistake is a few lines of an engine and what takes their place, in a file of the folder mistakes. The tree is not touched: the go
// command is shown the changed file in the place of the right one (-overlay). What fails without any mistake is no witness against one.
//
// The exit status is 0 if each mistake was caught, for each clause that it breaks by something that the ledger says holds it; 1 if one was
// not, or no longer fits the code; and 2 for a wrong command line.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const document = "docs/mutants.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "seed the mistakes alone whose name, room, file or clauses have one of `WORD,...` in them")
	list := flags.Bool("list", false, "print the mistakes, and seed none")
	rewrite := flags.Bool("rewrite", false, "write what caught each to "+document+"; with --only, the rows of others stay")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintln(stderr, "mutants: there are no operands")
		return 2
	}
	all, err := mistakes()
	if err == nil {
		var root string
		if root, err = moduleRoot(ctx); err == nil {
			var caught []witnesses
			some := matching(all, *only)
			caught, err = seed(ctx, root, some, *list, stdout)
			if err == nil && *rewrite && !*list {
				err = rewriteDocument(filepath.Join(root, filepath.FromSlash(document)), all, some, caught)
			}
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return 1
	}
	return 0
}

// seed tries the mistakes, or lists them, and returns what caught each. An error says that something is wrong with one.
func seed(ctx context.Context, root string, all []mistake, list bool, stdout io.Writer) ([]witnesses, error) {
	if list {
		for _, m := range all {
			fmt.Fprintf(stdout, "%-36s %-30s [%s] %s\n", m.name, m.file, strings.Join(m.clauses, "] ["), m.says)
		}
		return nil, nil
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no mistake is called so")
	}
	l, err := newLab(ctx, root, all)
	if err != nil {
		return nil, err
	}
	defer l.close()
	for what := range l.broken {
		fmt.Fprintf(stdout, "without any mistake: %s\n", what)
	}
	var survivors, unheld []string
	caught, err := l.tryAll(ctx, func(m mistake, w witnesses) {
		said := w.tell(m.clauses, "")
		if u := w.unheld(m.clauses); w.none() {
			survivors = append(survivors, m.name)
			said = "SURVIVES"
		} else if len(u) > 0 {
			unheld = append(unheld, m.name)
			said = fmt.Sprintf("NOT BY WHAT HOLDS %v: %s", u, said)
		}
		fmt.Fprintf(stdout, "%-36s %s\n", m.name, said)
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stdout, "%d mistakes, %d caught\n", len(all), len(all)-len(survivors))
	switch {
	case len(survivors) > 0:
		return nil, fmt.Errorf("not caught: %s", strings.Join(survivors, ", "))
	case len(unheld) > 0:
		return nil, fmt.Errorf("caught, but by nothing that the ledger names for the clause: %s", strings.Join(unheld, ", "))
	}
	return caught, nil
}
