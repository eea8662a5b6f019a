package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// namespace is a host of its own.
type namespace struct {
	*netns.Host
	t *testing.T
}

// newNamespace makes a host that has only loopback, or skips the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	return &namespace{netns.Test(t).Host(), t}
}

// newPair makes two hosts joined by a cable, v0 on each, with the addresses fe80::1 and 2, and, if wide, 10.9.0.1 and 2, and fd09::1 and 2.
func newPair(t *testing.T, wide bool) (a, b *namespace) {
	t.Helper()
	addresses := []string{"fe80::%d/64"}
	if wide {
		addresses = append(addresses, "10.9.0.%d/24", "fd09::%d/64")
	}
	here, there := netns.Test(t, "nft").Pair(addresses...)
	for _, h := range []*netns.Host{here, there} {
		h.Run("ip link set v0 gso_max_segs 1") // each packet on its own, to be lost on its own
	}
	return &namespace{here, t}, &namespace{there, t}
}

// by has a program started on the host; its children are there too.
func (n *namespace) by(start func() error) (err error) {
	n.Do(func() { err = start() })
	return err
}

func (n *namespace) start(name string, args ...string) *program {
	n.t.Helper()
	return startBy(n.t, n.by, nil, name, args...)
}

// lose has every hundredth PGM packet that comes to the host lost, the first of all among them.
func (n *namespace) lose() {
	n.t.Helper()
	n.Filter(netns.In, "v0", "meta l4proto { udp, 113 } numgen inc mod 100 == 0 counter drop")
}

// lost returns how many packets were.
func (n *namespace) lost() int {
	n.t.Helper()
	counts, err := n.Counts(netns.In, "v0")
	if err != nil {
		n.t.Fatal(err)
	}
	return counts[0]
}

// capture records what passes the host's cable, until the function that it returns is called, which returns the file.
func (n *namespace) capture() (stop func() string) {
	n.t.Helper()
	netns.Need(n.t, "tcpdump", "tshark")
	path := filepath.Join(n.t.TempDir(), "pcap")
	c := exec.Command("tcpdump", "-i", "v0", "-s", "0", "-B", "16384", "-Z", "root", "-U", "-w", path)
	if err := n.Start(c); err != nil {
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
