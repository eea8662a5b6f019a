package main

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/mld"
	"github.com/gopgm/gopgm/pgm"
)

// report has the router say on a link that it listens to a group, as the kernel does for what is joined: if the kernel knew, it would deliver and forward
// what bears Router Alert, instead of leaving it to who asks for that.
func (m *members) report(l *link, e pgm.Endpoint) error {
	group, sources := e.Group.Addr(), mld.AnySource
	if e.Source.IsValid() {
		sources = mld.Include(e.Source)
	}
	at := of(l, group)
	listener := m.listeners[at]
	if listener == nil {
		port, err := openPort(l.conn.Interface(), at.family)
		if err != nil {
			return err
		}
		m.ports = append(m.ports, port)
		c := mld.ListenerConfig{Family: at.family, Address: port.Address(), MTU: port.MTU()}
		if listener, err = mld.NewListener(c, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))); err != nil {
			return err
		}
		m.loop.Add(port, listener)
		if m.listeners == nil {
			m.listeners = make(map[place]*mld.Listener)
		}
		m.listeners[at] = listener
	}
	return listener.Listen(time.Now(), 0, group, sources)
}

// leaving returns a context that ends after ctx, when it has been said that nothing is listened to any more.
func (m *members) leaving(ctx context.Context) context.Context {
	if len(m.listeners) == 0 {
		return ctx
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		defer cancel()
		_ = m.loop.Do(func(now time.Time) {
			for _, l := range m.listeners {
				var groups []netip.Addr
				for g := range l.Groups() {
					groups = append(groups, g)
				}
				for _, g := range groups {
					_ = l.Listen(now, 0, g, mld.Filter{})
				}
			}
		})
		// The loop sends what comes of it before it does anything else that it is asked to.
		_ = m.loop.Do(func(time.Time) {})
	})
	return late
}

// wants adds the links by which somebody, as far as it is asked, listens to each of the sources of a group.
func (m *members) wants(links []*link, group netip.Addr, sources []netip.Addr, out []uint32) {
	if len(m.routers) == 0 || len(sources) == 0 {
		return
	}
	_ = m.loop.Do(func(time.Time) {
		for i, l := range links {
			r := m.routers[of(l, group)]
			if r == nil || l.always {
				continue
			}
			for s, source := range sources {
				if r.Forward(group, source) {
					out[s] |= 1 << i
				}
			}
		}
	})
}
