package transfer_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// §11: with parity of whatever kind, receivers that lose different packets have every file, right: large ones, and small ones that share groups with
// records and digests.
func TestParityBringsFilesBack(t *testing.T) {
	for name, c := range map[string]pgm.FEC{
		"on demand":  {Group: 64, OnDemand: true},
		"pro-active": {Group: 16, Proactive: 2},
		"auto":       {Group: 64, OnDemand: true, Adaptive: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l log
			l.show(t)
			src := t.TempDir()
			paths := tree(t, src)
			ep := endpoint(t)
			var done []<-chan result
			var dirs []string
			for i := range 3 {
				dirs = append(dirs, t.TempDir())
				done = append(done, receive(t.Context(), ep, pgm.Config{Drop: 0.05}, transfer.ReceiveOptions{
					Dir: dirs[i], Once: true, Name: fmt.Sprint("r", i), Observe: l.of(fmt.Sprint("r", i)),
				}))
			}
			s, err := transfer.Send(t.Context(), ep, pgm.Config{MTU: 1500, Rate: 400_000_000, FEC: c}, []string{src}, transfer.SendOptions{
				Expect: 3, Observe: l.of("source"),
			})
			if err != nil {
				t.Errorf("%v: %+v", err, s.Source.Stats)
			}
			for i, d := range done {
				r := wait(t, d)
				if r.err != nil {
					t.Errorf("receiver %d: %v", i, r.err)
				}
				if r.summary.Receiver.Rebuilt == 0 && name != "auto" {
					t.Errorf("receiver %d: no packet came of parity: %+v", i, r.summary.Receiver.Stats)
				}
				for _, p := range paths {
					sameFile(t, filepath.Join(dirs[i], filepath.Base(src), p), filepath.Join(src, p))
				}
			}
		})
	}
}

// tree makes files of several sizes, and returns their names.
func tree(t *testing.T, dir string) (names []string) {
	for i, size := range []int{8_000_000, 0, 1, 1471, 200_000} {
		names = append(names, fmt.Sprintf("f%d", i))
		randomFile(t, filepath.Join(dir, names[i]), size)
	}
	for i := range 60 {
		names = append(names, fmt.Sprintf("small/%d", i))
		randomFile(t, filepath.Join(dir, names[len(names)-1]), 100+i*100)
	}
	return names
}

// §11.1: where no packet can come back, parity and repetition bring everything, and no receiver sends anything.
func TestOneWaySessionsNeedNoAnswer(t *testing.T) {
	t.Parallel()
	var l log
	l.show(t)
	src, dir := t.TempDir(), t.TempDir()
	paths := tree(t, src)
	ep := endpoint(t)
	done := receive(t.Context(), ep, pgm.Config{Drop: 0.05}, transfer.ReceiveOptions{Dir: dir, Once: true, OneWay: true, Observe: l.of("receiver")})
	time.Sleep(100 * time.Millisecond)
	s, err := transfer.Send(t.Context(), ep, pgm.Config{MTU: 1500, Rate: 400_000_000}, []string{src}, transfer.SendOptions{
		OneWay: true, Rounds: 4, Observe: l.of("source"),
	})
	if err != nil {
		t.Error(err)
	}
	if n := s.Source.Rounds; n != 3 || s.Source.NAKs+s.Source.SPMRs+s.Source.Reports+s.Source.Polls.Replies > 0 {
		t.Errorf("%d rounds behind the first, want 3; and something came back: %+v", n, s.Source.Stats)
	}
	r := wait(t, done)
	if r.err != nil {
		t.Error(r.err)
	}
	if w := r.summary.Receiver.Socket.WriteDatagrams; w != 0 {
		t.Errorf("the receiver sent %d packets", w)
	}
	for _, p := range paths {
		sameFile(t, filepath.Join(dir, filepath.Base(src), p), filepath.Join(src, p))
	}
}
