package transfer

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
)

// directories keeps the directories that were used last open, so that a file in the depth of a tree costs no more than one at its top: an
// os.Root resolves each component of a name anew, safely, for each operation. It is safe for concurrent use.
type directories struct {
	root *os.Root

	mu   sync.Mutex
	open []*directory // used last last
}

// directory is an open directory beneath the root; the root itself is not counted.
type directory struct {
	*os.Root
	name    string
	users   int
	evicted bool
}

// maxDirectories is how many directories are kept open.
const maxDirectories = 32

// with calls f with the directory that name lies in, and its last component.
func (d *directories) with(name string, f func(dir *os.Root, base string) error) error {
	parent, base := path.Dir(name), path.Base(name)
	if parent == "." {
		return f(d.root, base)
	}
	dir, err := d.get(parent)
	if err != nil {
		return err
	}
	defer d.put(dir)
	return f(dir.Root, base)
}

func (d *directories) get(name string) (*directory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.open) - 1; i >= 0; i-- {
		if dir := d.open[i]; dir.name == name {
			copy(d.open[i:], d.open[i+1:])
			d.open[len(d.open)-1] = dir
			dir.users++
			return dir, nil
		}
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if len(d.open) == maxDirectories {
		d.evict(0)
	}
	dir := &directory{Root: root, name: name, users: 1}
	d.open = append(d.open, dir)
	return dir, nil
}

// evict closes a directory once nobody uses it. The lock is held.
func (d *directories) evict(i int) {
	dir := d.open[i]
	d.open = append(d.open[:i], d.open[i+1:]...)
	if dir.evicted = true; dir.users == 0 {
		dir.Close()
	}
}

func (d *directories) put(dir *directory) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir.users--; dir.users == 0 && dir.evicted {
		dir.Close()
	}
}

// forget has the directory of that name opened anew: the one that was open may have been removed.
func (d *directories) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.open {
		if d.open[i].name == name {
			d.evict(i)
			return
		}
	}
}

func (d *directories) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.open) > 0 {
		d.evict(0)
	}
}

// The operations are those of os.Root.

func (d *directories) openFile(name string, flag int) (f *os.File, err error) {
	err = d.with(name, func(dir *os.Root, base string) error {
		f, err = dir.OpenFile(base, flag, 0o600)
		return err
	})
	return f, err
}

func (d *directories) lstat(name string) (info fs.FileInfo, err error) {
	err = d.with(name, func(dir *os.Root, base string) error {
		info, err = dir.Lstat(base)
		return err
	})
	return info, err
}

func (d *directories) remove(name string) error {
	return d.with(name, func(dir *os.Root, base string) error { return dir.Remove(base) })
}

// rename gives a file another name in the same directory.
func (d *directories) rename(name, to string) error {
	return d.with(name, func(dir *os.Root, base string) error { return dir.Rename(base, path.Base(to)) })
}

// replace writes a file by way of another, so that it is never there in part.
func (d *directories) replace(name, by string, b []byte) error {
	return d.with(name, func(dir *os.Root, base string) error {
		by := path.Base(by)
		err := dir.WriteFile(by, b, 0o600)
		if err == nil {
			err = dir.Rename(by, base)
		}
		if err != nil {
			dir.Remove(by)
		}
		return err
	})
}

// makeAll makes the directory that name lies in, and those above.
func (d *directories) makeAll(name string) error {
	parent := path.Dir(name)
	d.forget(parent)
	return d.root.MkdirAll(parent, 0o777)
}

// missing reports whether err is that something is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
