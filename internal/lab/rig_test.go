//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// This test program is also the sender and the receiver inside the namespaces:
// the variable says which.
const roleVariable = "GOPGM_LAB_TEST_ROLE"

const (
	testGroup   = "239.192.77.99:7599"
	testPackets = 20_000
	testLoss    = 10 // percent
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "send":
		exitWith(sendPackets())
	case "receive":
		exitWith(countPackets())
	}
	os.Exit(m.Run())
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// sendPackets multicasts small packets, in bursts that no receive buffer
// overflows from.
func sendPackets() error {
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(testGroup)))
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := range testPackets {
		if _, err := conn.Write([]byte("a packet")); err != nil {
			return err
		}
		if i%50 == 49 {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// setReadBuffer makes room for all packets, so that none is lost on a host that is too busy to read them.
func setReadBuffer(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soRcvBufForce, 32<<20)
	})
	return errors.Join(err, set)
}

// soRcvBufForce is SO_RCVBUFFORCE, which package syscall does not name.
const soRcvBufForce = 33

// countPackets prints how many packets it hears until none has come for a while.
func countPackets() error {
	dev, err := net.InterfaceByName(hostDevice)
	if err != nil {
		return err
	}
	conn, err := net.ListenMulticastUDP("udp4", dev, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(testGroup)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := setReadBuffer(conn); err != nil {
		return err
	}
	buf := make([]byte, 100)
	n := 0
	for wait := 20 * time.Second; ; wait = time.Second {
		conn.SetReadDeadline(time.Now().Add(wait))
		if _, err := conn.Read(buf); err != nil {
			break
		}
		n++
	}
	fmt.Println(n)
	return nil
}

// needRig skips a test that cannot have a net of its own here.
func needRig(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip(errNotRoot)
	}
	if missing := missingTools(rigTools); len(missing) > 0 {
		t.Skipf("%s is missing: %s", missing[0].command, strings.Join(installLine(missing), " "))
	}
	netns.Test(t).Host() // or there are no network namespaces here
	lock, err := acquireLock(lockPath)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(lock.release)
}

// startSelf starts this test program on a host.
func startSelf(t *testing.T, role string, h *netns.Host) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := []string{"env", roleVariable + "=" + role, self}
	p, err := startProcess(role, h, filepath.Join(t.TempDir(), role), argv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func TestRigDropsWhatItSays(t *testing.T) {
	needRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := newRig(ctx, 1, false)
	defer r.close()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.setLoss(testLoss, 0); err != nil {
		t.Fatal(err)
	}
	group := netip.MustParseAddrPort(testGroup).Addr()
	receiver := startSelf(t, "receive", r.hosts[1])
	if !receiver.waitJoined(ctx, group) {
		t.Fatalf("the receiver did not join %s: %s", group, receiver.lastWords())
	}
	sender := startSelf(t, "send", r.hosts[0])
	if !sender.wait(ctx) || !receiver.wait(ctx) || sender.status != 0 || receiver.status != 0 {
		t.Fatalf("sender: %s; receiver: %s", sender.lastWords(), receiver.lastWords())
	}

	counts, err := r.lossCounts()
	if err != nil {
		t.Fatal(err)
	}
	seen, dropped := counts[0].Seen, counts[0].Dropped
	if seen != testPackets {
		t.Errorf("the hook saw %d packets, want %d", seen, testPackets)
	}
	// Of n draws with probability p, five standard deviations.
	const p = testLoss / 100.0
	if off := math.Abs(float64(dropped) - testPackets*p); off > 5*math.Sqrt(testPackets*p*(1-p)) {
		t.Errorf("%d of %d packets dropped, want about %.0f", dropped, seen, testPackets*p)
	}
	var received int64
	fmt.Sscan(string(receiver.output()), &received)
	if received != seen-dropped {
		t.Errorf("received %d packets, want %d - %d", received, seen, dropped)
	}
	if sender.cpu <= 0 || sender.peak <= 0 {
		t.Errorf("sender's CPU time %v, peak %d: want both above zero", sender.cpu, sender.peak)
	}

	if err := r.setLoss(0, 0); err != nil {
		t.Errorf("removing the hooks: %v", err)
	}
}

// An interrupt while the net is being built ends the building.
func TestInterruptEndsTheBuilding(t *testing.T) {
	needRig(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	r, err := newRig(ctx, 20, false)
	defer r.close()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a net of 20 hosts in 30 ms: %v", err)
	}
}

func TestUplinkIsLimited(t *testing.T) {
	needRig(t)
	r, err := newRig(t.Context(), 1, true)
	defer r.close()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.limitUplink("500mbit"); err != nil {
		t.Fatal(err)
	}
	out, err := r.hosts[0].Try("tc qdisc show dev " + hostDevice)
	if err != nil || !strings.Contains(out, "tbf") || !strings.Contains(out, "500Mbit") {
		t.Errorf("got %q, %v; want tbf at 500Mbit", out, err)
	}
}

// A TCP flow fills the queue of the trunk until it loses packets, as it would in a network, and with packets of 64 KiB too, of which the
// kernel would let it have two in a queue of its own host.
func TestTCPFillsTheTrunk(t *testing.T) {
	needRig(t)
	if _, err := exec.LookPath("iperf3"); err != nil {
		t.Skip("no iperf3")
	}
	r, err := newRig(t.Context(), 1, true)
	defer r.close()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.limitTrunk("50mbit", true); err != nil {
		t.Fatal(err)
	}
	f, err := startTCPFlows(t.Context(), r, 1, "cubic", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f.stop()
	out, err := r.sw.Try("tc -s qdisc show dev t0")
	if err != nil || !strings.Contains(out, "tbf") || strings.Contains(out, "dropped 0,") {
		t.Errorf("got %q, %v; want tbf, and packets that it dropped", out, err)
	}
}
