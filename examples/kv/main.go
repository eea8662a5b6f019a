// Command kv is a key-value store that is kept by several processes, of which any may fail. Whoever connects to one speaks lines:
//
//	set KEY VALUE     ok
//	get KEY           value VALUE, or none
//	cas KEY OLD NEW   ok, or no: NEW if the value was OLD ("-" for none)
//	members           members NAME...
//
// or gets "unknown": this replica was cut off, or left, before it knew what became of the command. The store is linearizable: a get sees
// every set that was answered before, whichever replica answered. Start the replicas with -expect, a majority of those there will be:
//
//	kv -name a -listen 127.0.0.1:7001 -expect 2
//	kv -name b -listen 127.0.0.1:7002 -expect 2
//	kv -name c -listen 127.0.0.1:7003 -expect 2
//	echo set colour blue | nc 127.0.0.1 7001
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gopgm/gopgm/vsync"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "kv: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	c := vsync.Config{Group: "kv", Order: vsync.Total, Safe: true, State: true}
	fs := flag.NewFlagSet("kv", flag.ContinueOnError)
	fs.StringVar(&c.Endpoint, "e", "epgm://239.192.77.71:7500", "endpoint of the group: [interface;]group:port")
	fs.StringVar(&c.Group, "group", c.Group, "name of the group")
	fs.StringVar(&c.Name, "name", "", "name of this replica")
	fs.IntVar(&c.Expect, "expect", 1, "replicas that found the store: a majority of those there will be")
	listen := fs.String("listen", "127.0.0.1:7001", "where to listen: host:port, or the path of a socket")
	if err := fs.Parse(args); err != nil {
		return err
	}
	r := newReplica(c)
	l, err := r.serve(*listen)
	if err != nil {
		return err
	}
	defer l.Close()
	return r.run(ctx)
}
