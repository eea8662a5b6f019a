package console

import (
	"runtime"
	"runtime/debug"
)

// Version returns a line that names a program, its version as far as the build knows it, and the toolchain.
func Version(program string) string {
	version := "(unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return program + " " + version + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
