package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// newNet makes a bridge and n hosts, each a network namespace, and returns those of the hosts.
func newNet(t *testing.T, n int) (hosts []string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing", tool)
		}
	}
	prefix := fmt.Sprintf("kv%d", os.Getpid())
	sw := prefix + "s"
	run := func(line string) {
		t.Helper()
		f := strings.Fields(line)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", line, err, out)
		}
	}
	t.Cleanup(func() {
		for _, ns := range append(hosts, sw) {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	run("ip netns add " + sw)
	run("ip -n " + sw + " link add br0 type bridge mcast_snooping 0 forward_delay 0")
	run("ip -n " + sw + " link set br0 up")
	for i := range n {
		h := fmt.Sprintf("%sh%d", prefix, i)
		hosts = append(hosts, h)
		run("ip netns add " + h)
		run(fmt.Sprintf("ip link add e0 netns %s type veth peer name p%d netns %s", h, i, sw))
		run(fmt.Sprintf("ip -n %s link set p%d master br0 up", sw, i))
		run(fmt.Sprintf("ip -n %s addr add 10.80.0.%d/24 dev e0", h, 10+i))
		run("ip -n " + h + " link set lo up")
		run("ip -n " + h + " link set e0 up")
		run("ip -n " + h + " route add 224.0.0.0/4 dev e0")
		run("ip netns exec " + h + " nft add table ip kv")
		run("ip netns exec " + h + " nft add chain ip kv in { type filter hook input priority 0 ; }")
		run("ip netns exec " + h + " nft add chain ip kv out { type filter hook output priority 0 ; }")
	}
	return hosts
}

// Histories are linearizable while hosts are cut off, one way or both, replicas are killed and stopped, and one packet in a hundred is lost.
func TestLinearizableThroughPartitions(t *testing.T) {
	const n = 3
	hosts := newNet(t, n)
	nft := func(i int, what string) {
		if out, err := exec.Command("ip", append([]string{"netns", "exec", hosts[i], "nft"}, strings.Fields(what)...)...).CombinedOutput(); err != nil {
			t.Errorf("nft %s: %v: %s", what, err, out)
		}
	}
	loss := func(i int) { nft(i, "add rule ip kv in ip protocol udp numgen random mod 100 < 1 drop") }
	for i := range n {
		loss(i)
	}
	c := newCluster(t, n, hosts)
	for i := range n {
		c.await(i, n)
	}
	cut := func(i int, in, out bool) {
		if out {
			nft(i, "add rule ip kv out ip protocol udp drop")
		}
		if in {
			nft(i, "insert rule ip kv in ip protocol udp drop")
		}
		time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
		nft(i, "flush chain ip kv out")
		nft(i, "flush chain ip kv in")
		loss(i)
	}
	did := map[string]int{}
	history(t, c, n, func(end time.Time) {
		for round := 0; time.Until(end) > 1500*time.Millisecond; round++ {
			time.Sleep(300 * time.Millisecond)
			i, what := rand.IntN(n), []string{"cut", "kill", "deaf", "stop", "dumb"}[round%5]
			switch did[what]++; what {
			case "kill", "stop":
				c.harm(i, what == "kill")
			default:
				cut(i, what != "dumb", what != "deaf")
			}
			for i := range n {
				c.await(i, n)
			}
		}
	})
	t.Logf("done to replicas: %v", did)
}
