package mld

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Querier is the router part of MLD and IGMP on one interface, running: it asks who listens, as long as no router with a lower address does, so
// that switches that snoop go on forwarding multicast to who wants it. Its methods are safe for concurrent use.
type Querier struct {
	loop    *Loop
	cancel  context.CancelFunc
	ended   chan struct{}
	err     error
	routers []*Router
	ports   []*Port
}

// QuerierStatus is what a Querier knows of its link, in one family.
type QuerierStatus struct {
	Family  Family
	Querier netip.Addr // who is elected
	Elected bool       // it is this one
	Groups  map[netip.Addr]Filter
	Stats   RouterStats
	Failed  uint64 // packets that the kernel did not take
}

// OpenQuerier starts a querier on an interface, in each family that the interface has an address of. Of the configuration, what belongs to a family
// and to the interface is filled in: Family, Address, Prefix and MTU. The times may be chosen, and Changed is called from the querier's own
// goroutine.
func OpenQuerier(ifi *net.Interface, c RouterConfig) (*Querier, error) {
	q := &Querier{loop: NewLoop(), ended: make(chan struct{})}
	var missing []error
	for _, f := range []Family{MLD, IGMP} {
		p, err := OpenPort(ifi, f)
		if errors.Is(err, errNoAddress) {
			missing = append(missing, err)
			continue
		}
		var r *Router
		if err == nil {
			c.Family, c.Address, c.Prefix, c.MTU = f, p.Address(), p.Prefix(), p.MTU()
			q.ports = append(q.ports, p)
			r, err = NewRouter(c)
		}
		if err != nil {
			q.close()
			return nil, err
		}
		r.Start(time.Now())
		q.routers = append(q.routers, r)
		q.loop.Add(p, r)
	}
	if len(q.routers) == 0 {
		return nil, missing[0]
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	go func() {
		defer close(q.ended)
		q.err = q.loop.Run(ctx)
	}()
	return q, nil
}

func (q *Querier) close() {
	for _, p := range q.ports {
		p.Close()
	}
}

// Status returns what is known now, by family; nothing after the end.
func (q *Querier) Status() (all []QuerierStatus) {
	q.loop.Do(func(time.Time) {
		for i, r := range q.routers {
			s := QuerierStatus{Family: r.config.Family, Querier: r.QuerierAddress(), Elected: r.Querier(), Groups: map[netip.Addr]Filter{}, Stats: r.Stats(), Failed: q.ports[i].Failed()}
			for g, f := range r.Groups() {
				s.Groups[g] = f
			}
			all = append(all, s)
		}
	})
	return all
}

// Done is closed when the querier has ended: by Close, or because its interface is gone.
func (q *Querier) Done() <-chan struct{} { return q.ended }

// Close ends the querier and returns why it had ended before, if it had.
func (q *Querier) Close() error {
	q.cancel()
	<-q.ended
	return q.err
}
