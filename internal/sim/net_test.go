package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// probe is an engine that sends what it is told to and writes down what comes.
type probe struct {
	net   *Net
	out   []parcel
	heard []arrival
	fail  func(p []byte)
}

type parcel struct {
	to  netip.AddrPort
	ttl int
	p   []byte
}

type arrival struct {
	at   time.Duration
	from netip.AddrPort
	n    int // the number in the packet
}

func (p *probe) HandlePacket(now time.Time, from netip.AddrPort, b []byte) error {
	p.heard = append(p.heard, arrival{now.Sub(epoch), from, number(b)})
	if p.fail != nil {
		p.fail(b)
	}
	return nil
}

func (p *probe) HandleTimeout(time.Time) {}
func (p *probe) NextTimeout() time.Time  { return time.Time{} }

func (p *probe) PollTransmit(_ time.Time, b *packet.Batch) {
	for _, o := range p.out {
		b.Append(o.to, o.ttl, o.p)
	}
	p.out = p.out[:0]
}

// numbered returns a packet of size octets with a number in it.
func numbered(n, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b[8:], uint32(n))
	return b
}

func number(b []byte) int { return int(binary.BigEndian.Uint32(b[8:])) }

func (p *probe) numbers() []int {
	var got []int
	for _, a := range p.heard {
		got = append(got, a.n)
	}
	return got
}

func addProbe(n *Net, r Router, down, up *Link) (Host, *probe) {
	h, p := n.Host(r, down, up), &probe{net: n}
	n.Start(h, p)
	return h, p
}

// pair returns a net with a host that sends over a perfect link, and one that hears it over the link l.
func pair(t testing.TB, l *Link) (n *Net, from Host, out, in *probe) {
	n = New(Rand(t))
	from, out = addProbe(n, Root, &Link{}, &Link{})
	_, in = addProbe(n, Root, l, &Link{})
	return n, from, out, in
}

// burst multicasts count packets, one each gap.
func burst(n *Net, from Host, out *probe, count, size int, gap time.Duration) {
	for i := range count {
		n.After(time.Duration(i)*gap, func() {
			out.out = append(out.out, parcel{Group, 0, numbered(i, size)})
			n.Wake(from)
		})
	}
	n.Run(time.Duration(count)*gap + time.Minute)
}

// The tree: root with hosts 0 and 1, a router with hosts 2 and 3, one behind it with host 4. A millisecond for each link.
func tree(t testing.TB) (n *Net, probes []*probe) {
	n = New(Rand(t))
	l := &Link{Delay: time.Millisecond}
	near := n.Router(Root, l, l)
	far := n.Router(near, l, l)
	for _, r := range []Router{Root, Root, near, near, far} {
		_, p := addProbe(n, r, l, l)
		probes = append(probes, p)
	}
	return n, probes
}

func TestPacketsFollowTheTree(t *testing.T) {
	group := func(Net) netip.AddrPort { return Group }
	host := func(h Host) func(Net) netip.AddrPort { return func(n Net) netip.AddrPort { return n.Addr(h) } }
	for _, c := range []struct {
		name string
		from Host
		to   func(Net) netip.AddrPort
		ttl  int
		want string // who hears it, after how many links
	}{
		{"down", 0, group, 0, "1:2 2:3 3:3 4:4"},
		{"up and down", 2, group, 0, "0:3 1:3 3:2 4:3"},
		{"from the far end", 4, group, 0, "0:4 1:4 2:3 3:3"},
		{"TTL 1 stays on the network", 2, group, 1, "3:2"},
		{"TTL 2 crosses one router link", 4, group, 2, "2:3 3:3"},
		{"unicast to a sibling", 2, host(3), 0, "3:2"},
		{"unicast up", 4, host(0), 0, "0:4"},
		{"unicast down", 1, host(4), 0, "4:4"},
		{"unicast to itself", 1, host(1), 0, "1:2"},
		{"unicast with too small a TTL", 4, host(0), 2, ""},
		{"to nobody", 0, host(17), 0, ""},
		{"to another port", 0, func(n Net) netip.AddrPort { return netip.AddrPortFrom(n.Addr(1).Addr(), 9) }, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, probes := tree(t)
			probes[c.from].out = []parcel{{c.to(*n), c.ttl, numbered(7, 50)}}
			n.Wake(c.from)
			n.Run(time.Second)
			var got []string
			for h, p := range probes {
				for _, a := range p.heard {
					got = append(got, fmt.Sprintf("%d:%d", h, a.at/time.Millisecond))
					if a.from != n.Addr(c.from) {
						t.Errorf("host %d heard it from %v, want %v", h, a.from, n.Addr(c.from))
					}
				}
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("heard at %q, want %q", got, c.want)
			}
		})
	}
}

// A loss on a link that many are behind is a loss to all of them.
func TestSharedLinkLosesForAllBehindIt(t *testing.T) {
	n := New(Rand(t))
	from, out := addProbe(n, Root, &Link{}, &Link{})
	behind := n.Router(Root, &Link{Loss: 0.5}, &Link{})
	var ins []*probe
	for range 5 {
		_, p := addProbe(n, behind, &Link{}, &Link{})
		ins = append(ins, p)
	}
	burst(n, from, out, 1000, 60, time.Millisecond)
	if k := len(ins[0].heard); k < 400 || k > 600 {
		t.Errorf("%d of 1000 packets arrived, want about 500", k)
	}
	for i, p := range ins {
		if !slices.Equal(p.numbers(), ins[0].numbers()) {
			t.Errorf("receiver %d heard other packets than receiver 0", i)
		}
	}
}

func TestCutAndStoppedHostsHearNothing(t *testing.T) {
	n, from, out, in := pair(t, &Link{})
	at := func(d time.Duration, f func()) { n.After(d-time.Microsecond, f) }
	at(10*time.Millisecond, func() { n.Cut(1, true) })
	at(20*time.Millisecond, func() { n.Cut(1, false) })
	at(30*time.Millisecond, func() { n.Start(1, nil) })
	at(40*time.Millisecond, func() { n.Start(1, in) })
	burst(n, from, out, 50, 60, time.Millisecond)
	var want []int
	for i := range 50 {
		if i/10 != 1 && i/10 != 3 {
			want = append(want, i)
		}
	}
	if got := in.numbers(); !slices.Equal(got, want) {
		t.Errorf("heard %v, want %v", got, want)
	}
}

// Everything that happens in a run is the same in another with the same seed.
func TestSeedReplays(t *testing.T) {
	run := func(seed uint64) uint64 {
		x := newTrial(t, FromSeed(seed))
		sum := fnv.New64a()
		observe := x.net.Observe
		x.net.Observe = func(e Event) {
			observe(e)
			fmt.Fprintln(sum, e.At.Sub(epoch), e.Kind, e.Host, len(e.Data))
			sum.Write(e.Data)
		}
		link := &Link{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.1, Reorder: 0.05, Repeat: 0.05, Rate: 2_000_000}
		lan := x.net.Router(Root, link, link)
		x.talk(Root, link, talk{packets: 100})
		x.talk(lan, link, talk{packets: 100})
		for range 5 {
			x.listen(lan, link, link, hear{})
		}
		x.run(time.Minute)
		return sum.Sum64()
	}
	a, b, c := run(1), run(1), run(2)
	if a != b {
		t.Error("two runs with one seed differ")
	}
	if a == c {
		t.Error("runs with two seeds do not differ")
	}
}
