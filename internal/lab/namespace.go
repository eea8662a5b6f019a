//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hostDevice is the name of the one device that each host has.
const hostDevice = "e0"

// cleanupTime bounds how long taking the net down may last.
const cleanupTime = 20 * time.Second

// portTime bounds how long the bridge's ports may take to come up.
const portTime = 5 * time.Second

// A rig is a net of one machine: host 0 (the sender) and hosts 1 to n (the
// receivers), each a network namespace with a device e0, whose other end is the
// port p0 to pn of a bridge in a namespace of its own. Hosts have the addresses
// 10.77.0.10 and up; multicast is routed to e0. There is no way out of the
// namespaces.
type rig struct {
	prefix    string
	receivers int
	made      []string // namespaces that exist, to be removed by close
}

// newRig builds the net. It always returns a rig, which must be closed, and an
// error if it is not usable.
func newRig(ctx context.Context, prefix string, receivers int, superPackets bool) (*rig, error) {
	r := &rig{prefix: prefix, receivers: receivers}
	for _, ns := range append([]string{r.bridge()}, r.hosts()...) {
		// Noted first: if the command is interrupted half way, close finds it.
		r.made = append(r.made, ns)
		if err := command(ctx, "ip", "netns", "add", ns); err != nil {
			return r, err
		}
		if err := command(ctx, "ip", "-n", ns, "link", "set", "lo", "up"); err != nil {
			return r, err
		}
	}
	sw := r.bridge()
	// Without snooping the bridge floods multicast to every port, as a
	// switch does that knows no better: no receiver depends on a querier.
	if err := commands(ctx, [][]string{
		{"ip", "-n", sw, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "stp_state", "0", "forward_delay", "0"},
		{"ip", "-n", sw, "link", "set", "br0", "up"},
	}); err != nil {
		return r, err
	}
	for i, ns := range r.hosts() {
		if err := commands(ctx, hostCommands(sw, ns, i, superPackets)); err != nil {
			return r, err
		}
	}
	return r, r.waitForwarding(ctx)
}

// waitForwarding waits until every port of the bridge passes packets on.
func (r *rig) waitForwarding(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, portTime)
	defer cancel()
	for {
		out, err := commandOutput(ctx, nil, "ip", "-d", "-j", "-n", r.bridge(), "link", "show", "master", "br0")
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("the bridge's ports are not up after %v", portTime)
		} else if err != nil {
			return err
		}
		n, err := parseForwarding(out)
		if err != nil {
			return err
		}
		if n == r.receivers+1 {
			return nil
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// parseForwarding counts the ports that are up and forwarding in the JSON of ip.
func parseForwarding(text []byte) (n int, err error) {
	var links []struct {
		State string `json:"operstate"`
		Info  struct {
			Slave struct {
				State string `json:"state"`
			} `json:"info_slave_data"`
		} `json:"linkinfo"`
	}
	if err := json.Unmarshal(text, &links); err != nil {
		return 0, fmt.Errorf("ip link: %w", err)
	}
	for _, l := range links {
		if l.State == "UP" && l.Info.Slave.State == "forwarding" {
			n++
		}
	}
	return n, nil
}

// hostCommands are what joins host i to the bridge.
func hostCommands(sw, ns string, i int, superPackets bool) [][]string {
	port, state := bridgePort(i), onOff(superPackets)
	return [][]string{
		{"ip", "link", "add", hostDevice, "netns", ns, "mtu", "1500", "txqueuelen", "1000", "type", "veth", "peer", "name", port, "netns", sw},
		{"ip", "-n", sw, "link", "set", port, "mtu", "1500", "master", "br0", "up"},
		{"ip", "-n", ns, "addr", "add", hostAddr(i) + "/24", "brd", "+", "dev", hostDevice},
		{"ip", "-n", ns, "link", "set", hostDevice, "up"},
		{"ip", "-n", ns, "route", "add", "224.0.0.0/4", "dev", hostDevice},
		{"ip", "netns", "exec", ns, "ethtool", "-K", hostDevice, "tso", state, "gso", state, "gro", state, "tx-udp-segmentation", state},
		// The port never merges packets, so that what it passes on is what
		// the sender's device gave it.
		{"ip", "netns", "exec", sw, "ethtool", "-K", port, "tso", state, "gso", state, "gro", "off", "tx-udp-segmentation", state},
	}
}

func (r *rig) bridge() string    { return r.prefix + "-sw" }
func (r *rig) host(i int) string { return fmt.Sprintf("%s-h%d", r.prefix, i) }

// hosts are the namespaces of the sender and of each receiver.
func (r *rig) hosts() []string {
	var ns []string
	for i := 0; i <= r.receivers; i++ {
		ns = append(ns, r.host(i))
	}
	return ns
}

// onOff is how ethtool writes a switch.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func bridgePort(i int) string { return "p" + strconv.Itoa(i) }
func hostAddr(i int) string   { return fmt.Sprintf("10.77.0.%d", 10+i) }

// limitUplink puts a token bucket on the sender's device: the bottleneck that
// all receivers share. Its queue holds 50 ms.
func (r *rig) limitUplink(ctx context.Context, rate string) error {
	return command(ctx, "tc", slices.Concat([]string{"-n", r.host(0), "qdisc", "add", "dev", hostDevice}, bottleneck(rate))...)
}

// bottleneck is a qdisc that lets a rate through, with a queue of 50 ms.
func bottleneck(rate string) []string {
	return []string{"root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"}
}

// limitTrunk puts the same bottleneck into the network, where TCP flows that compete can fill its queue. In a queue of its own host the
// kernel lets a TCP flow have two packets, whatever its window ("TCP small queues"), and who fills that queue has the rest.
//
// The sender's port moves to a bridge of its own, from which a trunk leads to that of the receivers.
func (r *rig) limitTrunk(ctx context.Context, rate string, superPackets bool) error {
	sw, state := r.bridge(), onOff(superPackets)
	list := [][]string{
		{"ip", "-n", sw, "link", "add", "br1", "type", "bridge", "mcast_snooping", "0", "stp_state", "0", "forward_delay", "0"},
		{"ip", "-n", sw, "link", "set", "br1", "up"},
		{"ip", "-n", sw, "link", "add", "t0", "mtu", "1500", "type", "veth", "peer", "name", "t1"},
		{"ip", "-n", sw, "link", "set", bridgePort(0), "master", "br1"},
		{"ip", "-n", sw, "link", "set", "t0", "mtu", "1500", "master", "br1", "up"},
		{"ip", "-n", sw, "link", "set", "t1", "mtu", "1500", "master", "br0", "up"},
	}
	for _, d := range []string{"t0", "t1"} {
		list = append(list, []string{"ip", "netns", "exec", sw, "ethtool", "-K", d, "tso", state, "gso", state, "gro", "off", "tx-udp-segmentation", state})
	}
	list = append(list, slices.Concat([]string{"tc", "-n", sw, "qdisc", "add", "dev", "t0"}, bottleneck(rate)))
	if err := commands(ctx, list); err != nil {
		return err
	}
	return r.waitForwarding(ctx)
}

// limitReceiver puts a token bucket on the way to receiver i, with a queue of 50 ms.
func (r *rig) limitReceiver(ctx context.Context, i int, rate string) error {
	return command(ctx, "tc", "-n", r.bridge(), "qdisc", "add", "dev", bridgePort(i), "root",
		"tbf", "rate", rate, "burst", "64kb", "latency", "50ms")
}

// close removes the namespaces of the rig, and with them every device, route and
// hook. It works also after an interrupt.
func (r *rig) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	existing, err := namespaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, ns := range r.made {
		if existing[ns] {
			errs = append(errs, command(ctx, "ip", "netns", "del", ns))
		}
	}
	r.made = nil
	return errors.Join(errs...)
}

// namespaces returns the named network namespaces of the machine.
func namespaces(ctx context.Context) (map[string]bool, error) {
	out, err := commandOutput(ctx, nil, "ip", "netns", "list")
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 0 { // "name (id: 3)"
			set[f[0]] = true
		}
	}
	return set, nil
}

// commands runs one command after the other, until one fails.
func commands(ctx context.Context, list [][]string) error {
	for _, argv := range list {
		if err := command(ctx, argv[0], argv[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// command runs a tool; its error has the command line and what the tool said.
func command(ctx context.Context, name string, args ...string) error {
	_, err := commandOutput(ctx, nil, name, args...)
	return err
}

// commandOutput is command with a standard input and the standard output.
func commandOutput(ctx context.Context, stdin []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.Bytes(), nil
}
