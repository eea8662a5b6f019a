// Package sim is a network in virtual time that engines are tried on: a tree of routers and hosts whose links lose, delay, reorder,
// repeat and queue packets. An hour of it passes in as much time as its packets take to handle.
//
// Everything is drawn from one generator and happens in one order, so a run with the same seed is the same run: nothing depends
// on a clock, on the order of a map or on another goroutine. A Net and what hangs on it belong to one goroutine; Nets are
// independent of each other.
//
// It is made for a million receivers: a packet is stored once, however many it is on its way to, a host is a row of an array, and
// a router delivers to its hosts in one event where their links allow it.
package sim

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Engine is what runs on a host: pgm/source.Source and pgm/receiver.Receiver are engines. A packet that it is handed is shared
// with other hosts, and valid during the call only.
type Engine interface {
	HandlePacket(now time.Time, from netip.AddrPort, p []byte) error
	HandleTimeout(now time.Time)
	NextTimeout() time.Time
	PollTransmit(now time.Time, b *packet.Batch)
}

// Group is the multicast group that every host is a member of; its port is that of unicast packets too.
var Group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 192, 77, 71}), 7500)

// Overhead is what a packet has in front of it on a link: an IPv4 and a UDP header.
const Overhead = 28

// defaultTTL is the TTL of packets that ask for none in particular.
const defaultTTL = 16

// epoch is when every Net begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Router names a router: a network in itself, to which hosts and other routers are linked. It copies a multicast packet to all
// links but the one it came by, those to other routers only if its TTL lasts.
type Router int32

// Root is the router that a new Net consists of.
const Root Router = 0

// Host names a host. Hosts are numbered from 0 in the order in which they were added.
type Host int32

// Net is the network.
type Net struct {
	// Observe, unless nil, is told what happens to packets. The packet is valid during the call only.
	Observe func(e Event)

	rng     *rand.Rand
	now     int64 // nanoseconds since epoch
	queue   queue
	calls   []func()
	routers []router
	hosts   []host
	packets pool
	batch   *packet.Batch
	halted  bool
	tally   Tally
}

type router struct {
	parent   Router
	depth    int32
	children []Router
	hosts    []Host
	down, up hop        // from and to the parent
	element  *assistant // nil: it is a plain router
}

// New returns a net that consists of the Root and draws everything from rng.
func New(rng *rand.Rand) *Net {
	return &Net{rng: rng, routers: []router{{parent: -1}}, batch: packet.NewBatch(4 * packet.MaxRun)}
}

// Rand returns a generator of its own for an engine.
func (n *Net) Rand() *rand.Rand { return rand.New(rand.NewPCG(n.rng.Uint64(), n.rng.Uint64())) }

// Router adds a router behind parent. down is the link from there to it, up the one back; they may be the same.
func (n *Net) Router(parent Router, down, up *Link) Router {
	id := Router(len(n.routers))
	n.routers = append(n.routers, router{
		parent: parent, depth: n.routers[parent].depth + 1, down: hop{link: down}, up: hop{link: up},
	})
	n.routers[parent].children = append(n.routers[parent].children, id)
	return id
}

// Host adds a host at the router at, without an engine. down is the link to it, up the one from it; they may be the same.
func (n *Net) Host(at Router, down, up *Link) Host {
	id := Host(len(n.hosts))
	n.hosts = append(n.hosts, host{router: at, down: hop{link: down}, up: hop{link: up}, timer: never})
	n.routers[at].hosts = append(n.routers[at].hosts, id)
	return id
}

// firstAddr is 10.0.0.1, the address of host 0.
const firstAddr = 10<<24 + 1

// Addr returns the address of h, with the port that it hears unicast at.
func (n *Net) Addr(h Host) netip.AddrPort {
	a := uint32(firstAddr + h)
	if h < everyone {
		a = uint32(firstRouter + h.router())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), Group.Port())
}

// host returns who has the address a.
func (n *Net) host(a netip.AddrPort) (Host, bool) {
	if !a.Addr().Is4() || a.Port() != Group.Port() {
		return 0, false
	}
	b := a.Addr().As4()
	h := int64(b[0])<<24 + int64(b[1])<<16 + int64(b[2])<<8 + int64(b[3]) - firstAddr
	if r := h + firstAddr - firstRouter; r >= 0 {
		return itself(Router(r)), r < int64(len(n.routers)) && n.routers[r].element != nil
	}
	return Host(h), h >= 0 && h < int64(len(n.hosts))
}

// Now returns the virtual time.
func (n *Net) Now() time.Time { return at(n.now) }

// Elapsed returns how much of it has passed.
func (n *Net) Elapsed() time.Duration { return time.Duration(n.now) }

func at(ns int64) time.Time { return epoch.Add(time.Duration(ns)) }

// After has f called when d has passed from now.
func (n *Net) After(d time.Duration, f func()) {
	n.calls = append(n.calls, f)
	n.push(event{at: n.now + int64(d), kind: callback, to: int32(len(n.calls) - 1)})
}

// Halt makes Run return when the event in which it is called has been handled.
func (n *Net) Halt() { n.halted = true }

// Run lets d pass, and reports whether it was halted before that. Then time stands where it was halted.
func (n *Net) Run(d time.Duration) bool {
	end := n.now + int64(d)
	n.halted = false
	for !n.halted {
		if n.queue.len() == 0 || n.queue.first().at > end {
			n.now = end
			return false
		}
		e := n.queue.pop()
		if e.at < n.now {
			panic(fmt.Sprintf("sim: an event of %v at %v", time.Duration(e.at), n.Elapsed()))
		}
		n.now = e.at
		switch e.kind {
		case timeout:
			if e.to < 0 {
				n.attend(Host(e.to).router())
			} else {
				n.timeout(Host(e.to))
			}
		case callback:
			f := n.calls[e.to]
			n.calls[e.to] = nil
			f()
		case routed:
			n.route(Router(e.to), e)
			n.packets.release(e.packet)
		case delivery:
			n.deliver(e)
			n.packets.release(e.packet)
		}
	}
	return true
}

// push puts e into the queue, with a hold on its packet.
func (n *Net) push(e event) {
	if e.kind == routed || e.kind == delivery {
		n.packets.retain(e.packet)
	}
	n.queue.push(e)
}

// everyone is the destination of a multicast packet.
const everyone Host = -1

// route forwards the packet of e, which the router r has got from a neighbour or from a host of its own.
func (n *Net) route(r Router, e event) {
	p := n.packets.at(e.packet)
	if p.to != everyone {
		n.routeTo(r, p.to, e)
		return
	}
	if n.routers[r].element != nil {
		n.assist(r, e)
		return
	}
	n.fanOut(r, e)
	if e.ttl <= 1 { // of a router, a TTL of 1 is not forwarded
		return
	}
	if up := n.routers[r].parent; up >= 0 && int32(up) != e.from {
		n.toRouter(up, &n.routers[r].up, r, e)
	}
	for _, c := range n.routers[r].children {
		if int32(c) != e.from {
			n.toRouter(c, &n.routers[c].down, r, e)
		}
	}
}

// routeTo forwards a unicast packet by one hop.
func (n *Net) routeTo(r Router, h Host, e event) {
	to := n.routerOf(h)
	switch {
	case to == r && h < everyone:
		n.hand(r, e, true)
		return
	case to == r:
		n.toHost(r, h, e)
		return
	case e.ttl <= 1:
		return
	}
	for n.routers[to].depth > n.routers[r].depth+1 {
		to = n.routers[to].parent
	}
	if n.routers[to].depth > n.routers[r].depth && n.routers[to].parent == r {
		n.toRouter(to, &n.routers[to].down, r, e)
		return
	}
	n.toRouter(n.routers[r].parent, &n.routers[r].up, r, e)
}

func (n *Net) toRouter(to Router, h *hop, from Router, e event) {
	p := n.packets.at(e.packet)
	arrivals, copies := n.cross(h, p, p.from)
	for _, at := range arrivals[:copies] {
		n.push(event{at: at, kind: routed, packet: e.packet, to: int32(to), from: int32(from), ttl: e.ttl - 1})
	}
}

func (n *Net) toHost(r Router, h Host, e event) {
	p := n.packets.at(e.packet)
	arrivals, copies := n.cross(&n.hosts[h].down, p, h)
	for _, at := range arrivals[:copies] {
		n.push(event{at: at, kind: delivery, packet: e.packet, to: int32(h), from: -1})
	}
}

// fanOut copies a multicast packet to the hosts of r but for its sender. Neighbours with the same plain link share an event.
func (n *Net) fanOut(r Router, e event) {
	hosts := n.routers[r].hosts
	for i := 0; i < len(hosts); {
		link := n.hosts[hosts[i]].down.link
		if !link.plain() {
			if hosts[i] != n.packets.at(e.packet).from {
				n.toHost(r, hosts[i], e)
			}
			i++
			continue
		}
		from := i
		for i++; i < len(hosts) && n.hosts[hosts[i]].down.link == link; i++ {
		}
		n.push(event{
			at: n.now + int64(link.Delay), kind: delivery, packet: e.packet,
			to: int32(from), until: int32(i), from: int32(r),
		})
	}
}

// deliver hands the packet of e to the host, or the hosts of a router, that it has reached.
func (n *Net) deliver(e event) {
	if e.from < 0 {
		n.receive(Host(e.to), e.packet)
		return
	}
	p := n.packets.at(e.packet)
	sender, typ := p.from, p.typ
	for i := e.to; i < e.until; i++ {
		h := n.routers[e.from].hosts[i]
		if h == sender {
			continue
		}
		if down := &n.hosts[h].down; n.loses(down, typ) {
			n.tell(Lost, h, n.packets.at(e.packet))
			continue
		}
		n.receive(h, e.packet)
	}
}
