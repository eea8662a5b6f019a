//go:build !netio_portable

package netio

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// testProtocol is one of those for experiments (RFC 3692).
const testProtocol = 253

func TestRawBetweenHosts(t *testing.T) {
	for _, test := range []struct {
		name            string
		group           netip.AddrPort
		source          string
		from            string
		overhead, alert int
	}{
		{"IPv4", wideGroup, "", "10.9.0.1:0", 20, 4},
		{"IPv4, one source", wideGroup, "10.9.0.1", "10.9.0.1:0", 20, 4},
		{"IPv6", wideGroup6, "", "[fd09::1]:0", 40, 8},
		{"IPv6, one source", wideGroup6, "fd09::1", "[fd09::1]:0", 40, 8},
		{"IPv6, link", linkGroup6, "", "[fe80::1%v0]:0", 40, 8},
		{"IPv6, link, one source", linkGroup6, "fe80::1%v0", "[fe80::1%v0]:0", 40, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := newPair(t)
			source, _ := netip.ParseAddr(test.source)
			s := a.open(Config{Protocol: testProtocol, Group: test.group})
			r := b.open(Config{Protocol: testProtocol, Group: test.group, Receive: true, Source: source})
			if s.Local().String() != test.from || s.Group() != test.group || s.Overhead() != test.overhead || s.AlertOverhead() != test.alert {
				t.Fatalf("sends from %v to %v, overhead %d and %d", s.Local(), s.Group(), s.Overhead(), s.AlertOverhead())
			}
			for _, alert := range []bool{false, true} {
				size := s.MTU() - s.Overhead()
				if alert {
					size -= s.AlertOverhead()
				}
				send(t, s, Message{To: s.Group(), TTL: 2, Alert: alert, SegmentSize: size, Data: numbered(0, 150, size, 3)})
				got := receive(t, r, r.Readers()[1], 150)
				checkNumbered(t, got, size, 3)
				if got[0].From != s.Local() {
					t.Errorf("from %v, want %v", got[0].From, s.Local())
				}
				if n, err := s.WriteBatch([]Message{{To: s.Group(), Alert: alert, Data: make([]byte, size+1)}}); n != 0 || !errors.Is(err, unix.EMSGSIZE) ||
					!strings.Contains(err.Error(), fmt.Sprintf("%d bytes does not fit, %d do", size+1, size)) {
					t.Errorf("beyond the MTU: took %d, %v", n, err)
				}
			}
			send(t, r, Message{To: s.Local(), Data: []byte("NAK")})
			if d := receive(t, s, s.Readers()[0], 1)[0]; string(d.Data) != "NAK" || d.From != r.Local() {
				t.Errorf("unicast %q from %v, want %v", d.Data, d.From, r.Local())
			}
			checkAllocations(t, s, r)
		})
	}
}

// checkAllocations sends and receives with and without Router Alert and a time to live.
func checkAllocations(t *testing.T, s, r Conn) {
	t.Helper()
	const size = 1000
	data := numbered(0, 10, size, 0)
	msgs := []Message{{To: s.Group(), SegmentSize: size, Data: data}, {To: s.Group(), Alert: true, SegmentSize: size, Data: data}, {To: s.Group(), TTL: 3, Alert: true, Data: data[:size]}}
	reader := r.Readers()[1]
	var batch Batch
	if n := testing.AllocsPerRun(50, func() {
		if _, err := s.WriteBatch(msgs); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 21; n += len(batch.Datagrams) {
			if err := reader.ReadBatch(&batch); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for 21 datagrams, want 0", n)
	}
}

// The unicast socket is for unicast, whatever this host has joined.
func TestRawUnicastDoesNotHearGroup(t *testing.T) {
	for _, group := range []netip.AddrPort{wideGroup, wideGroup6} {
		a, b := newPair(t)
		c := Config{Protocol: testProtocol, Group: group}
		s, r := a.open(c), b.open(c.receiving())
		send(t, s, Message{To: group, Data: []byte("x")})
		receive(t, r, r.Readers()[1], 1)
		silent(t, r.Readers()[0], "the unicast socket")
	}
}

// Groups, and protocols, are kept apart on a host that hears several.
func TestRawHearsOwnGroupAndProtocolOnly(t *testing.T) {
	for _, group := range []netip.AddrPort{wideGroup, wideGroup6} {
		a, b := newPair(t)
		c := Config{Protocol: testProtocol, Group: group}
		otherGroup, otherProtocol := c, c
		otherGroup.Group = netip.AddrPortFrom(group.Addr().Next(), group.Port())
		otherProtocol.Protocol++
		s, r := a.open(c), b.open(c.receiving())
		r1, r2 := b.open(otherGroup.receiving()), b.open(otherProtocol.receiving())
		send(t, s, Message{To: group, Data: []byte("x")}, Message{To: r.Local(), Data: []byte("y")})
		receive(t, r, r.Readers()[1], 1)
		silent(t, r1.Readers()[1], "the receiver of another group")
		silent(t, r2.Readers()[1], "the receiver of another protocol")
		silent(t, r2.Readers()[0], "the other protocol's unicast socket")
	}
}

// What the network header says: RFC 2113 for IPv4, RFC 2711 for IPv6.
func TestRawHeaderBearsTTLAndRouterAlert(t *testing.T) {
	for _, test := range []struct {
		group netip.AddrPort
		alert string
	}{
		{wideGroup, "94040000"},
		{wideGroup6, "fd00 0502 ffdf 0100"}, // behind it is testProtocol
	} {
		a, b := newPair(t)
		c := Config{Protocol: testProtocol, Group: test.group, TTL: 5}
		s := a.open(c)
		r := b.open(c.receiving()).(*endpoint)
		msgs := []Message{
			{To: c.Group, Data: []byte("x")}, {To: c.Group, Alert: true, Data: []byte("x")}, {To: c.Group, TTL: 1, Data: []byte("x")},
			{To: c.Group, TTL: 77, Alert: true, SegmentSize: 1, Data: []byte("xy")}, {To: c.Group, Data: []byte("x")},
		}
		r.sockets[1].set(unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
		r.sockets[1].set(unix.IPPROTO_IPV6, unix.IPV6_RECVHOPOPTS, 1)
		send(t, s, msgs...)
		for i, want := range []struct {
			ttl   int
			alert bool
		}{{5, false}, {5, true}, {1, false}, {77, true}, {77, true}, {5, false}} {
			ttl, alert := networkHeader(t, r.sockets[1], c.Group.Addr().Is4())
			expect := ""
			if want.alert {
				expect = strings.ReplaceAll(test.alert, " ", "")
			}
			if ttl != want.ttl || alert != expect {
				t.Errorf("%v, datagram %d: TTL %d, options %q; want %d, %q", test.group, i, ttl, alert, want.ttl, expect)
			}
		}
	}
}

// networkHeader receives a datagram and returns the TTL of its header, and its options in hex.
func networkHeader(t *testing.T, s socket, v4 bool) (ttl int, options string) {
	t.Helper()
	data, control := make([]byte, 2000), make([]byte, 200)
	var n, c int
	var failed error
	if err := s.raw.Read(func(fd uintptr) bool {
		n, c, _, _, failed = unix.Recvmsg(int(fd), data, control, unix.MSG_DONTWAIT)
		return !errors.Is(failed, unix.EAGAIN)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if v4 {
		if flags := binary.BigEndian.Uint16(data[6:]); flags != 0x4000 {
			t.Errorf("flags and fragment offset %#x, want DF alone", flags)
		}
		return int(data[8]), hex.EncodeToString(data[20 : int(data[0]&15)*4])
	}
	if n > 2 {
		t.Errorf("%d bytes, want the payload alone", n)
	}
	messages, err := unix.ParseSocketControlMessage(control[:c])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.IPV6_HOPLIMIT:
			ttl = int(binary.NativeEndian.Uint32(m.Data))
		case unix.IPV6_HOPOPTS:
			options = hex.EncodeToString(m.Data)
		}
	}
	return ttl, options
}

// Without the capability the error says which, and the line that gives it to this program.
func TestRawNeedsCapability(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		t.Skip(err)
	}
	type result struct {
		conn Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // for ever: the thread that gave up its capabilities ends here
		h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&h, &none[0]); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := Open(context.Background(), Config{Protocol: testProtocol, Group: testGroup(0), Interface: "lo"})
		done <- result{conn, err}
	}()
	r := <-done
	if r.conn != nil {
		r.conn.Close()
	}
	if r.err == nil || !errors.Is(r.err, fs.ErrPermission) || strings.Contains(r.err.Error(), "\n") ||
		!strings.Contains(r.err.Error(), "CAP_NET_RAW") || !strings.HasSuffix(r.err.Error(), "setcap cap_net_raw+ep "+program) {
		t.Errorf("got %v", r.err)
	}
}

// UDP, with and without the kernel's help, beside packets of a protocol of their own, over a cable.
func BenchmarkCable(b *testing.B) {
	for _, bench := range []struct {
		name  string
		c     Config
		alert bool
	}{
		{"UDP", Config{Group: wideGroup}, false},
		{"UDP, one by one", Config{Group: wideGroup, NoOffload: true}, false},
		{"raw", Config{Group: wideGroup, Protocol: testProtocol}, false},
		{"raw, Router Alert", Config{Group: wideGroup, Protocol: testProtocol}, true},
		{"IPv6, raw", Config{Group: wideGroup6, Protocol: testProtocol}, false},
		{"IPv6, raw, Router Alert", Config{Group: wideGroup6, Protocol: testProtocol}, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			here, there := newPair(b)
			c := bench.c
			s := here.open(c)
			c.Receive = true
			benchmarkConns(b, s, there.open(c), bench.alert)
		})
	}
}
