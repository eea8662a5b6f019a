package element

import "github.com/gopgm/gopgm/pgm/packet"

// cache holds the last packets of a session, as they came: so many octets at most, and the newest of what there was room for.
type cache struct {
	max   int // octets
	used  int
	slots []held // by the low bits of the SQN; made for the first packet
	trail packet.SQN
	next  packet.SQN // behind the newest
}

type held struct {
	data []byte // the packet, from its fixed header on; memory of the one before is used again
	full bool
	sqn  packet.SQN
	sent int64 // when it was repaired last, in nanoseconds since the repairer began
}

// slotsFor is how many packets a cache holds at most: those of an Ethernet frame that fit, as a power of two.
func slotsFor(octets int) int {
	n := 64
	for n < octets/1500 && n < 1<<20 {
		n *= 2
	}
	return n
}

func (c *cache) at(s packet.SQN) *held { return &c.slots[int(s)&(len(c.slots)-1)] }

// get returns the packet s, nil if it is not held.
func (c *cache) get(s packet.SQN) *held {
	if c.slots == nil {
		return nil
	}
	if h := c.at(s); h.full && h.sqn == s {
		return h
	}
	return nil
}

// put keeps the packet s, unless it is older than what there is room for.
func (c *cache) put(s packet.SQN, p []byte) {
	if c.slots == nil {
		c.slots = make([]held, slotsFor(c.max))
		c.trail, c.next = s, s
	}
	if s.Before(c.trail) || len(p) > c.max {
		return
	}
	if !s.Before(c.next) {
		c.next = s + 1
		if n := packet.SQN(len(c.slots)); c.next.Sub(c.trail) > len(c.slots) {
			c.advance(c.next - n)
		}
	}
	h := c.at(s)
	c.used -= cap(h.data)
	h.data, h.full, h.sqn, h.sent = append(h.data[:0], p...), true, s, 0
	c.used += cap(h.data)
	for c.used > c.max && c.trail.Before(s) {
		c.advance(c.trail + 1)
	}
}

// advance lets go of what is before trail. Memory stays for what takes its place, unless there is too much of it.
func (c *cache) advance(trail packet.SQN) {
	if c.slots == nil || !c.trail.Before(trail) {
		return
	}
	n := min(trail.Sub(c.trail), len(c.slots))
	for i := range n {
		h := c.at(c.trail + packet.SQN(i))
		if h.full && !h.sqn.Before(trail) {
			continue
		}
		h.full = false
		if c.used > c.max {
			c.used -= cap(h.data)
			h.data = nil
		}
	}
	c.trail = trail
	if c.next.Before(trail) {
		c.next = trail
	}
}
