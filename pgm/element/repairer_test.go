package element

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// repairerAddr is where the repairer of the tests is: on the link to the parent, 10.0.0.1.
var repairerAddr = netip.MustParseAddr("10.0.0.7")

func newRepairer(t testing.TB, spoil func(*RepairerConfig)) *Repairer {
	t.Helper()
	c := RepairerConfig{Group: testGroup, Addr: repairerAddr, Rand: rand.New(rand.NewPCG(1, 2))}
	if spoil != nil {
		spoil(&c)
	}
	r, err := NewRepairer(c, start)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// repairerStage plays the scripts of a Repairer.
type repairerStage struct {
	stage
	r *Repairer
}

func (st *repairerStage) Run(line string) {
	t := st.t
	fields := strings.Fields(line)
	first, w := parse(t, fields[1:])
	var p []byte
	upstream := true
	switch fields[0] {
	case "repairer":
		st.now = start
		st.r = newRepairer(t, func(c *RepairerConfig) { c.Cache = int(w.num(t, "cache", 0)); c.Rate = int(w.num(t, "rate", 0)) })
		st.stage.e = st.r
		return
	case "advance":
		st.advance(w.duration(t, "by", 0))
		return
	case "spm":
		p = w.spm(t, first)
	case "odata":
		p = w.data(t, packet.TypeODATA, first)
	case "rdata":
		p = w.data(t, packet.TypeRDATA, first)
	case "ncf":
		p = w.request(t, packet.TypeNCF, first)
	case "nak":
		p, upstream = w.request(t, packet.TypeNAK, first), false
	case "poll":
		m := poll.Packet{SQN: packet.SQN(num(t, first)), Path: w.addr("path", netip.MustParseAddr("10.0.0.1")), BackOff: 50 * time.Millisecond}
		if w["dlr"] != "" {
			m.Subtype = poll.DLR
		}
		p = m.Append(packet.Downstream(packet.TypePOLL, testTSI, 7500).Append(nil))
		packet.Seal(p)
	default:
		t.Fatalf("script: %q?", fields[0])
	}
	if err := st.r.HandlePacket(st.now, w.arrival(t, upstream), p); err != nil {
		fmt.Fprintf(&st.out, "%v refused: %v\n", st.now.Sub(start), err)
	}
	st.drive()
}

func TestRepairerScripts(t *testing.T) {
	script.Play(t, "testdata/repairer_*.txt", func(t *testing.T) script.Stage { return &repairerStage{stage: stage{t: t}} })
}

// §9.5: what a repairer keeps is bounded, in octets, and the newest of what there was room for; what is older is no longer repaired.
func TestCacheIsBounded(t *testing.T) {
	c := cache{max: 100_000}
	payload := make([]byte, 1000)
	for i := range packet.SQN(3000) {
		c.put(i-1000, payload) // across the wrap
		if c.used > c.max {
			t.Fatalf("%d octets after %d packets", c.used, i)
		}
	}
	n := 0
	for i := range packet.SQN(3000) {
		if h := c.get(i - 1000); h != nil {
			n++
			if i < 2900 {
				t.Fatalf("packet %d is still held", i)
			}
		}
	}
	if n < 60 {
		t.Errorf("%d packets are held", n)
	}
	c.put(5, payload)
	if c.get(5) != nil {
		t.Error("one that is older than the trail is held")
	}
	c.put(5000, make([]byte, 60_000))
	c.put(5001, make([]byte, 60_000))
	if c.used > c.max || c.get(5001) == nil || c.get(5000) != nil {
		t.Errorf("%d octets, the newest held: %v", c.used, c.get(5001) != nil)
	}
}

// In the steady state a repairer keeps data and repairs it without an allocation.
func TestRepairDoesNotAllocate(t *testing.T) {
	r := newRepairer(t, func(c *RepairerConfig) { c.Cache = 200_000; c.Rate = 1 << 30 })
	feed := func(p []byte, a Arrival, now time.Time) {
		if err := r.HandlePacket(now, a, p); err != nil {
			t.Fatal(err)
		}
	}
	feed(words{}.spm(t, "1"), fromSource, start)
	b := packet.NewBatch(outSize)
	var packets [64][]byte
	for i := range packets {
		packets[i] = words{}.data(t, packet.TypeODATA, fmt.Sprint(10+i))
		feed(packets[i], fromSource, start)
	}
	ask := words{}.request(t, packet.TypeNAK, "20,21")
	now := start
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(10 * time.Millisecond)
		feed(packets[3], fromSource, now)
		feed(ask, fromChild(0, 5), now)
		r.HandleTimeout(now)
		b.Reset()
		r.PollTransmit(now, b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if r.Stats().Repairs < 200 {
		t.Errorf("%+v", r.Stats())
	}
}

// [9.5.2.1-04], [9.5.2.2-05]: over IP itself, what an upstream repairer sends to the group bears IP Router Alert, its offer too, and what is
// unicast to the parent does not.
func TestRepairerAlertsElements(t *testing.T) {
	r := newRepairer(t, func(c *RepairerConfig) { c.RouterAlert = true })
	parent := Arrival{Unicast: true, From: netip.MustParseAddrPort("10.0.0.1:7500")}
	for _, x := range []struct {
		a Arrival
		p []byte
	}{
		{fromSource, words{}.spm(t, "1")}, {fromSource, words{}.data(t, packet.TypeODATA, "7")}, {fromSource, words{}.data(t, packet.TypeODATA, "8")},
		{fromSource, words{}.request(t, packet.TypeNCF, "7")}, {fromChild(0, 5), words{}.request(t, packet.TypeNAK, "7")}, {parent, words{}.request(t, packet.TypeNAK, "8")},
	} {
		if err := r.HandlePacket(start, x.a, x.p); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for _, s := range drain(t, r.PollTransmit, start) {
		if s.alert != (s.to == testGroup) {
			t.Errorf("%v to %v: alert %v", s.h.Type, s.to, s.alert)
		}
		seen[fmt.Sprint(s.h.Type, " ", s.to == testGroup)]++
	}
	for _, want := range []string{"POLR true", "NCF true", "RDATA true", "NCF false", "RDATA false"} {
		if seen[want] != 1 {
			t.Errorf("%s: %d; %v", want, seen[want], seen)
		}
	}
}

// A storm of NAKs does not have a repairer send more than its rate.
func TestRepairerKeepsToItsRate(t *testing.T) {
	r := newRepairer(t, func(c *RepairerConfig) { c.Rate = 10_000 })
	for _, p := range [][]byte{words{}.spm(t, "1"), words{}.data(t, packet.TypeODATA, "7"), words{}.data(t, packet.TypeODATA, "8")} {
		if err := r.HandlePacket(start, fromSource, p); err != nil {
			t.Fatal(err)
		}
	}
	sent, now := 0, start
	for range 10_000 {
		now = now.Add(600 * time.Microsecond)
		p := nak.Append(nil, packet.Upstream(packet.TypeNAK, testTSI, 7500), &nak.Packet{SQN: 7, List: []packet.SQN{8}, Source: testSource, Group: testGroup.Addr()})
		_ = r.HandlePacket(now, fromChild(0, 5), p)
		for _, s := range drain(t, r.PollTransmit, now) {
			if s.h.Type == packet.TypeRDATA {
				sent += len(s.packet)
			}
		}
	}
	if limit := packet.MaxRun + 6*10_000 + 1000; sent > limit {
		t.Errorf("%d octets in 6 s, want at most %d", sent, limit)
	}
	if r.Stats().Limited == 0 {
		t.Errorf("nothing was refused: %+v", r.Stats())
	}
}

// Whatever comes, a repairer neither panics nor sends what is malformed.
func FuzzRepairer(f *testing.F) {
	for _, p := range [][]byte{
		{}, words{}.spm(f, "2"), words{}.data(f, packet.TypeODATA, "7"), words{}.data(f, packet.TypeRDATA, "90"), words{}.request(f, packet.TypeNAK, "7,8"),
		words{}.request(f, packet.TypeNCF, "5"), words{"unreachable": "yes"}.request(f, packet.TypeNCF, "7"),
		words{"count": "2"}.request(f, packet.TypeNAK, "0"), words{"count": "2"}.request(f, packet.TypeNCF, "0"), words{"tgsize": "3"}.data(f, packet.TypeODATA, "6"),
		words{"parity": "yes"}.data(f, packet.TypeRDATA, "1"), words{"parity": "yes", "tgsize": "5"}.data(f, packet.TypeRDATA, "1"),
	} {
		f.Add(p, true)
		f.Add(p, false)
	}
	f.Fuzz(func(t *testing.T, p []byte, unicast bool) {
		r := newRepairer(t, func(c *RepairerConfig) { c.Cache = 10_000 })
		_ = r.HandlePacket(start, fromSource, words{"tgs": "8"}.spm(t, "1"))
		for _, q := range []string{"0", "1", "2", "3", "5"} {
			_ = r.HandlePacket(start, fromSource, words{}.data(t, packet.TypeODATA, q))
		}
		now := start
		for range 50 {
			_ = r.HandlePacket(now, Arrival{From: fromSource.From, Unicast: unicast}, p)
			r.HandleTimeout(now)
			drain(t, r.PollTransmit, now)
			if next := r.NextTimeout(); next.After(now) {
				now = next
			}
		}
	})
}
