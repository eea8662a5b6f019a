package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/element"
	"github.com/gopgm/gopgm/pgm/poll"
)

// protocol is PGM's number in IP.
const protocol = 113

// link is an interface of the router.
type link struct {
	name    string
	conn    netio.Conn
	always  bool // someone is always taken to listen
	listens bool
	querier netip.Addr
	before  netio.Stats // when its load was last measured
	peers   []*router   // of other groups, which hear what comes to this one by unicast
}

// router joins the engine of an element, for one group, to its links and the clock.
type router struct {
	o        *options
	endpoint pgm.Endpoint
	groups   *groups
	links    []*link
	members  *members
	engine   *element.Element
	way      map[netip.Addr]way
	claims   map[netip.Addr]claim
	looked   time.Time // since when looks counts the claims that were looked at
	looks    int
	hub      *hub // of the legs; nil: there are none
	proxy    proxy
	asked    chan chan *status
	arrived  chan arrival
	out      [][]netio.Message
	flows    *flows // what the kernel forwards of the group; nil: nothing
	stderr   io.Writer
}

// way is which link leads to a source, as the kernel said at a time.
type way struct {
	link int
	at   time.Time
}

// arrival is what was read from a link.
type arrival struct {
	link  int
	batch *netio.Batch
	err   error
}

func newRouter(o *options, e pgm.Endpoint, m *members, g *groups) *router {
	return &router{
		o: o, endpoint: e, members: m, groups: g, way: make(map[netip.Addr]way), asked: make(chan chan *status), arrived: make(chan arrival, 4*len(o.interfaces)),
	}
}

// element opens the links of an element, and makes its engine. What it returns runs it.
func (r *router) element(ctx context.Context) (run func(context.Context) error, err error) {
	for _, name := range r.o.interfaces {
		if err := r.open(ctx, name); err != nil {
			return nil, err
		}
	}
	r.openLegs(r.hub)
	c := element.Config{
		Group: r.endpoint.Group, Toward: r.toward, Discover: r.o.discover, Shed: r.o.shed, RouterAlert: r.endpoint.Network == "pgm",
		Repairs: nak.ForwarderConfig{Repeat: r.o.repeat, Data: r.o.data, Eliminate: r.o.eliminate},
		Poll:    poll.PollerConfig{Period: r.o.polls}, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	for _, l := range r.links {
		c.Interfaces = append(c.Interfaces, l.conn.Local().Addr())
	}
	if r.engine, err = element.New(c, time.Now()); err != nil {
		return nil, err
	}
	r.out = make([][]netio.Message, len(r.links))
	return r.loop, nil
}

// open opens the sockets of a link, and becomes its querier unless it is told who listens.
func (r *router) open(ctx context.Context, name string) error {
	c := netio.Config{Interface: name, Group: r.endpoint.Group, Source: r.endpoint.Source, Receive: true, TTL: r.o.ttl, NoLoopback: true, Forward: true}
	if r.endpoint.Network == "pgm" {
		c.Protocol = protocol
	}
	c.Alert = r.byKernel()
	c.Unjoined = r.isProxied(name)
	conn, err := r.groups.openConn(ctx, c, r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	l := &link{name: name, conn: conn}
	r.links = append(r.links, l)
	l.always = slices.Contains(r.o.listen, name) || slices.Contains(r.o.listen, "all") || name == r.o.upstream || r.isProxied(name)
	if c.Alert {
		if err := r.members.report(l, r.endpoint.Group.Addr()); err != nil {
			return fmt.Errorf("%s: to say that this router listens: %w", name, err)
		}
	}
	if l.listens = l.always; l.always {
		return nil
	}
	if err := r.members.ask(l, r.endpoint.Group.Addr()); err != nil {
		return fmt.Errorf("%s: to learn who listens: %w (or say --listen %s)", name, err, name)
	}
	return nil
}

// close closes what open opened.
func (r *router) close() {
	for _, l := range r.links {
		l.conn.Close()
	}
	r.flows.close()
}

// batches is how many reads of one socket may wait for the engine.
const batches = 8

// read starts a goroutine for each socket.
func (r *router) read(ctx context.Context) {
	for i, l := range r.links {
		for _, s := range l.conn.Readers() {
			pool := netio.NewPool(batches)
			go func() {
				for {
					b, err := pool.Get(ctx.Done())
					if err != nil {
						return
					}
					err = s.ReadBatch(b)
					if !r.hand(ctx, l, arrival{i, b, err}) {
						return
					}
				}
			}()
		}
	}
}

// The intervals at which who listens and the load of links are looked at.
const (
	memberInterval = 200 * time.Millisecond
	loadInterval   = 100 * time.Millisecond
)

// loop is the goroutine that the engine belongs to.
func (r *router) loop(ctx context.Context) error {
	r.read(ctx)
	b := newOut()
	timer := time.NewTimer(0)
	if r.flows != nil {
		if err := r.announce(r.listensTo()); err != nil {
			return err
		}
	}
	var measured, counted time.Time
	for {
		now := time.Now()
		if now.Sub(counted) >= memberInterval {
			r.listen()
			if err := r.follow(now); err != nil {
				return err
			}
			counted = now
		}
		if now.Sub(measured) >= loadInterval {
			r.measure(now)
			measured = now
		}
		if t := r.engine.NextTimeout(); !t.IsZero() && !t.After(now) {
			r.engine.HandleTimeout(now)
			if err := r.send(now, b); err != nil {
				return err
			}
		}
		timer.Reset(until(now, r.engine.NextTimeout(), loadInterval))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case reply := <-r.asked:
			reply <- r.status()
		case e := <-r.happened():
			if err := r.hear(e); err != nil {
				return err
			}
		case a := <-r.arrived:
			if err := r.take(a, b); err != nil {
				return err
			}
		}
	}
}

// until returns how long to wait for t, at most limit.
func until(now, t time.Time, limit time.Duration) time.Duration {
	if t.IsZero() {
		return limit
	}
	return max(min(t.Sub(now), limit), 0)
}

// take hands what was read to the engine, and sends what comes of it.
func (r *router) take(a arrival, b *out) error {
	if a.err != nil {
		return fmt.Errorf("%s: %w", r.links[a.link].name, a.err)
	}
	now := time.Now()
	beyond := a.batch.Multicast && r.links[a.link].asLeg() != nil
	for i := range a.batch.Datagrams {
		d := &a.batch.Datagrams[i]
		if beyond {
			r.claim(now, d.From.Addr(), a.link)
		}
		arrival := element.Arrival{Interface: a.link, From: d.From, Unicast: !a.batch.Multicast, TTL: d.TTL}
		if r.engine.HandlePacket(now, arrival, d.Data) == nil { // an error is counted
			r.alerted(now, &a, d)
		}
		if r.engine.Room() < 2*netio.MaxPayload {
			if err := r.send(now, b); err != nil {
				return err
			}
		}
	}
	a.batch.Release()
	return r.send(now, b)
}

// send sends what the engine wants sent. What an interface does not take is lost, as on the wire; that it is gone is an error.
func (r *router) send(now time.Time, b *out) error {
	b.batch.Reset()
	r.engine.PollTransmit(now, b.batch)
	for i := range r.out {
		r.out[i] = r.out[i][:0]
	}
	for i := range b.batch.Messages {
		m := &b.batch.Messages[i]
		for l := range r.out {
			if m.Route.Interfaces&(1<<l) != 0 {
				r.out[l] = append(r.out[l], message(m))
			}
		}
	}
	for l, messages := range r.out {
		if err := r.links[l].write(messages); err != nil {
			return err
		}
	}
	return nil
}

// write sends messages on the link.
func (l *link) write(messages []netio.Message) error {
	for len(messages) > 0 {
		n, err := l.conn.WriteBatch(messages)
		if err == nil {
			break
		}
		if gone := l.conn.Check(); gone != nil {
			return fmt.Errorf("%s: %w", l.name, gone)
		}
		messages = messages[n+1:]
	}
	return nil
}

// listen tells the engine who listens. The router itself has joined everywhere, which it does not hear itself report.
func (r *router) listen() {
	r.members.look(r.links, r.endpoint.Group.Addr().WithZone(""))
	r.listenBeyond(time.Now())
	r.propose()
	for i, l := range r.links {
		r.engine.Listen(i, l.listens)
	}
}

// measure tells the engine what the links dropped.
func (r *router) measure(now time.Time) {
	if r.measureQueues(now) {
		return
	}
	for i, l := range r.links {
		s := l.conn.Stats()
		dropped := s.WriteErrors - l.before.WriteErrors
		r.engine.Loaded(now, i, s.WriteDatagrams-l.before.WriteDatagrams+dropped, dropped)
		l.before = s
	}
}

// wayAge is for how long an answer of the routing table is believed; ways is for how many sources at once.
const (
	wayAge = 5 * time.Second
	ways   = 4096
)

// toward returns the link that leads to a source: what the kernel would send to it from. None does to one whose address is of its link only:
// "Routers must not forward any packets with Link-Local source or destination addresses to other links" (RFC 4291 §2.5.6; RFC 3927 §7).
func (r *router) toward(source netip.Addr) int {
	if source.IsLinkLocalUnicast() {
		return -1
	}
	if r.o.upstream != "" {
		return slices.IndexFunc(r.links, func(l *link) bool { return l.name == r.o.upstream })
	}
	now := time.Now()
	if i, ok := r.claimed(now, source); ok {
		return i
	}
	if w, ok := r.way[source]; ok && now.Sub(w.at) < wayAge {
		return w.link
	}
	if len(r.way) >= ways {
		clear(r.way)
	}
	w := way{link: -1, at: now}
	if by, ok := sendsFrom(source); ok {
		w.link = slices.IndexFunc(r.links, func(l *link) bool {
			for a := range addresses(l.conn.Interface()) {
				if a.Addr() == by {
					return true
				}
			}
			return false
		})
	}
	r.way[source] = w
	return w.link
}
