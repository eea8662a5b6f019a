package mld

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// RFC 3810 §5.1, RFC 3376 §4.1: a query is for all nodes, the host of the querier among them. The other routers of the link know that it listens by its
// answers only; to its own router it is no listener.
func TestHostOfTheQuerierAnswersIt(t *testing.T) {
	t.Parallel()
	one, other := newNamespace(t), newNamespace(t)
	cable(one, "v0", 1, other, "v0", 2)
	one.Await("v0")
	other.Await("v0")
	link, loop := one.link("v0"), NewLoop()
	var routers []*Router
	groups := map[Family]string{MLD: "ff08::77", IGMP: "239.7.7.7"}
	for f, group := range groups {
		var ports [2]*Port
		for i := range ports {
			var err error
			one.Do(func() { ports[i], err = OpenPort(link, f) })
			if err != nil {
				t.Fatal(err)
			}
		}
		c := quick
		c.Family, c.Address, c.Prefix = f, ports[0].Address(), ports[0].Prefix()
		r, err := NewRouter(c)
		if err != nil {
			t.Fatal(err)
		}
		l, err := NewListener(ListenerConfig{Family: f, Address: ports[1].Address()}, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Listen(time.Now(), 0, addr(group), AnySource); err != nil {
			t.Fatal(err)
		}
		r.Start(time.Now())
		loop.Add(ports[1], l)
		loop.Add(ports[0], r)
		routers = append(routers, r)
	}
	q := other.querier("v0", quick)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	interval := 2*quick.QueryInterval + quick.ResponseInterval // [9.4]
	for end := time.Now().Add(interval + 2*quick.QueryInterval); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		for _, group := range groups {
			eventually(t, time.Second, "the other router knows that the host listens to "+group, func() bool { _, ok := known(q, group); return ok })
		}
	}
	loop.Do(func(time.Time) {
		for _, r := range routers {
			if _, ok := r.Filter(addr(groups[r.config.Family])); ok {
				t.Errorf("to its own router, the host listens to %v", groups[r.config.Family])
			}
			if !r.Querier() {
				t.Errorf("the querier is %v", r.QuerierAddress())
			}
		}
	})
}
