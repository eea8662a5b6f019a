package pcap

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
	"github.com/gopgm/gopgm/pgm/packet"
)

// recorder is a program that captures to a file.
type recorder struct {
	cmd  *exec.Cmd
	file string
}

// startRecorder starts a program on a host and waits until it listens.
func startRecorder(h *netns.Host, file, program string, args ...string) (*recorder, error) {
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "HOME="+filepath.Dir(file))
	stderr, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := h.Start(c); err != nil {
		return nil, err
	}
	ready := make(chan bool, 1)
	go func() {
		s := bufio.NewScanner(stderr)
		for s.Scan() {
			if line := s.Text(); strings.Contains(line, "istening on") || strings.HasPrefix(line, "File:") {
				ready <- true
			}
		}
		io.Copy(io.Discard, stderr)
	}()
	select {
	case <-ready:
	case <-time.After(5 * time.Second):
	}
	return &recorder{c, file}, nil
}

func (r *recorder) stop() {
	r.cmd.Process.Signal(os.Interrupt)
	r.cmd.Wait()
}

// traffic sends what a capture should hold: packets of several types in UDP, one in IP fragments, several in one datagram for the
// card to cut, and a bare one with Router Alert. dst is reached through the interface that is recorded.
func traffic(dst string) error {
	// Not connected, so that what the other end thinks of it is no error.
	c, err := net.ListenPacket("udp4", ":7500")
	if err != nil {
		return err
	}
	defer c.Close()
	send := func(b []byte) error {
		time.Sleep(5 * time.Millisecond) // recorders may be slow
		_, err := c.WriteTo(b, &net.UDPAddr{IP: net.ParseIP(dst), Port: 7500})
		return err
	}
	for _, s := range everyPacket(false)[:9] {
		if err := send(s.bytes()); err != nil {
			return err
		}
	}
	if err := send(odata(50, 3000)); err != nil {
		return err
	}
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	const udpSegment = 103
	var failed error
	raw.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, udpSegment, 524) })
	if failed == nil {
		var run []byte
		for i := range packet.SQN(3) {
			run = append(run, odata(60+i, 500)...)
		}
		if err := send(run); err != nil {
			return err
		}
	}
	bare, err := net.ListenPacket("ip4:113", "0.0.0.0")
	if err != nil {
		return err
	}
	defer bare.Close()
	raw, err = bare.(*net.IPConn).SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptString(int(fd), syscall.IPPROTO_IP, syscall.IP_OPTIONS, "\x94\x04\x00\x00") // Router Alert
	})
	if failed != nil {
		return failed
	}
	if _, err := bare.WriteTo(nakFor(42), &net.IPAddr{IP: net.ParseIP(dst)}); err != nil {
		return err
	}
	return nil
}

// What tcpdump and dumpcap record of live traffic is found in it, whatever the interface and the format.
func TestCapturesOfLiveTraffic(t *testing.T) {
	tcpdump := tool(t, "tcpdump")
	dir := t.TempDir()
	var recorders []*recorder
	h := netns.Test(t).Host()
	h.Cable("v0", h, "v1")
	h.Up("v0", "10.9.0.1/24")
	h.Up("v1")
	h.Await("v0")
	h.Run("ip link set lo mtu 1500\nip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0")
	start := func(name, program string, args ...string) {
		file := filepath.Join(dir, name)
		r, err := startRecorder(h, file, program, append(args, "-w", file)...)
		if err != nil {
			t.Fatal(err)
		}
		recorders = append(recorders, r)
	}
	start("loopback.pcap", tcpdump, "-i", "lo", "-U", "-n", "--immediate-mode", "-Q", "in")
	start("any_sll.pcap", tcpdump, "-i", "any", "-U", "-n", "--immediate-mode", "-y", "LINUX_SLL", "--nano", "-Q", "in", "host", "127.0.0.1")
	start("any_sll2.pcap", tcpdump, "-i", "any", "-U", "-n", "--immediate-mode", "-y", "LINUX_SLL2", "-Q", "in", "host", "127.0.0.1")
	start("cut.pcap", tcpdump, "-i", "lo", "-U", "-n", "--immediate-mode", "-s", "80", "-Q", "in")
	start("ethernet.pcap", tcpdump, "-i", "v1", "-U", "-n", "--immediate-mode", "ip")
	if dumpcap, err := exec.LookPath("dumpcap"); err == nil {
		start("loopback.pcapng", dumpcap, "-i", "lo", "-n", "-q")
	}
	var err error
	h.Do(func() {
		if err = traffic("127.0.0.1"); err == nil {
			err = traffic("10.9.0.2")
		}
	})
	time.Sleep(1500 * time.Millisecond) // the kernel hands dumpcap what it has once a second
	for _, r := range recorders {
		r.stop()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recorders {
		name := filepath.Base(r.file)
		b, err := os.ReadFile(r.file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := contents(b)
		if *rewrite {
			if err := os.WriteFile("testdata/"+name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		// 9 packets, the fragmented one, the 3 that were sent as one, and the bare one.
		if n := strings.Count(got, " octets, "); n != 14 && name != "cut.pcap" || strings.Contains(got, "pcap:") {
			t.Errorf("%s: %d packets:\n%s", name, n, got)
		}
		if !strings.Contains(got, "NAK, 36 octets, router alert") || !strings.Contains(got, "ODATA, 3024 octets, in UDP, fragmented") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}
