package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm"
	legs "github.com/gopgm/gopgm/pgm/leg"
)

var testGroup = netip.MustParseAddrPort("239.192.77.71:7500")

// log is where a hub says who came and went.
type log struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// site returns the router of a site on the loopback interface, which has a link where somebody listens or not, and legs to others. It is told
// who listens as its loop is.
func testSite(t testing.TB, host, listens string, to ...string) (*router, *log) {
	t.Helper()
	var said log
	h, err := openHub(context.Background(), to, host, &said)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	o := &options{ttl: 16}
	r := newRouter(o, pgm.Endpoint{Group: testGroup}, newMembers(o), nil)
	lan := &link{name: "lan", conn: netio.NewMemory().Open(netio.Config{Group: testGroup}, netip.MustParseAddrPort("10.9.0.1:7500")), always: true, listens: listens != ""}
	r.links = []*link{lan}
	r.openLegs(h)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	h.run(ctx)
	return r, &said
}

// freePorts returns addresses on the loopback interface at which nobody hears.
func freePorts(t testing.TB, n int) (all []string) {
	t.Helper()
	for range n {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c.LocalAddr().String())
	}
	return all
}

// tellUntil has the routers tell each other who listens until something is so.
func tellUntil(t testing.TB, what string, so func() bool, routers ...*router) {
	t.Helper()
	for range 500 {
		for _, r := range routers {
			r.listenBeyond(time.Now())
		}
		if so() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

// Packets cross with all that the other side must know of them, in both ways; what strangers send, and what is of other groups, is counted
// and goes nowhere.
func TestLegCarriesPackets(t *testing.T) {
	at := freePorts(t, 2)
	a, said := testSite(t, at[0], "", at[1])
	b, _ := testSite(t, at[1], "somebody", at[0])
	tellUntil(t, "a knows that somebody listens beyond, and b that nobody does", func() bool { return a.links[1].listens && !b.links[1].listens }, a, b)
	if !strings.Contains(said.String(), "leg "+at[1]+": the other side is there") {
		t.Errorf("said %q", said)
	}
	source := netip.MustParseAddr("10.1.2.3")
	big := bytes.Repeat([]byte{7}, 60000)
	x, y := a.links[1].conn, b.links[1].conn
	if n, err := x.WriteBatch([]netio.Message{
		{To: testGroup, TTL: 9, Source: source, Data: bytes.Repeat([]byte("sixteen octets.."), 3), SegmentSize: 16},
		{To: testGroup, TTL: 255, Source: source, Data: big},
	}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	var batch netio.Batch
	for i := 0; i < 4; {
		if err := y.Readers()[1].ReadBatch(&batch); err != nil {
			t.Fatal(err)
		}
		for _, d := range batch.Datagrams {
			size, ttl := 16, 9
			if i == 3 {
				size, ttl = len(big), 255
			}
			if len(d.Data) != size || d.TTL != ttl || d.From != netip.AddrPortFrom(source, 7500) || !batch.Multicast {
				t.Errorf("%d: %d octets from %v with TTL %d", i, len(d.Data), d.From, d.TTL)
			}
			i++
		}
	}
	// A NAK: to the router itself, whatever the address it is sent to, with the default time to live.
	if _, err := y.WriteBatch([]netio.Message{{To: netip.MustParseAddrPort("192.0.2.9:7500"), Data: make([]byte, 40)}}); err != nil {
		t.Fatal(err)
	}
	if err := x.Readers()[0].ReadBatch(&batch); err != nil || batch.Multicast || len(batch.Datagrams) != 1 || batch.Datagrams[0].TTL != 16 || batch.Datagrams[0].From != y.Local() {
		t.Errorf("%v, %+v", err, batch.Datagrams)
	}

	c, err := net.Dial("udp4", at[1])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		fmt.Fprint(c, "PL forged")
	}
	h := a.links[1].asLeg().site.hub
	h.mu.Lock()
	h.send(h.sites[0], &legs.Packet{TTL: 1, Group: netip.MustParseAddrPort("239.1.1.1:1"), Source: source, Data: big})
	h.mu.Unlock()
	var s hubStatus
	tellUntil(t, "what is of nobody is counted", func() bool {
		s = *b.links[1].asLeg().site.hub.status()
		return s.Forged == 3 && s.Foreign == 1
	})
	if st := y.Stats(); st.ReadDatagrams != 4 || st.WriteDatagrams != 1 {
		t.Errorf("%+v, %+v", s, st)
	}
}

// BenchmarkLeg carries packets of 1400 octets over the loopback interface, 46 at a time, from one router's loop to the other's.
func BenchmarkLeg(b *testing.B) {
	at := freePorts(b, 2)
	x, _ := testSite(b, at[0], "", at[1])
	y, _ := testSite(b, at[1], "somebody", at[0])
	tellUntil(b, "it is known who listens", func() bool { return x.links[1].listens }, x, y)
	out, in := x.links[1].conn, y.links[1].conn.Readers()[1]
	m := []netio.Message{{To: testGroup, TTL: 9, Source: netip.MustParseAddr("10.1.2.3"), SegmentSize: 1400, Data: make([]byte, 46*1400)}}
	b.SetBytes(1400)
	b.ReportAllocs()
	var batch netio.Batch
	for sent, got := 0, 0; got < b.N; {
		for ; sent < b.N && sent-got < 256; sent += 46 {
			if _, err := out.WriteBatch(m); err != nil {
				b.Fatal(err)
			}
		}
		if err := in.ReadBatch(&batch); err != nil {
			b.Fatal(err)
		}
		got += len(batch.Datagrams)
	}
}

// A peer whose port is not known is believed at the address that is, as soon as it has shown that it is there.
func TestLegToAnyPort(t *testing.T) {
	at := freePorts(t, 2)
	a, _ := testSite(t, at[0], "", "127.0.0.1:0")
	b, _ := testSite(t, at[1], "somebody", at[0])
	tellUntil(t, "a knows who listens", func() bool { return a.links[1].listens }, a, b)
	if peer := a.links[1].asLeg().status(time.Now()).Peer; peer != at[1] {
		t.Errorf("the peer is at %s", peer)
	}
}

// In a ring of legs, each tells the next who listens, and of nobody it is told for ever that somebody does.
func TestRingOfLegsFallsSilent(t *testing.T) {
	at := freePorts(t, 3)
	var ring []*router
	for i, who := range []string{"somebody", "", ""} {
		r, _ := testSite(t, at[i], who, at[(i+1)%3], at[(i+2)%3])
		ring = append(ring, r)
	}
	all := func(listens bool) func() bool {
		return func() bool {
			for _, r := range ring[1:] {
				for _, l := range r.links[1:] {
					if l.listens != listens {
						return false
					}
				}
			}
			return true
		}
	}
	tellUntil(t, "it is known everywhere", all(true), ring...)
	ring[0].links[0].listens = false
	tellUntil(t, "it is forgotten everywhere", all(false), ring...)
}

// Whom nobody hears, nothing is sent; what is, is counted.
func TestLegWithoutPeer(t *testing.T) {
	at := freePorts(t, 2)
	a, _ := testSite(t, at[0], "", at[1])
	x := a.links[1].conn
	_, err := x.WriteBatch([]netio.Message{{To: testGroup, Data: make([]byte, 100)}})
	if s := x.Stats(); err != nil || s.WriteErrors != 1 || s.WriteDatagrams != 0 {
		t.Errorf("%v, %+v", err, s)
	}
	if x.Close(); x.Readers()[0].ReadBatch(new(netio.Batch)) != net.ErrClosed {
		t.Error("not closed")
	}
}

// What there is no room for is dropped and counted, and what was taken is whole.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue(1000)
	for i := range 20 {
		q.put(bytes.Repeat([]byte{byte(i)}, 90), netip.AddrPort{}, i)
	}
	var b burst
	if err := q.take(&b); err != nil || len(b.entries) != 11 || q.drops() != 9 {
		t.Fatalf("%v, %d entries, %d dropped", err, len(b.entries), q.drops())
	}
	for i, e := range b.entries {
		if e.end != 90*(i+1) || b.slab[e.end-1] != byte(i) || e.ttl != i {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
}

// A source is believed to be beyond a leg unless it is here: on a network of an interface of ours.
func TestClaims(t *testing.T) {
	at := freePorts(t, 3)
	r, _ := testSite(t, at[0], "", at[1], at[2])
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("no lo")
	}
	r.links[0].conn = onInterface{r.links[0].conn, lo}
	now := time.Now()
	here, there := netip.MustParseAddr("127.0.0.77"), netip.MustParseAddr("198.18.7.7")
	for _, s := range []netip.Addr{here, there} {
		r.claim(now, s, 1)
	}
	if _, ok := r.claimed(now, here); ok {
		t.Error("one on our own network is believed to be beyond a leg")
	}
	if i, ok := r.claimed(now, there); !ok || i != 1 {
		t.Errorf("link %d, %v", i, ok)
	}
	r.claim(now.Add(time.Second), there, 2) // another leg, while the first brings it
	if i, _ := r.claimed(now, there); i != 1 {
		t.Error("it has moved")
	}
	r.claim(now.Add(claimRest), there, 2)
	if i, _ := r.claimed(now.Add(claimRest), there); i != 2 {
		t.Error("it has not moved")
	}
	if _, ok := r.claimed(now.Add(claimRest+claimAge), there); ok {
		t.Error("it is believed for ever")
	}
	clear(r.claims)
	for i := range 2 * looks {
		r.claim(now.Add(time.Minute), netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 1)
	}
	if len(r.claims) != looks {
		t.Errorf("%d claims are looked at in a second", len(r.claims))
	}
	for i := range ways {
		r.claims[netip.AddrFrom4([4]byte{198, 19, byte(i >> 8), byte(i)})] = claim{1, true, now}
	}
	if r.claim(now.Add(2*time.Minute), there, 1); len(r.claims) != 1 {
		t.Errorf("%d claims", len(r.claims))
	}
}

// onInterface is a Conn on another interface.
type onInterface struct {
	netio.Conn
	ifi *net.Interface
}

func (c onInterface) Interface() *net.Interface { return c.ifi }
