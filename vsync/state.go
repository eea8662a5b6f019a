package vsync

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gopgm/gopgm/vsync/member"
)

// StateRequest asks for the state of the group, for those who joined with the View before it. It is to be given as it is at this place of the
// stream, after all messages so far and before those that follow: a program copies it, or what makes it, before it calls Next again. It may
// then take its time to write it, on another goroutine if it likes.
type StateRequest struct {
	View member.View // with which they joined
	g    *Group
}

// Writer returns where the state is to be written. Close completes it.
func (r *StateRequest) Writer(ctx context.Context) *StateWriter {
	return &StateWriter{r.g, ctx, r.View}
}

// StateWriter is an io.WriteCloser for the state of the group.
type StateWriter struct {
	g    *Group
	ctx  context.Context
	view member.View
}

// ErrNobody is the error of writing state when those who waited for it are gone, or have it from another.
var ErrNobody = errors.New("vsync: nobody waits for this state any more")

// Write gives a piece of the state. It waits until those who join have taken what came before, but for a megabyte.
func (w *StateWriter) Write(p []byte) (n int, err error) {
	const most = 256 << 10
	for n < len(p) {
		k := min(len(p)-n, most)
		if err := w.try(func(m *member.Member) error { return m.SendState(time.Now(), &w.view, p[n:n+k]) }); err != nil {
			return n, err
		}
		n += k
	}
	return n, nil
}

// Close says that the state is complete.
func (w *StateWriter) Close() error {
	return w.try(func(m *member.Member) error { return m.EndState(time.Now(), &w.view) })
}

// try calls f until there is room.
func (w *StateWriter) try(f func(*member.Member) error) error {
	for {
		w.g.mu.Lock()
		err := f(w.g.m)
		w.g.mu.Unlock()
		switch {
		case err == nil:
			w.g.stir()
			return nil
		case errors.Is(err, member.ErrNobody):
			return ErrNobody
		case !errors.Is(err, member.ErrFull):
			return fmt.Errorf("vsync: %w", err)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-w.g.closed:
			return net.ErrClosed
		}
	}
}
