package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/internal/netns"
	"github.com/gopgm/gopgm/mld"
	"github.com/gopgm/gopgm/pgm"
)

// Each illness of a path, on a path that has it.
func TestDoctorOnPathsThatAreIll(t *testing.T) {
	for _, c := range []struct {
		name string
		to   string // where the sender sends
		look string // where the doctor looks
		ill  func(sender, here *netns.Host)
		want []string
	}{
		{"none", "239.1.2.3:7500", "239.1.2.3:7500", func(*netns.Host, *netns.Host) {}, []string{"ok a querier asks who listens on this link: 10.9.0.1 (IGMPv3)", "for 239.1.2.3:7500 arrived in UDP", "of data"}},
		{"none, IPv6", "[ff08::7]:7500", "[ff08::7]:7500", func(*netns.Host, *netns.Host) {}, []string{"ok a querier asks who listens on this link: fe80::1 (MLDv2)", "arrived in UDP"}},
		{"no querier", "239.1.2.3:7500", "239.1.2.3:7500", nil, []string{"problem no IGMP querier on this link", "ok session"}},
		{"another port", "239.1.2.3:7501", "239.1.2.3:7500", func(*netns.Host, *netns.Host) {}, []string{"problem packets for 239.1.2.3 came to other UDP ports than 7500: 7501"}},
		{"a firewall", "239.1.2.3:7500", "239.1.2.3:7500", func(_, here *netns.Host) {
			here.Run("nft add table inet filter")
			here.Run("nft add chain inet filter input { type filter hook input priority 0 ; }")
			here.Run("nft add rule inet filter input udp dport 7500 drop")
		}, []string{"and none the socket: a firewall on this host filters the group"}},
		{"no way back", "239.1.2.3:7500", "239.1.2.3:7500", func(sender, here *netns.Host) {
			for _, ifi := range []string{"all", "v0"} {
				here.Set("ipv4/conf/"+ifi+"/rp_filter", "1")
			}
			here.Run("ip route add 10.9.0.1/32 dev lo")
		}, []string{"(reverse path filter)", "rp_filter=2"}},
		{"the end of the TTL", "239.1.2.3:7500", "239.1.2.3:7500", func(sender, here *netns.Host) {
			here.Run("ip addr del 10.9.0.2/24 dev v0") // so that the sender is beyond a router
			here.Run("ip addr add 10.9.0.2/32 dev v0")
			here.Run("ip route add 10.9.0.0/24 dev v0")
			here.Run("ip route add 224.0.0.0/4 dev v0")
		}, []string{"packets of 10.9.0.1 arrive with the last of their TTL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sender, here := netns.Test(t).Pair("10.9.0.%d/24", "fe80::%d/64", "fd09::%d/64")
			if c.ill != nil {
				c.ill(sender, here)
				var q *mld.Querier
				var err error
				sender.Do(func() {
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
			sender.Do(func() { conn, err = d.DialContext(context.Background(), "", "epgm://v0;"+c.to) })
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
			here.Do(func() {
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
