//go:build linux

// Command group measures groups (package vsync) side by side with Corosync's CPG (Debian packages corosync and libcpg-dev; left out, with the
// reason, where they are missing), turn by turn in one run, between network namespaces that it makes: messages a second, latency, how long
// it takes until a killed member is out and a new one in, and how many views it takes until ten that start together are in one.
//
//	group                     everything, some four minutes; a table
//	group -json               one object a line for each turn, and the table as objects
//	group -loss 1             of each hundred packets that come to a host one is lost
//	group -only rate,views    some of: rate, safe, latency, views, begin
//	group -pauses -time 1h    four members of ours under full load, one of which is stopped for 100 ms again and again
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/gopgm/gopgm/vsync"
)

func main() { os.Exit(run(os.Args[1:])) }

// options are what a run is asked for.
type options struct {
	load
	turns  int
	loss   float64
	only   []string
	json   bool
	pauses bool
}

// cells are what can be measured.
var cells = []string{"rate", "safe", "latency", "views", "begin"}

// run reads the flags, and measures, or is one of the members that are measured.
func run(args []string) int {
	var o options
	var order, only string
	fs := flag.NewFlagSet("group", flag.ContinueOnError)
	o.load.flags(fs, &order)
	fs.IntVar(&o.turns, "turns", 3, "how often each is measured; the table has medians")
	fs.Float64Var(&o.loss, "loss", 0, "percentage of packets that are lost on their way to each host")
	fs.StringVar(&only, "only", strings.Join(cells, ","), "what to measure")
	fs.BoolVar(&o.json, "json", false, "print objects, one a line")
	fs.BoolVar(&o.pauses, "pauses", false, "look whether pauses of 100 ms under full load, for -time, remove a member")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	orders := []vsync.Order{vsync.FIFO, vsync.Causal, vsync.Total, vsync.Token}
	i := slices.IndexFunc(orders, func(x vsync.Order) bool { return x.String() == order })
	if o.only = strings.Split(only, ","); i < 0 || o.turns < 1 || o.loss < 0 || o.loss >= 100 || o.time < 2*time.Second {
		fmt.Fprintln(os.Stderr, "group: want an order of fifo, causal, total or token, a turn at least, a loss below 100, and 2s at least")
		return 2
	}
	for _, w := range o.only {
		if !slices.Contains(cells, w) {
			fmt.Fprintf(os.Stderr, "group: -only %s: want some of %s\n", w, strings.Join(cells, ", "))
			return 2
		}
	}
	o.order = orders[i]
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case o.index >= 0:
		err = member(ctx, o.load, os.Stdout)
	case o.pauses:
		err = pauses(ctx, o)
	default:
		err = compare(ctx, o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "group: %v\n", err)
		return 1
	}
	return 0
}
