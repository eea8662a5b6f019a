//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// network is a bridge in a namespace, with a host for each member: namespaces of its own for the network and for mounts, in which
// memory that is shared with other hosts is not. There is no way out of it.
type network struct {
	hosts   []string
	made    []string
	holders []*exec.Cmd // keep the mounts
}

// newNet makes it; what it returns must be closed in any case. Each packet on its way to a host is lost with a probability of so many percent;
// then nothing is sent in larger pieces than frames, of which one would be lost as a whole.
func newNet(ctx context.Context, members int, loss float64) (*network, error) {
	n := &network{}
	prefix := fmt.Sprintf("vs%d", os.Getpid())
	sw := prefix + "-sw"
	n.made = append(n.made, sw)
	commands := []string{
		"ip netns add " + sw,
		"ip -n " + sw + " link add br0 type bridge mcast_snooping 0 forward_delay 0",
		"ip -n " + sw + " link set br0 up",
	}
	var drops strings.Builder
	drops.WriteString("table netdev lab {\n")
	for i := range members {
		h, port := fmt.Sprintf("%s-h%d", prefix, i), fmt.Sprintf("p%d", i)
		n.made, n.hosts = append(n.made, h), append(n.hosts, h)
		commands = append(commands,
			"ip netns add "+h,
			"ip link add e0 netns "+h+" type veth peer name "+port+" netns "+sw,
			"ip -n "+sw+" link set "+port+" master br0 up",
			"ip -n "+h+" addr add "+address(i)+"/24 dev e0",
			"ip -n "+h+" link set lo up",
			"ip -n "+h+" link set e0 up",
			"ip -n "+h+" route add 224.0.0.0/4 dev e0",
		)
		if loss > 0 {
			const off = " tso off gso off gro off tx-udp-segmentation off"
			commands = append(commands, "ip netns exec "+h+" ethtool -K e0"+off, "ip netns exec "+sw+" ethtool -K "+port+off)
			fmt.Fprintf(&drops, "chain to%d { type filter hook egress device %q priority 0; ip protocol udp numgen random mod 100000 < %d drop; }\n", i, port, int(loss*1000))
		}
	}
	drops.WriteString("}\n")
	for _, line := range commands {
		f := strings.Fields(line)
		if out, err := exec.CommandContext(ctx, f[0], f[1:]...).CombinedOutput(); err != nil {
			return n, fmt.Errorf("%s: %w: %s", line, err, bytes.TrimSpace(out))
		}
	}
	if loss > 0 {
		c := exec.CommandContext(ctx, "ip", "netns", "exec", sw, "nft", "-f", "-")
		c.Stdin = strings.NewReader(drops.String())
		if out, err := c.CombinedOutput(); err != nil {
			return n, fmt.Errorf("nft: %w: %s", err, bytes.TrimSpace(out))
		}
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
func (n *network) hold(host string) error {
	const script = "for d in /dev/shm /run /var/lib/corosync; do [ ! -d $d ] || mount -t tmpfs -o size=512m tmpfs $d || exit; done; echo ready; exec sleep 1d"
	c := exec.Command("ip", "netns", "exec", host, "unshare", "-m", "--propagation", "private", "sh", "-c", script)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	n.holders = append(n.holders, c)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return fmt.Errorf("mounts of %s: %w", host, err)
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
	for _, ns := range n.made {
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}

// end kills a program that was started, and waits until it is gone.
func end(c *exec.Cmd) {
	_ = c.Process.Kill()
	_ = c.Wait()
}
