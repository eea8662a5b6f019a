package transfer

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// maxVector is the most slices in one positional write (the kernel's UIO_MAXIOV).
const maxVector = 1024

// vector collects slices that lie side by side in a file, to be written by one system call, pwritev(2): the standard library has none for
// files. Octets that have just come from the network are not in the processor's cache, so a copy into a buffer would cost a quarter more.
type vector struct {
	slices []syscall.Iovec
	size   int
}

// add appends p, which is not empty. There must be room.
func (v *vector) add(p []byte) {
	e := syscall.Iovec{Base: unsafe.SliceData(p)}
	e.SetLen(len(p))
	v.slices = append(v.slices, e)
	v.size += len(p)
}

func (v *vector) room() bool { return len(v.slices) < maxVector }

// reset empties v, and forgets where the slices were.
func (v *vector) reset() {
	clear(v.slices)
	v.slices = v.slices[:0]
	v.size = 0
}

// writeAt writes the slices to f from offset off on: all of them, or it fails.
func (v *vector) writeAt(f *os.File, off int64) error {
	fd := f.Fd()
	for rest := v.slices; len(rest) > 0; {
		n, _, errno := syscall.Syscall6(syscall.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&rest[0])), uintptr(len(rest)),
			uintptr(off), uintptr(off>>32), 0) // the kernel shifts the high half out where the low one is 64 bits
		if errno == 0 && n == 0 {
			errno = syscall.EIO
		}
		switch errno {
		case 0:
			off += int64(n)
			rest = advance(rest, int(n))
		case syscall.EINTR:
		default:
			return &os.PathError{Op: "write", Path: f.Name(), Err: errno}
		}
	}
	runtime.KeepAlive(f)
	return nil
}

// advance drops the first n octets of the slices. It does so in place: they are not used again.
func advance(slices []syscall.Iovec, n int) []syscall.Iovec {
	for n > 0 {
		e := &slices[0]
		if have := int(e.Len); n < have {
			e.Base = (*byte)(unsafe.Add(unsafe.Pointer(e.Base), n))
			e.SetLen(have - n)
			return slices
		}
		n -= int(e.Len)
		slices = slices[1:]
	}
	return slices
}

// lock makes f this process's: it fails if another, or this one by another handle, has it already.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// freeSpace returns how many octets can be written to the file system that f lies in; -1 if it does not say.
func freeSpace(f *os.File) int64 {
	var st syscall.Statfs_t
	if syscall.Fstatfs(int(f.Fd()), &st) != nil || st.Blocks == 0 {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
