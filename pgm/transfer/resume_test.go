package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/receiver"
)

// interrupt receives part of a file and ends, and returns what there is of it.
func interrupt(t *testing.T, src, dst string, packets int, reason receiver.End) (part string) {
	t.Helper()
	r := newRig(t, 1, 77, 1400, dst, src)
	r.loop.stop = packets
	r.loop.loss = 0.3
	r.store.open()
	r.deliver()
	r.end(reason)
	if _, err := os.Lstat(filepath.Join(dst, filepath.Base(src))); err == nil {
		t.Fatal("a part has the final name")
	}
	left := leftovers(t, dst)
	if len(left) != 2 {
		t.Fatalf("left behind: %v", left)
	}
	return left[0]
}

// What a receiver had when it was stopped is taken up in a later session, and is not asked for again.
func TestWhatIsThereIsNotSentAgain(t *testing.T) {
	for _, reason := range []receiver.End{receiver.Closed, receiver.Reset, receiver.Expired} {
		src, dst := t.TempDir(), t.TempDir()
		writeTree(t, src, map[string]int{"f": 1_000_000}) // 715 blocks
		interrupt(t, filepath.Join(src, "f"), dst, 400, reason)
		r := newRig(t, 2, 99, 1400, dst, filepath.Join(src, "f"))
		r.loop.stop = 1 // the record; then what was left behind is looked at
		r.store.open()
		r.loop.round()
		for deadline := time.Now().Add(5 * time.Second); len(r.seen.of(Began)) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		r.loop.stop = 0
		r.deliver()
		r.end(receiver.Finished)
		if r.in.err != nil || r.in.failedN != 0 {
			t.Fatal(r.in.err, r.in.problems)
		}
		sameTree(t, dst, src)
		if n := r.loop.loaded; n < 300 || n > 330 {
			t.Errorf("%v: %d packets were sent, want the 317 that were missing", reason, n)
		}
		if e := r.seen.of(Complete); len(e) != 1 || e[0].Resumed < 390*1400 {
			t.Errorf("%v: %+v", reason, e)
		}
	}
}

// What was left behind and is not what is sent now is found out by the digest, and sent again.
func TestWrongLeftoversAreReplaced(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"f": 1_000_000})
	part := interrupt(t, filepath.Join(src, "f"), dst, 400, receiver.Closed)
	if err := os.WriteFile(part, make([]byte, 1_000_000), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 2, 99, 1400, dst, filepath.Join(src, "f"))
	r.store.open()
	r.deliver()
	r.end(receiver.Finished)
	if r.in.err != nil || r.in.failedN != 0 {
		t.Fatal(r.in.err, r.in.problems)
	}
	sameTree(t, dst, src)
}

// A state that cannot be is as good as none.
func TestBrokenStateIsIgnored(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"f": 200_000})
	for i, harm := range []func(path string, b []byte) error{
		func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)-1], 0o600) },
		func(path string, b []byte) error { b[40] ^= 1; return os.WriteFile(path, b, 0o600) },
		func(path string, b []byte) error { return os.WriteFile(path, nil, 0o600) },
		func(path string, b []byte) error { return os.Truncate(strings.TrimSuffix(path, stateSuffix), 3) },
		func(path string, b []byte) error { return os.Remove(strings.TrimSuffix(path, stateSuffix)) },
		func(path string, b []byte) error { os.Remove(path); return os.Mkdir(path, 0o700) },
	} {
		part := interrupt(t, filepath.Join(src, "f"), dst, 100, receiver.Closed)
		b, err := os.ReadFile(part + stateSuffix)
		if err == nil {
			err = harm(part+stateSuffix, b)
		}
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, 2, 99, 1400, dst, filepath.Join(src, "f"))
		r.store.open()
		r.deliver()
		r.end(receiver.Finished)
		if r.in.err != nil || r.in.failedN != 0 {
			t.Fatal(i, r.in.err, r.in.problems)
		}
		for _, path := range leftovers(t, dst) {
			os.RemoveAll(path)
		}
		sameTree(t, dst, src)
		os.Remove(filepath.Join(dst, "f"))
	}
}

// A file that is there already, by name, size and time, is compared with the digest: it is not sent again if it is right, and is if it
// is not.
func TestFileThatIsThereIsCompared(t *testing.T) {
	for _, same := range []bool{true, false} {
		src, dst := t.TempDir(), t.TempDir()
		writeTree(t, src, map[string]int{"f": 500_000})
		b, err := os.ReadFile(filepath.Join(src, "f"))
		if err != nil {
			t.Fatal(err)
		}
		if !same {
			b[123_456] ^= 1
		}
		info, _ := os.Stat(filepath.Join(src, "f"))
		os.WriteFile(filepath.Join(dst, "f"), b, 0o600)
		os.Chtimes(filepath.Join(dst, "f"), info.ModTime(), info.ModTime())
		r := newRig(t, 2, 99, 1400, dst, filepath.Join(src, "f"))
		r.loop.stop = 1
		r.loop.round()
		for deadline := time.Now().Add(5 * time.Second); len(r.seen.of(Began)) == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		r.loop.stop = 0
		r.store.open()
		r.deliver()
		r.end(receiver.Finished)
		if r.in.err != nil || r.in.failedN != 0 {
			t.Fatal(r.in.err, r.in.problems)
		}
		sameTree(t, dst, src)
		if n := r.loop.loaded; same && n != 2 || !same && n < 358 {
			t.Errorf("same %v: %d packets were taken", same, n)
		}
	}
}

// Blocks that come although they are there already change nothing.
func TestWhatIsThereIsNotWrittenAgain(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"f": 500_000})
	if err := os.CopyFS(dst, os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(filepath.Join(src, "f"))
	os.Chtimes(filepath.Join(dst, "f"), info.ModTime(), info.ModTime())
	before, _ := os.Stat(filepath.Join(dst, "f"))
	r := newRig(t, 2, 99, 1400, dst, filepath.Join(src, "f"))
	r.in.do = func(func()) bool { return true } // what is there is not told to the engine
	r.store.open()
	r.deliver()
	r.end(receiver.Finished)
	after, _ := os.Stat(filepath.Join(dst, "f"))
	if r.in.objects != 1 || !os.SameFile(before, after) || len(leftovers(t, dst)) != 0 {
		t.Errorf("held %d; the same file: %v; left behind: %v", r.in.objects, os.SameFile(before, after), leftovers(t, dst))
	}
}

// A directory that has the name of a file is left as it is, and said to be in its place.
func TestDirectoryInThePlaceOfAFile(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]int{"f": 5000})
	writeTree(t, dst, map[string]int{"f/g": 10})
	r := newRig(t, 1, 77, 1400, dst, filepath.Join(src, "f"))
	r.store.open()
	r.deliver()
	r.end(receiver.Finished)
	if p := r.in.problems; len(p) != 1 || p[0].Err.Error() != "a directory of that name is in its place" {
		t.Errorf("%v", p)
	}
	if _, err := os.Stat(filepath.Join(dst, "f/g")); err != nil {
		t.Error(err)
	}
}
