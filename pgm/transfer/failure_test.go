package transfer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

func nothingAppeared(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is there", e.Name())
		}
	}
}

// onProgress calls f once, when more than so many octets are sent.
func onProgress(next func(transfer.Event), octets int64, f func()) func(transfer.Event) {
	var once sync.Once
	return func(e transfer.Event) {
		next(e)
		if e.Kind == transfer.Progress && e.Bytes > octets {
			once.Do(f)
		}
	}
}

// A file that shrinks while it is sent ends the session, with a clear error at both ends, and appears nowhere.
func TestFileThatShrinksResetsTheSession(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep, src, dir := endpoint(t), t.TempDir(), t.TempDir()
	path := filepath.Join(src, "file")
	randomFile(t, path, 100_000_000) // beyond what the digest is ahead
	done := receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: l.of("receiver")})
	s, err := transfer.Send(t.Context(), ep, pgm.Config{Rate: 200_000_000}, []string{path}, transfer.SendOptions{
		Expect: 1, Progress: 10 * time.Millisecond,
		Observe: onProgress(l.of("sender"), 1_000_000, func() { os.Truncate(path, 500_000) }),
	})
	if !errors.Is(err, transfer.ErrChanged) || !strings.Contains(err.Error(), path) || s.Sessions[0].Err == nil {
		t.Errorf("sender: %v", err)
	}
	r := wait(t, done)
	var reset *transfer.ResetError
	if !errors.As(r.err, &reset) || reset.Code != transfer.ResetUnreadable || !errors.Is(r.err, transfer.ErrReset) {
		t.Errorf("receiver: %v", r.err)
	}
	nothingAppeared(t, dir)
}

// A file that changes while it is sent appears nowhere: its digest is not that of what arrived, and both ends say so.
func TestFileThatChangesFailsItsDigest(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep, src, dir := endpoint(t), t.TempDir(), t.TempDir()
	path := filepath.Join(src, "t/file")
	randomFile(t, path, 4_000_000)
	randomFile(t, filepath.Join(src, "t/other"), 1000)
	done := receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: l.of("receiver")})
	s, err := transfer.Send(t.Context(), ep, pgm.Config{Rate: 50_000_000}, []string{filepath.Join(src, "t")}, transfer.SendOptions{
		Expect: 1, Progress: 10 * time.Millisecond,
		Observe: onProgress(l.of("sender"), 1_000_000, func() {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			f.WriteAt([]byte("changed"), 3_900_000)
		}),
	})
	if !errors.Is(err, transfer.ErrMissing) || len(s.Receivers) != 1 || s.Receivers[0].Failed != 1 || s.Receivers[0].Problems[0].Name != "t/file" ||
		!strings.Contains(s.Receivers[0].Problems[0].Err.Error(), "changed") {
		t.Errorf("sender: %v, %+v", err, s.Receivers)
	}
	r := wait(t, done)
	if !errors.Is(r.err, transfer.ErrDigest) || !errors.Is(r.err, transfer.ErrFailed) {
		t.Errorf("receiver: %v", r.err)
	}
	if _, err := os.Stat(filepath.Join(dir, "t/file")); err == nil {
		t.Error("the file is there")
	}
	sameFile(t, filepath.Join(dir, "t/other"), filepath.Join(src, "t/other"))
}

// A sender that nobody hears says so within seconds, and sends all the same.
func TestNoReceiverIsSaid(t *testing.T) {
	t.Parallel()
	src := t.TempDir()
	randomFile(t, filepath.Join(src, "file"), 1000)
	var said atomic.Bool
	s, err := transfer.Send(t.Context(), endpoint(t), pgm.Config{}, []string{filepath.Join(src, "file")}, transfer.SendOptions{
		Linger: 3500 * time.Millisecond,
		Observe: func(e transfer.Event) {
			if e.Kind == transfer.NoReceiver {
				said.Store(true)
			}
		},
	})
	if err != nil || len(s.Receivers) != 0 || s.Sessions[0].Objects != 1 || !said.Load() {
		t.Errorf("%+v, %v; said %v", s, err, said.Load())
	}
}

// Who is expected and does not come keeps the files from being sent; those that came are told.
func TestMissingReceiverEndsTheSession(t *testing.T) {
	t.Parallel()
	ep, src, dir := endpoint(t), t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "file"), 1000)
	done := receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Name: "here"})
	s, err := transfer.Send(t.Context(), ep, pgm.Config{}, []string{filepath.Join(src, "file")}, transfer.SendOptions{
		Expect: 3, ExpectFrom: []string{"here", "elsewhere"}, Timeout: 500 * time.Millisecond})
	if !errors.Is(err, transfer.ErrMissing) || !strings.Contains(err.Error(), "elsewhere") || len(s.Missing) == 0 {
		t.Errorf("%v, %v", err, s.Missing)
	}
	r := wait(t, done)
	var reset *transfer.ResetError
	if !errors.As(r.err, &reset) || reset.Code != transfer.ResetMissing {
		t.Errorf("receiver: %v", r.err)
	}
	nothingAppeared(t, dir)
}

func TestDestinationsThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	randomFile(t, filepath.Join(dir, "file"), 1)
	dirs := []string{filepath.Join(dir, "none"), filepath.Join(dir, "file")}
	if os.Geteuid() != 0 {
		os.Mkdir(filepath.Join(dir, "locked"), 0o500)
		dirs = append(dirs, filepath.Join(dir, "locked"))
	}
	for _, d := range dirs {
		if _, err := transfer.Receive(t.Context(), endpoint(t), pgm.Config{}, transfer.ReceiveOptions{Dir: d}); err == nil || !strings.Contains(err.Error(), d) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestNoSessionInTime(t *testing.T) {
	t.Parallel()
	_, err := transfer.Receive(t.Context(), endpoint(t), pgm.Config{}, transfer.ReceiveOptions{Dir: t.TempDir(), Timeout: 200 * time.Millisecond})
	if !errors.Is(err, transfer.ErrTimeout) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := transfer.Receive(ctx, endpoint(t), pgm.Config{}, transfer.ReceiveOptions{Dir: t.TempDir()}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestPathsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for _, paths := range [][]string{nil, {filepath.Join(t.TempDir(), "none")}} {
		s, err := transfer.Send(t.Context(), endpoint(t), pgm.Config{}, paths, transfer.SendOptions{})
		if err == nil || s == nil {
			t.Errorf("%v: %v", paths, err)
		}
	}
}

// One receiver takes the sessions of several senders at once; what one of them does wrong does not disturb the others.
func TestSeveralSessionsAtOnce(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep, src, dir := endpoint(t), t.TempDir(), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	done := receive(ctx, ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Observe: l.of("receiver")})
	var senders sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		randomFile(t, filepath.Join(src, name), 2_000_000)
		senders.Go(func() {
			if _, err := transfer.Send(t.Context(), ep, pgm.Config{Rate: 100_000_000}, []string{filepath.Join(src, name)},
				transfer.SendOptions{Expect: 1, Observe: l.of(name)}); err != nil {
				t.Error(err)
			}
		})
	}
	broken, stop := context.WithCancel(t.Context())
	randomFile(t, filepath.Join(src, "broken"), 20_000_000)
	senders.Go(func() {
		transfer.Send(broken, ep, pgm.Config{Rate: 50_000_000}, []string{filepath.Join(src, "broken")}, transfer.SendOptions{Expect: 1})
	})
	time.AfterFunc(300*time.Millisecond, stop)
	senders.Wait()
	for _, name := range []string{"a", "b", "c"} {
		sameFile(t, filepath.Join(dir, name), filepath.Join(src, name))
	}
	cancel()
	r := wait(t, done)
	if !errors.Is(r.err, context.Canceled) || len(r.summary.Sessions) != 4 {
		t.Errorf("%v, %d sessions", r.err, len(r.summary.Sessions))
	}
	bad := 0
	for _, s := range r.summary.Sessions {
		if s.Err != nil {
			bad++
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "broken")); bad != 1 || err == nil {
		t.Errorf("%d sessions failed; the broken file: %v", bad, err)
	}
}

// A receiver that comes when everything has been sent still gets it, as long as the sender lingers.
func TestLateReceiverGetsEverything(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep, src, dir := endpoint(t), t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "file"), 5_000_000)
	sent := make(chan struct{})
	var done <-chan result
	go func() {
		<-sent
		done = receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: l.of("receiver")})
	}()
	observe := l.of("sender")
	s, err := transfer.Send(t.Context(), ep, pgm.Config{}, []string{filepath.Join(src, "file")}, transfer.SendOptions{
		Linger: 5 * time.Second, Observe: func(e transfer.Event) {
			observe(e)
			if e.Kind == transfer.Complete {
				close(sent)
			}
		}})
	if err != nil || len(s.Receivers) != 1 || !s.Receivers[0].Finished {
		t.Errorf("%+v, %v", s, err)
	}
	if r := wait(t, done); r.err != nil {
		t.Error(r.err)
	}
	sameFile(t, filepath.Join(dir, "file"), filepath.Join(src, "file"))
}
