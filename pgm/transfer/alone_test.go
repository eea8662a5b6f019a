package transfer_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// When every receiver has given up, the sender says so, and does not send the rest to nobody: whether receivers were expected or not.
func TestSenderEndsWhenNobodyIsLeft(t *testing.T) {
	t.Parallel()
	for _, expect := range []int{2, 0} {
		t.Run(map[int]string{2: "expected", 0: "unasked"}[expect], func(t *testing.T) {
			t.Parallel()
			var l log
			l.show(t)
			ep, path := endpoint(t), filepath.Join(t.TempDir(), "file")
			randomFile(t, path, 40_000_000)
			var done []<-chan result
			for _, name := range []string{"one", "two"} {
				ctx, leave := context.WithCancel(t.Context())
				listens := make(chan struct{})
				observe := onProgress(l.of(name), 300_000, leave)
				done = append(done, receive(ctx, ep, pgm.Config{}, transfer.ReceiveOptions{Dir: t.TempDir(), Name: name, Progress: 10 * time.Millisecond, Observe: func(e transfer.Event) {
					if e.Kind == transfer.Listening {
						close(listens)
					}
					observe(e)
				}}))
				<-listens
			}
			told, of := 0, l.of("sender")
			start := time.Now()
			s, err := transfer.Send(t.Context(), ep, pgm.Config{CC: pgm.CCAuto, Rate: 40_000_000}, []string{path}, transfer.SendOptions{
				Expect: expect, Timeout: 2 * time.Second, Observe: func(e transfer.Event) {
					if e.Kind == transfer.Alone {
						told++
					}
					of(e)
				},
			})
			want := transfer.ErrFailed
			if expect > 0 {
				want = transfer.ErrMissing
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "nobody is left") || told != 1 || len(s.Receivers) != 2 || s.Sessions[0].Bytes > 20_000_000 {
				t.Errorf("after %v, %d octets and %d events: %v; want %v", time.Since(start), s.Sessions[0].Bytes, told, err, want)
			}
			for _, r := range s.Receivers {
				if !r.Finished || r.Failed != 1 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Err.Error(), "told to stop") {
					t.Errorf("a receiver did not say that it leaves: %+v", r)
				}
			}
			for _, d := range done {
				if r := wait(t, d); !errors.Is(r.err, context.Canceled) {
					t.Error(r.err)
				}
			}
		})
	}
}

// A receiver that comes back within the time has the file, and the sender goes on for it.
func TestSenderGoesOnForWhoComesBack(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	ep, path, dir := endpoint(t), filepath.Join(t.TempDir(), "file"), t.TempDir()
	randomFile(t, path, 15_000_000)
	ctx, leave := context.WithCancel(t.Context())
	first := receive(ctx, ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Progress: 10 * time.Millisecond, Observe: onProgress(l.of("first"), 300_000, leave)})
	second := make(chan (<-chan result), 1)
	of := l.of("sender")
	s, err := transfer.Send(t.Context(), ep, pgm.Config{CC: pgm.CCAuto, Rate: 40_000_000}, []string{path}, transfer.SendOptions{
		Expect: 1, Observe: func(e transfer.Event) {
			if of(e); e.Kind == transfer.Alone {
				second <- receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: l.of("second")})
			}
		},
	})
	if err != nil || len(s.Receivers) != 1 {
		t.Errorf("%v; of %+v", err, s.Receivers)
	}
	if r := wait(t, first); !errors.Is(r.err, context.Canceled) {
		t.Error(r.err)
	}
	if r := wait(t, <-second); r.err != nil {
		t.Error(r.err)
	}
	sameFile(t, filepath.Join(dir, "file"), path)
}
