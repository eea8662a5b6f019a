package transfer

import (
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// maxVector is the most slices in one positional write (the kernel's UIO_MAXIOV).
const maxVector = 1024

// vector collects slices that lie side by side in a file, to be written by one system call, pwritev(2): the standard library has none for
// files.
type vector struct {
	slices []syscall.Iovec
	size   int
	quick  int // calls in a row that took little time
}

const (
	// A call that takes longer than slowWrite waits for the disk: a thread that lacks a processor gets one sooner. After quickWrites that took
	// less, as into the page cache, the next one is taken for another of them.
	slowWrite   = 10 * time.Millisecond
	quickWrites = 256
)

// add appends p, which is not empty. There must be room, for at most maxVector slices that do not lie side by side in memory too.
func (v *vector) add(p []byte) {
	v.size += len(p)
	if n := len(v.slices); n > 0 {
		if e := &v.slices[n-1]; uintptr(unsafe.Pointer(e.Base))+uintptr(e.Len) == uintptr(unsafe.Pointer(unsafe.SliceData(p))) {
			e.SetLen(int(e.Len) + len(p))
			return
		}
	}
	e := syscall.Iovec{Base: unsafe.SliceData(p)}
	e.SetLen(len(p))
	v.slices = append(v.slices, e)
}

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
		n, errno := v.pwritev(fd, rest, off)
		if errno == 0 && n == 0 {
			errno = syscall.EIO
		}
		switch errno {
		case 0:
			off += int64(n)
			rest = advance(rest, n)
		case syscall.EINTR:
		default:
			return &os.PathError{Op: "write", Path: f.Name(), Err: errno}
		}
	}
	runtime.KeepAlive(f)
	return nil
}

// pwritev writes what it can. The scheduler is told only where the call may have to wait: telling it wakes the runtime's monitor each time, which
// costs a receiver a tenth of its time. If it then waits after all, it keeps one processor from other goroutines, once.
func (v *vector) pwritev(fd uintptr, slices []syscall.Iovec, off int64) (int, syscall.Errno) {
	begun := time.Now()
	var n uintptr
	var errno syscall.Errno
	low, high := uintptr(off), uintptr(off>>32) // the kernel shifts the high half out where the low one is 64 bits
	if v.quick >= quickWrites {
		n, _, errno = syscall.RawSyscall6(syscall.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&slices[0])), uintptr(len(slices)), low, high, 0)
	} else {
		n, _, errno = syscall.Syscall6(syscall.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&slices[0])), uintptr(len(slices)), low, high, 0)
	}
	if v.quick++; time.Since(begun) > slowWrite {
		v.quick = 0
	}
	return int(n), errno
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
