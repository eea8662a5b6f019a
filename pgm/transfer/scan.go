package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// scan is what the paths that are to be sent hold: the objects, in the order in which they are sent, and where their files are.
type scan struct {
	objects []Object
	parents []string // directories that the names are relative to
	parent  []uint16 // of each object
	total   int64    // octets of content
	refused []Problem
	names   *names
}

// path returns where the file of an object is.
func (s *scan) path(i int) string {
	return filepath.Join(s.parents[s.parent[i]], filepath.FromSlash(s.objects[i].Name))
}

// scanPaths looks at files and trees. A path that cannot be sent at all is an error; what cannot be sent beneath a directory is
// refused, and the rest goes on. A path that is a symbolic link is followed, since it was named; one in a tree is not.
func scanPaths(paths []string, refuse func(Problem)) (*scan, error) {
	s := &scan{names: newNames(false)}
	if len(paths) > 1<<16-1 {
		return nil, fmt.Errorf("transfer: %d paths are too many: name their directory", len(paths))
	}
	for _, p := range paths {
		if err := s.add(p, refuse); err != nil {
			return nil, err
		}
	}
	if len(s.objects) == 0 {
		return nil, ErrNothing
	}
	return s, nil
}

func (s *scan) add(arg string, refuse func(Problem)) error {
	info, err := os.Stat(arg)
	if err != nil {
		return err
	}
	clean := filepath.Clean(arg)
	parent, base := filepath.Dir(clean), filepath.Base(clean)
	whole := base == "." || base == ".." || base == string(filepath.Separator) || filepath.VolumeName(clean) == clean
	if whole { // such a directory has no name: its content goes without one
		parent = clean
	}
	s.parents = append(s.parents, parent)
	at := uint16(len(s.parents) - 1)
	if !info.IsDir() {
		if problem := s.check(clean, base, info); problem != nil {
			return fmt.Errorf("%s: %w", arg, problem)
		}
		return s.take(at, base, info)
	}
	root := clean
	if link, err := os.Lstat(clean); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		root += string(filepath.Separator) // WalkDir does not follow its root otherwise
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(parent, path)
		if relErr != nil {
			return relErr
		}
		name := filepath.ToSlash(rel)
		if name == "." {
			return err
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if err == nil && path == root {
			info, err = os.Stat(path)
		}
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil // it has gone since the directory was read
		}
		if err == nil {
			err = s.check(path, name, info)
		}
		if err != nil {
			s.refused = append(s.refused, Problem{name, err})
			refuse(Problem{name, err})
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return s.take(at, name, info)
	})
}

// check returns why a file or directory cannot be sent.
func (s *scan) check(path, name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s", ErrKind, kindOf(info.Mode()))
	default:
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		f.Close()
	}
	return CheckName(name)
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link, which is not followed"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// take adds an object. What comes twice is sent once if it is a directory, and otherwise an error: one file would replace the other.
func (s *scan) take(parent uint16, name string, info fs.FileInfo) error {
	if err := s.names.take(name); err != nil {
		if info.IsDir() {
			return nil
		}
		return err
	}
	if len(s.objects) == MaxObjects {
		return fmt.Errorf("transfer: more than %d files and directories: send an archive of them", MaxObjects)
	}
	o := Object{Name: name, Dir: info.IsDir(), Mode: uint16(info.Mode().Perm()), ModTime: info.ModTime().UnixNano()}
	if !o.Dir {
		o.Size = info.Size()
		s.total += o.Size
	}
	s.objects = append(s.objects, o)
	s.parent = append(s.parent, parent)
	return nil
}
