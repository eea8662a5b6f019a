package sim

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

type host struct {
	router   Router
	cut      bool
	left     bool // the group
	engine   Engine
	down, up hop
	timer    int64 // the earliest timeout in the queue
}

const never = math.MaxInt64

// Start runs e on h from now on, in the place of what ran there before; nil stops the host.
func (n *Net) Start(h Host, e Engine) {
	n.hosts[h].engine = e
	n.Wake(h)
}

// Engine returns what runs on h.
func (n *Net) Engine(h Host) Engine { return n.hosts[h].engine }

// Cut takes h off the net, or puts it back. What would reach or leave it meanwhile is lost; its engine runs on.
func (n *Net) Cut(h Host, cut bool) { n.hosts[h].cut = cut }

// Leave takes h out of the group: it hears unicast only, as a source does that does not receive.
func (n *Net) Leave(h Host) { n.hosts[h].left = true }

// Wake has h send what its engine wants sent, and looks at its timers: needed when the engine was called from outside the net.
func (n *Net) Wake(h Host) {
	if n.hosts[h].engine != nil {
		n.drive(h)
	}
}

// timeout handles a timeout in the queue. When the engine's timers were moved back since it was put there, it comes too early:
// then it moves back too. So a timer that moves with each packet costs one event in the queue, not one for each packet.
func (n *Net) timeout(h Host) {
	o := &n.hosts[h]
	if n.now < o.timer {
		return // an earlier one took its place and has been handled
	}
	o.timer = never
	if o.engine == nil {
		return
	}
	if next := nanos(o.engine.NextTimeout()); next > n.now {
		n.arm(h, next)
		return
	}
	o.engine.HandleTimeout(n.Now())
	n.drive(h)
}

func (n *Net) arm(h Host, at int64) {
	if o := &n.hosts[h]; at < o.timer {
		o.timer = at
		n.push(event{at: at, kind: timeout, to: int32(h)})
	}
}

// nanos converts a time of an engine's: never, if it is zero.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return int64(t.Sub(epoch))
}

// unicastEngine is an engine to which it makes a difference that a packet was sent to its host alone.
type unicastEngine interface {
	HandleUnicast(now time.Time, from netip.AddrPort, p []byte) error
}

// receive hands packet i to the engine of h.
func (n *Net) receive(h Host, i int32) {
	o, p := &n.hosts[h], n.packets.at(i)
	switch {
	case p.to == everyone && o.left:
		return
	case o.engine == nil || o.cut:
		n.tell(Lost, h, p)
		return
	}
	n.tell(Delivered, h, p)
	handle := o.engine.HandlePacket
	if u, ok := o.engine.(unicastEngine); ok && p.to != everyone {
		handle = u.HandleUnicast
	}
	if err := handle(n.Now(), n.Addr(p.from), p.data); err != nil {
		n.tellErr(Refused, h, n.packets.at(i), err)
	}
	n.drive(h)
}

// spins is how often an engine may ask to be called again at once without sending anything.
const spins = 100

// drive sends what the engine of h wants sent now, has it handle the timeouts that have come, and sees to the next.
func (n *Net) drive(h Host) {
	now := n.Now()
	for idle := 0; ; {
		e := n.hosts[h].engine
		if e == nil {
			return // it was stopped from within
		}
		n.batch.Reset()
		e.PollTransmit(now, n.batch)
		sent := n.transmit(h)
		next := nanos(e.NextTimeout())
		if next > n.now && !sent {
			if next != never {
				n.arm(h, next)
			}
			return
		}
		if next <= n.now {
			e.HandleTimeout(now)
		}
		if idle++; sent {
			idle = 0
		}
		if idle > spins {
			panic(fmt.Sprintf("sim: the engine of host %d (%T) spins at %v: its next timeout is %v", h, e, n.Elapsed(), time.Duration(next)))
		}
	}
}

// transmit sends what is in the batch from h, and reports whether there was anything.
func (n *Net) transmit(h Host) bool {
	for i := range n.batch.Messages {
		m := &n.batch.Messages[i]
		to, ttl := everyone, uint8(defaultTTL)
		if m.TTL > 0 {
			ttl = uint8(min(m.TTL, math.MaxUint8))
		}
		known := true
		if m.To != Group {
			to, known = n.host(m.To)
		}
		for data := m.Data; len(data) > 0; {
			size := min(m.Size, len(data))
			n.send(h, to, known, ttl, data[:size])
			data = data[size:]
		}
	}
	return len(n.batch.Messages) > 0
}

func (n *Net) send(h, to Host, known bool, ttl uint8, data []byte) {
	i := n.packets.add(h, to, data)
	p := n.packets.at(i)
	n.tell(Sent, h, p)
	switch {
	case n.hosts[h].cut, !known:
		n.tell(Lost, h, p)
	default:
		arrivals, copies := n.cross(&n.hosts[h].up, p, h)
		for _, at := range arrivals[:copies] {
			n.push(event{at: at, kind: routed, packet: i, to: int32(n.hosts[h].router), from: -1, ttl: ttl})
		}
	}
	n.packets.release(i)
}
