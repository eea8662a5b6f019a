package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a host of its own: a thread in a network namespace that goes with the test.
type namespace struct {
	t    *testing.T
	tid  int
	work chan func()
}

// newNamespace makes a host that has only loopback, or skips the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	need(t, "ip")
	n := &namespace{t: t, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		n.tid = unix.Gettid()
		ready <- err
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	if err := <-ready; err != nil {
		t.Skip("needs root, to make network namespaces: ", err)
	}
	n.run("ip link set lo up")
	return n
}

// need skips the test if a tool is missing.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s", name)
		}
	}
}

// by has a program started on the host; its children are there too.
func (n *namespace) by(start func() error) (err error) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		err = start()
	}
	<-done
	return err
}

func (n *namespace) try(command string) (string, error) {
	var out []byte
	words := strings.Fields(command)
	err := n.by(func() (err error) {
		out, err = exec.Command(words[0], words[1:]...).CombinedOutput()
		return err
	})
	return string(out), err
}

func (n *namespace) run(command string) {
	n.t.Helper()
	if out, err := n.try(command); err != nil {
		n.t.Skipf("cannot set up the network: %s: %v: %s", command, err, out)
	}
}

func (n *namespace) start(name string, args ...string) *program {
	n.t.Helper()
	return startBy(n.t, n.by, nil, name, args...)
}

// newPair makes two hosts joined by a cable, v0 on each, with the addresses 10.9.0.1 and 2, fe80::1 and 2, and, if wide, fd09::1 and 2.
func newPair(t *testing.T, wide bool) (a, b *namespace) {
	t.Helper()
	a, b = newNamespace(t), newNamespace(t)
	a.run(fmt.Sprintf("ip link add v0 type veth peer name v0 netns %d", b.tid))
	for i, n := range []*namespace{a, b} {
		n.run("ip link set v0 addrgenmode none gso_max_segs 1") // each packet on its own, to be lost on its own
		n.run(fmt.Sprintf("ip addr add fe80::%d/64 dev v0 nodad", i+1))
		if wide {
			n.run(fmt.Sprintf("ip addr add 10.9.0.%d/24 dev v0", i+1))
			n.run(fmt.Sprintf("ip addr add fd09::%d/64 dev v0 nodad", i+1))
		}
		n.run("ip link set v0 up")
	}
	for _, n := range []*namespace{a, b} {
		for range 300 { // until the kernel has noticed that the cable is in
			if _, err := n.try("ip -6 route get ff08::99 oif v0"); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return a, b
}

// lose has every hundredth PGM packet that comes to the host lost, the first of all among them.
func (n *namespace) lose() {
	n.t.Helper()
	need(n.t, "nft")
	for _, command := range []string{
		"nft add table inet loss",
		"nft add chain inet loss in { type filter hook prerouting priority -400 ; }",
		"nft add rule inet loss in iifname v0 meta l4proto { udp , 113 } numgen inc mod 100 == 0 counter drop",
	} {
		n.run(command)
	}
}

// lost returns how many packets were.
func (n *namespace) lost() int {
	n.t.Helper()
	out, err := n.try("nft list table inet loss")
	_, rest, ok := strings.Cut(out, "counter packets ")
	count, _, _ := strings.Cut(rest, " ")
	k, perr := strconv.Atoi(count)
	if err != nil || !ok || perr != nil {
		n.t.Fatalf("nft: %v: %s", err, out)
	}
	return k
}

// capture records what passes the host's cable, until the function that it returns is called, which returns the file.
func (n *namespace) capture() (stop func() string) {
	n.t.Helper()
	need(n.t, "tcpdump", "tshark")
	path := filepath.Join(n.t.TempDir(), "pcap")
	c := exec.Command("tcpdump", "-i", "v0", "-s", "0", "-B", "16384", "-Z", "root", "-U", "-w", path)
	if err := n.by(c.Start); err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		c.Wait()
		close(ended)
	}()
	end := func() {
		c.Process.Signal(syscall.SIGINT)
		<-ended
	}
	n.t.Cleanup(end)
	for range 500 { // the header of the file says that it records
		if f, err := os.Stat(path); err == nil && f.Size() > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() string {
		end()
		return path
	}
}
