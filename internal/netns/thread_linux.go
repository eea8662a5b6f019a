package netns

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate moves the calling thread into a network namespace of its own.
func isolate() error { return os.NewSyscallError("unshare", syscall.Unshare(syscall.CLONE_NEWNET)) }

// threadID is by what the system knows the calling thread.
func threadID() int { return syscall.Gettid() }

// endWithThread has a program killed when the thread that starts it ends.
func endWithThread(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
