package sim

import (
	"fmt"
	"math"
	"math/bits"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/element"
	"github.com/gopgm/gopgm/pgm/packet"
)

// firstRouter is 11.0.0.1, the address of the root, if it has an element.
const firstRouter = 11<<24 + 1

// itself returns the name under which the element in r sends and is sent to: below everyone.
func itself(r Router) Host { return everyone - 1 - Host(r) }

// router returns whose element h names.
func (h Host) router() Router { return Router(everyone - 1 - h) }

// assistant is the element in a router. Its interfaces are the link to the parent, if there is one, the network of its hosts, and the
// links to the routers behind it, in this order.
type assistant struct {
	*element.Element
	links []Router // by interface; hostLink: its hosts
	batch *packet.Batch
	timer int64
}

const hostLink Router = -1

// Assist makes r a network element from now on, with what c says of timers and limits. Routers that are linked to r later are out of its
// reach.
func (n *Net) Assist(r Router, c element.Config) *element.Element {
	o := &n.routers[r]
	var links []Router
	if o.parent >= 0 {
		links = append(links, o.parent)
	}
	links = append(append(links, hostLink), o.children...)
	c.Group, c.Rand = Group, n.Rand()
	c.Interfaces = nil
	own := firstRouter + uint32(r)
	for range links {
		c.Interfaces = append(c.Interfaces, netip.AddrFrom4([4]byte{byte(own >> 24), byte(own >> 16), byte(own >> 8), byte(own)}))
	}
	c.Toward = func(source netip.Addr) int { return n.toward(r, source) }
	e, err := element.New(c, n.Now())
	if err != nil {
		panic(fmt.Sprintf("sim: %v", err))
	}
	o.element = &assistant{Element: e, links: links, batch: packet.NewBatch(4 * packet.MaxRun), timer: never}
	if len(o.hosts) == 0 {
		e.Listen(o.element.port(hostLink), false)
	}
	return e
}

// port returns the interface that leads to a neighbour.
func (a *assistant) port(neighbour Router) int {
	for i, l := range a.links {
		if l == neighbour {
			return i
		}
	}
	return -1
}

// toward returns the interface of the element in r that leads to a source.
func (n *Net) toward(r Router, source netip.Addr) int {
	h, ok := n.host(netip.AddrPortFrom(source, Group.Port()))
	if !ok || h < 0 {
		return -1
	}
	at := n.hosts[h].router
	if at == r {
		return n.routers[r].element.port(hostLink)
	}
	for n.routers[at].depth > n.routers[r].depth+1 {
		at = n.routers[at].parent
	}
	if n.routers[at].parent == r {
		return n.routers[r].element.port(at)
	}
	return 0
}

// routerOf returns the router that h is at, or is.
func (n *Net) routerOf(h Host) Router {
	if h < everyone {
		return h.router()
	}
	return n.hosts[h].router
}

// assist hands a multicast packet to the element in r. Hosts of r hear each other without it.
func (n *Net) assist(r Router, e event) {
	if e.from < 0 {
		n.fanOut(r, e)
	}
	n.hand(r, e, false)
}

// hand gives the packet of e to the element in r, and sends what that wants sent.
func (n *Net) hand(r Router, e event, unicast bool) {
	a := n.routers[r].element
	if a == nil {
		return
	}
	p := n.packets.at(e.packet)
	n.tell(Delivered, itself(r), p)
	arrival := element.Arrival{Interface: a.port(Router(e.from)), From: n.Addr(p.from), Unicast: unicast, TTL: int(e.ttl)}
	if err := a.HandlePacket(n.Now(), arrival, p.data); err != nil {
		n.tellErr(Refused, itself(r), n.packets.at(e.packet), err)
	}
	n.attend(r)
}

// attend has the element in r do what is due, and sees to its next timeout.
func (n *Net) attend(r Router) {
	a := n.routers[r].element
	for idle := 0; ; idle++ {
		if nanos(a.NextTimeout()) <= n.now {
			a.HandleTimeout(n.Now())
		}
		a.batch.Reset()
		a.PollTransmit(n.Now(), a.batch)
		for i := range a.batch.Messages {
			n.relay(r, a, &a.batch.Messages[i])
		}
		next := nanos(a.NextTimeout())
		if next > n.now {
			if a.timer <= n.now || next < a.timer {
				if next != never {
					a.timer = next
					n.push(event{at: next, kind: timeout, to: int32(itself(r))})
				}
			}
			return
		}
		if idle > spins {
			panic(fmt.Sprintf("sim: the element of router %d spins at %v", r, n.Elapsed()))
		}
	}
}

// relay sends the packets of m from r.
func (n *Net) relay(r Router, a *assistant, m *packet.Message) {
	from, to, ttl := itself(r), everyone, uint8(defaultTTL)
	if m.Route.Source.IsValid() {
		if h, ok := n.host(netip.AddrPortFrom(m.Route.Source, Group.Port())); ok {
			from = h
		}
	}
	if m.TTL > 0 {
		ttl = uint8(min(m.TTL, math.MaxUint8))
	}
	known := true
	if m.To != Group {
		to, known = n.host(m.To)
	}
	for data := m.Data; len(data) > 0; data = data[min(m.Size, len(data)):] {
		i := n.packets.add(from, to, data[:min(m.Size, len(data))])
		n.tell(Sent, itself(r), n.packets.at(i))
		switch {
		case !known:
			n.tell(Lost, itself(r), n.packets.at(i))
		case to != everyone:
			n.routeTo(r, to, event{packet: i, from: int32(hostLink), ttl: ttl})
		default:
			for l := m.Route.Interfaces; l != 0; l &= l - 1 {
				n.leave(r, a.links[bits.TrailingZeros32(l)], event{packet: i, from: int32(hostLink), ttl: ttl + 1})
			}
		}
		n.packets.release(i)
	}
}

// leave sends the packet of e by one interface of r.
func (n *Net) leave(r, to Router, e event) {
	switch {
	case to == hostLink:
		n.fanOut(r, e)
	case to == n.routers[r].parent:
		n.toRouter(to, &n.routers[r].up, r, e)
	default:
		n.toRouter(to, &n.routers[to].down, r, e)
	}
}
