package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// endpoint returns one on the loopback interface that no other test uses.
func endpoint(t *testing.T) pgm.Endpoint {
	t.Helper()
	ip := [4]byte{239, 192, byte(rand.IntN(256)), byte(1 + rand.IntN(254))}
	return pgm.Endpoint{Interface: "lo", Group: netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(20000+rand.IntN(10000)))}
}

type result struct {
	summary *transfer.Summary
	err     error
}

// receive starts a receiver.
func receive(ctx context.Context, ep pgm.Endpoint, c pgm.Config, o transfer.ReceiveOptions) <-chan result {
	done := make(chan result, 1)
	go func() {
		s, err := transfer.Receive(ctx, ep, c, o)
		done <- result{s, err}
	}()
	return done
}

func wait(t *testing.T, done <-chan result) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(2 * time.Minute):
		t.Fatal("a receiver does not return")
		return result{}
	}
}

// log collects events, to be shown when a test fails.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) of(who string) func(transfer.Event) {
	return func(e transfer.Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, fmt.Sprintf("%s %s: %v %s %d/%d lost %d repaired %d: %v", e.Time.Format("05.000"), who, e.Kind, e.Name, e.Bytes, e.Total, e.Lost, e.Repaired, e.Err))
	}
}

func (l *log) show(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() || testing.Verbose() {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, s := range l.lines {
				t.Log(s)
			}
		}
	})
}

func randomFile(t *testing.T, path string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{byte(size)})
	b := make([]byte, size)
	rng.Read(b)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func sameFile(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Error(err)
		return
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("%s differs from %s", got, want)
	}
}

// Three receivers that lose packets all get every file, and the sender knows each by name.
func TestFilesReachEveryReceiver(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep := endpoint(t)
	src := t.TempDir()
	randomFile(t, filepath.Join(src, "big"), 10_000_000)
	randomFile(t, filepath.Join(src, "tree/a/small"), 100)
	randomFile(t, filepath.Join(src, "tree/empty"), 0)
	var done []<-chan result
	var dirs []string
	for i := range 3 {
		dir := t.TempDir()
		dirs = append(dirs, dir)
		name := fmt.Sprintf("host%d", i)
		done = append(done, receive(t.Context(), ep, pgm.Config{Drop: 0.02}, transfer.ReceiveOptions{
			Dir: dir, Once: true, Timeout: 20 * time.Second, Name: name, Observe: l.of(name)}))
	}
	s, err := transfer.Send(t.Context(), ep, pgm.Config{}, []string{filepath.Join(src, "big"), filepath.Join(src, "tree")},
		transfer.SendOptions{Expect: 3, ExpectFrom: []string{"host1"}, Timeout: 20 * time.Second, Observe: l.of("sender")})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range done {
		r := wait(t, d)
		if r.err != nil {
			t.Fatal(r.err)
		}
		for _, name := range []string{"big", "tree/a/small", "tree/empty"} {
			sameFile(t, filepath.Join(dirs[i], name), filepath.Join(src, name))
		}
		if len(r.summary.Sessions) != 1 || r.summary.Sessions[0].Objects != 5 || r.summary.Sessions[0].Repaired == 0 {
			t.Errorf("receiver %d: %+v", i, r.summary)
		}
	}
	if len(s.Receivers) != 3 {
		t.Fatalf("%d receivers reported", len(s.Receivers))
	}
	for i, r := range s.Receivers {
		if r.Name != fmt.Sprintf("host%d", i) || !r.Finished || r.Objects != 5 || r.Failed != 0 || r.Bytes != 10_000_100 {
			t.Errorf("receipt %+v", r)
		}
	}
}

// A sender that is told to stop says so; what a receiver has by then is taken up when the file is sent again.
func TestInterruptedTransferIsTakenUp(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep := endpoint(t)
	src, dir := t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "file"), 8_000_000)
	done := receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: l.of("receiver")})
	ctx, cancel := context.WithCancel(t.Context())
	observe := l.of("sender")
	_, err := transfer.Send(ctx, ep, pgm.Config{Rate: 50_000_000}, []string{filepath.Join(src, "file")}, transfer.SendOptions{
		Expect: 1, Progress: 20 * time.Millisecond,
		Observe: func(e transfer.Event) {
			observe(e)
			if e.Kind == transfer.Progress && e.Bytes > 3_000_000 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r := wait(t, done)
	var reset *transfer.ResetError
	if !errors.As(r.err, &reset) || reset.Code != transfer.ResetInterrupted {
		t.Fatalf("the receiver heard %v", r.err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err == nil {
		t.Fatal("the file is there already")
	}
	resumed := int64(0)
	observe = l.of("receiver")
	done = receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: func(e transfer.Event) {
		observe(e)
		if e.Kind == transfer.Complete {
			resumed = e.Resumed
		}
	}})
	if _, err := transfer.Send(t.Context(), ep, pgm.Config{}, []string{filepath.Join(src, "file")}, transfer.SendOptions{Expect: 1, Observe: l.of("sender")}); err != nil {
		t.Fatal(err)
	}
	if r := wait(t, done); r.err != nil {
		t.Fatal(r.err)
	}
	sameFile(t, filepath.Join(dir, "file"), filepath.Join(src, "file"))
	if resumed < 2_000_000 {
		t.Errorf("%d octets were taken up", resumed)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}
