//go:build !linux

package transfer

import "os"

// maxVector is the most slices in one positional write.
const maxVector = 64

// vector collects slices that lie side by side in a file, to be written by one system call, by way of a buffer.
type vector struct {
	slices [][]byte
	size   int
	buf    []byte
}

// add appends p, which is not empty. There must be room.
func (v *vector) add(p []byte) {
	v.slices = append(v.slices, p)
	v.size += len(p)
}

// reset empties v, and forgets where the slices were.
func (v *vector) reset() {
	clear(v.slices)
	v.slices = v.slices[:0]
	v.size = 0
}

// writeAt writes the slices to f from offset off on: all of them, or it fails.
func (v *vector) writeAt(f *os.File, off int64) error {
	v.buf = v.buf[:0]
	for _, p := range v.slices {
		v.buf = append(v.buf, p...)
	}
	_, err := f.WriteAt(v.buf, off)
	return err
}

func lock(*os.File) error { return nil }

func freeSpace(*os.File) int64 { return -1 }
