package mld

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Proxy forwards a tree of links without a routing protocol (RFC 4605): it is a Router on each of its downstream interfaces and a Listener on the
// one upstream, where it listens to what they have listeners for together. It is no engine of its own: packets and timeouts are handed
// to the Upstream and the Downstream that they belong to.
//
// The topology has to be a tree: nothing here notices a loop (RFC 4605 §5).
type Proxy struct {
	Upstream   *Listener
	Downstream []*Router

	limited uint64
}

// Upstream is how a Proxy's methods call the interface upstream; those downstream are numbered from 0.
const Upstream = -1

// NewProxy returns a Proxy. Of each configuration downstream, Changed is called besides what the proxy does with a change. All
// interfaces are of one family.
func NewProxy(upstream ListenerConfig, downstream []RouterConfig, rng *rand.Rand) (*Proxy, error) {
	up, err := NewListener(upstream, rng)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	p := &Proxy{Upstream: up}
	for i, c := range downstream {
		told := c.Changed
		c.Changed = func(now time.Time, group netip.Addr, f Filter) {
			p.changed(now, i, group, f)
			if told != nil {
				told(now, group, f)
			}
		}
		r, err := NewRouter(c)
		if err != nil {
			return nil, fmt.Errorf("downstream %d: %w", i, err)
		}
		if r.config.Family != up.config.Family {
			return nil, fmt.Errorf("mld: downstream %d: %v behind %v", i, r.config.Family, up.config.Family)
		}
		p.Downstream = append(p.Downstream, r)
	}
	return p, nil
}

// changed keeps the membership database (RFC 4605 §4.1), which is what the Upstream merges of its sockets, here one for each interface downstream.
// A subscription enters it as the filter that its router forwards by: "if the filter mode is EXCLUDE, to remove every source whose source timer
// > 0". What is of a link's scope is nobody's business upstream.
func (p *Proxy) changed(now time.Time, i int, group netip.Addr, f Filter) {
	if p.Upstream.config.Family.linkScope(group) {
		return
	}
	if err := p.Upstream.Listen(now, i, group, f); err != nil {
		p.limited++
	}
}

// Limited returns how many changes the Upstream had no room for.
func (p *Proxy) Limited() uint64 { return p.limited }

// Forward yields the interfaces to which a packet goes that source sent to group and that came in at the interface in (RFC 4605 §4.2): up,
// unless it came from there, and to each other interface downstream that has listeners for it and "whether or not this proxy device is the
// IGMP/MLD Querier" there.
func (p *Proxy) Forward(in int, source, group netip.Addr) iter.Seq[int] {
	return func(yield func(int) bool) {
		f := p.Upstream.config.Family
		if !f.has(group) || !group.IsMulticast() || f.linkScope(group) {
			return
		}
		if in != Upstream && !yield(Upstream) {
			return
		}
		for i, r := range p.Downstream {
			if i != in && r.Querier() && r.Forward(group, source) && !yield(i) {
				return
			}
		}
	}
}
