package vsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/vsync/check"
)

var ports atomic.Uint32

// endpoint returns one on the loopback interface that no other test has.
func endpoint() string {
	return fmt.Sprintf("epgm://127.0.0.1;239.255.77.72:%d", 18500+uint32(os.Getpid()%400)*20+ports.Add(1))
}

// logs is a file that several members write.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// judge fails the test if what a group claims is not so.
func (l *logs) judge(t *testing.T, c check.Claims) {
	t.Helper()
	all, err := check.Read(bytes.NewReader(l.b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range check.Check(c, all) {
		t.Error(v)
	}
}

// quiet has a member say nothing, and be patient with a machine on which other tests run.
func quiet(c Config) Config {
	if c.SuspectMin == 0 {
		c.SuspectMin, c.SuspectMax = 2*time.Second, 3*time.Second
	}
	c.PGM.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	c.PGM.Source.Linger = -1
	return c
}

func join(t testing.TB, c Config) *Group {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	g, err := Join(ctx, quiet(c))
	if err != nil {
		t.Skipf("no group on loopback: %v", err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// until reads events until f is content.
func until(t testing.TB, g *Group, f func(Event) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for e, err := range g.Events(ctx) {
		if err != nil {
			t.Errorf("%v: %v", g.ID(), err)
			return
		}
		if f(e) {
			return
		}
	}
}

func sizeIs(n int) func(Event) bool {
	return func(e Event) bool { v, ok := e.(*View); return ok && len(v.Members) == n }
}

// Members that start together make one view; what all send, all receive in one order.
func TestTogether(t *testing.T) {
	const n, each = 5, 200
	var log logs
	ep := endpoint()
	var all sync.WaitGroup
	for range n {
		g := join(t, Config{Endpoint: ep, Group: "together", Order: Total, Expect: n, Log: &log})
		all.Go(func() {
			until(t, g, func(e Event) bool {
				v, ok := e.(*View)
				if ok && (len(v.Members) != n || v.ID.Counter != 1) {
					t.Errorf("view %v of %d members; want one view of %d", v.ID, len(v.Members), n)
				}
				return ok
			})
			all.Go(func() {
				for i := range each {
					if err := g.Send(context.Background(), fmt.Appendf(nil, "%d", i)); err != nil {
						t.Error(err)
					}
				}
			})
			got := 0
			until(t, g, func(e Event) bool {
				if _, ok := e.(*Message); ok {
					got++
				}
				return got == n*each
			})
		})
	}
	all.Wait()
	log.judge(t, check.Claims{Order: check.Total})
}

// Who joins gets the state, of any size, and then every message behind it.
func TestJoinWithState(t *testing.T) {
	var log logs
	c := Config{Endpoint: endpoint(), Group: "state", Order: Total, State: true, Log: &log}
	state := bytes.Repeat([]byte("what the group knows "), 300_000) // 6 MB
	a := join(t, c)
	var all sync.WaitGroup
	until(t, a, sizeIs(1))
	b := join(t, c)
	all.Go(func() {
		until(t, a, func(e Event) bool {
			r, ok := e.(*StateRequest)
			if ok {
				all.Go(func() {
					w := r.Writer(context.Background())
					if _, err := w.Write(state); err != nil {
						t.Error(err)
					}
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			return ok
		})
		if err := a.Send(context.Background(), []byte("hello")); err != nil {
			t.Error(err)
		}
	})
	var got []byte
	until(t, b, func(e Event) bool {
		switch e := e.(type) {
		case *State:
			got = append(got, e.Data...)
		case *View:
			if !bytes.Equal(got, state) {
				t.Errorf("%d octets of state before the first view, want %d", len(got), len(state))
			}
		case *Message:
			return string(e.Data) == "hello"
		}
		return false
	})
	all.Wait()
}

// A member that leaves is gone at once, with what it sent received; one that ends without a word is out soon.
func TestLeaveAndCrash(t *testing.T) {
	ep := endpoint()
	c := Config{Endpoint: ep, Group: "leave", Order: Total, Expect: 3}
	a, b, x := join(t, c), join(t, c), join(t, c)
	var all sync.WaitGroup
	all.Go(func() { until(t, b, sizeIs(3)) })
	all.Go(func() { until(t, x, sizeIs(3)) })
	until(t, a, sizeIs(3))
	all.Wait()
	if err := b.Send(context.Background(), []byte("farewell")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all.Go(func() {
		if err := b.Leave(ctx); err != nil {
			t.Error(err)
		}
	})
	heard := false
	until(t, a, func(e Event) bool {
		if m, ok := e.(*Message); ok {
			heard = string(m.Data) == "farewell"
		}
		v, ok := e.(*View)
		if ok && len(v.Members) == 2 && (len(v.Left) != 1 || v.Left[0].Why != Left || !heard) {
			t.Errorf("left %v, heard %v", v.Left, heard)
		}
		return ok && len(v.Members) == 2
	})
	for {
		if _, err := b.Next(ctx); err != nil {
			var out *OutError
			if !errors.As(err, &out) || out.Why != Left {
				t.Errorf("who left hears %v", err)
			}
			break
		}
	}
	all.Wait()
	until(t, x, sizeIs(2))
	var gone time.Time
	first := a
	if v := firstOf(a); v != a.ID() {
		first = x
		x = a
	}
	x.Close()
	gone = time.Now()
	until(t, first, func(e Event) bool {
		v, ok := e.(*View)
		return ok && len(v.Members) == 1
	})
	if d := time.Since(gone); d > 2*time.Second {
		t.Errorf("out after %v", d)
	}
}

// firstOf returns the first member of the view of g.
func firstOf(g *Group) ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.m.View().Members[0].ID
}

// A message of 16 MiB arrives whole.
func TestLongMessage(t *testing.T) {
	c := Config{Endpoint: endpoint(), Group: "long", Order: Total, Expect: 2, PGM: pgm.Config{Rate: -1}}
	a, b := join(t, c), join(t, c)
	until(t, a, sizeIs(2))
	long := make([]byte, MaxMessage)
	for i := range long {
		long[i] = byte(i * i >> 3)
	}
	go func() {
		if err := a.Send(context.Background(), long); err != nil {
			t.Error(err)
		}
	}()
	until(t, b, func(e Event) bool {
		m, ok := e.(*Message)
		if ok && !bytes.Equal(m.Data, long) {
			t.Errorf("%d octets that differ", len(m.Data))
		}
		return ok
	})
}
