//go:build !netio_portable

package netio

import (
	"errors"
	"fmt"
	"net/netip"
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
