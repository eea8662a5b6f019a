package element

import (
	"math/bits"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// recent keeps the repairs that passed last, for NAKs that come just after them. Receivers of several links that have lost the same packet
// ask for it at different times within their NAK_BO_IVL, and where the source is near, its repair is through before the last of
// them has: RFC 3208 then has each link cost the source a NAK and a repair, in which the number of links returns. A repair that the
// element has had in its hands is sent to those too, from here. It is not redirected repair, so the source gets no NNAK for it.
type recent struct {
	slots []echo // by the low bits of the SQN
	life  time.Duration
	hold  time.Duration // on an interface that has just had it, it is on its way
}

type echo struct {
	s    *session
	sqn  packet.SQN
	at   time.Time // when it came
	ttl  int
	to   uint32 // interfaces that it went to last, at sent
	sent time.Time
	data []byte
}

// maxEcho is the longest repair that is kept: an Ethernet frame's.
const maxEcho = 1500

// keep remembers a repair that was forwarded.
func (r *recent) keep(now time.Time, s *session, sqn packet.SQN, p []byte, to uint32, ttl int) {
	if len(r.slots) == 0 || len(p) > maxEcho {
		return
	}
	e := &r.slots[int(sqn)&(len(r.slots)-1)]
	*e = echo{s: s, sqn: sqn, at: now, sent: now, to: to, ttl: ttl, data: append(e.data[:0], p...)}
}

// find returns the repair of a packet, nil if it is not here or too old: then the source is to be asked.
func (r *recent) find(now time.Time, s *session, k nak.Key) *echo {
	if len(r.slots) == 0 || k.Parity {
		return nil
	}
	e := &r.slots[int(k.SQN)&(len(r.slots)-1)]
	if e.s != s || e.sqn != k.SQN || now.Sub(e.at) >= r.life {
		return nil
	}
	return e
}

// echoes answers what can be from recent repairs of the NAK that request has read, which came by interface i, and takes it out of e.nak
// and e.keys. It reports whether anything is left to be asked for; if it is less than before, p is a NAK for it.
func (e *Element) echoes(now time.Time, s *session, a Arrival, h *packet.Header, p []byte) (rest []byte, left bool) {
	keys := e.asked()
	found := 0
	for _, k := range keys {
		if e.recent.find(now, s, k) != nil {
			found++
		}
	}
	if found == 0 {
		return p, true
	}
	if !e.ports[a.Interface].ncfs.Take(now, 1+found) {
		e.stats.NCFsHeld++
		return nil, false
	}
	e.ncf(now, s, a, h, e.nak)
	n := e.nak
	n.List = n.List[:0]
	kept := 0
	for _, k := range keys {
		c := e.recent.find(now, s, k)
		if c == nil {
			if e.keys[kept] = k; kept == 0 {
				n.SQN = k.SQN
			} else {
				n.List = append(n.List, k.SQN)
			}
			kept++
			continue
		}
		if bit := uint32(1) << a.Interface; c.to&bit == 0 || now.Sub(c.sent) >= e.recent.hold {
			if c.to |= bit; c.to&^bit != 0 && now.Sub(c.sent) >= e.recent.hold {
				c.to = bit
			}
			c.sent = now
			if e.emit(c.data, s.source, bit, c.ttl) {
				e.stats.Echoes++
			}
		}
	}
	if kept == 0 {
		return nil, false
	}
	e.nak.SQN, e.nak.List = n.SQN, n.List
	return nak.Append(e.reduced[:0], packet.Upstream(packet.TypeNAK, s.tsi, s.dest), &e.nak), true
}

// newRecent returns memory for n repairs, or the next power of two; none if it is negative.
func newRecent(n int, c nak.ForwarderConfig) recent {
	if n <= 0 {
		return recent{}
	}
	return recent{slots: make([]echo, 1<<bits.Len(uint(n-1))), life: c.Data, hold: c.Eliminate}
}
