package main

import (
	"net"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	legs "github.com/gopgm/gopgm/pgm/leg"
)

// leg is one group over the way to one other router: to the router a link like those of its interfaces, a netio.Conn.
type leg struct {
	site  *site
	group netip.AddrPort
	own   netip.Addr // what the router is called there: in SPM_PATH, and as who sends NAKs. It need not be routable
	ttl   int
	hops  uint8     // legs to the nearest listener on our side, as the other is told; 0: none
	in    [2]*queue // what came: to the router, and to the group
	stats netio.Stats
	out   legs.Packet
}

// inboxSize is how many octets that came by a leg wait for the engine.
const inboxSize = 2 << 20

// inbox reads what came by a leg, to the router or to the group.
type inbox struct {
	q         *queue
	multicast bool
	b         burst
	next      int // the first entry of b that was not handed out
}

// Multicast reports whether this is what came to the group.
func (r *inbox) Multicast() bool { return r.multicast }

// ReadBatch waits for something that came by the leg.
func (r *inbox) ReadBatch(b *netio.Batch) error {
	b.Begin(r.multicast)
	if r.next == len(r.b.entries) {
		if err := r.q.take(&r.b); err != nil {
			return err
		}
		r.next = 0
	}
	start := 0
	if r.next > 0 {
		start = r.b.entries[r.next-1].end
	}
	for _, e := range r.b.entries[r.next:] {
		if !b.Put(r.b.slab[start:e.end], e.addr, e.ttl) {
			break
		}
		start = e.end
		r.next++
	}
	return nil
}

// Readers are what came to the router, and what came to the group.
func (l *leg) Readers() []netio.Reader {
	return []netio.Reader{&inbox{q: l.in[0]}, &inbox{q: l.in[1], multicast: true}}
}

// WriteBatch puts messages on the leg. What there is no room for, or nobody at the other side, is counted and gone, as on the wire.
func (l *leg) WriteBatch(messages []netio.Message) (int, error) {
	h := l.site.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range messages {
		m := &messages[i]
		l.out.Group, l.out.Unicast = l.group, !m.To.Addr().IsMulticast()
		if l.out.Source = m.Source.WithZone(""); !m.Source.IsValid() {
			l.out.Source = l.own
		}
		if l.out.TTL = uint8(m.TTL); m.TTL == 0 {
			l.out.TTL = uint8(l.ttl)
		}
		for data := m.Data; len(data) > 0; {
			n := len(data)
			if m.SegmentSize > 0 {
				n = min(n, m.SegmentSize)
			}
			l.out.Data = data[:n]
			data = data[n:]
			if h.send(l.site, &l.out) {
				l.stats.WriteDatagrams++
				l.stats.WriteBytes += uint64(n)
			} else {
				l.stats.WriteErrors++
			}
		}
	}
	return len(messages), nil
}

// heard takes a packet that came by the leg. The hub has its lock.
func (l *leg) heard(k *legs.Packet) {
	l.stats.ReadDatagrams++
	l.stats.ReadBytes += uint64(len(k.Data))
	q := l.in[1]
	if k.Unicast {
		q = l.in[0]
	}
	q.put(k.Data, netip.AddrPortFrom(k.Source, l.group.Port()), int(k.TTL))
}

// wants returns how many legs there are to the nearest who listens beyond, and whether the other side is there.
func (l *leg) wants() (hops int, alive bool) {
	l.site.hub.mu.Lock()
	defer l.site.hub.mu.Unlock()
	return l.site.peer.Wants(l.group), l.site.peer.Alive()
}

// listen tells the other side who listens on ours: the nearest after so many legs, 0: nobody.
func (l *leg) listen(now time.Time, hops uint8) {
	h := l.site.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.hops == hops {
		return
	}
	l.hops = hops
	l.site.listen(now)
	h.greet(now, l.site)
}

// Local is what the router is called on the leg.
func (l *leg) Local() netip.AddrPort { return netip.AddrPortFrom(l.own, l.group.Port()) }

// Group is the group whose packets the leg carries.
func (l *leg) Group() netip.AddrPort { return l.group }

// Interface is none of the host's: it has a name, and no address.
func (l *leg) Interface() *net.Interface { return &net.Interface{Index: -1, Name: l.site.name} }

// MTU is what the leg takes, in fragments.
func (l *leg) MTU() int { return 65535 }

// Overhead is how much of that is not PGM.
func (l *leg) Overhead() int { return 28 + legs.MaxOverhead }

// AlertOverhead is 0.
func (l *leg) AlertOverhead() int { return 0 }

// Check returns nil: a leg may be silent, but is there.
func (l *leg) Check() error { return nil }

// Stats counts what came and went of the group.
func (l *leg) Stats() netio.Stats {
	l.site.hub.mu.Lock()
	defer l.site.hub.mu.Unlock()
	s := l.stats
	s.Drops = l.in[0].drops() + l.in[1].drops()
	return s
}

// Close ends reading.
func (l *leg) Close() error {
	l.in[0].close()
	l.in[1].close()
	return nil
}
