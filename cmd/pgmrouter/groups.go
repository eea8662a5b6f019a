package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gopgm/gopgm/pgm"
)

// route runs an element, or a repairer, for each group until ctx is done or one of them fails. They have sockets and engines of their own;
// who listens is asked once for all.
func route(ctx context.Context, o *options, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	m := newMembers(o)
	var runs []func(context.Context) error
	var asked []chan chan *status
	var routers []*router
	defer m.close()
	var h *hub
	if len(o.legs) > 0 {
		var err error
		if h, err = openHub(ctx, o.legs, o.legListen, stderr); err != nil {
			cancel()
			return err
		}
		defer h.close()
	}
	for _, e := range o.endpoints {
		r := newRouter(o, e, m)
		r.hub = h
		defer r.close()
		r.stderr = stderr
		prepare := r.element
		if o.repairer {
			prepare = r.repairer
		}
		run, err := prepare(ctx)
		if err != nil {
			cancel()
			return inGroup(o, e, err)
		}
		runs = append(runs, func(ctx context.Context) error { return inGroup(o, e, run(ctx)) })
		asked = append(asked, r.asked)
		routers = append(routers, r)
	}
	defer cancel()
	switch k, err := forwardByKernel(routers); {
	case err != nil:
		return err
	case k != nil:
		defer k.close()
		runs = append(runs, k.run)
	}
	if err := serveStatus(ctx, o, asked); err != nil {
		return err
	}
	warnUnicast(o, stderr)
	if h != nil {
		h.run(ctx)
	}
	if m.works() {
		runs = append(runs, m.run)
	}
	ended := make(chan error, len(runs))
	for _, run := range runs {
		go func() { ended <- run(ctx) }()
	}
	err := <-ended
	cancel()
	for range runs[1:] {
		<-ended
	}
	return err
}

// inGroup says which group an error is about, where there are several.
func inGroup(o *options, e pgm.Endpoint, err error) error {
	if err == nil || len(o.endpoints) == 1 {
		return err
	}
	return fmt.Errorf("%v: %w", e, err)
}

// warnUnicast says that the kernel does not forward what receivers send to a source itself.
func warnUnicast(o *options, stderr io.Writer) {
	if o.repairer {
		return
	}
	off := func(path string) bool {
		b, err := os.ReadFile(path)
		return err == nil && strings.TrimSpace(string(b)) == "0"
	}
	said := map[bool]bool{}
	for _, e := range o.endpoints {
		four := e.Group.Addr().Is4()
		switch {
		case said[four]:
		case four && off("/proc/sys/net/ipv4/ip_forward"):
			fmt.Fprintln(stderr, "pgmrouter: the kernel does not forward unicast: receivers cannot report to sources (sysctl net.ipv4.ip_forward=1)")
		case !four && off("/proc/sys/net/ipv6/conf/all/forwarding"):
			fmt.Fprintln(stderr, "pgmrouter: the kernel does not forward unicast: receivers cannot report to sources (sysctl net.ipv6.conf.all.forwarding=1)")
		}
		said[four] = true
	}
}
