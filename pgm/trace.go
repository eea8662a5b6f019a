package pgm

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
)

// Traced is one PGM packet that a session sent or received, as Config.Trace is shown it.
type Traced struct {
	Time     time.Time      // when the session handed it to the system, or took it up
	Sent     bool           // otherwise it was received
	From, To netip.AddrPort // the ports are those of UDP, 0 if there is none
	UDP      bool           // inside UDP; otherwise IP protocol 113
	TTL      int            // time to live or hop limit of what was sent; 0 of what was received, where it is not known
	Alert    bool           // sent with IP Router Alert; not known of what was received
	Data     []byte         // the packet, from its fixed header on; valid during the call only
}

// defaultTTL is that of Config.
const defaultTTL = 16

// tracer shows Config.Trace what goes through the sockets of a loop, on its goroutine.
type tracer struct {
	show         func(Traced)
	local, group netip.AddrPort
	udp          bool
	ttl          int
}

func newTracer(c Config, conn netio.Conn) *tracer {
	if c.Trace == nil {
		return nil
	}
	t := &tracer{show: c.Trace, local: conn.Local(), group: conn.Group(), ttl: c.TTL}
	if t.ttl == 0 {
		t.ttl = defaultTTL
	}
	if t.udp = t.local.Port() != 0; !t.udp {
		t.group = netip.AddrPortFrom(t.group.Addr(), 0)
	}
	return t
}

// sent shows messages that were sent, datagram by datagram.
func (t *tracer) sent(now time.Time, messages []netio.Message) {
	for i := range messages {
		m := &messages[i]
		v := Traced{Time: now, Sent: true, From: t.local, To: m.To, UDP: t.udp, TTL: m.TTL, Alert: m.Alert && !t.udp}
		if !t.udp {
			v.To = netip.AddrPortFrom(m.To.Addr(), 0)
		}
		if v.TTL == 0 {
			v.TTL = t.ttl
		}
		data := m.Data
		for n := m.Datagrams(); n > 1; n-- {
			v.Data, data = data[:m.SegmentSize], data[m.SegmentSize:]
			t.show(v)
		}
		v.Data = data
		t.show(v)
	}
}

// received shows a datagram of a batch.
func (t *tracer) received(now time.Time, b *netio.Batch, d netio.Datagram) {
	v := Traced{Time: now, From: d.From, To: t.local, UDP: t.udp, Data: d.Data}
	if b.Multicast {
		v.To = t.group
	}
	t.show(v)
}
