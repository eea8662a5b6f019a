//go:build !linux

package netns

import (
	"errors"
	"os/exec"
)

func isolate() error { return errors.ErrUnsupported }

func threadID() int { return 0 }

func endWithThread(*exec.Cmd) {}
