//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/gopgm/gopgm/internal/netns"
)

// network is a switch with a host for each member: namespaces of its own for the network and for mounts, in which memory that is shared
// with other hosts is not. There is no way out of it.
type network struct {
	*netns.Net
	hosts   []*netns.Host
	holders []*exec.Cmd // keep the mounts
}

// newNet makes it; what it returns must be closed in any case. Each packet on its way to a host is lost with a probability of so many percent;
// then nothing is sent in larger pieces than frames, of which one would be lost as a whole.
func newNet(ctx context.Context, members int, loss float64) (*network, error) {
	n := &network{Net: netns.New(ctx)}
	var sw *netns.Host
	sw, n.hosts = n.Star(members, "10.79.0.%d/24")
	for i, h := range n.hosts {
		if loss > 0 {
			const off = " tso off gso off gro off tx-udp-segmentation off"
			port := fmt.Sprintf("p%d", i)
			h.Run("ethtool -K e0" + off)
			sw.Run("ethtool -K " + port + off)
			sw.Filter(netns.Out, port, fmt.Sprintf("ip protocol udp numgen random mod 100000 < %d drop", int(loss*1000)))
		}
	}
	if n.Err() != nil {
		return n, n.Err()
	}
	for _, h := range n.hosts {
		if err := n.hold(h); err != nil {
			return n, err
		}
	}
	return n, nil
}

func address(i int) string { return fmt.Sprintf("10.79.0.%d", 10+i) }

// hold makes the mounts of a host.
func (n *network) hold(h *netns.Host) error {
	const script = "for d in /dev/shm /run /var/lib/corosync; do [ ! -d $d ] || mount -t tmpfs -o size=512m tmpfs $d || exit; done; echo ready; exec sleep 1d"
	c := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script)
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := h.Start(c); err != nil {
		return err
	}
	n.holders = append(n.holders, c)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("mounts of a host: %w", err)
	}
	return nil
}

// command returns a program on host i, which ends with this one.
func (n *network) command(i int, argv ...string) *exec.Cmd {
	args := append([]string{"-t", fmt.Sprint(n.holders[i].Process.Pid), "-m", "-n", "--"}, argv...)
	c := exec.Command("nsenter", args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stderr = os.Stderr
	return c
}

func (n *network) close() {
	for _, c := range n.holders {
		end(c)
	}
	n.Close()
}

// end kills a program that was started, and waits until it is gone.
func end(c *exec.Cmd) {
	_ = c.Process.Kill()
	_ = c.Wait()
}
