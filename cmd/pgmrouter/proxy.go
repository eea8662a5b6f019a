package main

import (
	"errors"
	"slices"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/mld"
)

// proxy is what a router has said upstream that its other links want (RFC 4605): the upstream link's host part of MLD or IGMP, whose
// machine is the kernel's, because what is to be heard there a socket has to join, for which the kernel answers in any case. Two
// machines on one host would answer each question twice, and one deny what the other says.
type proxy struct {
	said   mld.Filter
	ever   bool
	failed error
}

// isProxied reports whether a link is the one upstream of the proxy: who listens there is others' business.
func (r *router) isProxied(name string) bool { return name == r.o.proxy && name != "" }

// propose says upstream what the other links want together, if that has changed [RFC 4605 §4.1].
func (r *router) propose() {
	i := slices.IndexFunc(r.links, func(l *link) bool { return r.isProxied(l.name) })
	if i < 0 {
		return
	}
	p := &r.proxy
	f := r.wanted()
	if p.ever && p.failed == nil && f.Equal(p.said) {
		return
	}
	p.failed = r.subscribe(r.links[i], f)
	p.said, p.ever = f, true
}

// subscribe says on a link what is wanted of the group: the program itself while the kernel forwards it and must not know.
func (r *router) subscribe(l *link, f mld.Filter) error {
	if r.flows != nil {
		return r.members.say(l, r.endpoint.Group.Addr(), f)
	}
	s, ok := l.conn.(netio.Subscriber)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.Subscribe(f.Exclude, f.Sources)
}

// wanted returns what the links but the one upstream want of the group: "the membership database is a merger of all subscriptions on any
// downstream interface". Of who is beyond a leg, or always taken to listen, nothing is known of sources.
func (r *router) wanted() mld.Filter {
	var filters []mld.Filter
	group := r.endpoint.Group.Addr().WithZone("")
	asked := func(l *link) *mld.Router { return r.members.routers[of(l, group)] }
	for _, l := range r.links {
		if !r.isProxied(l.name) && l.listens && (l.always || asked(l) == nil) {
			filters = append(filters, mld.AnySource)
		}
	}
	if r.members.asks() {
		_ = r.members.loop.Do(func(time.Time) {
			for _, l := range r.links {
				if m := asked(l); m != nil && !l.always && !r.isProxied(l.name) {
					if f, ok := m.Filter(group); ok {
						filters = append(filters, f)
					}
				}
			}
		})
	}
	f := mld.Merge(filters...)
	if s := r.endpoint.Source; s.IsValid() {
		if !f.Accepts(s) {
			return mld.Filter{}
		}
		f = mld.Include(s)
	}
	return f
}

// String returns what was said, for the status.
func (p *proxy) String() string {
	switch {
	case p.failed != nil:
		return "cannot report: " + p.failed.Error()
	case p.said.Empty():
		return "reports nothing"
	}
	return "reports " + p.said.String()
}
