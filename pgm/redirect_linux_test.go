package pgm

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/spm"
)

// anything takes all data.
type anything struct{}

func (anything) Data(receiver.Data) bool                { return true }
func (anything) Lost(first, last packet.SQN)            {}
func (anything) End(receiver.End, packet.Reset)         {}
func (anything) accept(*receiver.Session) receiver.Sink { return anything{} }

// redirection is a source, and a repairer on another subnet, of which a test says what they send.
type redirection struct {
	t                         *testing.T
	source, remote, neighbour *net.UDPConn
	tsi                       packet.TSI
	group                     netip.AddrPort
	next                      packet.SQN
}

func (r *redirection) send(p []byte) {
	r.t.Helper()
	packet.Seal(p)
	if _, err := r.source.WriteToUDPAddrPort(p, r.group); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redirection) data(typ packet.Type, q packet.SQN) {
	d := packet.Data{SQN: q, Trail: 1, TSDU: []byte("data")}
	h := packet.Downstream(typ, r.tsi, r.group.Port())
	h.TSDULength = uint16(len(d.TSDU))
	r.send(d.Append(h.Append(nil)))
}

// lose sends data with a gap, and returns the packet that is missing.
func (r *redirection) lose() packet.SQN {
	for q := r.next + 1; q < r.next+4; q++ {
		r.data(packet.TypeODATA, q)
	}
	lost := r.next
	r.next += 4
	return lost
}

// asked waits for the NAK for q at a socket.
func (r *redirection) asked(at *net.UDPConn, q packet.SQN, who string) {
	r.t.Helper()
	at.SetReadDeadline(time.Now().Add(5 * time.Second))
	for b := make([]byte, 1500); ; {
		n, err := at.Read(b)
		if err != nil {
			r.t.Fatalf("no NAK for %d comes to %s: %v", q, who, err)
		}
		var h packet.Header
		var m nak.Packet
		m.List = make([]packet.SQN, 0, nak.MaxList)
		if body, err := h.Parse(b[:n]); err == nil && h.Type == packet.TypeNAK {
			if _, err := m.Parse(&h, body); err == nil && slices.Contains(slices.Collect(m.All()), q) {
				return
			}
		}
	}
}

// repair confirms and sends q.
func (r *redirection) repair(q packet.SQN) {
	n := nak.Packet{SQN: q, Source: netip.MustParseAddr("10.9.0.1"), Group: r.group.Addr()}
	r.send(nak.Append(nil, packet.Downstream(packet.TypeNCF, r.tsi, r.group.Port()), &n))
	r.data(packet.TypeRDATA, q)
}

func (r *redirection) offer(repairer string) {
	r.send(poll.AppendRedirection(nil, r.tsi, r.group.Port(), poll.Reply{}, netip.MustParseAddr(repairer), false))
}

// newRedirection has a receiver hear the session of a source on the same link. A repairer is on another.
func newRedirection(t *testing.T, c ReceiverConfig) *redirection {
	t.Helper()
	a, b := netns.Test(t).Pair("10.9.0.%d/24")
	a.Up("lo", "10.99.0.1/32", "10.9.0.7/32")
	a.Run("ip route add 239.0.0.0/8 dev v0")
	b.Run("ip route add 10.99.0.1 via 10.9.0.1")
	r := &redirection{t: t, tsi: packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1000}, group: netip.MustParseAddrPort("239.1.2.3:7500"), next: 1}
	var err error
	listen := func(addr string) *net.UDPConn {
		if err != nil {
			return nil
		}
		var s *net.UDPConn
		if s, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr))); err == nil {
			t.Cleanup(func() { s.Close() })
		}
		return s
	}
	a.Do(func() {
		r.source, r.remote, r.neighbour = listen("10.9.0.1:7500"), listen("10.99.0.1:7500"), listen("10.9.0.7:7500")
	})
	var receive *Receiver
	b.Do(func() {
		if err == nil {
			receive, err = NewReceiver(context.Background(), Endpoint{Interface: "v0", Group: r.group}, Config{Receiver: c}, ReceiverOptions{Accept: anything{}.accept})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { receive.Close() })
	r.send(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: netip.MustParseAddr("10.9.0.1")}.Append(packet.Downstream(packet.TypeSPM, r.tsi, 7500).Append(nil)))
	r.data(packet.TypeODATA, 1)
	r.next = 2
	return r
}

// [9.5.4-03], [9.5.4-04]: NAKs go to a repairer that offers itself for as long as it confirms them; then to the source again. [9.5.4-01]: One
// on our own subnet has likely lost what we have.
func TestReceiverFollowsRedirection(t *testing.T) {
	r := newRedirection(t, ReceiverConfig{})
	q := r.lose()
	r.asked(r.source, q, "the source")
	r.repair(q)

	r.offer("10.9.0.7")
	q = r.lose()
	r.asked(r.source, q, "the source, though a neighbour offers itself")
	r.repair(q)
	r.neighbour.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := r.neighbour.Read(make([]byte, 1500)); err == nil {
		t.Errorf("%d octets come to the neighbour", n)
	}

	r.offer("10.99.0.1")
	for range 2 {
		q = r.lose()
		r.asked(r.remote, q, "the repairer")
		r.repair(q)
	}
	q = r.lose() // it is not confirmed
	r.asked(r.remote, q, "the repairer")
	r.asked(r.source, q, "the source, when the repairer is silent")
	r.repair(q)
	r.offer("10.99.0.1")
	q = r.lose()
	r.asked(r.source, q, "the source, for a time")
}

// [9.5.4-02]: A receiver may ignore all repairers.
func TestReceiverMayIgnoreRepairers(t *testing.T) {
	r := newRedirection(t, ReceiverConfig{IgnoreRepairers: true})
	r.offer("10.99.0.1")
	r.asked(r.source, r.lose(), "the source")
}
