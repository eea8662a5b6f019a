package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/mld"
)

// members is who listens on the links, as their machines of MLD or IGMP know it.
type members struct {
	loop    *mld.Loop
	routers map[*link]*mld.Router
	ports   []*mld.Port
	ended   chan error
}

// ask has the router be a querier on a link.
func (m *members) ask(l *link, group netip.Addr) error {
	family := mld.MLD
	if group.Is4() {
		family = mld.IGMP
	}
	port, err := openPort(l.conn.Interface(), family)
	if err != nil {
		return err
	}
	m.ports = append(m.ports, port)
	r, err := mld.NewRouter(mld.RouterConfig{Family: family, Address: port.Address(), Prefix: port.Prefix(), MTU: port.MTU()})
	if err != nil {
		return err
	}
	r.Start(time.Now())
	m.loop.Add(port, r)
	m.routers[l] = r
	return nil
}

// run has the machines run until ctx is done.
func (m *members) run(ctx context.Context) {
	if len(m.routers) > 0 {
		go func() { m.ended <- m.loop.Run(ctx) }()
	}
}

func (m *members) close() {
	for _, p := range m.ports {
		p.Close()
	}
}

// look calls f for each link that is asked about, with whether somebody listens to the group there and who the querier is.
func (m *members) look(group netip.Addr, f func(l *link, listens bool, querier netip.Addr)) {
	if len(m.routers) == 0 {
		return
	}
	m.loop.Do(func(time.Time) {
		for l, r := range m.routers {
			filter, ok := r.Filter(group)
			f(l, ok && !filter.Empty(), r.QuerierAddress())
		}
	})
}
