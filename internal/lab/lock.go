//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockPath is the file that a running lab holds. Two labs at once would measure
// each other.
const lockPath = "/run/gopgm-lab.lock"

const prefixStem = "gopgm-lab-"

// labName is the name of the directory in which the lab of this process id has its files.
func labName(pid int) string { return prefixStem + strconv.Itoa(pid) }

// errBusy says that another lab runs.
var errBusy = errors.New("another lab is running")

// A labLock is held by the one lab that runs. The kernel releases it when the
// process ends, however that happens.
type labLock struct{ f *os.File }

// acquireLock takes the lock, or says at once who has it.
func acquireLock(path string) (*labLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 20))
		return nil, fmt.Errorf("%w (process %s holds %s): wait until it ends",
			errBusy, orDash(strings.TrimSpace(string(holder))), path)
	}
	// The number is only for the message; a lab works without it.
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return &labLock{f}, nil
}

func (l *labLock) release() { l.f.Close() }

// sweepLeftovers removes what a lab left that was killed before it could clean
// up: files whose names carry the id of a process that is gone. Its net went with it.
// The caller holds the lock, so no other lab is at work.
func sweepLeftovers(scratch string, stderr io.Writer) {
	dirs, _ := filepath.Glob(filepath.Join(scratch, prefixStem+"*"))
	for _, d := range dirs {
		if leftover(filepath.Base(d)) && os.RemoveAll(d) == nil {
			fmt.Fprintf(stderr, "lab: removed %s of an earlier lab\n", d)
		}
	}
}

// leftover says whether the name is that of a lab whose process is gone.
func leftover(name string) bool {
	pid, ok := ownerPID(name)
	if !ok {
		return false
	}
	_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	return errors.Is(err, fs.ErrNotExist)
}

// ownerPID reads the process id out of a name that a lab gave.
func ownerPID(name string) (int, bool) {
	number, ok := strings.CutPrefix(name, prefixStem)
	pid, err := strconv.Atoi(number)
	return pid, ok && err == nil && pid > 0
}
