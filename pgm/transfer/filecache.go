package transfer

import (
	"os"
)

// How many files of a tree are kept open at once, for packets that are sent again or do not come in order. Several sessions are received
// at once, in one process whose open files are often limited to 1024.
const (
	maxOpenSent     = 64
	maxOpenReceived = 32
)

// fileCache keeps the files that were used last open. It belongs to one goroutine.
type fileCache struct {
	open  func(i int) (*os.File, error)
	max   int          // that are kept
	files []cachedFile // used last first
}

type cachedFile struct {
	i int
	f *os.File
}

// get returns the file of object i, open.
func (c *fileCache) get(i int) (*os.File, error) {
	for k := range c.files {
		if e := c.files[k]; e.i == i {
			copy(c.files[1:k+1], c.files[:k])
			c.files[0] = e
			return e.f, nil
		}
	}
	f, err := c.open(i)
	if err != nil {
		return nil, err
	}
	if last := len(c.files) - 1; len(c.files) == c.max {
		c.files[last].f.Close()
		c.files = c.files[:last]
	}
	c.files = append(c.files, cachedFile{})
	copy(c.files[1:], c.files)
	c.files[0] = cachedFile{i, f}
	return f, nil
}

// take returns the file of object i, if it is open, and keeps it no longer: it is the caller's to close.
func (c *fileCache) take(i int) *os.File {
	for k, e := range c.files {
		if e.i == i {
			c.files = append(c.files[:k], c.files[k+1:]...)
			return e.f
		}
	}
	return nil
}

// close closes all of them.
func (c *fileCache) close() {
	for _, e := range c.files {
		e.f.Close()
	}
	c.files = nil
}
