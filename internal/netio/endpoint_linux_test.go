//go:build !netio_portable

package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

func TestSecondEndpointOnHostHasPortOfItsOwn(t *testing.T) {
	a, b := open(t, Config{}), open(t, Config{})
	if a.Local().Port() != a.Group().Port() {
		t.Errorf("the first endpoint has port %d, want the group's, %d", a.Local().Port(), a.Group().Port())
	}
	if b.Local().Port() == a.Local().Port() || b.Local().Port() == 0 {
		t.Errorf("the second endpoint has port %d", b.Local().Port())
	}
	a.Close()
	if c := open(t, Config{}); c.Local().Port() != c.Group().Port() {
		t.Errorf("after the first has gone the group's port is free, but a third got %d", c.Local().Port())
	}
}

// Else a receiver that was started first would get what is meant for the source on its host.
func TestReceiverLeavesGroupPortToSource(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	if r.Local().Port() == r.Group().Port() || s.Local().Port() != s.Group().Port() {
		t.Errorf("the receiver has port %d and the source %d, want the group's, %d, for the source", r.Local().Port(), s.Local().Port(), s.Group().Port())
	}
}

// A router's groups share a port, at which its neighbours look for it: what any of them sends comes from there, each hears its own group, and
// the first alone reads what is sent there.
func TestEndpointBesideAnotherSharesItsAddress(t *testing.T) {
	a := open(t, Config{Receive: true})
	group := a.Group().Addr().As4()
	group[1]--
	b := open(t, Config{Receive: true, Beside: a, Group: netip.AddrPortFrom(netip.AddrFrom4(group), a.Group().Port())})
	if b.Local() != a.Local() || len(b.Readers()) != 1 || !b.Readers()[0].Multicast() {
		t.Fatalf("one has address %v, the other %v and %d readers", a.Local(), b.Local(), len(b.Readers()))
	}
	send(t, b, Message{To: b.Group(), Data: []byte("to the group")})
	if d := receive(t, b, b.Readers()[0], 1); d[0].From != a.Local() {
		t.Errorf("it came from %v, want %v", d[0].From, a.Local())
	}
	send(t, a, Message{To: b.Local(), Data: []byte("to both")})
	receive(t, a, a.Readers()[0], 1)
	b.Close()
	send(t, a, Message{To: a.Group(), Data: []byte("still there")})
	receive(t, a, a.Readers()[1], 1)
}

func TestOneSystemCallMovesManyDatagrams(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	if !s.Stats().GSO || !r.Stats().GRO {
		t.Skipf("this kernel does not split and join datagrams: %+v", s.Stats())
	}
	send(t, s, Message{To: s.Group(), SegmentSize: 1400, Data: numbered(0, 46, 1400, 0)})
	checkNumbered(t, receive(t, r, r.Readers()[1], 46), 1400, 0)
	if w, r := s.Stats().Writes, r.Stats().Reads; w != 1 || r != 1 {
		t.Errorf("46 datagrams took %d writes and %d reads, want 1 and 1", w, r)
	}
}

func TestManyMessagesInOneCallWithoutOffload(t *testing.T) {
	r, s := open(t, Config{Receive: true, NoOffload: true}), open(t, Config{NoOffload: true})
	send(t, s, Message{To: s.Group(), SegmentSize: 1400, Data: numbered(0, 46, 1400, 0)})
	checkNumbered(t, receive(t, r, r.Readers()[1], 46), 1400, 0)
	if w, r := s.Stats().Writes, r.Stats().Reads; w != 1 || r != 1 {
		t.Errorf("46 datagrams took %d writes and %d reads, want 1 and 1", w, r)
	}
}

// A kernel or device that cannot split says so when it is asked to.
func TestRefusedSegmentationFallsBackAndIsRemembered(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	u := s.(*endpoint)
	if !u.writer.gso.Load() {
		t.Skip("this kernel does not know UDP_SEGMENT")
	}
	// Without checksums there is no segmentation: EINVAL.
	if !u.sockets[0].set(unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) {
		t.Skip("cannot turn UDP checksums off")
	}
	for range 2 {
		send(t, s, Message{To: s.Group(), SegmentSize: 1400, Data: numbered(0, 40, 1400, 5)})
		checkNumbered(t, receive(t, r, r.Readers()[1], 40), 1400, 5)
	}
	if st := s.Stats(); st.GSO || st.WriteErrors != 1 || st.Writes != 2 {
		t.Errorf("stats %+v, want GSO off after 1 error, and 2 writes", st)
	}
}

// script makes the writer's system calls return these errors, one after the other, and then work.
func script(u *endpoint, errs ...unix.Errno) {
	w := u.writer
	real := w.send
	w.send = func(fd uintptr) bool {
		if len(errs) == 0 {
			return real(fd)
		}
		w.sent, w.errno = 0, errs[0]
		errs = errs[1:]
		return true
	}
}

func TestWriteErrors(t *testing.T) {
	single := []Message{{Data: []byte("x")}}
	segments := []Message{{SegmentSize: 100, Data: make([]byte, 1000)}}
	for _, test := range []struct {
		name    string
		msgs    []Message
		errs    []unix.Errno
		wantErr string
		is      error
		gso     bool
	}{
		{"no buffer space passes", single, []unix.Errno{unix.ENOBUFS, unix.ENOBUFS}, "", nil, true},
		{"an ICMP error passes", single, []unix.Errno{unix.ECONNREFUSED}, "", nil, true},
		{"device cannot segment", segments, []unix.Errno{unix.EIO}, "", nil, false},
		{"kernel does not know", segments, []unix.Errno{unix.ENOPROTOOPT}, "", nil, false},
		{"it was not the segmentation", segments, []unix.Errno{unix.EINVAL, unix.EINVAL}, "interface lo: invalid argument", unix.EINVAL, true},
		{"interface is down", single, []unix.Errno{unix.ENETDOWN}, "interface lo: network is down", unix.ENETDOWN, true},
		{"interface has gone", single, []unix.Errno{unix.ENODEV}, "interface lo: no such device", unix.ENODEV, true},
		{"no route", single, []unix.Errno{unix.ENETUNREACH}, "interface lo: network is unreachable", unix.ENETUNREACH, true},
		{"firewall", single, []unix.Errno{unix.EPERM}, "a firewall on this host forbids it", unix.EPERM, true},
		{"too big", single, []unix.Errno{unix.EMSGSIZE}, "a datagram of 1 bytes does not fit, 65507 do", unix.EMSGSIZE, true},
		{"segments too big", segments, []unix.Errno{unix.EMSGSIZE}, "a datagram of 100 bytes does not fit", unix.EMSGSIZE, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, Config{})
			u := s.(*endpoint)
			if !s.Stats().GSO {
				t.Skip("this kernel does not know UDP_SEGMENT")
			}
			script(u, test.errs...)
			test.msgs[0].To = s.Group()
			n, err := s.WriteBatch(test.msgs)
			if test.wantErr == "" {
				if err != nil || n != 1 {
					t.Errorf("took %d, %v", n, err)
				}
			} else if err == nil || n != 0 || !strings.Contains(err.Error(), test.wantErr) || !errors.Is(err, test.is) {
				t.Errorf("took %d, %v; want %q", n, err, test.wantErr)
			}
			if st := s.Stats(); st.GSO != test.gso || st.WriteErrors != uint64(len(test.errs)) {
				t.Errorf("GSO %v, %d errors; want %v, %d", st.GSO, st.WriteErrors, test.gso, len(test.errs))
			}
			if _, err := s.WriteBatch(single[:0]); err != nil {
				t.Error(err)
			}
		})
	}
}

// A socket that never gets memory must not hold up the rest for ever.
func TestNoBufferSpaceGivesUpOneMessage(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	errs := make([]unix.Errno, 9)
	for i := range errs {
		errs[i] = unix.ENOBUFS
	}
	script(s.(*endpoint), errs...)
	start := time.Now()
	send(t, s, Message{To: s.Group(), Data: []byte("lost")}, Message{To: s.Group(), Data: []byte("sent")})
	if d := receive(t, r, r.Readers()[1], 1)[0]; string(d.Data) == "lost" {
		t.Errorf("got %q after %v", d.Data, time.Since(start))
	}
	if d := time.Since(start); d < 10*time.Millisecond || d > time.Second {
		t.Errorf("took %v", d)
	}
}

func TestTTLOfMessageAndOfEndpoint(t *testing.T) {
	s := open(t, Config{TTL: 5})
	r := open(t, Config{Receive: true, NoOffload: true}).(*endpoint)
	p := ipv4.NewPacketConn(r.sockets[1].pc)
	if err := p.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		t.Fatal(err)
	}
	send(t, s, Message{To: s.Group(), TTL: 1, Data: []byte("x")}, Message{To: s.Group(), Data: []byte("x")},
		Message{To: s.Group(), TTL: 77, SegmentSize: 1, Data: []byte("xy")}, Message{To: s.Group(), Data: []byte("x")})
	p.SetReadDeadline(time.Now().Add(5 * time.Second))
	for i, want := range []int{1, 5, 77, 77, 5} {
		_, cm, _, err := p.ReadFrom(make([]byte, 10))
		if err != nil || cm.TTL != want {
			t.Fatalf("datagram %d: TTL %v, error %v; want %d", i, cm, err, want)
		}
	}
}

func TestKernelDropsAreCounted(t *testing.T) {
	r, s := open(t, Config{Receive: true, RecvBuffer: 1}), open(t, Config{})
	const n = 1000
	for range n {
		send(t, s, Message{To: s.Group(), Data: make([]byte, 1000)})
	}
	drops := r.Stats().Drops
	if drops == 0 || drops >= n {
		t.Fatalf("%d drops of %d datagrams", drops, n)
	}
	if got := receive(t, r, r.Readers()[1], n-int(drops)); len(got)+int(drops) != n {
		t.Errorf("%d received and %d dropped of %d", len(got), drops, n)
	}
	r.Close()
	if d := r.Stats().Drops; d != drops {
		t.Errorf("%d drops after Close, want %d", d, drops)
	}
}

func TestBuffersAreShown(t *testing.T) {
	c := open(t, Config{RecvBuffer: 100000, SendBuffer: 50000, Receive: true})
	if st := c.Stats(); st.RecvBuffer != 100000 || st.SendBuffer != 50000 {
		t.Errorf("buffers %d and %d, want 100000 and 50000", st.RecvBuffer, st.SendBuffer)
	}
}

// More than a batch can hold waits in the reader, and nothing is lost or changed.
func TestReaderKeepsWhatBatchCannotHold(t *testing.T) {
	r, s := open(t, Config{Receive: true, NoOffload: true}), open(t, Config{NoOffload: true})
	const n, size = 40, 16000 // 640 kB
	for i := range n {
		send(t, s, Message{To: s.Group(), Data: numbered(i, 1, size, 0)})
	}
	if d := r.Stats().Drops; d > 0 {
		t.Skipf("the kernel granted too small a buffer: %d of %d dropped", d, n)
	}
	checkNumbered(t, receive(t, r, r.Readers()[1], n), size, 0)
}

// What a batch holds does not change with later reads, whichever way they go.
func TestBatchStaysAsItIsWhileHeld(t *testing.T) {
	r, s := open(t, Config{Receive: true}), open(t, Config{})
	reader := r.Readers()[1].(*reader)
	var held []*Batch
	next := 0
	for _, n := range []int{46, 46, 46, 1, 1, 46, 46, 1, 46, 46} {
		send(t, s, Message{To: s.Group(), SegmentSize: 1400, Data: numbered(next, n, 1400, 0)})
		next += n
		for got := 0; got < n; {
			b := new(Batch)
			if err := reader.ReadBatch(b); err != nil {
				t.Fatal(err)
			}
			got += len(b.Datagrams)
			held = append(held, b)
		}
		if want := n > 1 && r.Stats().GRO && s.Stats().GSO; reader.direct != want {
			t.Errorf("after %d datagrams in one message: the next is read directly: %v", n, reader.direct)
		}
	}
	var all []Datagram
	for _, b := range held {
		all = append(all, b.Datagrams...)
	}
	checkNumbered(t, all, 1400, 0)
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, offload := range []bool{true, false} {
		t.Run(fmt.Sprintf("offload %v", offload), func(t *testing.T) {
			r, s := open(t, Config{Receive: true, NoOffload: !offload}), open(t, Config{NoOffload: !offload})
			pool := NewPool(2)
			data := numbered(0, 20, 1400, 0)
			msgs := []Message{
				{To: s.Group(), SegmentSize: 1400, Data: data},
				{To: s.Group(), TTL: 3, Data: data[:100]},
			}
			reader := r.Readers()[1]
			n := testing.AllocsPerRun(200, func() {
				if _, err := s.WriteBatch(msgs); err != nil {
					t.Fatal(err)
				}
				for got := 0; got < 21; {
					b, _ := pool.Get(nil)
					if err := reader.ReadBatch(b); err != nil {
						t.Fatal(err)
					}
					got += len(b.Datagrams)
					b.Release()
				}
			})
			if n != 0 {
				t.Errorf("%v allocations for 21 datagrams sent and received, want 0", n)
			}
		})
	}
}

// §4.1 of RFC 4007: a link-local address means nothing without its zone.
func TestSourcesKeepZones(t *testing.T) {
	ifi, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	s := newSources(&net.Interface{Index: 1 << 20, Name: "eth7"})
	name := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(7500), Addr: netip.MustParseAddr("fe80::1").As16(), Scope_id: uint32(ifi.Index)}
	want := netip.MustParseAddrPort("[fe80::1%lo]:7500")
	other := name
	other.Addr[15] = 2
	n := testing.AllocsPerRun(100, func() {
		if got := s.addrPort(&name); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
		s.addrPort(&other)
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	name.Scope_id = 99999
	if got := s.addrPort(&name).String(); got != "[fe80::1%99999]:7500" {
		t.Errorf("an interface that has gone: got %v", got)
	}
	v4 := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(7), Addr: netip.MustParseAddr("::ffff:10.0.0.1").As16()}
	if got := s.addrPort(&v4).String(); got != "10.0.0.1:7" {
		t.Errorf("got %v", got)
	}
}

func TestDestinationsKnowZones(t *testing.T) {
	ifi, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	d := destinations{link: link{&net.Interface{Index: 7, Name: "eth7"}, netip.MustParseAddr("fe80::7%eth7")}}
	for _, test := range []struct {
		to    string
		scope int
		err   string
	}{
		{"[fe80::1%eth7]:1", 7, ""},
		{"[fe80::1]:1", 7, ""},
		{"[fe80::1%lo]:1", ifi.Index, ""},
		{"[fe80::1%lo]:1", ifi.Index, ""}, // from memory
		{"[fe80::1%12]:1", 12, ""},
		{"[fd00::1]:1", 0, ""},
		{"[ff02::1]:1", 0, ""},
		{"[fe80::1%none7]:1", 0, `no interface is called "none7"`},
		{"10.0.0.1:1", 0, "the destination is not"},
	} {
		var name unix.RawSockaddrInet6
		_, err := d.put(&name, netip.MustParseAddrPort(test.to))
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: got %v, want %q", test.to, err, test.err)
			}
		} else if err != nil || name.Scope_id != uint32(test.scope) {
			t.Errorf("%s: scope %d, error %v; want %d", test.to, name.Scope_id, err, test.scope)
		}
	}
}
