//go:build !linux

package interop

import (
	"errors"
	"os/exec"
)

// unshare has a command run in a new network namespace.
func unshare(*exec.Cmd) error { return errors.ErrUnsupported }
