package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/mroute"
	"github.com/gopgm/gopgm/internal/netns"
)

// tally counts packets of each type that come to interfaces of the lab.
func (l *lab) tally(devices ...string) {
	l.t.Helper()
	for _, d := range devices {
		host, device, _ := strings.Cut(d, "/")
		_ = l.command(host, "nft", "delete", "table", "netdev", "t"+device).Run()
		rules := fmt.Sprintf("table netdev t%s {\n", device)
		chain := fmt.Sprintf("chain in {\ntype filter hook ingress device %s priority -10;\n", device)
		for name, typ := range map[string]string{"odata": "0x04", "spm": "0x00", "ncf": "0x0a"} {
			rules += "counter " + name + " {}\n"
			chain += l.match(typ) + " counter name " + name + "\n"
		}
		cmd := l.command(host, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules + chain + "}\n}\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			l.t.Fatalf("nft: %s\n%s", out, rules+chain)
		}
	}
}

func (l *lab) tallied(d, name string) int {
	l.t.Helper()
	host, device, _ := strings.Cut(d, "/")
	out := l.in(host, "nft", "list", "counter", "netdev", "t"+device, name)
	n := 0
	if _, rest, ok := strings.Cut(out, "packets "); ok {
		fmt.Sscan(rest, &n)
	}
	return n
}

// labSource is the address of s. Other entries of the kernel are of receivers, which ask for SPMs.
var labSource = netip.MustParseAddr("10.70.0.1")

// The kernel forwards the data of raw sessions of IPv4, and what bears Router Alert comes to the elements and nowhere else: each link has each packet
// once, repairs go where they are asked for, and one NAK reaches the source. Who leaves gets nothing more, and the end of the program ends it all.
func TestKernelForwardsData(t *testing.T) {
	l := newLab(t)
	l.raw = true
	routers := map[string]*program{}
	for e, interfaces := range map[string][]string{"e1": {"in0", "out0"}, "e2": {"in0", "leaf1", "leaf2", "leaf3"}} {
		args := []string{"-e", l.endpoint(""), "--query-interval", "1s", "--status", l.status(e)}
		for _, i := range interfaces {
			args = append(args, "-i", i)
		}
		routers[e] = l.program(t, e, "pgmrouter", args...)
	}
	leaf := func(k int) int { return l.counter("sw", fmt.Sprintf("p%d0", k), "seen") }
	links := []string{"e1/in0", "e2/in0", "sw/p10", "sw/p20", "sw/p30"}
	before := uint64(0)
	for _, test := range []struct {
		name, where string
		leaves      [3]int // repairs for a loss
	}{{"a loss on a leaf", "sw/p10", [3]int{1, 0, 0}}, {"a loss on the first link", "e1/in0", [3]int{1, 1, 1}}} {
		t.Run(test.name, func(t *testing.T) {
			l.watch(map[string]string{test.where: l.onePer200()})
			l.tally(links...)
			l.transfer(t, 500_000, "50M", func() {
				var out string
				for range 100 {
					if out = l.in("e2", "ip", "mroute", "show"); strings.Contains(out, "Oifs: leaf1 leaf2 leaf3") {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Errorf("the kernel's entries: %s", out)
			})
			host, device, _ := strings.Cut(test.where, "/")
			lost := l.counter(host, device, "lost")
			l.asked(t, lost)
			for k, n := range test.leaves {
				if got := leaf(k + 1); got != n*lost {
					t.Errorf("%d lost: %d repairs on leaf %d, want %d", lost, got, k+1, n*lost)
				}
			}
			sent, spms := l.tallied(links[0], "odata"), l.tallied(links[0], "spm")
			if test.where == links[0] {
				sent -= lost
			}
			for _, d := range links[1:] {
				if got := l.tallied(d, "odata"); got != sent {
					t.Errorf("%d data packets came to %s, want %d", got, d, sent)
				}
				if got := l.tallied(d, "spm"); got != spms {
					t.Errorf("%d SPMs came to %s, want %d", got, d, spms)
				}
			}
			s, f := l.shown("e1"), flowStatus{}
			if i := slices.IndexFunc(s.Kernel, func(f flowStatus) bool { return f.Source == labSource }); i >= 0 {
				f = s.Kernel[i]
			}
			if s.Forward != "kernel" || f.Packets-before < uint64(sent) || s.Element.ODATA != 0 {
				t.Errorf("%s forwards %+v, and the program %d; %d were sent", s.Forward, f, s.Element.ODATA, sent)
			}
			before = f.Packets
		})
	}
	t.Run("nobody listens any more", func(t *testing.T) {
		l.await(t, "all have left, and the kernel of e2 forwards to nobody", func() bool {
			s := l.shown("e2") // on a busy machine, the entry may be gone already: it is a minute old
			return s.Forward == forwardKernel && !slices.ContainsFunc(s.Kernel, func(f flowStatus) bool { return f.Source == labSource && len(f.To) > 0 })
		})
	})
	t.Run("a program on the router joins", func(t *testing.T) {
		local := l.program(t, "e2", "pgmrecv", "-e", l.endpoint("leaf1;"), "--progress", "none", "--dir", t.TempDir())
		l.await(t, "the router forwards by itself, and says why", func() bool {
			return l.shown("e2").Forward == "user" && strings.Contains(routers["e2"].said.String(), "has joined it on leaf1")
		})
		l.watch(nil)
		l.tally(links...)
		l.transfer(t, 200_000, "50M", nil)
		for _, typ := range []string{"odata", "spm"} {
			sent := l.tallied(links[0], typ)
			for _, d := range links[1:] {
				if got := l.tallied(d, typ); got != sent {
					t.Errorf("%d %s packets came to %s, want %d", got, typ, d, sent)
				}
			}
		}
		if s := l.shown("e1"); s.Forward != "kernel" {
			t.Errorf("the other router forwards by %q", s.Forward)
		}
		_ = local.Process.Kill()
	})
	t.Run("the program ends", func(t *testing.T) {
		r := routers["e1"]
		_ = r.Process.Signal(syscall.SIGTERM)
		_ = r.Wait()
		if out := l.in("e1", "ip", "mroute", "show"); out != "" {
			t.Errorf("entries have stayed: %s", out)
		}
	})
}

// Where another program has the kernel's multicast routing, the router learns so, and goes on without.
func TestKernelMayBeTaken(t *testing.T) {
	host := netns.Test(t).Host()
	host.Do(func() {
		table, err := mroute.Open(nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer table.Close()
		if _, err := openKernel(nil, nil); !errors.Is(err, mroute.ErrTaken) {
			t.Errorf("got %v, want %v", err, mroute.ErrTaken)
		}
		table.Close()
		k, err := openKernel(nil, nil)
		if err != nil {
			t.Errorf("when the other has ended: %v", err)
			return
		}
		k.close()
	})
}
