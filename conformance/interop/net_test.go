package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// network is a switch and hosts around it, each a network namespace that lasts as long as a process that waits for the end of its
// standard input: whatever becomes of the test, nothing is left of them. There is no way out of the namespaces.
type network struct {
	space, hosts []*namespace // the switch first
}

// namespace is a network namespace and the process that keeps it.
type namespace struct {
	keeper *exec.Cmd
	in     io.Closer
}

func newNamespace() (*namespace, error) {
	cmd := exec.Command("cat")
	if err := unshare(cmd); err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &namespace{cmd, in}, nil
}

// pid is the process that the namespace is known by.
func (n *namespace) pid() string { return strconv.Itoa(n.keeper.Process.Pid) }

// command is a command that is to run in the namespace.
func (n *namespace) command(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/proc/" + n.pid() + "/ns/net", "--"}, argv...)...)
}

// run runs a tool in the namespace, with a text as its standard input.
func (n *namespace) run(ctx context.Context, text string, argv ...string) (string, error) {
	cmd := n.command(ctx, argv...)
	cmd.Stdin = strings.NewReader(text)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(errOut.Bytes()))
	}
	return out.String(), nil
}

func (n *namespace) close() {
	n.in.Close()
	n.keeper.Wait() // cat ends with its input
}

// address returns the address of a host of any net.
func address(host, family int) string {
	if family == 6 {
		return fmt.Sprintf("fd77::%d", 10+host)
	}
	return fmt.Sprintf("10.77.0.%d", 10+host)
}

// newNetwork makes a net of so many hosts, in which each host's port of the switch drops a share of the PGM packets, of whatever type,
// that are on their way to the host. It is to be closed even after an error.
func newNetwork(ctx context.Context, hosts, lossPercent int) (*network, error) {
	n := &network{}
	for i := range hosts + 1 {
		s, err := newNamespace()
		if err != nil {
			return n, err
		}
		if n.space = append(n.space, s); i > 0 {
			n.hosts = append(n.hosts, s)
		}
	}
	ports := "link add br0 type bridge mcast_snooping 0 stp_state 0 forward_delay 0\nlink set br0 up\n"
	for i, h := range n.hosts {
		ports += fmt.Sprintf("link add p%d type veth peer name eth0 netns %s\nlink set p%[1]d master br0 up\n", i, h.pid())
	}
	if _, err := n.space[0].run(ctx, ports, "ip", "-batch", "-"); err != nil {
		return n, err
	}
	for i, h := range n.hosts {
		device := fmt.Sprintf("link set lo up\naddr add %s/24 dev eth0\naddr add %s/64 dev eth0 nodad\nlink set eth0 up\n"+
			"route add 224.0.0.0/4 dev eth0\n", address(i, 4), address(i, 6))
		if _, err := h.run(ctx, device, "ip", "-batch", "-"); err != nil {
			return n, err
		}
		// What is captured are packets as they are on the wire: not those that are yet to be cut up or to get a checksum.
		if _, err := h.run(ctx, "", "ethtool", "-K", "eth0", "tx", "off", "gso", "off", "gro", "off"); err != nil {
			return n, err
		}
	}
	if lossPercent > 0 {
		rules := "table netdev loss {\n"
		for i := range n.hosts {
			rules += fmt.Sprintf("chain to%d { type filter hook egress device \"p%[1]d\" priority 0; "+
				"meta l4proto { 17, 113 } numgen random mod 100 < %d drop; }\n", i, lossPercent)
		}
		if _, err := n.space[0].run(ctx, rules+"}\n", "nft", "-f", "-"); err != nil {
			return n, err
		}
	}
	return n, n.waitForwarding(ctx)
}

// waitForwarding waits until the switch passes packets to every port.
func (n *network) waitForwarding(ctx context.Context) error {
	for {
		out, err := n.space[0].run(ctx, "", "ip", "-d", "-o", "link", "show", "master", "br0")
		if err != nil {
			return err
		}
		if strings.Count(out, "state forwarding") == len(n.hosts) {
			return nil
		}
		if !pause(ctx, 10*time.Millisecond) {
			return errors.New("the ports of the switch are not up")
		}
	}
}

func (n *network) close() {
	for _, s := range n.space {
		s.close()
	}
}

// pause sleeps; it reports false if the context is done.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// capture is what passes the device of a host, as tcpdump sees it.
type capture struct {
	name string // of the file
	cmd  *exec.Cmd
	said *bytes.Buffer
}

// startCapture records the PGM packets of a host.
func startCapture(ctx context.Context, h *namespace, name string, raw bool) (*capture, error) {
	filter := "udp port " + strconv.Itoa(port)
	if raw {
		// With Router Alert, IPv6 has a hop-by-hop header in between, of 8 octets.
		filter = "(ip proto 113) or (ip6[6] = 113) or (ip6[6] = 0 and ip6[40] = 113)"
	}
	c := &capture{name: name, said: new(bytes.Buffer)}
	c.cmd = h.command(ctx, "tcpdump", "-i", "eth0", "-n", "-U", "--immediate-mode", "-B", "8192", "-Z", "root", "-w", name, filter)
	errOut, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	// It says that it listens when it does.
	buf := make([]byte, 512)
	for !bytes.Contains(c.said.Bytes(), []byte("listening on")) {
		n, err := errOut.Read(buf)
		if c.said.Write(buf[:n]); err != nil {
			return nil, fmt.Errorf("tcpdump: %s", c.said)
		}
	}
	return c, nil
}

// stop ends the capture when everything that passed so far is in the file, and fails if tcpdump missed packets.
func (c *capture) stop() error {
	for size := int64(-1); ; time.Sleep(20 * time.Millisecond) {
		st, err := os.Stat(c.name)
		if err != nil {
			return err
		}
		if st.Size() == size {
			break
		}
		size = st.Size()
	}
	c.cmd.Process.Signal(os.Interrupt)
	return c.cmd.Wait()
}

// captureName is the file of the capture at a host.
func captureName(dir string, host int) string {
	return filepath.Join(dir, fmt.Sprintf("host%d.pcap", host))
}
