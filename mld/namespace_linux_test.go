package mld

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a host of its own: a thread in a new network namespace, which goes with the test.
type namespace struct {
	t    *testing.T
	tid  int
	work chan func()
}

// newNamespace makes a host that has only loopback, or skips the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	for _, tool := range []string{"ip", "bridge"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs the %s command, of package iproute2", tool)
		}
	}
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

// do calls f on the host.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// try runs a command on the host and returns its output.
func (n *namespace) try(command string) (string, error) {
	var out []byte
	var err error
	n.do(func() {
		words := strings.Fields(command)
		out, err = exec.Command(words[0], words[1:]...).CombinedOutput()
	})
	return string(out), err
}

func (n *namespace) run(command string) {
	n.t.Helper()
	if out, err := n.try(command); err != nil {
		n.t.Skipf("cannot set up the network: %s: %v: %s", command, err, out)
	}
}

// set writes a setting of the host's network.
func (n *namespace) set(name, value string) {
	n.t.Helper()
	var err error
	n.do(func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		n.t.Skip("cannot set up the network: ", err)
	}
}

// cable joins two hosts: an interface of that name on each. A host is given the addresses 10.9.0.N, fe80::N and fd09::N; with N 0, none.
func cable(a *namespace, aName string, an int, b *namespace, bName string, bn int) {
	a.run(fmt.Sprintf("ip link add %s type veth peer name %s netns %d", aName, bName, b.tid))
	for _, end := range []struct {
		host *namespace
		name string
		n    int
	}{{a, aName, an}, {b, bName, bn}} {
		end.host.run("ip link set " + end.name + " addrgenmode none")
		if end.n > 0 {
			end.host.address(end.name, end.n)
		}
		end.host.run("ip link set " + end.name + " up")
	}
}

func (n *namespace) address(ifi string, number int) {
	n.run(fmt.Sprintf("ip addr add 10.9.0.%d/24 dev %s", number, ifi))
	n.run(fmt.Sprintf("ip addr add fe80::%d/64 dev %s nodad", number, ifi))
	n.run(fmt.Sprintf("ip addr add fd09::%d/64 dev %s nodad", number, ifi))
}

// awaitRoute waits until the kernel has noticed that the cable is in.
func (n *namespace) awaitRoute(ifi string) {
	for range 500 {
		if _, err := n.try("ip -6 route get ff08::99 oif " + ifi); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.t.Fatal("the cable is not in")
}

// link returns an interface of the host.
func (n *namespace) link(name string) *net.Interface {
	n.t.Helper()
	var ifi *net.Interface
	var err error
	n.do(func() { ifi, err = net.InterfaceByName(name) })
	if err != nil {
		n.t.Fatal(err)
	}
	return ifi
}

// querier runs a Querier on the host until the test ends.
func (n *namespace) querier(ifi string, c RouterConfig) *Querier {
	n.t.Helper()
	link := n.link(ifi)
	var q *Querier
	var err error
	n.do(func() { q, err = OpenQuerier(link, c) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { q.Close() })
	return q
}

// eventually waits for something to become so.
func eventually(t *testing.T, d time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("after %v: not so: %s", d, what)
}
