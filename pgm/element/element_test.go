package element

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// opened returns an element that knows a session whose window is 1..lead.
func opened(t testing.TB, c Config, lead string) *Element {
	t.Helper()
	e := newElement(t, c)
	if err := e.HandlePacket(start, fromSource, words{"lead": lead}.spm(t, "1")); err != nil {
		t.Fatal(err)
	}
	drain(t, e.PollTransmit, start)
	return e
}

var fromSource = Arrival{From: netip.AddrPortFrom(testSource, 7500)}

func fromChild(i, host int) Arrival {
	return Arrival{Interface: i, Unicast: true, From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i), 1, byte(host)}), 7500)}
}

// §7.4: NAK_ELIM_IVL that is no small fraction of NAK_RDATA_IVL, too many interfaces, an address of the other family: a Config that cannot
// be is refused [7.4-06].
func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"NAK_ELIM_IVL":  func(c *Config) { c.Repairs.Eliminate = 100 * time.Millisecond },
		"one interface": func(c *Config) { c.Interfaces = c.Interfaces[:1] },
		"33 interfaces": func(c *Config) { c.Interfaces = append(c.Interfaces, make([]netip.Addr, 29)...) },
		"family":        func(c *Config) { c.Interfaces[1] = netip.MustParseAddr("2001:db8::1") },
		"group":         func(c *Config) { c.Group = netip.MustParseAddrPort("10.0.0.1:7500") },
		"Toward":        func(c *Config) { c.Toward = nil },
		"Rand":          func(c *Config) { c.Rand = nil },
		"rate":          func(c *Config) { c.NAKRate = -1 },
		"poll":          func(c *Config) { c.Poll.Period, c.Poll.FirstBits = time.Second, 40 },
	} {
		c := testConfig()
		spoil(&c)
		if _, err := New(c, start); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// In the steady state nothing that is forwarded costs an allocation: data, a NAK with its NCF, the repair.
func TestForwardingDoesNotAllocate(t *testing.T) {
	e := opened(t, testConfig(), "100000")
	b := packet.NewBatch(outSize)
	odata := words{}.data(t, packet.TypeODATA, "7")
	rdata := words{}.data(t, packet.TypeRDATA, "7")
	ask, confirm := words{}.request(t, packet.TypeNAK, "7"), words{}.request(t, packet.TypeNCF, "7")
	child := fromChild(1, 9)
	now := start
	if n := testing.AllocsPerRun(200, func() {
		now = now.Add(time.Second)
		for _, x := range []struct {
			a Arrival
			p []byte
		}{{fromSource, odata}, {child, ask}, {fromSource, confirm}, {fromSource, rdata}} {
			if err := e.HandlePacket(now, x.a, x.p); err != nil {
				t.Fatal(err)
			}
		}
		e.HandleTimeout(now)
		b.Reset()
		e.PollTransmit(now, b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if st := e.Stats(); st.ODATA != st.RDATA || st.RDATA != st.NCFs || st.NCFs == 0 {
		t.Errorf("%+v", st)
	}
}

// A storm of NAKs for all that is in the window, and more, from many children: repair state, NCFs and NAKs stay within their bounds, what
// is refused is counted, and the repairs and data of others pass.
func TestStormIsContained(t *testing.T) {
	c := testConfig()
	c.Repairs.Max, c.NAKRate, c.NCFRate = 64, 100, 200
	e := opened(t, c, "100000")
	rng := rand.New(rand.NewPCG(3, 4))
	naks, ncfs, data := 0, 0, 0
	now := start
	for i := range 20_000 {
		now = now.Add(50 * time.Microsecond)
		p := (&nak.Packet{SQN: packet.SQN(rng.Uint32N(200_000)), Source: testSource, Group: testGroup.Addr()})
		_ = e.HandlePacket(now, fromChild(1+rng.IntN(3), rng.IntN(200)), nak.Append(nil, packet.Upstream(packet.TypeNAK, testTSI, 7500), p))
		if i%100 == 0 {
			if err := e.HandlePacket(now, fromSource, words{}.data(t, packet.TypeODATA, "99999")); err != nil {
				t.Fatal(err)
			}
		}
		e.HandleTimeout(now)
		for _, s := range drain(t, e.PollTransmit, now) {
			switch s.h.Type {
			case packet.TypeNAK:
				naks++
			case packet.TypeNCF:
				ncfs++
			case packet.TypeODATA:
				data++
			}
		}
	}
	st := e.Stats()
	if st.Repairs > 64 || naks > 200 || ncfs > 3*300 || data != 200 {
		t.Errorf("%d repair states, %d NAKs and %d NCFs in a second, %d of 200 data packets", st.Repairs, naks, ncfs, data)
	}
	if st.Full == 0 || st.Bad.Outside == 0 || st.Limited+st.Full == 0 {
		t.Errorf("what was refused is not counted: %+v", st)
	}
}

// Sessions are bounded: forged SPMs of thousands of them do not take the place of the one in use, nor memory.
func TestSessionsAreBounded(t *testing.T) {
	c := testConfig()
	c.MaxSessions = 8
	e := opened(t, c, "100")
	for i := range 3000 {
		p := words{}.spm(t, "1")
		p[11], p[12], p[13] = 0xff, byte(i>>8), byte(i)
		packet.Seal(p)
		if err := e.HandlePacket(start, fromSource, p); err != nil {
			t.Fatal(err)
		}
		drain(t, e.PollTransmit, start)
	}
	if n := len(e.sessions); n != 8 || e.Stats().Strangers != 2993 {
		t.Errorf("%d sessions, %d strangers", n, e.Stats().Strangers)
	}
	if err := e.HandlePacket(start, fromChild(1, 9), words{}.request(t, packet.TypeNAK, "7")); err != nil {
		t.Errorf("the session in use: %v", err)
	}
}

// Who hands over more than there is room for before PollTransmit loses the rest, counted.
func TestOverflowIsCounted(t *testing.T) {
	e := opened(t, testConfig(), "100")
	p := words{}.data(t, packet.TypeODATA, "7")
	p = append(p, make([]byte, 60_000)...)
	for range 10 {
		big := bytes.Clone(p)
		big[14], big[15] = byte((len(big)-24)>>8), byte(len(big)-24)
		packet.Seal(big)
		if err := e.HandlePacket(start, fromSource, big); err != nil {
			t.Fatal(err)
		}
	}
	if st := e.Stats(); st.Overflows != 6 || st.ODATA != 4 {
		t.Errorf("%d lost, %d forwarded", st.Overflows, st.ODATA)
	}
}

// [12.6.2-01], [12.6.2-02]: the load of a link follows what it drops: 90 % of a change within 200 ms, with an error of 10 % at most once
// it stands.
func TestLoadFollowsWhatIsDropped(t *testing.T) {
	var l Load
	now := start
	l.Add(now, 100, 0)
	for range 10 {
		now = now.Add(20 * time.Millisecond)
		l.Add(now, 100, 50)
	}
	if v := float64(l.Value()) / 65535; v < 0.449 || v > 0.5 {
		t.Errorf("after 200 ms %v of a load of 0.5", v)
	}
	l.Add(now.Add(time.Hour), 10, 30)
	if v := l.Value(); v != 65535 {
		t.Errorf("more dropped than sent is %#x", v)
	}
}

// Whatever comes, on whatever interface, the engine neither panics nor sends what is malformed, and its clock comes to rest.
func FuzzElement(f *testing.F) {
	f.Add([]byte{0}, 1, false)
	for _, p := range [][]byte{
		words{"interval": "5ms", "tgs": "8"}.spm(f, "2"), words{}.data(f, packet.TypeRDATA, "7"), words{"parity": "yes", "tgsize": "6"}.data(f, packet.TypeRDATA, "16"),
		words{"worst": "30"}.request(f, packet.TypeNAK, "7,9"), words{"count": "3"}.request(f, packet.TypeNAK, "16"),
		words{"unreachable": "yes"}.request(f, packet.TypeNCF, "7"), words{}.request(f, packet.TypeNNAK, "7"), words{"unknown": "1"}.data(f, packet.TypeRDATA, "7"),
	} {
		f.Add(p, 0, false)
		f.Add(p, 1, true)
	}
	f.Fuzz(func(t *testing.T, p []byte, i int, unicast bool) {
		c := testConfig()
		c.Discover, c.Poll.Period = time.Second, time.Second
		e := opened(t, c, "100")
		for range 2 {
			a := Arrival{Interface: i, From: fromSource.From, Unicast: unicast}
			if i != 0 {
				a.From = netip.MustParseAddrPort("10.1.0.9:7500")
			}
			_ = e.HandlePacket(start, a, p)
			if len(p) >= packet.HeaderLen {
				p = bytes.Clone(p)
				copy(p[8:14], testTSI.GSI[:])
				packet.Seal(p)
			}
		}
		now := start
		for n := 0; ; n++ {
			e.HandleTimeout(now)
			drain(t, e.PollTransmit, now)
			next := e.NextTimeout()
			if next.IsZero() || next.After(start.Add(time.Second)) {
				return
			}
			if n > 1000 {
				t.Fatal("the engine does not rest")
			}
			if next.After(now) {
				now = next
			}
		}
	})
}
