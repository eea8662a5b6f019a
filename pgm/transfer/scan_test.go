//go:build unix

package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func scanned(s *scan) (list []string) {
	for _, o := range s.objects {
		name := o.Name
		if o.Dir {
			name += "/"
		}
		list = append(list, name)
	}
	return list
}

// A path that is named is sent by its base name; one without a name, without.
func TestNamesOfWhatIsSent(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]int{"tree/b": 2, "tree/a/x": 3, "tree/empty/": 0, "single": 4})
	os.Symlink(filepath.Join(dir, "tree"), filepath.Join(dir, "link"))
	os.Symlink("single", filepath.Join(dir, "filelink"))
	t.Chdir(dir)
	for _, c := range []struct {
		paths []string
		want  []string
	}{
		{[]string{"single"}, []string{"single"}},
		{[]string{"./single", "tree/a/x"}, []string{"single", "x"}},
		{[]string{filepath.Join(dir, "tree")}, []string{"tree/", "tree/a/", "tree/a/x", "tree/b", "tree/empty/"}},
		{[]string{"tree/"}, []string{"tree/", "tree/a/", "tree/a/x", "tree/b", "tree/empty/"}},
		{[]string{"tree/."}, []string{"tree/", "tree/a/", "tree/a/x", "tree/b", "tree/empty/"}},
		{[]string{"tree/a/.."}, []string{"tree/", "tree/a/", "tree/a/x", "tree/b", "tree/empty/"}},
		{[]string{"link"}, []string{"link/", "link/a/", "link/a/x", "link/b", "link/empty/"}},
		{[]string{"filelink"}, []string{"filelink"}},
		{[]string{"tree/a", "tree"}, []string{"a/", "a/x", "tree/", "tree/a/", "tree/a/x", "tree/b", "tree/empty/"}},
	} {
		s, err := scanPaths(c.paths, func(p Problem) { t.Error(p) })
		if err != nil || !slices.Equal(scanned(s), c.want) {
			t.Errorf("%v: %v, %v; want %v", c.paths, scanned(s), err, c.want)
			continue
		}
		for i := range s.objects {
			info, err := os.Stat(s.path(i))
			if err != nil || info.IsDir() != s.objects[i].Dir || !info.IsDir() && info.Size() != s.objects[i].Size {
				t.Errorf("%v: %s is not at %s: %v", c.paths, s.objects[i].Name, s.path(i), err)
			}
		}
	}
	t.Chdir(filepath.Join(dir, "tree", "a"))
	for _, c := range []struct{ path, want string }{{".", "[x]"}, {"..", "[a/ a/x b empty/]"}, {"../..", "[single tree/ tree/a/ tree/a/x tree/b tree/empty/]"}} {
		s, err := scanPaths([]string{c.path}, func(Problem) {})
		if err != nil || fmt.Sprint(scanned(s)) != c.want {
			t.Errorf("%s: %v, %v; want %s", c.path, scanned(s), err, c.want)
		}
	}
}

// What is no file, and what has no name to be sent by, is left out by name; the rest goes.
func TestWhatCannotBeSentIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]int{"t/ok": 1, "t/new\nline": 1, "t/back\\slash": 1, "t/dir\x01/in": 1, "t/sub/ok": 1, "t/\xff\xfe": 1})
	os.Symlink("ok", filepath.Join(dir, "t/link"))
	os.Symlink(dir, filepath.Join(dir, "t/loop"))
	if err := syscall.Mkfifo(filepath.Join(dir, "t/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := map[string]error{}
	s, err := scanPaths([]string{filepath.Join(dir, "t")}, func(p Problem) { refused[p.Name] = p.Err })
	if err != nil || fmt.Sprint(scanned(s)) != "[t/ t/ok t/sub/ t/sub/ok]" {
		t.Errorf("%v, %v", scanned(s), err)
	}
	for name, want := range map[string]error{"t/new\nline": ErrName, "t/back\\slash": ErrName, "t/dir\x01": ErrName, "t/\xff\xfe": ErrName,
		"t/link": ErrKind, "t/loop": ErrKind, "t/pipe": ErrKind} {
		if !errors.Is(refused[name], want) {
			t.Errorf("%q: %v, want %v", name, refused[name], want)
		}
	}
	if len(refused) != 7 {
		t.Errorf("refused %v", refused)
	}
}

// A path that was named and cannot be sent is an error, before anything is sent.
func TestPathsThatCannotBeSentAtAll(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]int{"a/f": 1, "b/f": 1, "empty/": 0})
	syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)
	join := func(names ...string) (paths []string) {
		for _, n := range names {
			paths = append(paths, filepath.Join(dir, n))
		}
		return paths
	}
	for _, c := range []struct {
		paths []string
		want  error
	}{
		{join("none"), fs.ErrNotExist},
		{join("a/f", "none"), fs.ErrNotExist},
		{join("pipe"), ErrKind},
		{join("a/f", "b/f"), ErrName}, // one would replace the other
		{nil, ErrNothing},
		{[]string{""}, fs.ErrNotExist},
	} {
		if _, err := scanPaths(c.paths, func(Problem) {}); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.paths, err, c.want)
		}
	}
	t.Chdir(filepath.Join(dir, "empty"))
	if _, err := scanPaths([]string{"."}, func(Problem) {}); !errors.Is(err, ErrNothing) {
		t.Errorf("an empty directory without a name: %v", err)
	}
	if s, err := scanPaths(join("a", "a"), func(Problem) {}); !errors.Is(err, ErrName) {
		t.Errorf("the same tree twice: %v, %v", scanned(s), err)
	}
}
