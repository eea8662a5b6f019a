package pgm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// hoarder is a sink that keeps back all that it may.
type hoarder struct {
	kept    time.Time
	waited  time.Duration // from when something was kept until it went on
	flushes int           // in between
}

func (*hoarder) Data(receiver.Data) bool        { return true }
func (*hoarder) Lost(_, _ packet.SQN)           {}
func (*hoarder) End(receiver.End, packet.Reset) {}

func (h *hoarder) Flush(l Lease) bool {
	if _, none := l.(NoLease); !none {
		if h.kept.IsZero() {
			h.kept = time.Now()
		}
		h.flushes++
		return true
	}
	if !h.kept.IsZero() {
		h.waited = time.Since(h.kept)
	}
	h.kept = time.Time{}
	return false
}

// What a sink keeps back goes on when HoldFor has passed, whether more comes or not.
func TestWhatIsKeptBackGoesOnInTime(t *testing.T) {
	for _, more := range []int{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			m := netio.NewMemory()
			ep, err := ParseEndpoint(inMemory)
			if err != nil {
				t.Fatal(err)
			}
			h := new(hoarder)
			r, err := NewReceiver(t.Context(), ep, host(Config{}, m, "192.0.2.2"), ReceiverOptions{
				Accept: func(*receiver.Session) receiver.Sink { return h },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			out := dial(t, host(Config{}, m, "192.0.2.1"), inMemory)
			for range 1 + more {
				write(t, out, []byte("kept"))
				time.Sleep(100 * time.Microsecond)
			}
			time.Sleep(time.Second)
			r.Close()
			if h.waited != HoldFor || h.flushes <= more/100 {
				t.Errorf("%d more: %v after it came, %d flushes", more, h.waited, h.flushes)
			}
		})
	}
}

// A receiver that waits for its socket is there for its other duties: commands, and its end.
func TestReceiverThatWaitsCanBeReached(t *testing.T) {
	ep, err := ParseEndpoint(loopback())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(t.Context(), ep, Config{}, ReceiverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for range 100 { // each finds it waiting, or about to
		done := make(chan struct{})
		r.Do(func() { close(done) })
		<-done
	}
	r.Close()
	if d := time.Since(begun); d > checkEvery {
		t.Errorf("100 commands and the end took %v", d)
	}
}
