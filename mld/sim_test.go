package mld

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// link is a link with routers and listeners, in virtual time. What is sent reaches everybody else, late by up to 2 ms, or, while the link is
// bad, not everybody.
type link struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Time
	loss    float64
	nodes   []engine
	alive   []bool
	packets []flying
}

type flying struct {
	at time.Time
	to int
	p  Packet
}

func (l *link) add(e engine) {
	l.nodes = append(l.nodes, e)
	l.alive = append(l.alive, true)
}

// flush takes what the nodes have to send.
func (l *link) flush() {
	for i, e := range l.nodes {
		for p, ok := e.PollTransmit(l.now); ok; p, ok = e.PollTransmit(l.now) {
			for j := range l.nodes {
				if i != j && l.alive[i] && l.rng.Float64() >= l.loss {
					l.packets = append(l.packets, flying{l.now.Add(time.Duration(l.rng.IntN(2_000_000))), j, p})
				}
			}
		}
	}
}

// run lets time pass.
func (l *link) run(d time.Duration) {
	end := l.now.Add(d)
	for range 10_000_000 {
		l.flush()
		next := end
		for i, e := range l.nodes {
			if t := e.NextTimeout(); l.alive[i] && !t.IsZero() && t.Before(next) {
				next = t
			}
		}
		first := -1
		for i, f := range l.packets {
			if !f.at.After(next) {
				next, first = f.at, i
			}
		}
		if next.After(l.now) {
			l.now = next
		}
		if first >= 0 {
			f := l.packets[first]
			l.packets = slices.Delete(l.packets, first, first+1)
			if l.alive[f.to] {
				if err := l.nodes[f.to].HandlePacket(l.now, &f.p); err != nil {
					l.t.Fatalf("%v: %v", l.now, err)
				}
			}
			continue
		}
		for i, e := range l.nodes {
			if l.alive[i] {
				e.HandleTimeout(l.now)
			}
		}
		if !l.now.Before(end) {
			l.flush()
			return
		}
	}
	l.t.Fatal("the link does not come to rest")
}

// Whatever was lost, and whoever died: on a good link, the lowest router that lives is the one querier, and every router forwards what listeners
// want and nothing else [7.3], [7.6.2], [8].
func TestSimRoutersLearnWhatListenersWant(t *testing.T) {
	for _, family := range []Family{MLD, IGMP} {
		for seed := range uint64(12) {
			t.Run(fmt.Sprintf("%v, seed %d", family, seed), func(t *testing.T) { simulate(t, family, seed) })
		}
	}
}

func simulate(t *testing.T, family Family, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	l := &link{t: t, rng: rng, now: testStart, loss: 0.1}
	groups, sources, host := addrs("ff08::1 ff08::2"), addrs("fd00::1 fd00::2 fd00::3 fd00::4"), "fe80::%x"
	if family == IGMP {
		groups, sources, host = addrs("239.1.1.1 239.1.1.2"), addrs("10.9.0.1 10.9.0.2 10.9.0.3 10.9.0.4"), "10.0.0.%d"
	}
	own := 0
	next := func() netip.Addr { own++; return addr(fmt.Sprintf(host, own)) }
	var routers []*Router
	for range 1 + rng.IntN(3) {
		r, err := NewRouter(RouterConfig{Family: family, Address: next(), QueryInterval: 20 * time.Second, ResponseInterval: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		routers = append(routers, r)
		l.add(r)
		r.Start(l.now.Add(time.Duration(rng.IntN(3)) * time.Second))
	}
	var listeners []*Listener
	var older []bool
	for range 1 + rng.IntN(4) {
		c := ListenerConfig{Family: family, Address: next()}
		if rng.IntN(4) == 0 {
			c.Version = MLDv1
		}
		h, err := NewListener(c, rng)
		if err != nil {
			t.Fatal(err)
		}
		listeners, older = append(listeners, h), append(older, c.Version != 0)
		l.add(h)
	}
	wants := func() Filter {
		f := Filter{Exclude: rng.IntN(2) == 0}
		for _, s := range sources {
			if rng.IntN(2) == 0 {
				f.Sources = append(f.Sources, s)
			}
		}
		return f
	}
	for range 60 {
		h := rng.IntN(len(listeners))
		if err := listeners[h].Listen(l.now, rng.IntN(2), groups[rng.IntN(2)], wants()); err != nil {
			t.Fatal(err)
		}
		l.run(time.Duration(rng.IntN(4000)) * time.Millisecond)
	}
	lowest := 0
	if len(routers) > 1 && rng.IntN(2) == 0 {
		l.alive[0] = false
		lowest = 1
	}
	l.loss = 0
	l.run(200 * time.Second)

	for i := lowest; i < len(routers); i++ {
		if got := routers[i].QuerierAddress(); got != routers[lowest].config.Address {
			t.Errorf("router %d says that the querier is %v, want %v", i, got, routers[lowest].config.Address)
		}
		for _, g := range groups {
			var all []Filter
			for j, h := range listeners {
				for a, f := range h.Groups() {
					if a == g && older[j] {
						f = AnySource // it cannot say more
					}
					if a == g {
						all = append(all, f)
					}
				}
			}
			want := Merge(all...)
			for _, s := range sources {
				if got := routers[i].Forward(g, s); got != want.Accepts(s) {
					f, _ := routers[i].Filter(g)
					t.Errorf("router %d: %v from %v: forwarded %v, but listeners want %v; has %v", i, g, s, got, want, f)
				}
			}
		}
	}
}
