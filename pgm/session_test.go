package pgm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
)

// inMemory is an endpoint of the networks in memory, which have no other traffic.
const inMemory = "239.255.77.71:7500"

func listen(t *testing.T, c Config, endpoint string) *Listener {
	t.Helper()
	l, err := (&ListenConfig{Config: c}).Listen(t.Context(), "epgm", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, c Config, endpoint string) *Conn {
	t.Helper()
	conn, err := (&Dialer{Config: c}).DialContext(t.Context(), "epgm", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		conn.writer.sender.CloseNow()
	})
	return conn
}

func accept(t *testing.T, l *Listener) *Conn {
	t.Helper()
	if err := l.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*Conn)
}

func write(t *testing.T, c io.Writer, p []byte) {
	t.Helper()
	if n, err := c.Write(p); n != len(p) || err != nil {
		t.Fatalf("Write of %d octets: %d, %v", len(p), n, err)
	}
}

// expect reads conn to its end.
func expect(t *testing.T, conn *Conn, want []byte) {
	t.Helper()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d octets, equal: %v, %v; want %d, true, nil", len(got), bytes.Equal(got, want), err, len(want))
	}
}

func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(p)
	return p
}

// Two sources on one host and in one group are two streams, each repaired by its own.
func TestTwoSourcesOnOneHost(t *testing.T) {
	endpoint := loopback()
	l := listen(t, Config{Drop: 0.05}, endpoint)
	want := map[packet.TSI][]byte{}
	for i := range 2 {
		c := dial(t, Config{}, endpoint)
		data := noise(uint64(i), 500_000)
		want[c.TSI()] = data
		go func() {
			c.Write(data)
			c.Close()
		}()
	}
	done := make(chan *Conn)
	for range 2 {
		c := accept(t, l)
		go func() {
			defer func() { done <- c }()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want[c.TSI()]) {
				t.Errorf("%v: read %d octets, equal: %v, %v", c.RemoteAddr(), len(got), bytes.Equal(got, want[c.TSI()]), err)
			}
		}()
	}
	if a, b := <-done, <-done; a.TSI() == b.TSI() {
		t.Errorf("both streams are of %v", a.TSI())
	}
	if st := l.Stats(); st.Dropped == 0 || st.Repaired == 0 || st.Lost != 0 {
		t.Errorf("%d dropped, %d repaired, %d lost; want some, some, 0", st.Dropped, st.Repaired, st.Lost)
	}
}

// Groups that share a port do not hear each other, whichever address the sockets of others on the host have.
func TestGroupsOnOnePortDoNotLeak(t *testing.T) {
	port := 17500 + testPort.Add(1)
	for _, iface := range []string{"127.0.0.1", "::1"} {
		t.Run(iface, func(t *testing.T) {
			var listeners []*Listener
			var sources []*Conn
			for i := range 2 {
				endpoint := fmt.Sprintf("%s;239.255.77.%d:%d", iface, 80+i, port)
				if iface == "::1" {
					endpoint = fmt.Sprintf("[::1];[ff01::77:%d]:%d", 80+i, port)
				}
				l, err := (&ListenConfig{}).Listen(t.Context(), "epgm", endpoint)
				if err != nil && iface == "::1" {
					t.Skip("no IPv6 multicast on loopback here: ", err)
				} else if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				listeners = append(listeners, l)
				sources = append(sources, dial(t, Config{}, endpoint))
			}
			for i, l := range listeners {
				write(t, sources[i], []byte{byte(i)})
				sources[i].Close()
				c := accept(t, l)
				if c.TSI() != sources[i].TSI() {
					t.Errorf("listener %d accepted %v; want %v", i, c.TSI(), sources[i].TSI())
				}
				expect(t, c, []byte{byte(i)})
			}
			for i, l := range listeners {
				if st := l.Stats(); st.Sessions != 1 || st.Foreign != 0 {
					t.Errorf("listener %d heard %d sessions, %d foreign packets; want 1, 0", i, st.Sessions, st.Foreign)
				}
			}
		})
	}
}

// One who comes late has the stream from its beginning, as long as the source keeps it [9.4.2-01].
func TestLateListenerHearsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		c := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		first, second := noise(1, 300_000), noise(2, 300_000)
		write(t, c, first)
		time.Sleep(time.Second)
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		in := accept(t, l)
		write(t, c, second)
		c.Close()
		expect(t, in, append(first, second...))
		if !in.FromStart() {
			t.Error("FromStart is false")
		}
	})
}

// One who comes so late that the beginning is gone has the stream from the oldest packet that the source still repairs.
func TestLateListenerMissesWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		c := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		write(t, c, noise(1, 300_000))
		time.Sleep(5 * time.Second) // TXW_SECS is 2 s
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		want := noise(2, 300_000)
		write(t, c, want)
		c.Close()
		in := accept(t, l)
		expect(t, in, want)
		if in.FromStart() {
			t.Error("FromStart is true")
		}
	})
}

// A source that is started again is another session: its stream is another Conn.
func TestRestartedSourceIsAnotherStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		var last packet.TSI
		for i := range 3 {
			c := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
			write(t, c, []byte{byte(i)})
			in := accept(t, l)
			if in.TSI() == last {
				t.Fatalf("session %d has the TSI of the one before, %v", i, last)
			}
			last = in.TSI()
			time.Sleep(time.Second)
			c.writer.sender.CloseNow() // it crashes
			if n, err := in.Read(make([]byte, 8)); n != 1 || err != nil {
				t.Fatalf("Read: %d, %v", n, err)
			}
		}
	})
}

// A source that dies is given up after PeerExpiry; what it sent before is read first.
func TestDeadSourceExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		c := Config{Receiver: ReceiverConfig{PeerExpiry: 10 * time.Second}}
		l := listen(t, host(c, m, "192.0.2.2"), inMemory)
		out := dial(t, host(c, m, "192.0.2.1"), inMemory)
		write(t, out, []byte("last words"))
		in := accept(t, l)
		time.Sleep(time.Second)
		out.writer.sender.CloseNow()
		start := time.Now()
		got, err := io.ReadAll(in)
		if took := time.Since(start); string(got) != "last words" || !errors.Is(err, ErrExpired) || took < 9*time.Second || took > 10*time.Second {
			t.Errorf("read %q, %v, after %v; want the last words, ErrExpired, 9 to 10 s", got, err, took)
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Source != in.LocalAddr() || op.Addr != in.RemoteAddr() {
			t.Errorf("the error is %#v; want a *net.OpError with both addresses", err)
		}
	})
}

// A source that gives up says so, with its code [9.8.1-01].
func TestResetReachesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		in := accept(t, l)
		if err := out.Reset(42); err != nil {
			t.Fatal(err)
		}
		_, err := in.Read(make([]byte, 8))
		var reset *ResetError
		if !errors.Is(err, ErrReset) || !errors.As(err, &reset) || reset.Code != 42 {
			t.Errorf("Read: %v; want a reset with code 42", err)
		}
		if err := out.Reset(1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Reset: %v; want net.ErrClosed", err)
		}
	})
}

// What is lost beyond repair breaks the stream behind what came before it, and the error says which packets they were.
func TestLossBreaksTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		m.SetFilter(func(_, _ netip.AddrPort, p []byte) bool {
			var h packet.Header
			var d packet.Data
			body, err := h.Parse(p)
			return err != nil || !h.Type.IsData() || d.Parse(&h, body) != nil || d.SQN != 3
		})
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		in := accept(t, l)
		size := out.writer.sender.MaxTSDU()
		data := noise(1, 6*size)
		write(t, out, data)
		got, err := io.ReadAll(in)
		var lost *LostError
		if !errors.Is(err, ErrLost) || !errors.As(err, &lost) || *lost != (LostError{3, 3}) || !strings.Contains(err.Error(), "packet 3") {
			t.Errorf("Read: %v; want that packet 3 is lost", err)
		}
		if len(got) > 3*size || !bytes.Equal(got, data[:len(got)]) || len(got) < 2*size {
			t.Errorf("read %d octets before it; want those of packets 0 to 2", len(got))
		}
	})
}

// The rate is kept, neither exceeded nor missed, by all that is sent.
func TestStreamKeepsTheRate(t *testing.T) {
	for _, rate := range []int{100_000, 1_000_000, 100_000_000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := netio.NewMemory()
				l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
				out := dial(t, host(Config{Rate: rate}, m, "192.0.2.1"), inMemory)
				in := accept(t, l)
				start := time.Now()
				data := noise(1, rate/8*4)
				go func() {
					out.Write(data)
					out.Close()
				}()
				expect(t, in, data)
				took := time.Since(start).Seconds()
				sent := float64(out.Stats().Sent*8) / took
				if sent < .98*float64(rate) || sent > 1.02*float64(rate) {
					t.Errorf("%.0f bit/s were sent; want %d within 2 %%", sent, rate)
				}
			})
		})
	}
}

// Write waits while the window has no room, and no longer than its deadline.
func TestWriteWaitsForTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := dial(t, host(Config{Rate: 80_000}, netio.NewMemory(), "192.0.2.1"), inMemory)
		start := time.Now()
		out.SetWriteDeadline(start.Add(3 * time.Second))
		n, err := out.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Write: %v after %v; want a timeout after 3 s", err, time.Since(start))
		}
		if low := out.writer.backlog; n < low || n > low+35_000 {
			t.Errorf("%d octets were written; want the backlog of %d and 3 s of 10,000 octets", n, low)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no timeout in the sense of package net", err)
		}
	})
}

// Close returns at once, and CloseWait when the linger is over; what was written before is received all the same.
func TestCloseSendsWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, host(Config{Rate: 800_000, Source: SourceConfig{Linger: 3 * time.Second}}, m, "192.0.2.1"), inMemory)
		in := accept(t, l)
		data := noise(1, 200_000) // 2 s of the rate
		write(t, out, data)
		start := time.Now()
		if err := out.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		expect(t, in, data)
		if err := out.CloseWait(t.Context()); err != nil || time.Since(start) < 5*time.Second || time.Since(start) > 6*time.Second {
			t.Errorf("CloseWait: %v after %v; want nil after 2 s of data and 3 of linger", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		other := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		if err := other.CloseWait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("CloseWait for 1 s: %v; want context.DeadlineExceeded", err)
		}
	})
}

// Calls on what is closed give net.ErrClosed, and calls that wait return when it is.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		in := accept(t, l)
		results := make(chan error, 2)
		go func() {
			_, err := in.Read(make([]byte, 1))
			results <- err
		}()
		l.SetDeadline(time.Time{})
		go func() {
			_, err := l.Accept()
			results <- err
		}()
		synctest.Wait()
		in.Close()
		l.Close()
		out.Close()
		_, accepted := l.Accept()
		_, read := in.Read(make([]byte, 1))
		_, written := out.Write(make([]byte, 1))
		for i, err := range []error{
			<-results, <-results, accepted, read, written, in.Close(), out.Close(), l.Close(),
			l.SetDeadline(time.Now()), in.SetReadDeadline(time.Now()), out.SetWriteDeadline(time.Now()),
		} {
			var op *net.OpError
			if !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
				t.Errorf("call %d: %v; want net.ErrClosed in a *net.OpError", i, err)
			}
		}
	})
}

// A stream goes one way.
func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		in := accept(t, l)
		if _, err := out.Read(make([]byte, 1)); !errors.Is(err, ErrOneWay) {
			t.Errorf("Read of a dialled Conn: %v; want ErrOneWay", err)
		}
		if _, err := in.Write(make([]byte, 1)); !errors.Is(err, ErrOneWay) {
			t.Errorf("Write of an accepted Conn: %v; want ErrOneWay", err)
		}
	})
}

// Accept keeps to its deadline, and the backlog to its bound: sources beyond it are not heard.
func TestAcceptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		lc := ListenConfig{Config: host(Config{}, m, "192.0.2.2"), Backlog: 2}
		l, err := lc.Listen(t.Context(), "epgm", inMemory)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for range 3 {
			dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		}
		time.Sleep(5 * time.Second)
		l.SetDeadline(time.Now().Add(time.Second))
		for i := range 3 {
			conn, err := l.Accept()
			if i < 2 && err != nil || i == 2 && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Accept %d: %v, %v", i, conn, err)
			}
			if err == nil {
				defer conn.Close()
			}
		}
	})
}

// Streams go on when the Listener that accepted them is closed; the sockets are closed with the last.
func TestStreamsOutliveTheListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
		in := accept(t, l)
		l.Close()
		write(t, out, []byte("still there"))
		out.Close()
		expect(t, in, []byte("still there"))
		select {
		case <-l.receiver.Done():
			t.Error("the receiver has ended before its last stream")
		default:
		}
		in.Close()
		<-l.receiver.Done()
	})
}

// A process never has two sessions with one TSI [8-02].
func TestSessionsDiffer(t *testing.T) {
	seen := map[packet.TSI]bool{}
	for range 1000 {
		tsi, err := newTSI(netip.MustParseAddr("192.0.2.1"))
		if err != nil || seen[tsi] || tsi.Port == 0 {
			t.Fatalf("%v, %v after %d others", tsi, err, len(seen))
		}
		seen[tsi] = true
	}
	for tsi := range seen {
		releaseTSI(tsi)
	}
}

// What cannot be opened says why, on one line, in which no package that a caller does not know is named.
func TestOpenErrors(t *testing.T) {
	for endpoint, want := range map[string]string{
		"nosuch0;239.192.0.1:7500":   "nosuch0",
		"192.0.2.254;239.192.0.1:75": "192.0.2.254",
		"10.0.0.1:7500":              "not a multicast group",
	} {
		_, dialled := Dial("", endpoint)
		_, listened := Listen("", endpoint)
		_, bus := ListenPacket("", endpoint)
		for _, err := range []error{dialled, listened, bus} {
			var op *net.OpError
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "netio: ") || !errors.As(err, &op) {
				t.Errorf("%s: %v; want a *net.OpError with %q, and no package's name", endpoint, err, want)
			}
		}
	}
	for _, c := range []Config{{TTL: 256}, {TTL: -1}, {MTU: 100}, {Drop: 1.5}, {Window: -1}, {Source: SourceConfig{RepairShare: 2}}, {Receiver: ReceiverConfig{ReorderCount: -1}}} {
		_, dialled := (&Dialer{Config: c}).DialContext(t.Context(), "", "127.0.0.1;")
		_, listened := (&ListenConfig{Config: c}).Listen(t.Context(), "", "127.0.0.1;")
		if dialled == nil && listened == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
