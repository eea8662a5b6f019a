package pgm

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
)

func join(t *testing.T, c ListenConfig) *PacketConn {
	t.Helper()
	p, err := c.ListenPacket(t.Context(), "epgm", inMemory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if p.writer.started.Load() {
			p.writer.sender.CloseNow()
		}
	})
	return p
}

// Messages arrive whole, in order, with the address of their source, at all but the one who wrote them: empty ones, ones that fill a
// packet, and ones that take many.
func TestMessagesAreWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		var bus []*PacketConn
		for i := range 3 {
			bus = append(bus, join(t, ListenConfig{Config: host(Config{Drop: 0.1}, m, fmt.Sprintf("192.0.2.%d", 1+i))}))
		}
		full := bus[0].MaxPacket()
		sizes := []int{0, 1, full - 1, full, full + 1, 2 * full, 100_000, bus[0].MaxMessage(), 3}
		go func() {
			for i, size := range sizes {
				bus[0].WriteTo(noise(uint64(i), size), bus[0].Group())
			}
		}()
		for _, p := range bus[1:] {
			buf := make([]byte, 1<<20)
			p.SetReadDeadline(time.Now().Add(time.Minute))
			for i, size := range sizes {
				n, from, err := p.ReadFrom(buf)
				if err != nil || from != bus[0].LocalAddr() || !bytes.Equal(buf[:n], noise(uint64(i), size)) {
					t.Fatalf("message %d: %d octets of %v, %v; want %d of %v", i, n, from, err, size, bus[0].LocalAddr())
				}
			}
		}
		bus[0].SetReadDeadline(time.Now().Add(time.Second))
		if n, from, err := bus[0].ReadFrom(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the one who wrote read %d octets of %v, %v; want nothing", n, from, err)
		}
		if own := bus[0].ReceiverStats().Own; own == 0 {
			t.Error("its own packets were not counted as such")
		}
	})
}

// What does not fit into the reader's buffer is cut off, and the next message is the next one.
func TestShortBufferTruncates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		a, b := join(t, ListenConfig{Config: host(Config{}, m, "192.0.2.1")}), join(t, ListenConfig{Config: host(Config{}, m, "192.0.2.2")})
		write(t, a, []byte("one two three"))
		write(t, a, []byte("four"))
		buf := make([]byte, 7)
		for _, want := range []string{"one two", "four"} {
			if n, _, err := b.ReadFrom(buf); string(buf[:n]) != want || err != nil {
				t.Errorf("ReadFrom: %q, %v; want %q", buf[:n], err, want)
			}
		}
	})
}

// WriteTo sends to the group and nowhere else, however the group's address is given.
func TestWriteToTheGroupOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, ListenConfig{Config: host(Config{}, netio.NewMemory(), "192.0.2.1")})
		group := netip.MustParseAddrPort(inMemory)
		for _, addr := range []net.Addr{nil, p.Group(), Addr{AddrPort: group}, net.UDPAddrFromAddrPort(group)} {
			if n, err := p.WriteTo([]byte("x"), addr); n != 1 || err != nil {
				t.Errorf("WriteTo %v: %d, %v", addr, n, err)
			}
		}
		for _, addr := range []net.Addr{
			p.LocalAddr(), &net.UDPAddr{IP: net.IPv4(239, 255, 77, 71), Port: 7501}, Addr{AddrPort: netip.MustParseAddrPort("239.255.77.72:7500")},
		} {
			if n, err := p.WriteTo([]byte("x"), addr); n != 0 || !errors.Is(err, errAddress) {
				t.Errorf("WriteTo %v: %d, %v; want an error", addr, n, err)
			}
		}
		if n, err := p.Write(make([]byte, p.MaxMessage()+1)); n != 0 || !errors.Is(err, ErrTooLong) {
			t.Errorf("Write of more than MaxMessage: %d, %v; want ErrTooLong", n, err)
		}
	})
}

// A message that cannot be repaired is reported; those around it come.
func TestLostMessageIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		m.SetFilter(func(_, _ netip.AddrPort, p []byte) bool {
			var h packet.Header
			var d packet.Data
			body, err := h.Parse(p)
			return err != nil || !h.Type.IsData() || d.Parse(&h, body) != nil || d.SQN != 2
		})
		var lost []error
		var from []Addr
		a := join(t, ListenConfig{Config: host(Config{}, m, "192.0.2.1")})
		b := join(t, ListenConfig{Config: host(Config{}, m, "192.0.2.2"), Lost: func(source Addr, err *LostError) {
			from, lost = append(from, source), append(lost, err)
		}})
		var got []string
		for i := range 5 {
			write(t, a, []byte{'0' + byte(i)})
		}
		for range 4 {
			buf := make([]byte, 8)
			n, _, err := b.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(buf[:n]))
		}
		if want := []string{"0", "1", "3", "4"}; !slices.Equal(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
		b.Close()
		if len(lost) != 1 || !errors.Is(lost[0], ErrLost) || *lost[0].(*LostError) != (LostError{2, 2}) || from[0] != a.LocalAddr() {
			t.Errorf("reported: %v of %v; want packet 2 of %v", lost, from, a.LocalAddr())
		}
	})
}

// Nobody is heard who has written nothing, and a source that was never begun has no end either.
func TestSilentMembersAreNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		a, b := join(t, ListenConfig{Config: host(Config{}, m, "192.0.2.1")}), join(t, ListenConfig{Config: host(Config{}, m, "192.0.2.2")})
		time.Sleep(time.Minute)
		if err := a.CloseWait(t.Context()); err != nil {
			t.Errorf("CloseWait: %v", err)
		}
		if st := b.ReceiverStats(); st.Sessions != 0 {
			t.Errorf("%d sessions were heard; want none", st.Sessions)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close: %v; want net.ErrClosed", err)
		}
	})
}

// A slow reader of a bus holds up its sources' sessions, and gets everything when it comes back.
func TestSlowBusReaderLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		c := Config{Rate: 50_000_000, ReadBuffer: 50_000}
		a, b := join(t, ListenConfig{Config: host(c, m, "192.0.2.1")}), join(t, ListenConfig{Config: host(c, m, "192.0.2.2")})
		const n = 200
		go func() {
			for i := range n {
				a.Write(noise(uint64(i), 5000))
			}
		}()
		time.Sleep(time.Second)
		buf := make([]byte, 8000)
		b.SetReadDeadline(time.Now().Add(time.Minute))
		for i := range n {
			if k, _, err := b.ReadFrom(buf); err != nil || !bytes.Equal(buf[:k], noise(uint64(i), 5000)) {
				t.Fatalf("message %d: %d octets, %v", i, k, err)
			}
		}
	})
}

// Calls on a closed bus give net.ErrClosed, and a ReadFrom that waits returns.
func TestClosedBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := join(t, ListenConfig{Config: host(Config{}, netio.NewMemory(), "192.0.2.1")})
		result := make(chan error, 1)
		go func() {
			_, _, err := p.ReadFrom(make([]byte, 1))
			result <- err
		}()
		synctest.Wait()
		p.Close()
		_, _, read := p.ReadFrom(make([]byte, 1))
		_, written := p.WriteTo([]byte("x"), nil)
		for i, err := range []error{<-result, read, written, p.Close(), p.SetDeadline(time.Now()), p.SetWriteDeadline(time.Now())} {
			var op *net.OpError
			if !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
				t.Errorf("call %d: %v; want net.ErrClosed in a *net.OpError", i, err)
			}
		}
	})
}

// The inbox is a bounded queue of messages, whatever their sizes.
func TestInboxIsABoundedQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5000).Draw(t, "limit")
		q := newInbox(limit)
		type message struct {
			data []byte
			from Addr
		}
		var want []message
		held := 0
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "put") {
				e := message{noise(uint64(i), rapid.IntRange(0, 300).Draw(t, "size")), Addr{TSI: packet.TSI{Port: uint16(i)}}}
				fits := len(want) == 0 || held+len(e.data)+entryCost <= limit
				if got := q.put(e.from, e.data); got != fits {
					t.Fatalf("put of %d octets behind %d: %v; want %v", len(e.data), held, got, fits)
				}
				if fits {
					want = append(want, e)
					held += len(e.data) + entryCost
				}
				continue
			}
			if q.empty() != (len(want) == 0) {
				t.Fatalf("empty: %v with %d messages", q.empty(), len(want))
			}
			if len(want) == 0 {
				continue
			}
			buf := make([]byte, rapid.IntRange(0, 300).Draw(t, "buffer"))
			n, from := q.take(buf)
			if k := min(len(buf), len(want[0].data)); !bytes.Equal(buf[:n], want[0].data[:k]) || from != want[0].from {
				t.Fatalf("took %d octets of %v; want %d of %v", n, from, k, want[0].from)
			}
			held -= len(want[0].data) + entryCost
			want = want[1:]
		}
	})
}
