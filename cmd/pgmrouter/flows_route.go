package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/gopgm/gopgm/internal/mroute"
	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/mld"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/element"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Who forwards data.
const (
	forwardAuto   = "auto"
	forwardKernel = "kernel"
	forwardUser   = "user"
)

// byKernel reports whether the kernel can forward the data of the group: packets in UDP bear no Router Alert, with IPv6 the kernel hands
// those that do to nobody, and of legs it knows nothing. Nor do its routes know of protocols: where the group is one of PGM in UDP too, that
// would come twice.
func (r *router) byKernel() bool {
	return r.o.forward != forwardUser && !r.o.repairer && len(r.o.legs) == 0 && r.endpoint.Network == "pgm" && r.endpoint.Group.Addr().Is4() &&
		!slices.ContainsFunc(r.o.endpoints, func(e pgm.Endpoint) bool { return e.Network != "pgm" && e.Group.Addr() == r.endpoint.Group.Addr() })
}

// forwardByKernel has the kernel forward the data of those groups that it can, whose links are open. It returns nil if there are none, or if it does not
// and need not.
func forwardByKernel(routers []*router) (*kernel, error) {
	routers = slices.DeleteFunc(slices.Clone(routers), func(r *router) bool { return !r.byKernel() })
	if len(routers) == 0 {
		return nil, nil
	}
	var groups []*flows
	var able []*router
	for _, r := range routers {
		f := newFlows(r.endpoint.Group.Addr(), r.endpoint.Source)
		f.toward, f.own, f.wants = r.toward, r.own, r.wants
		f.queues, _ = mroute.OpenQueues() // without it, nothing is known of what the kernel drops
		for _, l := range r.links {
			f.names = append(f.names, l.conn.Interface().Name)
		}
		if why := f.obstacle(); why != "" {
			f.close()
			if err := r.withoutKernel(why); err != nil {
				return nil, err
			}
			continue
		}
		groups, able = append(groups, f), append(able, r)
	}
	if len(able) == 0 {
		return nil, nil
	}
	k, err := openKernel(able[0].links, groups)
	for i, r := range able {
		if err == nil {
			r.flows = groups[i]
			continue
		}
		groups[i].close()
		if err := r.withoutKernel(err.Error()); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// obstacle says why the kernel must not forward the group, if it must not: where a program on this host has joined it, what bears Router Alert would be
// forwarded too.
func (f *flows) obstacle() string {
	if names := f.joined(); len(names) > 0 {
		return "a program on this host has joined it on " + names[0]
	}
	return ""
}

// withoutKernel has the program forward the data of the group, if that is allowed.
func (r *router) withoutKernel(why string) error {
	if r.o.forward == forwardKernel {
		return fmt.Errorf("--forward kernel: %v: %s", r.endpoint, why)
	}
	return r.join(why)
}

// join has all data of the group pass through the program, which says why.
func (r *router) join(why string) error {
	fmt.Fprintf(r.stderr, "pgmrouter: %v: data passes through this program and not through the kernel alone: %s\n", r.endpoint, why)
	for _, l := range r.links {
		if c, ok := l.conn.(interface{ Join() error }); ok {
			if err := c.Join(); err != nil {
				return err
			}
		}
	}
	return nil
}

// happened returns what the kernel has to say.
func (r *router) happened() <-chan event {
	if r.flows == nil {
		return nil
	}
	return r.flows.events
}

// hear takes what the kernel says.
func (r *router) hear(e event) error {
	now := time.Now()
	if e.done == nil {
		r.flows.add(now, e.miss.Source, e.miss.Link)
		return nil
	}
	defer func() { e.done <- struct{}{} }()
	p := e.sample.Payload
	if len(p) < packet.HeaderLen {
		return nil
	}
	switch t := packet.Type(p[4] & 0x0f); {
	case t == packet.TypeODATA:
		from := netip.AddrPortFrom(e.sample.Source, 0)
		_ = r.engine.HandlePacket(now, element.Arrival{Interface: e.link, From: from, TTL: e.sample.TTL, Passed: true}, p) // it is counted
	case t.RouterAlert() && !r.own(e.sample.Source) && r.toward(e.sample.Source) == e.link:
		return r.unalerted(e.sample.Source)
	}
	return nil
}

// unalerted does what is to be done about a source whose SPMs, NCFs and repairs the kernel forwards as it does data, because they do not say that they
// are for the routers on their way: OpenPGM's are so unless it is told otherwise.
func (r *router) unalerted(source netip.Addr) error {
	why := fmt.Sprintf("packets of %v lack Router Alert", source)
	if r.o.forward == forwardAuto {
		return r.leaveKernel(why)
	}
	if f := r.flows; !f.silent[source] && len(f.silent) < maxUnalerted {
		f.silent[source] = true
		fmt.Fprintf(r.stderr, "pgmrouter: %v: %s: they pass, and nothing is done about their losses here (without --forward kernel it is)\n", r.endpoint, why)
	}
	return nil
}

// leaveKernel has the program forward data that the kernel has forwarded until now. From then on the kernel says who listens, and the program has
// said that it does not before the kernel says the contrary.
func (r *router) leaveKernel(why string) error {
	r.flows.end()
	r.flows = nil
	if err := r.announce(mld.Filter{}); err != nil {
		return err
	}
	_ = r.members.loop.Do(func(time.Time) {}) // the loop sends what comes of one thing before it does the next
	if err := r.withoutKernel(why); err != nil {
		return err
	}
	r.proxy = proxy{}
	r.propose()
	return nil
}

// follow has the kernel's entries follow who listens.
func (r *router) follow(now time.Time) error {
	if r.flows == nil {
		return nil
	}
	r.flows.refresh(now)
	if now.Sub(r.flows.looked) < joinedTime {
		return nil
	}
	r.flows.looked = now
	if why := r.flows.obstacle(); why != "" {
		return r.leaveKernel(why)
	}
	return nil
}

// alerted takes note of a source whose packets with Router Alert come.
func (r *router) alerted(now time.Time, a *arrival, d *netio.Datagram) {
	if r.flows != nil && a.batch.Multicast {
		r.flows.heard(now, d.From.Addr(), a.link)
	}
}

// own reports whether a is an address of the router.
func (r *router) own(a netip.Addr) bool {
	return slices.ContainsFunc(r.links, func(l *link) bool { return l.conn.Local().Addr() == a })
}

// wants says by which links somebody listens to each of the sources.
func (r *router) wants(sources []netip.Addr, out []uint32) {
	group := r.endpoint.Group.Addr()
	for i, l := range r.links {
		if l.always {
			for s := range out {
				out[s] |= 1 << i
			}
		}
	}
	r.members.wants(r.links, group, sources, out)
}

// measureQueues tells the engine what the queues of the links dropped, which is all that the kernel forwards as well, and reports whether that is known.
func (r *router) measureQueues(now time.Time) bool {
	if r.flows == nil || r.flows.queues == nil {
		return false
	}
	counts, err := r.flows.queues.Count()
	if err != nil {
		r.flows.close() // it is known no more
		return false
	}
	before := r.flows.counts
	if r.flows.counts = counts; before == nil {
		return true
	}
	for i, l := range r.links {
		index := l.conn.Interface().Index
		c := counts[index]
		b, ok := before[index]
		if _, there := counts[index]; !ok || !there {
			b = c // one that is new or gone has done nothing
		}
		dropped := c.Dropped - b.Dropped
		r.engine.Loaded(now, i, uint64(c.Packets-b.Packets+dropped), uint64(dropped))
	}
	return true
}
