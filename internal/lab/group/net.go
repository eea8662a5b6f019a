//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// network is a bridge in a namespace, with a host in one of its own for each member. There is no way out of it.
type network struct {
	hosts []string
	made  []string
}

// newNet makes it; what it returns must be closed in any case.
func newNet(ctx context.Context, members int) (*network, error) {
	n := &network{}
	prefix := fmt.Sprintf("vs%d", os.Getpid())
	sw := prefix + "-sw"
	ip := func(args ...string) error {
		out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}
	n.made = append(n.made, sw)
	commands := [][]string{
		{"netns", "add", sw},
		{"-n", sw, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0"},
		{"-n", sw, "link", "set", "br0", "up"},
	}
	for i := range members {
		host, port := fmt.Sprintf("%s-h%d", prefix, i), fmt.Sprintf("p%d", i)
		n.made, n.hosts = append(n.made, host), append(n.hosts, host)
		commands = append(commands, [][]string{
			{"netns", "add", host},
			{"link", "add", "e0", "netns", host, "type", "veth", "peer", "name", port, "netns", sw},
			{"-n", sw, "link", "set", port, "master", "br0", "up"},
			{"-n", host, "addr", "add", fmt.Sprintf("10.79.0.%d/24", 10+i), "dev", "e0"},
			{"-n", host, "link", "set", "lo", "up"},
			{"-n", host, "link", "set", "e0", "up"},
			{"-n", host, "route", "add", "224.0.0.0/4", "dev", "e0"},
		}...)
	}
	for _, c := range commands {
		if err := ip(c...); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (n *network) close() {
	for _, ns := range n.made {
		_ = exec.Command("ip", "netns", "del", ns).Run()
	}
}

// start starts a member on its host.
func (n *network) start(l load, out *bytes.Buffer) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"netns", "exec", n.hosts[l.index], self, "-member", fmt.Sprint(l.index), "-e", l.endpoint, "-members", fmt.Sprint(l.members),
		"-senders", fmt.Sprint(l.senders), "-size", fmt.Sprint(l.size), "-rate", fmt.Sprint(l.rate), "-time", l.time.String(),
		"-order", l.order.String(), "-batch", fmt.Sprint(l.batch), fmt.Sprintf("-safe=%v", l.safe), fmt.Sprintf("-watch=%v", l.rejoin)}
	c := exec.Command("ip", args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stderr = os.Stderr
	if out != nil {
		c.Stdout = out
		return c, c.Start()
	}
	return c, nil
}

// together runs all members and returns what each measured.
func (n *network) together(ctx context.Context, l load) ([]figures, error) {
	outs := make([]bytes.Buffer, l.members)
	all := make([]figures, l.members)
	var running []*exec.Cmd
	defer func() {
		for _, c := range running {
			_ = c.Process.Kill()
		}
	}()
	for i := range l.members {
		l.index = i
		c, err := n.start(l, &outs[i])
		if err != nil {
			return nil, err
		}
		running = append(running, c)
	}
	late := time.AfterFunc(l.time+30*time.Second, func() {
		for _, c := range running {
			_ = c.Process.Kill()
		}
	})
	defer late.Stop()
	var errs []error
	for i, c := range running {
		if err := c.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("member %d: %w", i, err))
		} else if err := json.Unmarshal(outs[i].Bytes(), &all[i]); err != nil {
			errs = append(errs, err)
		}
	}
	running = nil
	for i := range all {
		if len(errs) == 0 && l.order >= 2 && all[i].Order != all[0].Order {
			errs = append(errs, fmt.Errorf("members 0 and %d received different orders", i))
		}
	}
	return all, errors.Join(append(errs, ctx.Err())...)
}

// change is how long changes of the view took, in milliseconds, seen by a member that stays.
type change struct {
	Killed, Joined, Blocked []float64
}

// views kills the last member and starts it again, a few times.
func (n *network) views(ctx context.Context, l load) (ch change, err error) {
	l.rejoin = true
	type seen struct {
		at            int64
		members, stop int64
	}
	views := make(chan seen, 100)
	var running []*exec.Cmd
	defer func() {
		for _, c := range running {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	begin := func(i int) error {
		l.index = i
		c, err := n.start(l, nil)
		if err != nil {
			return err
		}
		out, err := c.StdoutPipe()
		if err != nil {
			return err
		}
		if err := c.Start(); err != nil {
			return err
		}
		running = append(running, c)
		go func() {
			for s := bufio.NewScanner(out); s.Scan(); {
				var v seen
				if _, err := fmt.Sscan(s.Text(), &v.at, &v.members, &v.stop); err == nil && i == 0 {
					views <- v
				}
			}
		}()
		return nil
	}
	wait := func(members int) (v seen, err error) {
		timeout := time.After(20 * time.Second)
		for {
			select {
			case v = <-views:
				if int(v.members) == members {
					return v, nil
				}
			case <-timeout:
				return v, fmt.Errorf("no view of %d members", members)
			case <-ctx.Done():
				return v, ctx.Err()
			}
		}
	}
	for i := range l.members {
		if err := begin(i); err != nil {
			return ch, err
		}
	}
	if _, err := wait(l.members); err != nil {
		return ch, err
	}
	for range 5 {
		time.Sleep(time.Second)
		at := clock()
		last := running[len(running)-1]
		running = running[:len(running)-1]
		_ = last.Process.Kill()
		_ = last.Wait()
		v, err := wait(l.members - 1)
		if err != nil {
			return ch, err
		}
		ch.Killed, ch.Blocked = append(ch.Killed, float64(v.at-at)/1e6), append(ch.Blocked, float64(v.stop)/1e3)
		time.Sleep(500 * time.Millisecond)
		at = clock()
		if err := begin(l.members - 1); err != nil {
			return ch, err
		}
		if v, err = wait(l.members); err != nil {
			return ch, err
		}
		ch.Joined = append(ch.Joined, float64(v.at-at)/1e6)
	}
	return ch, nil
}
