package pgm

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
)

// faulty is a connection whose interface, or whose sending, fails when it is told to.
type faulty struct {
	netio.Conn
	gone, deaf *atomic.Bool
}

var errGone = errors.New("interface eth7 is gone")

func (f faulty) Check() error {
	if f.gone.Load() {
		return errGone
	}
	return f.Conn.Check()
}

func (f faulty) WriteBatch(msgs []netio.Message) (int, error) {
	if f.deaf.Load() {
		return 0, errors.New("operation not permitted")
	}
	return f.Conn.WriteBatch(msgs)
}

// unreliable puts faulty connections in the place of those that c opens, and keeps quiet about it.
func unreliable(c Config, gone, deaf *atomic.Bool) Config {
	open := c.open
	c.Logger = slog.New(slog.DiscardHandler)
	c.open = func(ctx context.Context, nc netio.Config) (netio.Conn, error) {
		conn, err := open(ctx, nc)
		return faulty{conn, gone, deaf}, err
	}
	return c
}

// An interface that vanishes ends what uses it, with an error that names it; one that comes back in time does not.
func TestVanishedInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone, deaf atomic.Bool
		m := netio.NewMemory()
		l := listen(t, unreliable(host(Config{}, m, "192.0.2.2"), &gone, &deaf), inMemory)
		out := dial(t, unreliable(host(Config{}, m, "192.0.2.1"), &gone, &deaf), inMemory)
		in := accept(t, l)
		gone.Store(true)
		time.Sleep(1500 * time.Millisecond)
		gone.Store(false)
		time.Sleep(5 * time.Second)
		write(t, out, []byte("alive"))
		if n, err := in.Read(make([]byte, 8)); n != 5 || err != nil {
			t.Fatalf("Read after the interface came back: %d, %v", n, err)
		}
		gone.Store(true)
		l.SetDeadline(time.Time{})
		_, accepted := l.Accept()
		_, read := in.Read(make([]byte, 8))
		<-out.writer.sender.Done()
		synctest.Wait()
		_, written := out.Write([]byte("x"))
		for _, err := range []error{accepted, read, written, out.writer.sender.Err(), l.receiver.Err()} {
			if !errors.Is(err, errGone) {
				t.Errorf("got %v; want that the interface is gone", err)
			}
		}
	})
}

// What a socket refuses to send is lost like any packet, and repaired when it no longer does.
func TestRefusedSendsAreRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone, deaf atomic.Bool
		m := netio.NewMemory()
		l := listen(t, host(Config{}, m, "192.0.2.2"), inMemory)
		out := dial(t, unreliable(host(Config{}, m, "192.0.2.1"), &gone, &deaf), inMemory)
		in := accept(t, l)
		deaf.Store(true)
		data := noise(1, 50_000)
		write(t, out, data)
		time.Sleep(500 * time.Millisecond)
		deaf.Store(false)
		out.Close()
		expect(t, in, data)
	})
}
