package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// address returns the address of a host of any net.
func address(host, family int) string {
	if family == 6 {
		return fmt.Sprintf("fd77::%d", 10+host)
	}
	return fmt.Sprintf("10.77.0.%d", 10+host)
}

// layOut makes hosts and a switch, each of whose ports drops a share of the PGM packets, of whatever type, that are on their way to the host.
func layOut(n *netns.Net, hosts, lossPercent int) ([]*netns.Host, error) {
	sw, around := n.Star(hosts, "10.77.0.%d/24", "fd77::%d/64", "fe80::%d/64")
	for i, h := range around {
		// What is captured are packets as they are on the wire: not those that are yet to be cut up or to get a checksum.
		h.Run("ethtool -K " + device + " tx off gso off gro off")
		if lossPercent > 0 {
			sw.Filter(netns.Out, fmt.Sprintf("p%d", i), fmt.Sprintf("meta l4proto { 17, 113 } numgen random mod 100 < %d drop", lossPercent))
		}
	}
	return around, n.Err()
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
func startCapture(ctx context.Context, h *netns.Host, name string, raw bool) (*capture, error) {
	filter := "udp port " + strconv.Itoa(port)
	if raw {
		// With Router Alert, IPv6 has a hop-by-hop header in between, of 8 octets.
		filter = "(ip proto 113) or (ip6[6] = 113) or (ip6[6] = 0 and ip6[40] = 113)"
	}
	c := &capture{name: name, said: new(bytes.Buffer)}
	c.cmd = exec.CommandContext(ctx, "tcpdump", "-i", device, "-n", "-U", "--immediate-mode", "-B", "8192", "-Z", "root", "-w", name, filter)
	errOut, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := h.Start(c.cmd); err != nil {
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
