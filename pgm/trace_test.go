package pgm

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
)

// shown is what a trace showed of one session, packets of each type.
type shown struct {
	sent, received map[packet.Type]int
}

// traced returns a Config whose trace counts, and holds each packet against what it is called for: its address, and a whole packet.
func traced(t *testing.T, c Config, local string) (Config, *shown) {
	s := &shown{map[packet.Type]int{}, map[packet.Type]int{}}
	c.Trace = func(v Traced) {
		var h packet.Header
		if _, err := h.Parse(v.Data); err != nil || !v.UDP || v.Time.IsZero() {
			t.Errorf("%+v: %v", v, err)
		}
		if v.Sent {
			s.sent[h.Type]++
			if v.From.Addr() != netip.MustParseAddr(local) || v.TTL == 0 {
				t.Errorf("%v sent from %v with TTL %d", h.Type, v.From, v.TTL)
			}
			return
		}
		s.received[h.Type]++
		if group := h.Type != packet.TypeNAK; group != v.To.Addr().IsMulticast() || v.From.Port() == 0 || v.To.Port() == 0 {
			t.Errorf("%v received from %v to %v", h.Type, v.From, v.To)
		}
	}
	return c, s
}

// A trace shows each packet that was sent and received, one by one, and none that was discarded.
func TestTraceShowsEachPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		receiving, in := traced(t, host(Config{Drop: 0.1}, m, "192.0.2.2"), "192.0.2.2")
		sending, out := traced(t, host(Config{}, m, "192.0.2.1"), "192.0.2.1")
		l := listen(t, receiving, inMemory)
		c := dial(t, sending, inMemory)
		data := noise(1, 500_000)
		go func() {
			c.Write(data)
			c.Close()
		}()
		conn := accept(t, l)
		expect(t, conn, data)
		<-c.writer.sender.Done()
		stats, heard := c.Stats(), l.receiver.Stats()
		conn.Close()
		l.Close()
		<-l.receiver.Done()
		if out.sent[packet.TypeODATA] != int(stats.ODATA) || out.sent[packet.TypeRDATA] != int(stats.RDATA) || out.received[packet.TypeNAK] == 0 {
			t.Errorf("sent %v, received %v; want %d and %d", out.sent, out.received, stats.ODATA, stats.RDATA)
		}
		if heard.Dropped == 0 || in.received[packet.TypeODATA] != int(heard.ODATA) || in.sent[packet.TypeNAK] != out.received[packet.TypeNAK] {
			t.Errorf("sent %v, received %v; want %d ODATA", in.sent, in.received, heard.ODATA)
		}
	})
}
