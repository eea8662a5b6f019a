package transfer_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/transfer"
)

// mount mounts a file system in memory, of a size, until the test is over.
func mount(t *testing.T, size string, flags uintptr) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size); err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// A file that does not fit fails by name, before it is sent in vain or when the room is used up; what fits is received.
func TestFullDestinationFailsWhatDoesNotFit(t *testing.T) {
	var l log
	l.show(t)
	dir := mount(t, "4m", 0)
	ep, src := endpoint(t), t.TempDir()
	randomFile(t, filepath.Join(src, "t/big"), 9_000_000)
	randomFile(t, filepath.Join(src, "t/one"), 2_500_000)
	randomFile(t, filepath.Join(src, "t/small"), 1000)
	randomFile(t, filepath.Join(src, "t/two"), 2_500_000)
	done := receive(t.Context(), ep, pgm.Config{}, transfer.ReceiveOptions{Dir: dir, Once: true, Observe: l.of("receiver")})
	s, err := transfer.Send(t.Context(), ep, pgm.Config{}, []string{filepath.Join(src, "t")}, transfer.SendOptions{Observe: l.of("sender")})
	if !errors.Is(err, transfer.ErrFailed) || len(s.Receivers) != 1 || s.Receivers[0].Failed == 0 || !strings.Contains(s.Receivers[0].Problems[0].Err.Error(), "no space") {
		t.Errorf("sender: %v, %+v", err, s.Receivers)
	}
	r := wait(t, done)
	var space *transfer.SpaceError
	if !errors.Is(r.err, transfer.ErrFailed) || !errors.As(r.err, &space) && !errors.Is(r.err, syscall.ENOSPC) {
		t.Errorf("receiver: %v", r.err)
	}
	failed := map[string]bool{}
	for _, p := range r.summary.Sessions[0].Problems {
		failed[p.Name] = true
	}
	for _, name := range []string{"t/big", "t/one", "t/two", "t/small"} {
		if !failed[name] {
			sameFile(t, filepath.Join(dir, name), filepath.Join(src, name))
		} else if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s failed, and is there", name)
		}
	}
	if !failed["t/big"] || failed["t/small"] || failed["t/one"] && failed["t/two"] {
		t.Errorf("failed: %v", failed)
	}
}

func TestReadOnlyDestinationIsNamed(t *testing.T) {
	dir := mount(t, "4m", syscall.MS_RDONLY)
	_, err := transfer.Receive(t.Context(), endpoint(t), pgm.Config{}, transfer.ReceiveOptions{Dir: dir})
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
}
