package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/sim"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// scenario is a session of our engines over a simulated net. Its captures, of all that was sent and of what one receiver had, yield no
// finding.
type scenario struct {
	name    string
	play    func(s *scene)
	has     []packet.Type // that the capture must have, so that the scenario is what its name says
	rate    int           // octets a second; 0: 500,000
	first   packet.SQN
	ambient time.Duration
	noJoin  bool
	keep    time.Duration // TXW_SECS; 0: a minute
	loses   bool          // receivers may miss something for good
	fec     fec.Config
}

const (
	sceneTSDU  = 200
	sceneDelay = ms // of a link; a packet takes two
	sceneIHB   = 10 * ms
)

var sceneRecovery = nak.RecoveryConfig{BackOff: 5 * ms, Repeat: 20 * ms, Data: 50 * ms, NCFRetries: 10, DataRetries: 20}

// scene is a scenario as it is played.
type scene struct {
	t       testing.TB
	c       scenario
	net     *sim.Net
	source  *source.Source
	memory  *source.Memory
	host    sim.Host
	ears    []*ear
	sent    []pcap.Packet // by all hosts
	view    []pcap.Packet // what the last receiver sent and heard
	watched sim.Host
}

// ear is a Sink that keeps what it is given.
type ear struct {
	host      sim.Host
	unordered bool
	got       map[packet.SQN]bool
	lost      int
	ended     bool
	why       receiver.End
	parity    *keeper // that parity is decoded from; nil: without parity
}

func (e *ear) Data(d receiver.Data) bool               { e.got[d.SQN] = true; e.parity.keep(d); return true }
func (e *ear) Lost(first, last packet.SQN)             { e.lost += last.Sub(first) + 1 }
func (e *ear) End(why receiver.End, _ packet.Reset)    { e.ended, e.why = true, why }
func addr(n *sim.Net, h sim.Host) netip.AddrPort       { return n.Addr(h) }
func (s *scene) after(d time.Duration, f func(*scene)) { s.net.After(d, func() { f(s) }) }

// recorder notes what the engine of a host sends.
type recorder struct {
	sim.Engine
	s *scene
	h sim.Host
}

func (r *recorder) PollTransmit(now time.Time, b *packet.Batch) {
	r.Engine.PollTransmit(now, b)
	for i := range b.Messages {
		m := &b.Messages[i]
		for data := range slices.Chunk(m.Data, m.Size) {
			p := pcap.Packet{
				Time: now, Src: addr(r.s.net, r.h), Dst: m.To, TTL: max(m.TTL, 1), UDP: true,
				Data: bytes.Clone(data), Length: len(data),
			}
			if m.TTL == 0 {
				p.TTL = 16
			}
			r.s.sent = append(r.s.sent, p)
			if r.h == r.s.watched {
				r.s.view = append(r.s.view, p)
			}
		}
	}
}

// observe notes what the watched receiver hears.
func (s *scene) observe(e sim.Event) {
	if e.Kind == sim.Refused {
		s.t.Errorf("%v: host %d refused a %v: %v", e.At, e.Host, e.Type(), e.Err)
	}
	if e.Kind != sim.Delivered || e.Host != s.watched {
		return
	}
	p := pcap.Packet{Time: e.At, Dst: sim.Group, TTL: 15, UDP: true, Data: bytes.Clone(e.Data), Length: len(e.Data)}
	p.Src = addr(s.net, s.host)
	if e.Type().IsUpstream() {
		p.Src, p.TTL = addr(s.net, s.ears[0].host), 1
	}
	s.view = append(s.view, p)
}

func newScene(t testing.TB, c scenario) *scene {
	s := &scene{t: t, c: c, net: sim.New(rand.New(rand.NewPCG(7, uint64(len(c.name))))), watched: -1}
	s.net.Observe = s.observe
	link := &sim.Link{Delay: sceneDelay}
	s.host = s.net.Host(sim.Root, link, link)
	s.net.Leave(s.host)
	if c.rate == 0 {
		s.c.rate = 500_000
	}
	if c.keep == 0 {
		s.c.keep = time.Minute
	}
	if c.ambient == 0 {
		s.c.ambient = time.Second
	}
	s.memory = source.NewMemory(source.MemoryConfig{First: c.first, MaxTSDU: sceneTSDU, Syn: true, Keep: s.c.keep})
	var err error
	s.source, err = source.New(source.Config{
		TSI: storyTSI, Dest: sim.Group.Port(), Source: addr(s.net, s.host), Group: sim.Group, MaxTSDU: sceneTSDU, Overhead: sim.Overhead,
		MaxRate: s.c.rate, Ambient: s.c.ambient, IHBMin: sceneIHB, IHBMax: time.Second, First: c.first, Join: !c.noJoin, Store: s.memory, Rand: s.net.Rand(),
		FEC: c.fec,
	}, s.net.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.net.Start(s.host, &recorder{s.source, s, s.host})
	return s
}

// listen adds a receiver behind the link; every second one wants no order.
func (s *scene) listen(at sim.Router, down *sim.Link) *ear {
	h := s.net.Host(at, down, &sim.Link{Delay: sceneDelay})
	e := &ear{host: h, unordered: len(s.ears)%2 == 1, got: map[packet.SQN]bool{}}
	r, err := receiver.New(receiver.Config{
		Dest: sim.Group.Port(), Group: sim.Group, Recovery: sceneRecovery, Rand: s.net.Rand(),
		Accept: func(_ time.Time, x *receiver.Session) receiver.Sink {
			if s.c.fec.Enabled() {
				e.parity = newKeeper(x, s.c.fec, s.net.Now)
			}
			if e.unordered {
				x.Unordered()
			}
			return e
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.ears = append(s.ears, e)
	s.watched, s.view = h, nil
	s.net.Start(h, &recorder{r, s, h})
	return e
}

func (s *scene) crowd(n int, l sim.Link) {
	l.Delay = sceneDelay
	for range n {
		s.listen(sim.Root, &l)
	}
}

// write has the source send n messages of size octets.
func (s *scene) write(n, size int) {
	for i := range n {
		if err := s.memory.WriteAPDU(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.source.Wake(s.net.Now())
	s.net.Wake(s.host)
}

func (s *scene) close() { s.source.Close(s.net.Now()); s.net.Wake(s.host) }

func (s *scene) config() Config {
	const longest = packet.HeaderLen + 4 + 20 + 20 + 8 + 4*nak.MaxList + poll.IntervalLen + 4 + 20 + sim.Overhead
	return Config{
		Complete: true, Delay: 2 * sceneDelay, Rate: s.c.rate,
		Jitter:  ms + 8*longest*time.Second/time.Duration(s.c.rate), // what leaves waits for the rate
		Depth:   max(s.c.rate/125, longest+s.c.rate/800),
		Ambient: s.c.ambient, IHBMin: sceneIHB, NAKRepeat: sceneRecovery.Repeat, NAKRetries: sceneRecovery.NCFRetries,
	}
}

var scenarios = []scenario{
	{name: "plain", play: func(s *scene) { s.crowd(3, sim.Link{}); s.write(200, 150); s.after(2*time.Second, (*scene).close) }},
	{
		name: "loss", has: []packet.Type{packet.TypeNAK, packet.TypeNCF, packet.TypeRDATA},
		play: func(s *scene) {
			s.crowd(4, sim.Link{Loss: 0.05, Repeat: 0.01, Reorder: 0.01})
			s.write(500, 150)
			s.close()
		},
	},
	{
		name: "burst", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA},
		play: func(s *scene) {
			s.crowd(3, sim.Link{Burst: sim.Burst{Begin: 0.02, End: 0.1}})
			s.write(500, 150)
			s.close()
		},
	},
	{
		name: "late-join", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA},
		play: func(s *scene) {
			s.crowd(1, sim.Link{})
			s.write(500, 150)
			s.after(100*ms, func(s *scene) { s.crowd(2, sim.Link{}) })
			s.after(time.Second, (*scene).close)
		},
	},
	{name: "fin", play: func(s *scene) {
		s.crowd(2, sim.Link{LossOf: map[packet.Type]float64{packet.TypeSPM: 0.3}})
		s.write(3, 150)
		s.after(500*ms, (*scene).close)
	}},
	{name: "rst", loses: true, play: func(s *scene) {
		s.crowd(2, sim.Link{Loss: 0.05})
		s.write(300, 150)
		s.after(50*ms, func(s *scene) { s.source.Reset(s.net.Now(), 5, true); s.net.Wake(s.host) })
	}},
	{
		name: "fragments", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA},
		play: func(s *scene) { s.crowd(2, sim.Link{Loss: 0.05}); s.write(40, 1700); s.close() },
	},
	{
		name: "spmr", has: []packet.Type{packet.TypeSPMR}, ambient: time.Hour, noJoin: true,
		play: func(s *scene) {
			s.crowd(1, sim.Link{})
			s.write(2000, 150)
			s.after(100*ms, func(s *scene) { s.crowd(3, sim.Link{}) })
			s.after(time.Second, (*scene).close)
		},
	},
	{
		name: "nak-list", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA},
		play: func(s *scene) {
			s.crowd(3, sim.Link{})
			s.write(300, 150)
			s.after(50*ms, func(s *scene) { s.net.Cut(s.ears[0].host, true) })
			s.after(80*ms, func(s *scene) { s.net.Cut(s.ears[0].host, false); s.net.Wake(s.ears[0].host) })
			s.after(time.Second, (*scene).close)
		},
	},
	{
		name: "suppression", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA},
		play: func(s *scene) {
			r := s.net.Router(sim.Root, &sim.Link{Delay: sceneDelay / 2, Loss: 0.05}, &sim.Link{Delay: sceneDelay / 2})
			for range 20 {
				s.listen(r, &sim.Link{Delay: sceneDelay / 2})
			}
			s.write(300, 150)
			s.close()
		},
	},
	{
		name: "wrap", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA}, first: 0xffff_ff80,
		play: func(s *scene) { s.crowd(3, sim.Link{Loss: 0.05}); s.write(300, 150); s.close() },
	},
	{
		name: "advance", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA}, keep: 60 * ms, loses: true,
		play: func(s *scene) {
			s.crowd(3, sim.Link{Loss: 0.3, LossOf: map[packet.Type]float64{packet.TypeRDATA: 0.8, packet.TypeSPM: 0}})
			s.write(500, 150)
			s.after(time.Second, (*scene).close)
		},
	},
	{
		name: "back-off", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA}, rate: 50_000,
		play: func(s *scene) {
			s.crowd(1, sim.Link{LossOf: map[packet.Type]float64{packet.TypeODATA: 0.03}})
			s.write(3000, 150)
			s.close()
		},
	},
	{
		name: "slow-repair", has: []packet.Type{packet.TypeNAK, packet.TypeRDATA}, rate: 50_000,
		play: func(s *scene) { s.crowd(5, sim.Link{Loss: 0.2}); s.write(300, 150); s.close() },
	},
	{
		name: "parity", has: []packet.Type{packet.TypeNAK, packet.TypeNCF, packet.TypeRDATA}, fec: fec.Config{Group: 16, Proactive: 1, OnDemand: true},
		play: parityTalk,
	},
	{name: "parity-unasked", fec: fec.Config{Group: 8, Proactive: 2}, play: parityTalk},
	{
		name: "parity-demand", has: []packet.Type{packet.TypeNAK, packet.TypeNCF, packet.TypeRDATA}, first: 0xffff_ff00, fec: fec.Config{Group: 8, Parity: 8, OnDemand: true},
		play: parityTalk,
	},
}

// Every session of ours satisfies every rule: as it was sent, with all that is known of the hosts and without, and as one receiver
// had it, through losses.
func TestScenarios(t *testing.T) {
	for _, c := range scenarios {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c)
			c.play(s)
			s.net.Run(30 * time.Second)
			for i, e := range s.ears {
				if !e.ended || e.lost > 0 && !c.loses {
					t.Errorf("receiver %d: ended %v, %v; %d packets lost", i, e.ended, e.why, e.lost)
				}
			}
			var n [16]int
			for _, p := range s.sent {
				n[p.Data[4]&15]++
			}
			for _, typ := range c.has {
				if n[typ] == 0 {
					t.Errorf("nobody sent a %v", typ)
				}
			}
			for _, x := range []struct {
				who     string
				packets []pcap.Packet
				c       Config
			}{
				{"all that is sent", s.sent, s.config()},
				{"all that is sent, with nothing known", s.sent, Config{}},
				{"what a receiver hears and sends", s.view, Config{}},
				{"what a receiver hears and sends, with what is known of it", s.view, Config{
					At: addr(s.net, s.watched).Addr(), Jitter: ms, NAKRepeat: sceneRecovery.Repeat, NAKData: sceneRecovery.Data, NAKRetries: sceneRecovery.NCFRetries,
				}},
			} {
				v := judge(t, x.c, capture(t, x.packets))
				if len(v.Sessions) != 1 { // [8-15]
					t.Errorf("%s: %d sessions", x.who, len(v.Sessions))
				}
				if len(v.Tally) > 0 || v.Packets != uint64(len(x.packets)) {
					t.Errorf("%s: broken rules: %s\n%s", x.who, strings.Join(brokenRules(v), ", "), text(v))
				}
			}
		})
	}
}

// brokenRules returns the names of the rules that the findings are of.
func brokenRules(v *Verdict) (names []string) {
	for _, f := range v.Findings {
		if !slices.Contains(names, f.Rule) {
			names = append(names, f.Rule)
		}
	}
	return names
}

// String names the scenario.
func (c scenario) String() string { return fmt.Sprintf("scenario %s", c.name) }
