package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/mld"
	"github.com/gopgm/gopgm/pgm"
)

// namespace is a host of its own: a thread in a network namespace that goes with the test.
type namespace struct {
	t    *testing.T
	tid  int
	work chan func()
}

// newNamespace makes a host that has only loopback, or skips the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the ip command, of package iproute2")
	}
	n := &namespace{t: t, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := syscall.Unshare(syscall.CLONE_NEWNET)
		n.tid = syscall.Gettid()
		ready <- err
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	if err := <-ready; err != nil {
		t.Skip("needs root, to make network namespaces: ", err)
	}
	n.run("ip link set lo up")
	return n
}

func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (n *namespace) run(command string) {
	n.t.Helper()
	var out []byte
	var err error
	n.do(func() {
		words := strings.Fields(command)
		out, err = exec.Command(words[0], words[1:]...).CombinedOutput()
	})
	if err != nil {
		n.t.Skipf("cannot set up the network: %s: %v: %s", command, err, out)
	}
}

// Each illness of a path, on a path that has it.
func TestDoctorOnPathsThatAreIll(t *testing.T) {
	for _, c := range []struct {
		name string
		to   string // where the sender sends
		look string // where the doctor looks
		ill  func(sender, here *namespace)
		want []string
	}{
		{"none", "239.1.2.3:7500", "239.1.2.3:7500", func(*namespace, *namespace) {}, []string{"ok a querier asks who listens on this link: 10.9.0.1 (IGMPv3)", "for 239.1.2.3:7500 arrived in UDP", "of data"}},
		{"none, IPv6", "[ff08::7]:7500", "[ff08::7]:7500", func(*namespace, *namespace) {}, []string{"ok a querier asks who listens on this link: fe80::1 (MLDv2)", "arrived in UDP"}},
		{"no querier", "239.1.2.3:7500", "239.1.2.3:7500", nil, []string{"problem no IGMP querier on this link", "ok session"}},
		{"another port", "239.1.2.3:7501", "239.1.2.3:7500", func(*namespace, *namespace) {}, []string{"problem packets for 239.1.2.3 came to other UDP ports than 7500: 7501"}},
		{"a firewall", "239.1.2.3:7500", "239.1.2.3:7500", func(_, here *namespace) {
			here.run("nft add table inet filter")
			here.run("nft add chain inet filter input { type filter hook input priority 0 ; }")
			here.run("nft add rule inet filter input udp dport 7500 drop")
		}, []string{"and none the socket: a firewall on this host filters the group"}},
		{"no way back", "239.1.2.3:7500", "239.1.2.3:7500", func(sender, here *namespace) {
			for _, ifi := range []string{"all", "v0"} {
				here.do(func() { os.WriteFile("/proc/sys/net/ipv4/conf/"+ifi+"/rp_filter", []byte("1"), 0) })
			}
			here.run("ip route add 10.9.0.1/32 dev lo")
		}, []string{"(reverse path filter)", "rp_filter=2"}},
		{"the end of the TTL", "239.1.2.3:7500", "239.1.2.3:7500", func(sender, here *namespace) {
			here.run("ip addr del 10.9.0.2/24 dev v0") // so that the sender is beyond a router
			here.run("ip addr add 10.9.0.2/32 dev v0")
			here.run("ip route add 10.9.0.0/24 dev v0")
			here.run("ip route add 224.0.0.0/4 dev v0")
		}, []string{"packets of 10.9.0.1 arrive with the last of their TTL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sender, here := newNamespace(t), newNamespace(t)
			sender.run(fmt.Sprintf("ip link add v0 type veth peer name v0 netns %d", here.tid))
			for i, n := range []*namespace{sender, here} {
				n.run("ip link set v0 addrgenmode none")
				n.run(fmt.Sprintf("ip addr add 10.9.0.%d/24 dev v0", i+1))
				n.run(fmt.Sprintf("ip addr add fe80::%d/64 dev v0 nodad", i+1))
				n.run(fmt.Sprintf("ip addr add fd09::%d/64 dev v0 nodad", i+1))
				n.run("ip link set v0 up")
			}
			for _, n := range []*namespace{sender, here} {
				n.run("ip -6 route replace multicast ff00::/8 dev v0 table local")
			}
			if c.ill != nil {
				c.ill(sender, here)
				var q *mld.Querier
				var err error
				sender.do(func() {
					ifi, e := net.InterfaceByName("v0")
					if err = e; e == nil {
						q, err = mld.OpenQuerier(ifi, mld.RouterConfig{})
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { q.Close() })
			}
			var conn net.Conn
			var err error
			d := pgm.Dialer{Config: pgm.Config{Rate: 1_000_000, TTL: 1, Logger: slog.New(slog.DiscardHandler)}}
			sender.do(func() { conn, err = d.DialContext(context.Background(), "", "epgm://v0;"+c.to) })
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					if _, err := conn.Write(make([]byte, 1000)); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
			t.Cleanup(func() {
				conn.Close()
				<-done
			})
			var out, errs bytes.Buffer
			var status int
			here.do(func() {
				status = run(context.Background(), []string{"--doctor", "--timeout", "1500ms", "-e", "epgm://v0;" + c.look}, nil, &out, &errs)
			})
			text := strings.Join(strings.Fields(out.String()), " ")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing", want)
				}
			}
			ill := !strings.HasPrefix(c.name, "none")
			if want := map[bool]int{false: console.ExitOK, true: console.ExitFailure}[ill]; status != want || strings.Contains(text, "problem") != ill {
				t.Errorf("exit status %d, want %d", status, want)
			}
			if t.Failed() {
				t.Logf("%s%s", errs.String(), out.String())
			}
		})
	}
}
