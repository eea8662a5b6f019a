package vsync

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/gopgm/gopgm/vsync/check"
)

// Groups with different names share an endpoint, and hear nothing of each other.
func TestGroupsShareAnEndpoint(t *testing.T) {
	ep := endpoint()
	groups := map[string][2]*Group{}
	for _, name := range []string{"red", "blue"} {
		c := Config{Endpoint: ep, Group: name, Expect: 2}
		groups[name] = [2]*Group{join(t, c), join(t, c)}
	}
	for name, g := range groups {
		until(t, g[1], sizeIs(2))
		until(t, g[0], sizeIs(2))
		if err := g[0].Send(context.Background(), []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, g := range groups {
		until(t, g[1], func(e Event) bool {
			m, ok := e.(*Message)
			if ok && string(m.Data) != name {
				t.Errorf("%s received %q", name, m.Data)
			}
			return ok
		})
	}
}

// Close, and a context that is done, end what waits.
func TestWaitingEnds(t *testing.T) {
	g := join(t, Config{Endpoint: endpoint(), Group: "wait", Expect: 2}) // nobody else comes
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := g.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next: %v", err)
	}
	if err := g.Send(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v", err)
	}
	done := make(chan error, 2)
	go func() { _, err := g.Next(context.Background()); done <- err }()
	go func() { done <- g.Send(context.Background(), []byte("x")) }()
	time.Sleep(10 * time.Millisecond)
	g.Close()
	for range 2 {
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if err := g.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// A member whose program does not take its messages holds up the others, who are told, and goes on when it does.
func TestSlowProgramHoldsUpSenders(t *testing.T) {
	var log logs
	c := Config{Endpoint: endpoint(), Group: "slow", Order: Total, Expect: 2, Window: 128 << 10, Backlog: 128 << 10, Log: &log}
	a, b := join(t, c), join(t, c)
	until(t, b, sizeIs(2))
	until(t, a, sizeIs(2))
	stop := make(chan struct{})
	told := make(chan ID, 1)
	go func() {
		for e, err := range a.Events(context.Background()) {
			if err != nil {
				return
			}
			if s, ok := e.(*SlowMember); ok {
				select {
				case told <- s.ID:
				default:
				}
			}
		}
	}()
	sent := make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		for ; n < 1<<20; n++ {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			err := a.Send(ctx, make([]byte, 1000))
			cancel()
			select {
			case <-stop:
				return
			default:
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	select {
	case id := <-told:
		if id != b.ID() {
			t.Errorf("told of %v; slow is %v", id, b.ID())
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
	if s := a.Stats(); s.Slowest != b.ID() || s.Held > 8<<20 {
		t.Errorf("slowest %v, %d octets held", s.Slowest, s.Held)
	}
	close(stop)
	var n int
	got := 0
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for n == 0 || got < n {
		select {
		case n = <-sent:
		default:
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		e, err := b.Next(short)
		cancel()
		if _, ok := e.(*Message); ok {
			got++
		} else if err != nil && ctx.Err() != nil {
			t.Fatalf("%d of %d messages: %v", got, n, err)
		}
	}
	a.Close()
	b.Close()
	log.judge(t, check.Claims{Order: check.Total})
}
