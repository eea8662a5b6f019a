package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm"
)

// route runs an element, or a repairer, for each group until ctx is done or one of them fails. They have sockets and engines of their own;
// who listens is asked once for all.
func route(ctx context.Context, o *options, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	m, g := newMembers(o), newGroups()
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
		r := newRouter(o, e, m, g)
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

// groups is what the routers of several groups share: in UDP, the unicast socket of a port on an interface. Neighbours look for an element
// at the port of the group, and only one socket can have that.
type groups struct {
	first map[port]*router
}

// port is a UDP port on an interface, of IPv4 or IPv6.
type port struct {
	on     string
	number uint16
	four   bool
}

func newGroups() *groups { return &groups{make(map[port]*router)} }

// openConn opens the sockets of a link that is to be the next of r. All routers have the same links, in the same order.
func (g *groups) openConn(ctx context.Context, c netio.Config, r *router) (netio.Conn, error) {
	at := port{c.Interface, c.Group.Port(), c.Group.Addr().Is4()}
	first := g.first[at]
	if c.Protocol != 0 { // without ports, all hear everything
		return openConn(ctx, c)
	}
	if first == nil {
		conn, err := openConn(ctx, c)
		if err == nil {
			g.first[at] = r
		}
		return conn, err
	}
	l := first.links[len(r.links)]
	c.Beside = l.conn
	conn, err := openConn(ctx, c)
	if err == nil {
		l.peers = append(l.peers, r)
	}
	return conn, err
}

// hand gives what was read on a link to the router of its group; what came by unicast to those of the other groups on the port, too: each
// knows its own sessions. It reports false when there is nothing more to do.
func (r *router) hand(ctx context.Context, l *link, a arrival) bool {
	if a.err == nil && !a.batch.Multicast {
		for _, p := range l.peers {
			a.batch.Retain()
			select {
			case p.arrived <- a:
			case <-ctx.Done():
				return false
			}
		}
	}
	select {
	case r.arrived <- a:
		return a.err == nil
	case <-ctx.Done():
		return false
	}
}
