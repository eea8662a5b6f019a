package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/mld"
)

// members is who listens on the links, to whatever group, as one machine of MLD or IGMP for each interface knows it.
type members struct {
	query   time.Duration // between general queries
	loop    *mld.Loop
	routers map[place]*mld.Router
	ports   []*mld.Port

	listeners map[place]*mld.Listener // that say what the router listens to, where the kernel must not know
}

// place is where one machine knows who listens: an interface, and IPv6 or IPv4.
type place struct {
	index  int
	family mld.Family
}

func newMembers(o *options) *members {
	return &members{query: o.query, loop: mld.NewLoop(), routers: make(map[place]*mld.Router)}
}

// of returns where it is asked who listens to a group.
func of(l *link, group netip.Addr) place {
	if group.Is4() {
		return place{l.conn.Interface().Index, mld.IGMP}
	}
	return place{l.conn.Interface().Index, mld.MLD}
}

// ask has the router be a querier on a link, in the family of the group.
func (m *members) ask(l *link, group netip.Addr) error {
	at := of(l, group)
	if m.routers[at] != nil {
		return nil
	}
	port, err := openPort(l.conn.Interface(), at.family)
	if err != nil {
		return err
	}
	m.ports = append(m.ports, port)
	r, err := mld.NewRouter(mld.RouterConfig{
		Family: at.family, Address: port.Address(), Prefix: port.Prefix(), MTU: port.MTU(), QueryInterval: m.query,
	})
	if err != nil {
		return err
	}
	r.Start(time.Now())
	m.loop.Add(port, r)
	m.routers[at] = r
	return nil
}

// asks reports whether it is asked anywhere.
func (m *members) asks() bool { return len(m.routers) > 0 }

// works reports whether there is anything to run.
func (m *members) works() bool { return len(m.routers)+len(m.listeners) > 0 }

// run has the machines run until ctx is done.
func (m *members) run(ctx context.Context) error {
	if err := m.loop.Run(m.leaving(ctx)); err != nil {
		return fmt.Errorf("learning who listens has ended: %w", err)
	}
	return nil
}

func (m *members) close() {
	for _, p := range m.ports {
		p.Close()
	}
}

// look notes on each link that is asked about whether somebody listens to the group there, and who the querier is.
func (m *members) look(links []*link, group netip.Addr) {
	if !m.asks() {
		return
	}
	m.loop.Do(func(time.Time) {
		for _, l := range links {
			if r := m.routers[of(l, group)]; r != nil && !l.always {
				filter, ok := r.Filter(group)
				l.listens, l.querier = ok && !filter.Empty(), r.QuerierAddress()
			}
		}
	})
}
