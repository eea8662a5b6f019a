package netns

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// unspoken is in what ip and nft say of a kernel that does not have what they ask for, or of a process that may not have it.
var unspoken = []string{"Operation not permitted", "Operation not supported", "Protocol not supported", "Unknown device type"}

// lacks reports whether an error of a net is that the machine does not have what it takes, rather than that something went wrong: a process that is
// not root, a system that permits no namespaces, or settings of theirs to be changed; a kernel without a kind of link or filter; a command that
// is not there.
func lacks(err error) bool {
	for _, is := range []error{errors.ErrUnsupported, fs.ErrPermission, exec.ErrNotFound, syscall.EROFS} {
		if errors.Is(err, is) {
			return true
		}
	}
	// A kernel without network namespaces says the one, a system that permits no more of them the other: unshare(2).
	if call := (*os.SyscallError)(nil); errors.As(err, &call) && (call.Err == syscall.EINVAL || call.Err == syscall.ENOSPC) {
		return true
	}
	var said *exec.ExitError
	if !errors.As(err, &said) {
		return false
	}
	for _, text := range unspoken {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
