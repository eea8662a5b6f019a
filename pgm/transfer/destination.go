package transfer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

// destination is the directory that objects are put beneath. Everything in it is reached by way of an os.Root, so neither a name nor a
// symbolic link that lies there can lead out of it.
type destination struct {
	directories
	fold bool // its file system does not tell upper from lower case

	dirtyMu sync.Mutex
	dirty   map[string]struct{} // directories in which a file was renamed, and not yet synced
}

// openDestination opens the directory, and fails, with an error that says why, if nothing can be written to it.
func openDestination(dir string) (*destination, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("transfer: destination %s: %w", dir, reason(err))
	}
	d := &destination{directories: directories{root: root}, dirty: make(map[string]struct{})}
	probe := ".gopgm-Probe-" + strings.ToLower(rand.Text()[:12])
	f, err := root.OpenFile(probe, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("transfer: nothing can be written to destination %s: %w", dir, reason(err))
	}
	f.Close()
	_, err = root.Lstat(strings.ToLower(probe))
	d.fold = err == nil
	if err := root.Remove(probe); err != nil {
		root.Close()
		return nil, fmt.Errorf("transfer: destination %s: %w", dir, reason(err))
	}
	return d, nil
}

func (d *destination) close() {
	d.directories.close()
	d.root.Close()
}

// reason returns what went wrong without the operation and path, where the message says those in better words.
func reason(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return l.Err
	}
	return err
}

// openPart opens the unfinished file of the given name to read and write, and makes it and the directories above if there is none. What
// has the name and is not a file of its own is refused: a link that someone has planted.
func (d *destination) openPart(name string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE
	f, err := d.openFile(name, flags|os.O_EXCL)
	if missing(err) {
		if err := d.makeAll(name); err != nil {
			return nil, err
		}
		f, err = d.openFile(name, flags|os.O_EXCL)
	}
	if errors.Is(err, fs.ErrExist) {
		f, err = d.openOwn(name, flags)
	}
	if err != nil {
		return nil, err
	}
	if lock(f) != nil {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("another receiver is writing it")}
	}
	return f, nil
}

// openOwn opens a file that is there, unless its name is a link to it.
func (d *destination) openOwn(name string, flags int) (*os.File, error) {
	f, err := d.openFile(name, flags)
	if err != nil {
		return nil, err
	}
	here, err := d.lstat(name)
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && (!info.Mode().IsRegular() || !os.SameFile(here, info)) {
			err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a file of its own")}
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// commit gives the whole and verified file of p, which is f, its mode, time and final name, in an order that never shows it there
// unfinished, whenever the machine stops.
func (d *destination) commit(f *os.File, p *part) error {
	// Permission bits alone: a set-user-ID bit has no business in a manifest.
	if err := f.Chmod(fs.FileMode(p.o.Mode) & fs.ModePerm); err != nil {
		return err
	}
	if p.existing {
		return nil
	}
	t := time.Unix(0, p.o.ModTime)
	err := d.with(p.partName(), func(dir *os.Root, base string) error { return dir.Chtimes(base, t, t) })
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := d.rename(p.partName(), p.o.Name); err != nil {
		if info, e := d.lstat(p.o.Name); e == nil && info.IsDir() {
			return errors.New("a directory of that name is in its place")
		}
		return reason(err)
	}
	p.discardState(d)
	d.dirtyMu.Lock()
	d.dirty[path.Dir(p.o.Name)] = struct{}{}
	d.dirtyMu.Unlock()
	return nil
}

// sync makes the renames last.
func (d *destination) sync() error {
	d.dirtyMu.Lock()
	dirty := d.dirty
	d.dirty = make(map[string]struct{})
	d.dirtyMu.Unlock()
	var first error
	for dir := range dirty {
		f, err := d.root.Open(dir)
		if err == nil {
			err = f.Sync()
			f.Close()
		}
		if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) && first == nil {
			first = err
		}
	}
	return first
}

// mkdir makes a directory, with permissions that let files be put into it; finishDir sets the right ones.
func (d *destination) mkdir(name string) error {
	d.forget(name)
	err := d.root.MkdirAll(name, 0o777)
	if err == nil {
		var info fs.FileInfo
		if info, err = d.root.Stat(name); err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: name, Err: errors.New("there is a file of that name")}
		}
	}
	return err
}

// finishDir gives a directory its mode and time, once everything is in it.
func (d *destination) finishDir(o *Object) error {
	t := time.Unix(0, o.ModTime)
	if err := d.root.Chmod(o.Name, fs.FileMode(o.Mode)&fs.ModePerm); err != nil {
		return err
	}
	return d.root.Chtimes(o.Name, t, t)
}
