package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// lab is a network of namespaces: a source, an element, a second element, and behind that three networks of three receivers each.
//
//	s — e1 — e2 — leaf1: r11 r12 r13, leaf2: r21 r22 r23, leaf3: r31 r32 r33, and d, who repairs
type lab struct {
	t     *testing.T
	hosts map[string]*netns.Host
	bin   string
	group string // empty: the default
	raw   bool   // PGM as an IP protocol
	v6    bool

	before lateness // when watch began
}

// newHosts makes hosts and builds the programs, or skips the test.
func newHosts(t *testing.T, hosts ...string) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("a lab of namespaces takes its time")
	}
	n := netns.Test(t, "nft", "ethtool", "sysctl", "go")
	l := &lab{t: t, hosts: map[string]*netns.Host{}, bin: t.TempDir()}
	for _, h := range hosts {
		l.hosts[h] = n.Host()
	}
	linkPrograms(t, l.bin)
	return l
}

// newLab builds the network.
func newLab(t *testing.T) *lab {
	t.Helper()
	hosts := []string{"s", "e1", "e2", "sw", "d"}
	for k := 1; k <= 3; k++ {
		for j := 1; j <= 3; j++ {
			hosts = append(hosts, fmt.Sprintf("r%d%d", k, j))
		}
	}
	l := newHosts(t, hosts...)
	l.link("s", "u0", "10.70.0.1/24", "e1", "in0", "10.70.0.2/24")
	l.link("e1", "out0", "10.70.1.1/24", "e2", "in0", "10.70.1.2/24")
	for k := 1; k <= 3; k++ {
		bridge := fmt.Sprintf("br%d", k)
		l.in("sw", "ip", "link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
		l.in("sw", "ip", "link", "set", bridge, "up")
		l.link("e2", fmt.Sprintf("leaf%d", k), fmt.Sprintf("10.70.1%d.1/24", k), "sw", fmt.Sprintf("p%d0", k), "")
		l.in("sw", "ip", "link", "set", fmt.Sprintf("p%d0", k), "master", bridge)
		for j := 1; j <= 3; j++ {
			l.host(fmt.Sprintf("r%d%d", k, j), k, j)
		}
	}
	l.host("d", 3, 4)
	l.in("s", "ip", "route", "add", "default", "via", "10.70.0.2")
	l.in("e1", "ip", "route", "add", "10.70.0.0/16", "via", "10.70.1.2")
	l.in("e2", "ip", "route", "add", "default", "via", "10.70.1.1")
	l.in("s", "ip", "route", "add", "default", "via", six("10.70.0.2"))
	l.in("e1", "ip", "route", "add", "fd46::/16", "via", six("10.70.1.2"))
	l.in("e2", "ip", "route", "add", "default", "via", six("10.70.1.1"))
	for _, e := range []string{"e1", "e2"} {
		l.in(e, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	}
	return l
}

// host links a host to leaf k.
func (l *lab) host(name string, k, j int) {
	port := fmt.Sprintf("p%d%d", k, j)
	l.link(name, "u0", fmt.Sprintf("10.70.1%d.1%d/24", k, j), "sw", port, "")
	l.in("sw", "ip", "link", "set", port, "master", fmt.Sprintf("br%d", k))
	for _, via := range []string{fmt.Sprintf("10.70.1%d.1", k), six(fmt.Sprintf("10.70.1%d.1", k))} {
		l.in(name, "ip", "route", "add", "default", "via", via)
	}
}

// six returns the IPv6 address of whoever has an IPv4 address: fd46:0:0:2::1 of 10.70.2.1.
func six(addr string) string {
	a := netip.MustParseAddr(addr).As4()
	return netip.AddrFrom16([16]byte{0xfd, a[1], 7: a[2], 15: a[3]}).String()
}

func (l *lab) link(a, ai, aa, b, bi, ba string) {
	l.hosts[a].Cable(ai, l.hosts[b], bi)
	ends := [][3]string{{a, ai, aa}, {b, bi, ba}}
	for _, e := range ends {
		// Packets are lost one by one only if they are not joined.
		_ = l.command(e[0], "ethtool", "-K", e[1], "gso", "off", "gro", "off", "tso", "off", "tx-udp-segmentation", "off").Run()
		var addresses []string
		if addr, _, ok := strings.Cut(e[2], "/"); ok {
			addresses = []string{e[2], six(addr) + "/64", fmt.Sprintf("fe80::%x/64", netip.MustParseAddr(addr).AsSlice()[3])}
		}
		l.hosts[e[0]].Up(e[1], addresses...)
	}
	for _, e := range ends {
		l.hosts[e[0]].Await(e[1])
	}
}

// in runs a command on a host.
func (l *lab) in(host string, args ...string) string {
	l.t.Helper()
	out, err := l.command(host, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// command is a program that is to run on a host.
type command struct {
	*exec.Cmd
	host *netns.Host
}

func (l *lab) command(host string, args ...string) *command {
	return l.commandContext(context.Background(), host, args...)
}

func (l *lab) commandContext(ctx context.Context, host string, args ...string) *command {
	return &command{exec.CommandContext(ctx, args[0], args[1:]...), l.hosts[host]}
}

func (c *command) Start() error { return c.host.Start(c.Cmd) }

func (c *command) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

func (c *command) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// program starts one of our programs on a host; it ends with the test.
func (l *lab) program(t *testing.T, host, name string, args ...string) *program {
	t.Helper()
	p := &program{command: l.command(host, append([]string{filepath.Join(l.bin, name)}, args...)...)}
	p.Stderr = &p.said
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Logf("%s on %s: %s", name, host, p.said.String())
		}
	})
	return p
}

// program is one of ours that runs, and what it has said so far.
type program struct {
	*command
	said transcript
}

// transcript is a buffer that may be looked at while it is written.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (l *lab) endpoint(i string) string {
	network, group := "epgm://", "239.192.77.71"
	if l.raw {
		network = "pgm://"
	}
	if l.group != "" {
		group = l.group
	}
	return network + i + group + ":7500"
}

// status is the status socket of the router on a host.
func (l *lab) status(host string) string { return filepath.Join(l.bin, host+".sock") }

// transfer sends a file from s to the nine receivers, which all must have it whole. during is called when it has begun.
func (l *lab) transfer(t *testing.T, size int, rate string, during func(), flags ...string) {
	t.Helper()
	var hosts []string
	for k := 1; k <= 3; k++ {
		for j := 1; j <= 3; j++ {
			hosts = append(hosts, fmt.Sprintf("r%d%d", k, j))
		}
	}
	ready := func(receivers []*program) { l.heard(t, receivers) }
	l.deliver(t, hosts, size, rate, ready, during, append([]string{"--expect", "9"}, flags...)...)
}

// deliver sends a file from s to hosts, which all must have it whole, after ready, which waits until what the receivers hear reaches them.
func (l *lab) deliver(t *testing.T, hosts []string, size int, rate string, ready func([]*program), during func(), flags ...string) {
	t.Helper()
	dir := t.TempDir()
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{7})
	_, _ = rng.Read(data)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var receivers []*program
	for _, h := range hosts {
		if err := os.Mkdir(filepath.Join(dir, h), 0o755); err != nil {
			t.Fatal(err)
		}
		receivers = append(receivers, l.program(t, h, "pgmrecv", "-e", l.endpoint("u0;"), "--once", "--timeout", "30s", "--progress", "none", "--dir", filepath.Join(dir, h)))
	}
	ready(receivers)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // on a busy machine it may take one
	defer cancel()
	args := []string{filepath.Join(l.bin, "pgmsend"), "-e", l.endpoint("u0;"), "--rate", rate, "--progress", "none"}
	send := l.commandContext(ctx, "s", slices.Concat(args, flags, []string{file})...)
	var out bytes.Buffer
	send.Stderr = &out
	if err := send.Start(); err != nil {
		t.Fatal(err)
	}
	if during != nil {
		during()
	}
	if err := send.Wait(); err != nil {
		t.Fatalf("pgmsend: %v\n%s", err, out.String())
	}
	want := sha256.Sum256(data)
	for i, r := range receivers {
		_ = r.Wait()
		got, err := os.ReadFile(filepath.Join(dir, hosts[i], "file"))
		if err != nil || sha256.Sum256(got) != want {
			t.Errorf("%s does not have it: %v", hosts[i], err)
		}
	}
}

// heard waits until all receivers have joined and the elements know who listens: the second one of all leaves, the first one of the second,
// which joined perhaps before the first was there to hear it say so, and then says it again when it is asked, after up to ten seconds. What a
// session sends before is lost to some, and no test lost it.
func (l *lab) heard(t *testing.T, receivers []*program) {
	t.Helper()
	knows := func(host string, links ...string) bool {
		for _, v := range l.shown(host).Links { // others may be true too: each element listens on the link between the two
			if i := slices.Index(links, v.Name); i >= 0 && v.Listens {
				links = slices.Delete(links, i, i+1)
			}
		}
		return len(links) == 0
	}
	joined := func() bool {
		return !slices.ContainsFunc(receivers, func(p *program) bool { return !strings.Contains(p.said.String(), "listening on") })
	}
	for range 150 {
		if joined() && knows("e1", "out0") && knows("e2", "leaf1", "leaf2", "leaf3") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the leaves do not say that they listen")
}

// shown is what the element on a host says of the group; empty while it does not answer.
func (l *lab) shown(host string) status {
	var out, complaint bytes.Buffer
	if run(context.Background(), []string{"--show", "--json", "--status", l.status(host)}, &out, &complaint) != 0 {
		return status{}
	}
	for d := json.NewDecoder(&out); ; {
		var s status
		if err := d.Decode(&s); err != nil || s.Group == l.endpoint("") {
			return s
		}
	}
}

// await waits until something is so.
func (l *lab) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 150 {
		if so() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

// routers starts the two elements, for all groups that are used.
func (l *lab) routers(t *testing.T) {
	for e, interfaces := range map[string][]string{"e1": {"in0", "out0"}, "e2": {"in0", "leaf1", "leaf2", "leaf3"}} {
		args := []string{
			"-e", l.endpoint(""), "-e", "epgm://239.192.77.72:7500", "-e", "pgm://239.192.77.71:7500", "-e", "epgm://[ff08::77]:7500", "-e", "pgm://[ff08::77]:7500",
			"--discover", "1s", "--query-interval", "1s", "--status", l.status(e),
		}
		for _, i := range interfaces {
			args = append(args, "-i", i)
		}
		l.program(t, e, "pgmrouter", args...)
	}
}

// §7 over real sockets, over IPv4 and IPv6, in UDP and as an IP protocol: NAKs and repairs stay where something is missing.
func TestElementsInNamespaces(t *testing.T) {
	l := newLab(t)
	l.routers(t)
	leaf := func(k int) int { return l.counter("sw", fmt.Sprintf("p%d0", k), "seen") }
	onOneLeaf := func(t *testing.T) {
		t.Helper()
		lost := l.counter("sw", "p10", "lost")
		l.asked(t, lost)
		l.repaired(t, lost, 1)
		if leaf(2)+leaf(3) != 0 {
			t.Errorf("%d lost on one leaf: repairs on the leaves: %d, %d, %d", lost, leaf(1), leaf(2), leaf(3))
		}
	}
	t.Run("a loss on a leaf", func(t *testing.T) {
		l.watch(map[string]string{"sw/p10": l.onePer200()})
		l.transfer(t, 500_000, "50M", nil)
		onOneLeaf(t)
	})
	t.Run("a loss on the first link", func(t *testing.T) {
		l.watch(map[string]string{"e1/in0": l.onePer200()})
		l.transfer(t, 500_000, "50M", nil)
		lost := l.counter("e1", "in0", "lost")
		l.asked(t, lost)
		for k := 1; k <= 3; k++ {
			l.repaired(t, lost, k)
		}
	})
	t.Run("5 % of everything on two leaves", func(t *testing.T) {
		drop := l.match("") + " numgen random mod 100 < 5"
		l.watch(map[string]string{"sw/p10": drop, "sw/p20": drop, "e2/in0": drop})
		l.transfer(t, 1_000_000, "50M", nil)
		if leaf(1) == 0 || leaf(2) == 0 || leaf(3) != 0 {
			t.Errorf("repairs on the leaves: %d, %d, and %d on the clean one", leaf(1), leaf(2), leaf(3))
		}
	})
	t.Run("a repairer, which is killed", func(t *testing.T) {
		l.watch(map[string]string{"sw/p10": l.onePer200()})
		status := l.status("d")
		d := l.program(t, "d", "pgmrouter", "-e", l.endpoint(""), "--repairer", "-i", "u0", "--status", status)
		alone := 0 // NAKs at the source until it was
		l.transfer(t, 8_000_000, "20M", func() {
			l.await(t, "the repairer repairs", func() bool {
				e := l.shown("d").Repairer
				return e != nil && e.Repairs >= 4 || l.late().unredirected > 0
			})
			// The first, by which repairers are looked for.
			if naks, late := l.counter("s", "u0", "seen"), l.late(); naks > 2+late.repeated && late.unredirected == 0 {
				t.Errorf("%d NAKs reached the source for %d losses, which the repairer has, %+v", naks, l.counter("sw", "p10", "lost"), late)
			}
			_ = d.Process.Kill()
			_ = d.Wait()
			alone = l.counter("s", "u0", "seen")
		})
		if naks := l.counter("s", "u0", "seen"); naks < alone+3 {
			t.Errorf("%d NAKs reached the source after the repairer was killed", naks-alone)
		}
		if leaf(2) != 0 {
			t.Errorf("%d repairs on a clean leaf", leaf(2))
		}
	})
	t.Run("a repairer, by parity", func(t *testing.T) {
		l.watch(map[string]string{"sw/p10": l.onePer200()})
		l.program(t, "d", "pgmrouter", "-e", l.endpoint(""), "--repairer", "-i", "u0", "--status", l.status("d"))
		l.transfer(t, 3_000_000, "20M", nil, "--fec", "k=16,proactive=0")
		d := l.shown("d").Repairer
		lost, naks := l.counter("sw", "p10", "lost"), l.counter("s", "u0", "seen")
		if late := l.late(); d == nil || d.ParityNAKs == 0 || int(d.ParityRepairs)+naks < lost || naks > 3+late.repeated && late.unredirected == 0 || leaf(2) != 0 {
			t.Errorf("%d lost: %d NAKs reached the source, %+v, the repairer did %+v", lost, naks, late, d)
		}
	})
	// One process serves all of these.
	for _, group := range []lab{{group: "239.192.77.72"}, {raw: true}, {group: "[ff08::77]", v6: true}, {group: "[ff08::77]", v6: true, raw: true}} {
		l.group, l.v6, l.raw = group.group, group.v6, group.raw
		t.Run("a loss on a leaf, "+l.endpoint(""), func(t *testing.T) {
			l.watch(map[string]string{"sw/p10": l.onePer200()})
			l.transfer(t, 500_000, "50M", nil)
			onOneLeaf(t)
		})
	}
}
