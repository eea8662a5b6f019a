package interop

import (
	"os/exec"
	"syscall"
)

// unshare has a command run in a new network namespace.
func unshare(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return nil
}
