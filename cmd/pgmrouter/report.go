package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/mld"
)

// report makes ready for the router to say on a link that it listens to a group, as the kernel does for what is joined: if the kernel knew, it would deliver
// and forward what bears Router Alert, instead of leaving it to who asks for that.
func (m *members) report(l *link, group netip.Addr) error {
	at := of(l, group)
	if m.listeners[at] != nil {
		return nil
	}
	port, err := openPort(l.conn.Interface(), at.family)
	if err != nil {
		return err
	}
	m.ports = append(m.ports, port)
	c := mld.ListenerConfig{Family: at.family, Address: port.Address(), MTU: port.MTU()}
	listener, err := mld.NewListener(c, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if err != nil {
		return err
	}
	m.loop.Add(port, listener)
	if m.listeners == nil {
		m.listeners = make(map[place]*mld.Listener)
	}
	m.listeners[at] = listener
	return nil
}

// say says on a link what the router listens to of a group. Nothing of a loop that has ended is an error.
func (m *members) say(l *link, group netip.Addr, f mld.Filter) (err error) {
	if ended := m.loop.Do(func(now time.Time) { err = m.listeners[of(l, group)].Listen(now, 0, group, f) }); errors.Is(ended, net.ErrClosed) {
		return nil
	}
	return err
}

// listensTo is what the router itself listens to of the group.
func (r *router) listensTo() mld.Filter {
	if s := r.endpoint.Source; s.IsValid() {
		return mld.Include(s)
	}
	return mld.AnySource
}

// announce says on the links what the router listens to of the group, while the kernel must not know. On the link upstream of a proxy that is what
// others want, but for the end.
func (r *router) announce(f mld.Filter) error {
	for _, l := range r.links {
		if r.isProxied(l.name) && !f.Empty() {
			continue
		}
		if err := r.members.say(l, r.endpoint.Group.Addr(), f); err != nil {
			return fmt.Errorf("%s: to say that this router listens: %w", l.name, err)
		}
	}
	return nil
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
