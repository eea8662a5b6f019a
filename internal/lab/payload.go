//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math/bits"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// chunk is how much is written or hashed at a time. It is small, so that
	// the lab itself takes little memory.
	chunk = 1 << 20
	// A sparse file has sparseBlock random bytes at every multiple of
	// sparseStep, and at its end, so that misplaced data is noticed.
	sparseBlock = 64 << 10
	sparseStep  = 1 << 30
	// tmpfsMagic is f_type of a tmpfs in statfs(2).
	tmpfsMagic = 0x01021994
	// memoryReserve is what the lab leaves for the programs and the system.
	memoryReserve = 1 << 30
	// touchMargin is touched beyond the files, for socket buffers and programs.
	touchMargin = 512 << 20
)

// A payload is the file that is sent.
type payload struct {
	path   string
	size   int64
	sparse bool
	digest [sha256.Size]byte
}

// newPayload writes a file of random bytes, or of holes with some random
// blocks, and notes its digest.
func newPayload(ctx context.Context, path string, size int64, sparse bool) (*payload, error) {
	if !sparse {
		if free, err := freeSpace(filepath.Dir(path)); err != nil {
			return nil, err
		} else if size > free {
			return nil, fmt.Errorf("a file of %s does not fit in %s, which has %s: use a smaller --size, --sparse, or another --scratch",
				formatSize(size), filepath.Dir(path), formatSize(free>>20<<20))
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var seed [32]byte
	rand.Read(seed[:])
	random := mathrand.NewChaCha8(seed)
	p := &payload{path: path, size: size, sparse: sparse}
	if sparse {
		if err = writeSparse(f, random, size); err == nil {
			p.digest, err = digestOf(ctx, path)
		}
		return p, err
	}
	h := sha256.New()
	w := io.MultiWriter(f, h)
	buf := make([]byte, chunk)
	for left := size; left > 0; {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b := buf[:min(left, chunk)]
		random.Read(b)
		if _, err := w.Write(b); err != nil {
			return nil, err
		}
		left -= int64(len(b))
	}
	h.Sum(p.digest[:0])
	return p, f.Close()
}

// writeSparse gives a file its size, and its blocks of random bytes.
func writeSparse(f *os.File, random io.Reader, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	buf := make([]byte, sparseBlock)
	put := func(off int64) error {
		b := buf[:min(int64(len(buf)), size-off)]
		random.Read(b)
		_, err := f.WriteAt(b, off)
		return err
	}
	for off := int64(0); off < size; off += sparseStep {
		if err := put(off); err != nil {
			return err
		}
	}
	return put(max(0, size-sparseBlock))
}

func (p *payload) name() string  { return filepath.Base(p.path) }
func (p *payload) remove() error { return os.Remove(p.path) }

// verify says what is wrong with a copy, "" if nothing is.
func (p *payload) verify(ctx context.Context, path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return "no file", nil
	case err != nil:
		return "", err
	case info.Size() != p.size:
		return fmt.Sprintf("%d of %d bytes", info.Size(), p.size), nil
	}
	d, err := digestOf(ctx, path)
	if err != nil {
		return "", err
	}
	if d != p.digest {
		return "wrong digest", nil
	}
	return "", nil
}

// digestOf is the SHA-256 of a file.
func digestOf(ctx context.Context, path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, chunk)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		switch {
		case err == io.EOF:
			h.Sum(sum[:0])
			return sum, nil
		case err != nil:
			return sum, err
		case ctx.Err() != nil:
			return sum, ctx.Err()
		}
	}
}

// touchPages makes sure that the machine has the memory for the copies: it
// fills a file on the tmpfs and removes it. A virtual machine gives pages that
// are free back to its host, and getting one again costs microseconds: seconds
// for each GiB, in the middle of a measurement. On a disk it only looks for
// space.
func touchPages(ctx context.Context, dir string, need int64) error {
	free, err := freeSpace(dir)
	if err != nil {
		return err
	}
	if need > free {
		return fmt.Errorf("the copies need %d MiB in %s, which has %d: use fewer receivers, a smaller --size, or another --scratch",
			need>>20, dir, free>>20)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Type != tmpfsMagic {
		return err
	}
	path := filepath.Join(dir, "touch")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer f.Close()
	zero := make([]byte, chunk)
	for left := min(need+touchMargin, free); left > 0; left -= chunk {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := f.Write(zero); err != nil {
			return err
		}
	}
	return nil
}

// freeSpace is how many bytes may be written to a directory. On a tmpfs that
// is also a matter of the memory that the machine has.
func freeSpace(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	hi, lo := bits.Mul64(fs.Bavail, uint64(fs.Bsize))
	free := int64(lo)
	if hi != 0 || free < 0 {
		free = 1<<63 - 1
	}
	if fs.Type == tmpfsMagic {
		text, err := os.ReadFile("/proc/meminfo")
		if err != nil {
			return 0, err
		}
		free = min(free, max(0, parseAvailable(string(text))-memoryReserve))
	}
	return free, nil
}

// parseAvailable finds the line "MemAvailable:  1234 kB".
func parseAvailable(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
