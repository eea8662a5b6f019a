package source

import (
	"errors"
	"time"

	"github.com/gopgm/gopgm/internal/window"
	"github.com/gopgm/gopgm/pgm/packet"
)

// What Memory refuses.
var (
	ErrFull    = errors.New("source: the transmit window has no room")         // until more was sent
	ErrTooLong = errors.New("source: message longer than the transmit window") // it never will have room for it
)

// The defaults of MemoryConfig.
const (
	DefaultWindow  = 16 << 20
	DefaultBacklog = 1 << 20
	DefaultKeep    = 10 * time.Second
	DefaultPackets = 1 << 16
)

// MemoryConfig bounds a Memory. Fields that are zero have their defaults.
type MemoryConfig struct {
	First   packet.SQN // as Config.First
	MaxTSDU int        // as Config.MaxTSDU; there is no default
	Syn     bool       // have the first packet bear OPT_SYN

	Window  int           // octets of data held, sent or not; default 16 MiB
	Packets int           // packets held, sent or not; default 65,536
	Backlog int           // octets that are not sent yet, which is also the longest message; default 1 MiB, at most half of Window
	Keep    time.Duration // TXW_SECS: for how long what was sent is kept for repairs; default 10 s
}

// Memory is a Store for streams and messages, which has the transmit window in memory.
//
// What was written and not sent is never given up: Write takes no more when it fills the backlog. What was sent is kept for
// repairs until Keep is over, or the window is full and the room is needed: the trail then passes the oldest packets, however
// recently they were asked for. It is advance-with-time under a bound on memory, in the terms of RFC 3208 §2.1 [2.1-01].
//
// Memory is not safe for concurrent use: it belongs to the goroutine of the engine that it feeds, or a lock does.
type Memory struct {
	c      MemoryConfig
	ring   *window.Ring[stored]
	next   packet.SQN // after the newest packet
	unsent packet.SQN // the oldest packet that was not sent
	held   int        // octets in the ring
	queued int        // octets of those that were not sent

	// Data lies in slabs, one packet behind the other. Those with nothing left in them are used again.
	current []byte   // the slab that is being filled: its length is what is used
	spare   [][]byte // empty ones
	open    bool     // the newest packet is of a stream, in current, and not sent: more may be written behind it
}

type stored struct {
	data     []byte // aliases a slab
	slab     []byte // of the last packet in it, the slab: empty when this packet goes
	fragment packet.Fragment
	sum      uint16
	hasSum   bool
	syn      bool
	sentAt   time.Time // zero: not sent, or not aged since
}

const slabSize = 64 << 10

// maxSpare bounds the empty slabs that are kept.
const maxSpare = 64

// NewMemory returns an empty Memory. It panics unless MaxTSDU is in the range of Config's.
func NewMemory(c MemoryConfig) *Memory {
	if c.MaxTSDU < minTSDU || c.MaxTSDU > packet.MaxRun-packet.DataHeaderLen {
		panic("source: MemoryConfig.MaxTSDU out of range")
	}
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	if c.Packets <= 0 {
		c.Packets = DefaultPackets
	}
	if c.Backlog <= 0 {
		c.Backlog = DefaultBacklog
	}
	if c.Keep <= 0 {
		c.Keep = DefaultKeep
	}
	c.Window = max(c.Window, 4*c.MaxTSDU)
	c.Backlog = max(min(c.Backlog, c.Window/2), 2*c.MaxTSDU)
	c.Packets = max(min(c.Packets, packet.MaxWindow), 4)
	return &Memory{c: c, ring: window.NewRing[stored](c.First, c.Packets), next: c.First, unsent: c.First}
}

// Write appends p to the byte stream, as far as there is room: with ErrFull, n says how much that was. Small writes share a
// packet while it is not sent.
func (m *Memory) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		k := m.extend(p)
		if k == 0 {
			k = min(len(p), m.c.MaxTSDU-m.synLen(), m.c.Backlog-m.queued)
			if k <= 0 || !m.makeRoom(k, 1) {
				return n, ErrFull
			}
			m.append(p[:k], packet.Fragment{})
			m.open = true
		}
		n += k
		p = p[k:]
	}
	return n, nil
}

// extend writes what it can of p behind the newest packet, if that is of a stream and not sent.
func (m *Memory) extend(p []byte) int {
	if !m.open {
		return 0
	}
	e := m.ring.At(m.next - 1)
	room := m.c.MaxTSDU - len(e.data)
	if e.syn {
		room -= synOptionsLen
	}
	k := min(len(p), room, m.c.Backlog-m.queued, m.c.Window-m.held, cap(m.current)-len(m.current))
	if k <= 0 {
		return 0
	}
	m.current = append(m.current, p[:k]...)
	e.data = m.current[len(m.current)-k-len(e.data):]
	m.held += k
	m.queued += k
	return k
}

// WriteAPDU appends one message, which receivers get whole: in one packet, or in several with OPT_FRAGMENT if it is longer than
// what one takes [9.2.2-01]. It is taken whole or, with ErrFull or ErrTooLong, not at all.
func (m *Memory) WriteAPDU(p []byte) error {
	first := m.c.MaxTSDU - m.synLen()
	if len(p) <= first {
		if len(p) > m.c.Backlog-m.queued || !m.makeRoom(len(p), 1) {
			return ErrFull
		}
		m.open = false
		m.append(p, packet.Fragment{})
		return nil
	}
	size := m.c.MaxTSDU - fragmentOptionsLen
	lead := size
	if m.synLen() > 0 {
		lead -= synOptionsLen - 4
	}
	packets := 1 + (len(p)-lead+size-1)/size
	switch {
	case len(p) > m.c.Backlog || packets > m.c.Packets/2:
		return ErrTooLong
	case len(p) > m.c.Backlog-m.queued || !m.makeRoom(len(p), packets):
		return ErrFull
	}
	m.open = false
	f := packet.Fragment{First: m.next, Length: uint32(len(p))}
	for k := lead; len(p) > 0; k = size {
		k = min(k, len(p))
		m.append(p[:k], f)
		p = p[k:]
		f.Offset += uint32(k)
	}
	return nil
}

// What the options take that Memory uses.
var (
	synOptionsLen      = (&TSDU{Syn: true}).OptionsLen()
	fragmentOptionsLen = (&TSDU{Fragment: packet.Fragment{Length: 1}}).OptionsLen()
)

// synLen returns what OPT_SYN takes of the next packet.
func (m *Memory) synLen() int {
	if m.c.Syn && m.next == m.c.First {
		return synOptionsLen
	}
	return 0
}

// makeRoom has the window take n more octets and so many packets, for which packets that were sent may have to go, and
// reports whether it does. Octets and packets that were not sent take at most half of it.
func (m *Memory) makeRoom(n, packets int) bool {
	if m.next.Sub(m.unsent)+packets > max(m.c.Packets/2, 1) {
		return false
	}
	trail := m.ring.Trail()
	// It stops before what was not sent: that and n are no more than the backlog, which is half a window.
	for freed := 0; m.held-freed+n > m.c.Window || m.next.Sub(trail)+packets > m.c.Packets; trail++ {
		freed += len(m.ring.At(trail).data)
	}
	m.advance(trail)
	return true
}

// append adds a packet for which there is room.
func (m *Memory) append(p []byte, f packet.Fragment) {
	if len(p) > cap(m.current)-len(m.current) {
		m.nextSlab()
	}
	m.ring.Extend(m.next)
	start := len(m.current)
	m.current = append(m.current, p...)
	*m.ring.At(m.next) = stored{data: m.current[start:], fragment: f, syn: m.synLen() > 0}
	m.next++
	m.held += len(p)
	m.queued += len(p)
}

// nextSlab begins another slab. The one before is used again once its last packet is gone.
func (m *Memory) nextSlab() {
	if e := m.ring.At(m.next - 1); e != nil && cap(m.current) > 0 {
		e.slab = m.current[:0]
	} else if cap(m.current) > 0 { // nothing is left in it
		m.current = m.current[:0]
		return
	}
	if k := len(m.spare); k > 0 {
		m.current = m.spare[k-1]
		m.spare[k-1] = nil
		m.spare = m.spare[:k-1]
		return
	}
	m.current = make([]byte, 0, max(slabSize, m.c.MaxTSDU))
}

// advance moves the trail.
func (m *Memory) advance(trail packet.SQN) {
	m.ring.Advance(trail, func(_ packet.SQN, e *stored) {
		m.held -= len(e.data)
		if e.slab != nil && len(m.spare) < maxSpare {
			m.spare = append(m.spare, e.slab)
		}
	})
}

// Load implements Store.
func (m *Memory) Load(first packet.SQN, dst []TSDU) (int, error) {
	for i := range dst {
		s := first + packet.SQN(i)
		e := m.ring.At(s)
		if e == nil {
			return i, nil
		}
		if !e.hasSum {
			e.sum, e.hasSum = packet.Sum(e.data), true
		}
		// Copied here and not by the engine, so that a lock around Load is enough for a writer on another goroutine.
		n := copy(dst[i].Data, e.data)
		dst[i] = TSDU{Data: dst[i].Data[:n], Fragment: e.fragment, Syn: e.syn, Sum: e.sum, HasSum: true}
		if !s.Before(m.unsent) { // new data is loaded once, in order, and then it is sent
			m.unsent = s + 1
			m.queued -= len(e.data)
			if m.unsent == m.next {
				m.open = false
			}
		}
	}
	return len(dst), nil
}

// Skip implements Skipper.
func (m *Memory) Skip(from, to packet.SQN) bool {
	if m.next != from || m.unsent != from || to.Sub(m.ring.Trail()) > m.c.Packets {
		return false
	}
	m.ring.Extend(to - 1)
	m.next, m.unsent, m.open = to, to, false
	return true
}

// Next implements Store.
func (m *Memory) Next() packet.SQN { return m.next }

// Trail implements Store.
func (m *Memory) Trail() packet.SQN { return m.ring.Trail() }

// Age implements Ager: packets that were sent Keep before now, or earlier, are given up.
func (m *Memory) Age(now time.Time, next packet.SQN) {
	// What was sent since the last time counts from now.
	for s := next - 1; ; s-- {
		e := m.ring.At(s)
		if e == nil || !e.sentAt.IsZero() {
			break
		}
		e.sentAt = now
	}
	trail := m.ring.Trail()
	for trail.Before(next) && now.Sub(m.ring.At(trail).sentAt) >= m.c.Keep {
		trail++
	}
	m.advance(trail)
}

// Backlog returns how many octets were written and not sent.
func (m *Memory) Backlog() int { return m.queued }

// Room returns how many octets the backlog has room for.
func (m *Memory) Room() int { return max(m.c.Backlog-m.queued, 0) }

// Held returns how many octets are in the window, sent or not.
func (m *Memory) Held() int { return m.held }
