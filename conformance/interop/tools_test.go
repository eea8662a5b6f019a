package interop

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gopgm/gopgm/internal/netns"
)

// tools are the programs that labs run, as far as they can be had here; a reason is empty if they can.
type tools struct {
	dir             string
	openpgm, zeromq string // the peers
	noOpenPGM       string // why there is none
	noZeroMQ        string
}

// program is one of this module's.
func (t *tools) program(name string) string { return filepath.Join(t.dir, name) }

// need skips a test that cannot have nets of its own here, or returns what it can run.
func need(t *testing.T) *tools {
	t.Helper()
	if testing.Short() {
		t.Skip("labs take some seconds")
	}
	netns.Test(t, "nft", "ethtool", "tcpdump", "cc", "pkg-config").Host()
	tools := &tools{dir: t.TempDir()}
	var group sync.WaitGroup
	group.Go(func() { tools.openpgm, tools.noOpenPGM = compile(tools.dir, "openpgm", "openpgm-5.3") })
	group.Go(func() {
		tools.zeromq, tools.noZeroMQ = compile(tools.dir, "zeromq", "libzmq")
		if tools.noZeroMQ == "" {
			out, err := exec.Command(tools.zeromq, "has-pgm").Output()
			if !strings.HasPrefix(string(out), "yes") {
				tools.noZeroMQ = fmt.Sprintf("this libzmq does not speak PGM: %s %v", out, err)
			}
		}
	})
	group.Go(func() {
		out, err := exec.Command("go", "build", "-o", tools.dir+"/", "../../cmd/pgmsend", "../../cmd/pgmrecv", "../../examples/zeromq").CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return tools
}

// compile makes a peer.
func compile(dir, peer, library string) (program, missing string) {
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", library).Output()
	if err != nil {
		return "", "no " + library + " to compile the peer against"
	}
	program = filepath.Join(dir, peer+"-peer")
	argv := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-o", program, "../" + peer + "/peer.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("cc", argv...).CombinedOutput(); err != nil {
		return "", fmt.Sprintf("the peer does not compile: %s", out)
	}
	return program, ""
}
