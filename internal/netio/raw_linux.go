//go:build !netio_portable

package netio

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// socketError says what is wrong when a socket cannot be made, and what to do.
func socketError(protocol int, err error) error {
	if protocol != 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		return fmt.Errorf("IP protocol %d needs the capability CAP_NET_RAW (%w): run the program as root or, once, setcap cap_net_raw+ep %s", protocol, err, executable())
	}
	return os.NewSyscallError("socket", err)
}

// executable is the file of this program, as a shell reads it, whatever link it was started by: a capability belongs to the file.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	if strings.ContainsAny(path, " \t\n\"'\\$`&;|<>()*?[]#~") {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
