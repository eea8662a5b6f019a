package netio

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

var memoryGroup = netip.MustParseAddrPort("239.192.0.1:7500")

func addr(n int) netip.AddrPort { return netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:7500", n)) }

func TestMemoryGroupReachesReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		s := m.Open(Config{Group: memoryGroup}, addr(1))
		a := m.Open(Config{Group: memoryGroup, Receive: true}, addr(2))
		b := m.Open(Config{Group: memoryGroup, Receive: true}, addr(3))
		other := m.Open(Config{Group: netip.MustParseAddrPort("239.192.0.2:7500"), Receive: true}, addr(4))
		go func() {
			time.Sleep(time.Second)
			send(t, s, Message{To: memoryGroup, SegmentSize: 100, Data: numbered(0, 5, 100, 1)})
		}()
		for _, r := range []Conn{a, b} {
			got := receiveAll(t, r.Readers()[1], 5)
			checkNumbered(t, got, 100, 1)
			if got[0].From != addr(1) {
				t.Errorf("from %v", got[0].From)
			}
		}
		if n := len(other.(*memoryConn).multicast.queue); n != 0 {
			t.Errorf("the other group got %d", n)
		}
		if st := s.Stats(); st.WriteDatagrams != 5 || st.WriteBytes != 499 {
			t.Errorf("stats %+v", st)
		}
	})
}

// receiveAll reads n datagrams, without the timer that receive has on sockets.
func receiveAll(t *testing.T, r Reader, n int) []Datagram {
	t.Helper()
	var got []Datagram
	for len(got) < n {
		var b Batch
		if err := r.ReadBatch(&b); err != nil {
			t.Fatal(err)
		}
		got = append(got, b.Datagrams...)
	}
	return got
}

func TestMemoryUnicastAndLoopback(t *testing.T) {
	m := NewMemory()
	a := m.Open(Config{Group: memoryGroup, Receive: true}, addr(1))
	b := m.Open(Config{Group: memoryGroup, Receive: true, NoLoopback: true}, addr(2))
	second := m.Open(Config{Group: memoryGroup}, addr(1))
	if second.Local() == a.Local() || second.Local().Addr() != a.Local().Addr() {
		t.Errorf("the second endpoint at one address has %v", second.Local())
	}
	send(t, a, Message{To: memoryGroup, Data: []byte("heard by all")})
	send(t, b, Message{To: memoryGroup, Data: []byte("not by itself")}, Message{To: a.Local(), Data: []byte("unicast")})
	if d := receiveAll(t, a.Readers()[1], 2); string(d[0].Data) != "heard by all" || string(d[1].Data) != "not by itself" {
		t.Errorf("a got %v", d)
	}
	if d := receiveAll(t, a.Readers()[0], 1); string(d[0].Data) != "unicast" {
		t.Errorf("a got %v", d)
	}
	if d := receiveAll(t, b.Readers()[1], 1); len(d) != 1 || string(d[0].Data) != "heard by all" {
		t.Errorf("b got %v", d)
	}
}

func TestMemorySourceSpecific(t *testing.T) {
	m := NewMemory()
	r := m.Open(Config{Group: memoryGroup, Receive: true, Source: addr(1).Addr()}, addr(3))
	for i := 1; i <= 2; i++ {
		s := m.Open(Config{Group: memoryGroup}, addr(i))
		send(t, s, Message{To: memoryGroup, Data: []byte{byte(i)}})
	}
	if d := receiveAll(t, r.Readers()[1], 1); len(d) != 1 || d[0].From != addr(1) {
		t.Errorf("got %v", d)
	}
}

func TestMemoryDropsWhatDoesNotFit(t *testing.T) {
	m := NewMemory()
	r := m.Open(Config{Group: memoryGroup, Receive: true, RecvBuffer: 250}, addr(1))
	send(t, r, Message{To: memoryGroup, SegmentSize: 100, Data: numbered(0, 3, 100, 0)})
	if d := receiveAll(t, r.Readers()[1], 2); len(d) != 2 || r.Stats().Drops != 1 {
		t.Errorf("got %d datagrams, %d drops", len(d), r.Stats().Drops)
	}
	send(t, r, Message{To: memoryGroup, Data: []byte("room again")})
	receiveAll(t, r.Readers()[1], 1)
}

func TestMemoryFilterDrops(t *testing.T) {
	m := NewMemory()
	a := m.Open(Config{Group: memoryGroup, Receive: true}, addr(1))
	b := m.Open(Config{Group: memoryGroup, Receive: true}, addr(2))
	m.SetFilter(func(from, to netip.AddrPort, p []byte) bool { return to != addr(2) || string(p) != "lost" })
	send(t, a, Message{To: memoryGroup, Data: []byte("lost")}, Message{To: memoryGroup, Data: []byte("kept")})
	if d := receiveAll(t, a.Readers()[1], 2); string(d[0].Data) != "lost" {
		t.Errorf("a got %v", d)
	}
	if d := receiveAll(t, b.Readers()[1], 1); string(d[0].Data) != "kept" {
		t.Errorf("b got %v", d)
	}
}

func TestMemoryCloseEndsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		c := m.Open(Config{Group: memoryGroup, Receive: true}, netip.AddrPortFrom(addr(1).Addr(), 0))
		for _, r := range c.Readers() {
			go func() {
				if err := r.ReadBatch(new(Batch)); err != net.ErrClosed {
					t.Errorf("a reader got %v", err)
				}
			}()
		}
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.WriteBatch([]Message{{To: memoryGroup}}); err != net.ErrClosed {
			t.Errorf("a write got %v", err)
		}
		if err := c.Close(); err != net.ErrClosed {
			t.Errorf("closed again: %v", err)
		}
	})
}

// A batch holds as much as its memory does; the rest comes with the next.
func TestMemoryBatchesOverflow(t *testing.T) {
	m := NewMemory()
	c := m.Open(Config{Group: memoryGroup, Receive: true}, addr(1))
	const n, size = 20, 60000
	for i := range n {
		send(t, c, Message{To: memoryGroup, Data: numbered(i, 1, size, 0)})
	}
	checkNumbered(t, receiveAll(t, c.Readers()[1], n), size, 0)
	if _, err := c.WriteBatch([]Message{{To: memoryGroup, Data: make([]byte, MaxPayload+1)}}); err == nil {
		t.Error("sent more than UDP can hold")
	}
}
