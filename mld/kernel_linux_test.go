package mld

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// quick is a querier's configuration whose times are those of a test.
var quick = RouterConfig{QueryInterval: time.Second, ResponseInterval: 200 * time.Millisecond, LastInterval: 200 * time.Millisecond}

// join has the kernel of the host listen to a group, from one source or, if that is empty, from any.
func (n *namespace) join(ifi, group, source string) (leave func()) {
	n.t.Helper()
	link := n.link(ifi)
	var c net.PacketConn
	var err error
	n.Do(func() {
		g := &net.UDPAddr{IP: net.ParseIP(group)}
		s := &net.UDPAddr{IP: net.ParseIP(source)}
		if g.IP.To4() != nil {
			if c, err = net.ListenPacket("udp4", "0.0.0.0:0"); err != nil {
				return
			}
			p := ipv4.NewPacketConn(c)
			if source == "" {
				err = p.JoinGroup(link, g)
			} else {
				err = p.JoinSourceSpecificGroup(link, g, s)
			}
			return
		}
		if c, err = net.ListenPacket("udp6", "[::]:0"); err != nil {
			return
		}
		p := ipv6.NewPacketConn(c)
		if source == "" {
			err = p.JoinGroup(link, g)
		} else {
			err = p.JoinSourceSpecificGroup(link, g, s)
		}
	})
	if err != nil {
		n.t.Fatalf("joining %s: %v", group, err)
	}
	n.t.Cleanup(func() { c.Close() })
	return func() { c.Close() }
}

// known returns what a querier knows of a group.
func known(q *Querier, group string) (Filter, bool) {
	for _, s := range q.Status() {
		if f, ok := s.Groups[addr(group)]; ok {
			return f, true
		}
	}
	return Filter{}, false
}

// Linux hosts, in each version that they speak, answer the querier: what they listened to before it came, what they join, what they leave. So our
// queries are what the kernel takes for valid, and its reports and Dones what we do.
func TestKernelHostAnswersOurQueries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		mld, igmp string // forced
		v6, v4    Version
	}{
		{"MLDv2 and IGMPv3", "0", "0", MLDv2, IGMPv3},
		{"MLDv1 and IGMPv2", "1", "2", MLDv1, IGMPv2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			router, host := newNamespace(t), newNamespace(t)
			cable(router, "v0", 1, host, "v0", 2)
			host.Set("ipv6/conf/v0/force_mld_version", c.mld)
			host.Set("ipv4/conf/v0/force_igmp_version", c.igmp)
			router.Await("v0")
			host.Await("v0")
			leave6 := host.join("v0", "ff08::77", "")
			leave4 := host.join("v0", "239.7.7.7", "")
			ssm6 := host.join("v0", "ff38::77", "fd09::99")
			ssm4 := host.join("v0", "232.7.7.7", "10.9.0.99")
			time.Sleep(50 * time.Millisecond) // the reports of joining are gone

			q := router.querier("v0", quick)
			want := func(group string, f Filter) func() bool {
				return func() bool {
					got, ok := known(q, group)
					return ok && got.Equal(f)
				}
			}
			eventually(t, 5*time.Second, "ff08::77 from any source", want("ff08::77", AnySource))
			eventually(t, 5*time.Second, "239.7.7.7 from any source", want("239.7.7.7", AnySource))
			if c.v6 == MLDv2 {
				eventually(t, 5*time.Second, "ff38::77 from one source", want("ff38::77", Include(addr("fd09::99"))))
			}
			if c.v4 == IGMPv3 {
				eventually(t, 5*time.Second, "232.7.7.7 from one source", want("232.7.7.7", Include(addr("10.9.0.99"))))
			}
			host.join("v0", "ff08::78", "")
			eventually(t, 3*time.Second, "ff08::78, joined while the querier runs", want("ff08::78", AnySource))

			leave6()
			leave4()
			ssm6()
			ssm4()
			gone := func(group string) func() bool {
				return func() bool { _, ok := known(q, group); return !ok }
			}
			eventually(t, 5*time.Second, "ff08::77 without listeners", gone("ff08::77"))
			eventually(t, 5*time.Second, "239.7.7.7 without listeners", gone("239.7.7.7"))
			eventually(t, 5*time.Second, "ff38::77 without listeners", gone("ff38::77"))
			eventually(t, 5*time.Second, "232.7.7.7 without listeners", gone("232.7.7.7"))
			for _, s := range q.Status() {
				if s.Stats.Invalid.Total() > 0 || s.Failed > 0 || !s.Elected {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// newSwitch makes a host with the bridge br0, which snoops, with the options given besides.
func newSwitch(t *testing.T, options string) *namespace {
	s := newNamespace(t)
	s.Run("ip link add br0 type bridge mcast_snooping 1 " + options)
	s.Run("ip link set br0 addrgenmode none")
	s.up("br0", 200)
	return s
}

// plug joins a host to a port of a switch.
func (n *namespace) plug(port string, host *namespace, number int) {
	cable(n, port, 0, host, "v0", number)
	n.Run("ip link set " + port + " master br0")
	host.Await("v0")
}

// mdb returns what the switch has of a group: the line of its forwarding database.
func (n *namespace) mdb(port, group string) string {
	out, err := n.Try("bridge -d mdb show dev br0")
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "port "+port+" ") && strings.Contains(line, "grp "+group+" ") && !strings.Contains(line, " src ") {
			return line
		}
	}
	return ""
}

// The kernel's bridge, as querier, hears our listener in both versions: it forwards while we listen, longer than it would without an answer to its
// queries, and no longer.
func TestListenerAnswersTheKernelsQuerier(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		mld, igmp int
	}{{2, 3}, {1, 2}} {
		t.Run(fmt.Sprintf("MLDv%d and IGMPv%d", v.mld, v.igmp), func(t *testing.T) {
			t.Parallel()
			sw := newSwitch(t, fmt.Sprintf("mcast_querier 1 mcast_mld_version %d mcast_igmp_version %d mcast_query_interval 100 mcast_query_response_interval 30 "+
				"mcast_membership_interval 250 mcast_startup_query_interval 100 mcast_last_member_interval 30", v.mld, v.igmp))
			host := newNamespace(t)
			sw.plug("p1", host, 1)
			loop := NewLoop()
			var listeners []*Listener
			link := host.link("v0")
			for _, f := range []Family{MLD, IGMP} {
				var p *Port
				var err error
				host.Do(func() { p, err = OpenPort(link, f) })
				if err != nil {
					t.Fatal(err)
				}
				l, err := NewListener(ListenerConfig{Family: f, Address: p.Address(), MTU: p.MTU()}, rand.New(rand.NewPCG(1, 2)))
				if err != nil {
					t.Fatal(err)
				}
				loop.Add(p, l)
				listeners = append(listeners, l)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- loop.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			listen := func(f Filter) {
				loop.Do(func(now time.Time) {
					for i, g := range []string{"ff08::5", "239.5.5.5"} {
						if err := listeners[i].Listen(now, 1, addr(g), f); err != nil {
							t.Error(err)
						}
					}
				})
			}
			version := func() bool { // the queries have said which version is spoken
				ok := false
				loop.Do(func(time.Time) {
					ok = listeners[0].Stats().Queries > 0 && listeners[1].Stats().Queries > 0 &&
						listeners[0].Version() == Version(v.mld+1) && listeners[1].Version() == Version(v.igmp)
				})
				return ok
			}
			eventually(t, 10*time.Second, "the bridge's queries are heard, and its version is spoken", version)
			listen(AnySource)
			there := func() bool { return sw.mdb("p1", "ff08::5") != "" && sw.mdb("p1", "239.5.5.5") != "" }
			eventually(t, 3*time.Second, "the bridge has both groups", there)
			for range 8 { // longer than mcast_membership_interval
				time.Sleep(500 * time.Millisecond)
				if !there() {
					t.Fatal("the bridge has forgotten a group that is listened to")
				}
			}
			if v.mld == 2 {
				loop.Do(func(now time.Time) {
					if err := listeners[0].Listen(now, 1, addr("ff38::5"), Include(addr("fd09::9"))); err != nil {
						t.Error(err)
					}
				})
				eventually(t, 3*time.Second, "the bridge has the source", func() bool {
					line := sw.mdb("p1", "ff38::5")
					return strings.Contains(line, "filter_mode include") && strings.Contains(line, "fd09::9")
				})
			}
			listen(Filter{})
			eventually(t, 5*time.Second, "the bridge has neither group", func() bool {
				return sw.mdb("p1", "ff08::5") == "" && sw.mdb("p1", "239.5.5.5") == ""
			})
		})
	}
}

// hearing counts what a host receives of a group.
func (n *namespace) hearing(group string) func() int {
	n.t.Helper()
	link := n.link("v0")
	var c *net.UDPConn
	var err error
	n.Do(func() { c, err = net.ListenMulticastUDP("udp", link, &net.UDPAddr{IP: net.ParseIP(group), Port: 7500}) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	b := make([]byte, 100)
	return func() (count int) {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		for {
			if _, _, err := c.ReadFrom(b); err != nil {
				return count
			}
			count++
		}
	}
}

// A snooping switch without a querier ends a session when its memory of the joins does; one with our querier does not. The switch here forwards
// as the dumbest do: it believes for ever that there is a querier, and so never falls back to flooding.
func TestSnoopingSwitchKeepsSessionsAliveWhileTheQuerierRuns(t *testing.T) {
	t.Parallel()
	sw := newSwitch(t, "mcast_querier 0 mcast_querier_interval 360000 mcast_membership_interval 200 mcast_query_response_interval 30 mcast_last_member_interval 30")
	sender, receiver := newNamespace(t), newNamespace(t)
	sw.plug("p1", sender, 1)
	sw.plug("p2", receiver, 2)
	q := sender.querier("v0", quick)
	four, six := receiver.hearing("239.9.9.9"), receiver.hearing("ff08::99")
	send := sender.sending(t, "239.9.9.9:7500", "[ff08::99%v0]:7500")

	live := func(d time.Duration) (n4, n6, sent int) {
		for end := time.Now().Add(d); time.Now().Before(end); {
			send()
			sent++
			n4 += four()
			n6 += six()
		}
		return n4, n6, sent
	}
	eventually(t, 5*time.Second, "packets of both families arrive", func() bool {
		n4, n6, _ := live(100 * time.Millisecond)
		return n4 > 0 && n6 > 0
	})
	if n4, n6, sent := live(4 * time.Second); n4 < sent*9/10 || n6 < sent*9/10 {
		t.Errorf("with the querier, for twice the memory of the switch: %d and %d of %d packets came", n4, n6, sent)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	live(3 * time.Second)
	if n4, n6, sent := live(time.Second); n4 > 0 || n6 > 0 {
		t.Errorf("without the querier: %d and %d of %d packets still came: the switch does not prune, and the test shows nothing", n4, n6, sent)
	}
	sender.querier("v0", quick)
	eventually(t, 5*time.Second, "the querier is back, and so are the packets", func() bool {
		n4, n6, _ := live(100 * time.Millisecond)
		return n4 > 0 && n6 > 0
	})
}

// sending returns a function that sends a packet to each group.
func (n *namespace) sending(t *testing.T, to ...string) func() {
	var conns []net.Conn
	for _, a := range to {
		var c net.Conn
		var err error
		n.Do(func() {
			ap := netip.MustParseAddrPort(a)
			d := net.Dialer{}
			if ap.Addr().Is4() {
				d.LocalAddr = &net.UDPAddr{IP: net.IPv4(10, 9, 0, 1)}
				n4, e := d.Dial("udp4", a)
				c, err = n4, e
				return
			}
			c, err = d.Dial("udp6", a)
		})
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
	}
	return func() {
		for _, c := range conns {
			c.Write([]byte("still there"))
		}
	}
}
