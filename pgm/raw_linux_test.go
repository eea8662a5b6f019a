package pgm

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// alone runs f on a host that has only loopback, or skips the test. What f opens stays there, whichever goroutine uses it.
func alone(t *testing.T, f func()) {
	t.Helper()
	netns.Test(t).Host().Do(f)
}

const rawEndpoint = "pgm://lo;239.192.9.9:7500"

// Over IP itself there are no UDP ports, and everything else is as in UDP: streams, their addresses, and repairs.
func TestStreamOverIP(t *testing.T) {
	var l net.Listener
	var out net.Conn
	var err error
	alone(t, func() {
		if l, err = (&ListenConfig{Config: Config{Drop: 0.05}}).Listen(context.Background(), "pgm", rawEndpoint); err == nil {
			out, err = (&Dialer{Config: Config{MTU: 1500, Rate: 50_000_000}}).DialContext(context.Background(), "pgm4", rawEndpoint)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := strings.Repeat("to all who listen\n", 20_000)
	go func() {
		out.Write([]byte(sent))
		out.Close()
	}()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	in.SetReadDeadline(time.Now().Add(20 * time.Second))
	got, err := io.ReadAll(in)
	if err != nil || string(got) != sent {
		t.Fatalf("received %d octets, error %v; want %d", len(got), err, len(sent))
	}
	for _, a := range []net.Addr{l.Addr(), in.LocalAddr(), in.RemoteAddr(), out.LocalAddr(), out.RemoteAddr()} {
		if a.Network() != "pgm" {
			t.Errorf("%v is of network %s", a, a.Network())
		}
	}
	if from := in.RemoteAddr().String(); from != out.LocalAddr().String() || !strings.HasSuffix(from, "@127.0.0.1") {
		t.Errorf("heard from %s, sent from %v", from, out.LocalAddr())
	}
	// The receiver's own NAKs come to the source's host, which is its own: they are none of what it hears.
	stats := l.(*Listener).Stats()
	if stats.NAKs == 0 || stats.Strays < stats.NAKs || stats.HeardNAKs != 0 {
		t.Errorf("%d NAKs sent, %d packets for the source overheard, %d NAKs taken for others'", stats.NAKs, stats.Strays, stats.HeardNAKs)
	}
	if sender := out.(*Conn).Stats(); sender.Stats.NAKs > stats.NAKs {
		t.Errorf("%d NAKs sent, %d came", stats.NAKs, sender.Stats.NAKs)
	}
}

// Two on one host hear each other and not themselves; a third on another port of the group hears neither.
func TestMessagesOverIPAreToldApartByPort(t *testing.T) {
	var buses [3]net.PacketConn
	var err error
	alone(t, func() {
		for i, e := range []string{rawEndpoint, rawEndpoint, "pgm://lo;239.192.9.9:7501"} {
			if buses[i], err = ListenPacket("pgm", e); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range buses {
		defer b.Close()
		b.SetReadDeadline(time.Now().Add(5 * time.Second))
	}
	group := Addr{AddrPort: netip.MustParseAddrPort("239.192.9.9:7500")}
	if _, err := buses[0].WriteTo([]byte("hello"), group); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := buses[1].ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" || from != buses[0].LocalAddr() || from.(Addr).TSI == (packet.TSI{}) {
		t.Errorf("%q from %v, error %v; want it from %v", buf[:n], from, err, buses[0].LocalAddr())
	}
	for _, i := range []int{0, 2} {
		buses[i].SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if n, from, err := buses[i].ReadFrom(buf); err == nil {
			t.Errorf("bus %d heard %q from %v", i, buf[:n], from)
		}
	}
	if n := buses[2].(*PacketConn).ReceiverStats().Foreign; n == 0 {
		t.Error("the other port's packets were not seen, so nothing told them apart")
	}
}

// answers is a Sink that wants the source's answers to its report.
type answers chan string

func (answers) Data(receiver.Data) bool        { return true }
func (answers) Lost(_, _ packet.SQN)           {}
func (answers) End(receiver.End, packet.Reset) {}
func (answers) Flush(Lease) bool               { return false }
func (a answers) Report(body []byte)           { a <- string(body) }

// What the source answers to a report looks like the report, and reaches the receiver, whose unicast socket drops what is for sources.
func TestAnswerToAReportOverIPArrives(t *testing.T) {
	ep, err := ParseEndpoint(rawEndpoint)
	if err != nil {
		t.Fatal(err)
	}
	got := make(answers, 10)
	var s *Sender
	var r *Receiver
	alone(t, func() {
		ready := make(chan struct{})
		defer close(ready)
		if s, err = NewSender(context.Background(), ep, Config{}, SenderOptions{
			NewStore: func(s *Sender) (source.Store, error) {
				return source.NewMemory(source.MemoryConfig{MaxTSDU: s.MaxTSDU()}), nil
			},
			Report: func(from netip.AddrPort, body []byte) {
				<-ready
				if string(body) == "report" { // its own answer comes back to a source on this host
					s.SendReport(from, []byte("answer"))
				}
			},
		}); err == nil {
			r, err = NewReceiver(context.Background(), ep, Config{}, ReceiverOptions{Accept: func(session *receiver.Session) receiver.Sink {
				session.Report([]byte("report"))
				return got
			}})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.CloseNow()
	defer r.Close()
	for end := time.After(10 * time.Second); ; {
		select {
		case body := <-got:
			if body == "answer" {
				return
			}
		case <-end:
			t.Fatal("no answer came")
		}
	}
}
