//go:build linux

// Command group measures groups (package vsync) between network namespaces that it makes: messages a second, latency, and how long it
// takes until a killed member is out and a new one in.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/gopgm/gopgm/vsync"
)

func main() { os.Exit(run(os.Args[1:])) }

// run reads the flags, and measures, or is one of the members that are measured.
func run(args []string) int {
	var l load
	var order, only string
	fs := flag.NewFlagSet("group", flag.ContinueOnError)
	index := fs.Int("member", -1, "be this member of a group: for the lab itself")
	fs.StringVar(&l.endpoint, "e", "epgm://239.192.77.90:7590", "endpoint")
	fs.IntVar(&l.members, "members", 4, "members of the group")
	fs.IntVar(&l.senders, "senders", 4, "how many of them send")
	fs.IntVar(&l.size, "size", 64, "octets of a message")
	fs.IntVar(&l.rate, "rate", 0, "messages a second of each; 0: as many as go")
	fs.DurationVar(&l.time, "time", 3*time.Second, "how long to send; the first second is not counted")
	fs.StringVar(&order, "order", "total", "fifo, causal, total or token")
	fs.IntVar(&l.batch, "batch", 0, "octets of a packet of messages; 0: the default")
	fs.BoolVar(&l.safe, "safe", false, "safe delivery")
	fs.BoolVar(&l.rejoin, "watch", false, "only say when views come")
	fs.StringVar(&only, "only", "", "measure one thing: rate, latency or views")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	orders := map[string]vsync.Order{"fifo": vsync.FIFO, "causal": vsync.Causal, "total": vsync.Total, "token": vsync.Token}
	o, ok := orders[order]
	if !ok {
		fmt.Fprintf(os.Stderr, "group: order %q: want fifo, causal, total or token\n", order)
		return 2
	}
	l.order, l.index = o, *index
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if l.index >= 0 {
		err = member(ctx, l, os.Stdout)
	} else {
		err = measure(ctx, l, only)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "group: %v\n", err)
		return 1
	}
	return 0
}

// measure measures what is asked for, each a line of JSON.
func measure(ctx context.Context, l load, only string) error {
	n, err := newNet(ctx, l.members)
	defer n.close()
	if err != nil {
		return err
	}
	report := func(what string, x any) error {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"what": what, "order": l.order.String(), "safe": l.safe, "members": l.members, "result": x})
	}
	if only == "" || only == "rate" {
		for _, size := range []int{l.size, 8192} {
			k := l
			k.size = size
			all, err := n.together(ctx, k)
			if err != nil {
				return err
			}
			if err := report(fmt.Sprintf("rate of %d octets, %d send", size, k.senders), all); err != nil {
				return err
			}
		}
	}
	if only == "" || only == "latency" {
		k := l
		k.rate, k.senders = 1000, 1
		all, err := n.together(ctx, k)
		if err != nil {
			return err
		}
		if err := report("latency, one sends 1000 a second", all); err != nil {
			return err
		}
	}
	if only == "" || only == "views" {
		v, err := n.views(ctx, l)
		if err != nil {
			return err
		}
		return report("views, in ms", v)
	}
	return nil
}
