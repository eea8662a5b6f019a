package netio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// testGroup returns a group and port that no other test process on this host uses.
func testGroup(n int) netip.AddrPort {
	pid := os.Getpid()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, byte(pid >> 8), byte(pid)}), uint16(20000+pid%10000+n))
}

// open opens an endpoint that is closed with the test: on loopback, in the test's own group, where
// c says nothing else.
func open(t testing.TB, c Config) Conn {
	t.Helper()
	if c.Interface == "" {
		c.Interface = "127.0.0.1"
	}
	if !c.Group.IsValid() {
		c.Group = testGroup(0)
	}
	conn, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t testing.TB, c Conn, msgs ...Message) {
	t.Helper()
	if n, err := c.WriteBatch(msgs); n != len(msgs) || err != nil {
		t.Fatalf("WriteBatch took %d of %d messages: %v", n, len(msgs), err)
	}
}

// receive reads until there are n datagrams, which it copies, or a few seconds have passed.
func receive(t testing.TB, c Conn, r Reader, n int) []Datagram {
	t.Helper()
	done := time.AfterFunc(5*time.Second, func() { c.Close() })
	defer done.Stop()
	var got []Datagram
	var b Batch
	for len(got) < n {
		if err := r.ReadBatch(&b); err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(got), n, err)
		}
		for _, d := range b.Datagrams {
			got = append(got, Datagram{Data: slices.Clone(d.Data), From: d.From})
		}
	}
	return got
}

// silent fails the test if something comes.
func silent(t *testing.T, r Reader, why string) {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		var b Batch
		if r.ReadBatch(&b) == nil {
			got <- fmt.Sprintf("%q from %v", b.Datagrams[0].Data, b.Datagrams[0].From)
		}
	}()
	select {
	case s := <-got:
		t.Errorf("%s: got %s", why, s)
	case <-time.After(100 * time.Millisecond):
	}
}

// numbered returns n datagrams of size bytes side by side, the last one short bytes shorter, each
// beginning with its number and filled with it.
func numbered(first, n, size, short int) []byte {
	b := make([]byte, n*size)
	for i := range n {
		d := b[i*size:][:size]
		for j := range d {
			d[j] = byte(first + i)
		}
		binary.BigEndian.PutUint32(d, uint32(first+i))
	}
	return b[:len(b)-short]
}

func checkNumbered(t *testing.T, got []Datagram, size, short int) {
	t.Helper()
	for i, d := range got {
		want := numbered(i, 1, size, 0)
		if i == len(got)-1 {
			want = want[:size-short]
		}
		if string(d.Data) != string(want) {
			t.Fatalf("datagram %d: got %d bytes beginning %x, want %d beginning %x", i, len(d.Data), d.Data[:min(4, len(d.Data))], len(want), want[:4])
		}
	}
}

func TestGroupReachesEveryReceiver(t *testing.T) {
	s := open(t, Config{})
	var receivers []Conn
	for range 3 {
		receivers = append(receivers, open(t, Config{Receive: true}))
	}
	send(t, s, Message{To: s.Group(), Data: []byte("hello")})
	for i, r := range receivers {
		d := receive(t, r, r.Readers()[1], 1)[0]
		if string(d.Data) != "hello" || d.From != s.Local() {
			t.Errorf("receiver %d got %q from %v, want hello from %v", i, d.Data, d.From, s.Local())
		}
	}
}

func TestReadersAreUnicastThenGroup(t *testing.T) {
	r := open(t, Config{Receive: true}).Readers()
	if len(r) != 2 || r[0].Multicast() || !r[1].Multicast() {
		t.Errorf("readers are %v", r)
	}
	if r := open(t, Config{}).Readers(); len(r) != 1 || r[0].Multicast() {
		t.Errorf("readers of an endpoint that does not receive are %v", r)
	}
}

func TestUnicastBothWays(t *testing.T) {
	a, b := open(t, Config{}), open(t, Config{Receive: true})
	send(t, a, Message{To: b.Local(), Data: []byte("to b")})
	d := receive(t, b, b.Readers()[0], 1)[0]
	if string(d.Data) != "to b" || d.From != a.Local() {
		t.Fatalf("got %q from %v", d.Data, d.From)
	}
	send(t, b, Message{To: d.From, Data: []byte("back")})
	if d := receive(t, a, a.Readers()[0], 1)[0]; string(d.Data) != "back" || d.From != b.Local() {
		t.Fatalf("got %q from %v", d.Data, d.From)
	}
	silent(t, b.Readers()[1], "unicast at the group's socket")
}

func TestGroupsOnOnePortDoNotLeak(t *testing.T) {
	one := testGroup(1)
	other := netip.AddrPortFrom(one.Addr().Next(), one.Port())
	a, b := open(t, Config{Group: one, Receive: true}), open(t, Config{Group: other, Receive: true})
	s := open(t, Config{Group: one})
	send(t, s, Message{To: one, Data: []byte("one")}, Message{To: other, Data: []byte("other")})
	if d := receive(t, a, a.Readers()[1], 1); string(d[0].Data) != "one" || len(d) != 1 {
		t.Errorf("the first group got %v", d)
	}
	if d := receive(t, b, b.Readers()[1], 1); string(d[0].Data) != "other" || len(d) != 1 {
		t.Errorf("the second group got %v", d)
	}
	silent(t, a.Readers()[1], "the first group")
	silent(t, b.Readers()[1], "the second group")
}

func TestSourceSpecificJoinHearsOnlyItsSource(t *testing.T) {
	// While another joins any source, so that the kernel has the packets.
	any := open(t, Config{Receive: true})
	right := open(t, Config{Receive: true, Source: netip.MustParseAddr("127.0.0.1")})
	wrong := open(t, Config{Receive: true, Source: netip.MustParseAddr("127.0.0.9")})
	s := open(t, Config{})
	send(t, s, Message{To: s.Group(), Data: []byte("x")})
	receive(t, any, any.Readers()[1], 1)
	receive(t, right, right.Readers()[1], 1)
	silent(t, wrong.Readers()[1], "a receiver of another source")
}

func TestCloseEndsReading(t *testing.T) {
	c := open(t, Config{Receive: true})
	errs := make(chan error)
	for _, r := range c.Readers() {
		go func() { errs <- r.ReadBatch(new(Batch)) }()
	}
	time.Sleep(10 * time.Millisecond)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-errs; err != net.ErrClosed {
			t.Errorf("a reader got %v, want net.ErrClosed", err)
		}
	}
	if err := c.Readers()[0].ReadBatch(new(Batch)); err != net.ErrClosed {
		t.Errorf("a later read: %v, want net.ErrClosed", err)
	}
	if _, err := c.WriteBatch([]Message{{To: c.Group(), Data: []byte("x")}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a later write: %v, want net.ErrClosed", err)
	}
	if err := c.Close(); err != net.ErrClosed {
		t.Errorf("closed again: %v, want net.ErrClosed", err)
	}
	c.Stats()
}

// A NAK may reach a port where nobody listens any more; the answer to it must not end the session.
func TestRefusedUnicastDoesNotEndAnything(t *testing.T) {
	gone := open(t, Config{})
	c := open(t, Config{Receive: true})
	to := gone.Local()
	gone.Close()
	for range 10 {
		send(t, c, Message{To: to, Data: []byte("anyone?")})
	}
	send(t, c, Message{To: c.Local(), Data: []byte("unicast")}, Message{To: c.Group(), Data: []byte("group")})
	for i, want := range []string{"unicast", "group"} {
		if d := receive(t, c, c.Readers()[i], 1)[0]; string(d.Data) != want {
			t.Errorf("reader %d got %q, want %q", i, d.Data, want)
		}
	}
}

func TestSegmentsArriveInOrder(t *testing.T) {
	for _, offload := range []bool{true, false} {
		for _, c := range []struct{ n, size, short int }{
			{1, 1400, 0}, {2, 1400, 0}, {45, 1400, 0}, {64, 100, 0}, {65, 100, 99}, {1000, 1400, 3},
			{300, 8, 1}, {10, 9000, 100}, {5, MaxPayload, 1}, {3, 40000, 0},
		} {
			t.Run(fmt.Sprintf("offload %v, %d of %d bytes less %d", offload, c.n, c.size, c.short), func(t *testing.T) {
				r, s := open(t, Config{Receive: true, NoOffload: !offload}), open(t, Config{NoOffload: !offload})
				// What the kernel lets in does not depend on the buffer that it grants.
				chunk := max(1, 64<<10/c.size)
				var got []Datagram
				for at := 0; at < c.n; at += chunk {
					n := min(chunk, c.n-at)
					short := 0
					if at+n == c.n {
						short = c.short
					}
					send(t, s, Message{To: s.Group(), SegmentSize: c.size, Data: numbered(at, n, c.size, short)})
					got = append(got, receive(t, r, r.Readers()[1], n)...)
				}
				if len(got) != c.n {
					t.Fatalf("got %d datagrams, want %d", len(got), c.n)
				}
				checkNumbered(t, got, c.size, c.short)
				if st := s.Stats(); st.WriteDatagrams != uint64(c.n) || st.WriteBytes != uint64(c.n*c.size-c.short) || st.WriteErrors != 0 {
					t.Errorf("sent %+v", st)
				}
				if st := r.Stats(); st.ReadDatagrams != uint64(c.n) || st.ReadBytes != uint64(c.n*c.size-c.short) {
					t.Errorf("received %+v", st)
				}
			})
		}
	}
}

// Whatever way the messages come, one reader's batches hold them all.
func TestBigAndSmallMessagesMixed(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	next := 0
	var got []Datagram
	for i := range 60 {
		var msgs []Message
		sent := next
		for j := range i % 4 {
			n := []int{46, 1, 1, 20}[(i+j)%4]
			msgs = append(msgs, Message{To: s.Group(), SegmentSize: 1400, Data: numbered(next, n, 1400, 0)})
			next += n
		}
		send(t, s, msgs...)
		got = append(got, receive(t, r, r.Readers()[1], next-sent)...)
	}
	checkNumbered(t, got, 1400, 0)
}

func TestWriteSaysWhatDoesNotFit(t *testing.T) {
	s := open(t, Config{})
	msgs := []Message{{To: s.Group(), Data: []byte("fits")}, {To: s.Group(), Data: make([]byte, MaxPayload+1)}}
	n, err := s.WriteBatch(msgs)
	if n != 1 || err == nil || !strings.Contains(err.Error(), "65508 bytes does not fit, 65507 do") {
		t.Errorf("took %d, error %v", n, err)
	}
	if n, err := s.WriteBatch(msgs[:1]); n != 1 || err != nil {
		t.Errorf("after that: took %d, error %v", n, err)
	}
}

func TestWriteRefusesWhatIsNoDestination(t *testing.T) {
	s := open(t, Config{})
	for _, test := range []struct {
		to   netip.AddrPort
		want string
	}{
		{netip.MustParseAddrPort("[::1]:7500"), "the endpoint is IPv4, the destination is not"},
		{netip.AddrPort{}, "the message has no destination"},
	} {
		n, err := s.WriteBatch([]Message{{To: s.Group(), Data: []byte("x")}, {To: test.to, Data: []byte("x")}})
		if n != 1 || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: took %d, error %v; want 1, %q", test.to, n, err, test.want)
		}
	}
}

func TestEmptyDatagram(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	send(t, s, Message{To: s.Group()}, Message{To: s.Group(), SegmentSize: 100})
	if d := receive(t, r, r.Readers()[1], 2); len(d) != 2 || len(d[0].Data)+len(d[1].Data) != 0 {
		t.Errorf("got %v", d)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	group := testGroup(0)
	for _, test := range []struct {
		name string
		c    Config
		want string
	}{
		{"no group", Config{}, "no group given"},
		{"unicast group", Config{Group: netip.MustParseAddrPort("10.0.0.1:7500")}, "10.0.0.1 is not a multicast group"},
		{"no port", Config{Group: netip.MustParseAddrPort("239.1.1.1:0")}, "no port"},
		{"family of source", Config{Group: group, Source: netip.MustParseAddr("::1")}, "not of one address family"},
		{"source a group", Config{Group: group, Source: netip.MustParseAddr("239.1.1.2")}, "not the address of a host"},
		{"TTL", Config{Group: group, TTL: 256}, "TTL 256 is not in 1 to 255"},
		{"buffer", Config{Group: group, RecvBuffer: -1}, "socket buffers"},
		{"no such interface", Config{Group: group, Interface: "none7"}, `no interface is called "none7"; use one of`},
		{"no such address", Config{Group: group, Interface: "192.0.2.77"}, `no interface has address 192.0.2.77; use one of`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(context.Background(), test.c)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, test.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, Config{Group: group}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// The wait for a datagram ends at the deadline, or when one is set that has passed; what comes later is read as ever.
func TestReadDeadlineEndsTheWait(t *testing.T) {
	a, b := open(t, Config{Receive: true}), open(t, Config{})
	for i, to := range []netip.AddrPort{a.Local(), a.Group()} {
		r, ok := a.Readers()[i].(Interruptible)
		if !ok {
			t.Skip("readers of this system cannot be interrupted")
		}
		for _, when := range []time.Duration{-time.Hour, 10 * time.Millisecond} {
			r.SetReadDeadline(time.Now().Add(when))
			if err := r.ReadBatch(new(Batch)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("reader %d, deadline in %v: %v", i, when, err)
			}
		}
		r.SetReadDeadline(time.Time{})
		time.AfterFunc(10*time.Millisecond, func() { r.SetReadDeadline(time.Unix(1, 0)) })
		if err := r.ReadBatch(new(Batch)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reader %d, interrupted: %v", i, err)
		}
		r.SetReadDeadline(time.Time{})
		send(t, b, Message{To: to, Data: []byte("later")})
		if d := receive(t, a, r, 1)[0]; string(d.Data) != "later" {
			t.Errorf("reader %d: got %q", i, d.Data)
		}
	}
}
