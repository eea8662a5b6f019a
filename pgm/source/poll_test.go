package source

import (
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// While a slow source has data to send, SPMs take less than 2 % of its rate, whatever IHB_MIN: they took 14 % of 100 kbit/s when heartbeats
// ran between packets that wait for it [5.1.5-01].
func TestHeartbeatsLeaveTheRateToData(t *testing.T) {
	for _, size := range []int{200, testTSDU} {
		f := &fake{next: 1 << 20, size: size}
		c := testConfig(f)
		c.MaxRate = 12_500
		s := newSource(t, c)
		total, spms, last := 0, 0, start
		play(t, s, start, start.Add(20*time.Second), func(p sent) {
			total += p.wire
			if p.h.Type == packet.TypeSPM {
				spms += p.wire
				if gap := p.at.Sub(last); gap > 1200*ms {
					t.Errorf("%v without an SPM", gap)
				}
				last = p.at
			}
		})
		if share := float64(spms) / float64(total); share > 0.02 || spms == 0 {
			t.Errorf("packets of %d octets: SPMs take %.1f %% of the rate", size, 100*share)
		}
		if got := float64(total) / 20 / 12_500; got < 0.98 {
			t.Errorf("packets of %d octets: %.1f %% of the rate was used", size, 100*got)
		}
	}
}

// POLLs leave behind NCFs and SPMs, in front of data, to the group, with our address in POLL_PATH [5.1.3-01], [14.4-01], [14.4-06].
func TestPOLLsLeaveBehindSPMs(t *testing.T) {
	for _, tt := range []struct{ src, grp string }{
		{"192.0.2.1:7500", "239.192.77.71:7500"},
		{"[fe80::1%eth0]:7500", "[ff08::1%eth0]:7500"},
	} {
		f := &fake{first: 1, trail: 1, next: 1000}
		c := testConfig(f)
		c.Source, c.Group = netip.MustParseAddrPort(tt.src), netip.MustParseAddrPort(tt.grp)
		c.Poll, c.MaxRate = poll.PollerConfig{Period: time.Minute}, 12_500 // though the rate is low
		s := newSource(t, c)
		var types []packet.Type
		play(t, s, start, start.Add(300*ms), func(p sent) {
			if len(types) == 3 {
				return
			}
			types = append(types, p.h.Type)
			if p.h.Type == packet.TypePOLL {
				if path := c.Source.Addr().WithZone(""); p.poll.Path != path || p.to != c.Group || len(p.opts) > 0 || p.poll.Subtype != poll.General {
					t.Errorf("%+v with options %x to %v; POLL_PATH should be %v", p.poll, p.opts, p.to, path)
				}
			}
		})
		if want := [3]packet.Type{packet.TypeSPM, packet.TypePOLL, packet.TypeODATA}; [3]packet.Type(types) != want {
			t.Errorf("%v leave, want %v", types, want)
		}
	}
}

// With IP Router Alert, what plan waits for is what a packet takes: else the source would be called in vain until it may leave, which play
// finds out.
func TestRouterAlertIsWaitedFor(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1000}
	c := testConfig(f)
	c.AlertOverhead, c.MaxRate = 8, 4000
	c.Poll, c.Ambient = poll.PollerConfig{Period: time.Second, BackOff: ms, Grace: ms}, 100*ms
	s := newSource(t, c)
	types := map[packet.Type]int{}
	now := start
	for i := range 20 {
		ask(t, s, now, packet.SQN(1+i))
		s.SendReport(testFrom, make([]byte, 100+i))
		play(t, s, now, now.Add(time.Second), func(p sent) { types[p.h.Type]++ })
		now = now.Add(time.Second)
	}
	for _, typ := range []packet.Type{packet.TypeSPM, packet.TypePOLL, packet.TypeNCF, packet.TypeReport, packet.TypeODATA} {
		if types[typ] < 4 {
			t.Errorf("%d of type %v left", types[typ], typ)
		}
	}
}

// However often polls are to be made, and whatever replies are forged, POLLs take no more than their share of the rate.
func TestPOLLsKeepToTheirShare(t *testing.T) {
	f := &fake{next: 1 << 20}
	c := testConfig(f)
	c.MaxRate = MinPollRate
	c.Poll = poll.PollerConfig{Period: 1, BackOff: 1, Grace: 1, Want: 8}
	s := newSource(t, c)
	polls, data := 0, 0
	until := start.Add(5 * time.Second)
	play(t, s, start, until, func(p sent) {
		switch p.h.Type {
		case packet.TypePOLL:
			polls += p.wire
			for range 40 { // abort it
				reply := poll.AppendReply(nil, testTSI, testDest, poll.Reply{SQN: p.poll.SQN, Round: p.poll.Round})
				if err := s.HandlePacket(p.at, testFrom, reply); err != nil {
					t.Fatal(err)
				}
			}
		case packet.TypeODATA:
			data += p.wire
		}
	})
	if most := 5*c.MaxRate/pollShare + 100; polls > most || polls < most/2 {
		t.Errorf("POLLs of %d octets in 5 s, want at most %d, and about as many", polls, most)
	}
	if data < 5*c.MaxRate*9/10 {
		t.Errorf("data of %d octets", data)
	}
	if st := s.Stats(); st.Polls.Aborts == 0 {
		t.Errorf("no poll was aborted: %+v", st.Polls)
	}
}

// Receivers are counted by default where the rate pays for it, and not where it was not wanted, or nothing can be drawn.
func TestWhoPolls(t *testing.T) {
	for _, tt := range []struct {
		name   string
		period time.Duration
		rate   int
		rand   bool
		want   bool
	}{
		{"unlimited", 0, 0, true, true},
		{"fast enough", 0, MinPollRate, true, true},
		{"slow", 0, MinPollRate - 1, true, false},
		{"slow, and wanted", time.Minute, 10_000, true, true},
		{"not wanted", -1, 0, true, false},
		{"no luck", 0, 0, false, false},
	} {
		f := &fake{}
		c := testConfig(f)
		c.Poll.Period, c.MaxRate = tt.period, tt.rate
		if !tt.rand {
			c.Rand = nil
		}
		s := newSource(t, c)
		polled := false
		play(t, s, start, start.Add(time.Second), func(p sent) { polled = polled || p.h.Type == packet.TypePOLL })
		if polled != tt.want {
			t.Errorf("%s: polls: %v", tt.name, polled)
		}
		err := s.HandlePacket(start.Add(time.Second), testFrom, poll.AppendReply(nil, testTSI, testDest, poll.Reply{SQN: 1}))
		if (err == nil) != tt.want {
			t.Errorf("%s: a POLR: %v", tt.name, err)
		}
	}
}

func TestPollAndTunerConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"POLL_BO_IVL too long":          func(c *Config) { c.Poll = poll.PollerConfig{BackOff: time.Hour} },
		"NAK_BO_IVL beyond its maximum": func(c *Config) { c.Tuner = poll.TunerConfig{Default: time.Second, Max: ms} },
		"tuned by polls without polls":  func(c *Config) { c.Tuner.Polled = true },
	} {
		c := testConfig(&fake{})
		change(&c)
		if _, err := New(c, start); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c := testConfig(&fake{})
	c.Poll = poll.PollerConfig{Period: -1, BackOff: time.Hour} // of no matter
	newSource(t, c)
}

// A reply that comes when its time is over does not count, though nobody has said so yet [14.4-08].
func TestLateReplyDoesNotCount(t *testing.T) {
	c := testConfig(&fake{})
	c.Poll = poll.PollerConfig{BackOff: ms, Grace: ms}
	s := newSource(t, c)
	pollAll(t, s, start)
	for i, now := range []time.Time{start.Add(5 * ms), start.Add(6 * ms)} { // of 4 × POLL_BO_IVL and Grace
		if err := s.HandlePacket(now, testFrom, poll.AppendReply(nil, testTSI, testDest, poll.Reply{SQN: 1})); err != nil {
			t.Fatal(err)
		}
		if got := s.Stats().Polls; got.Stray+got.Replies != uint64(i+1) || got.Stray != uint64(i+1) {
			t.Errorf("at %v: %+v", now.Sub(start), got)
		}
	}
}

// By default, no number of duplicates is a multicast failure: a packet that hundreds lost draws as many.
func TestManyDuplicatesAreNoFailure(t *testing.T) {
	s := newSource(t, testConfig(&fake{first: 1, trail: 1, next: 100}))
	pollAll(t, s, start)
	now := start.Add(ms)
	for i := range 500 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 7500)
		if err := s.HandlePacket(now, from, nakWire(3)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(20 * time.Microsecond)
	}
	for _, p := range pollAll(t, s, now) {
		if p.to != testGrp {
			t.Errorf("%v to %v", p.h.Type, p.to)
		}
	}
	if st := s.Stats(); st.Tuning.Failures > 0 || st.Tuning.Duplicates != 499 {
		t.Errorf("%+v", st.Tuning)
	}
}

// A NAK_BO_IVL that is fixed at what receivers begin with is never advertised; at another value, it is from the first SPM on.
func TestFixedInterval(t *testing.T) {
	for _, tt := range []struct {
		fixed time.Duration
		want  bool
	}{{poll.DefaultBackOff, false}, {20 * ms, true}} {
		c := testConfig(&fake{first: 1, trail: 1, next: 100})
		c.Tuner = poll.TunerConfig{Min: tt.fixed, Default: tt.fixed, Max: tt.fixed}
		s := newSource(t, c)
		now := start
		for i := range 40 {
			for _, p := range pollAll(t, s, now) {
				o, ok := packet.FindOption(p.opts, packet.OptNAKBOIvl)
				if p.h.Type.IsData() {
					continue
				}
				if ok != tt.want {
					t.Fatalf("%v at %v: advertised %v", p.h.Type, now.Sub(start), ok)
				}
				if v, err := poll.ParseInterval(o); ok && (err != nil || v != poll.Interval{BackOff: tt.fixed}) {
					t.Fatalf("advertised %+v, %v", v, err)
				}
			}
			now = now.Add(50 * ms)
			ask(t, s, now, packet.SQN(1+i/3))
			ask(t, s, now, packet.SQN(1+i/3))
		}
	}
}

// Polls, replies, a tuned interval and NCFs by unicast allocate nothing either.
func TestPollingDoesNotAllocate(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1 << 20}
	c := testConfig(f)
	c.Poll = poll.PollerConfig{Period: 10 * ms, BackOff: ms, Grace: ms, Want: 8}
	c.Tuner = poll.TunerConfig{DupMax: 1, Hold: time.Hour}
	s := newSource(t, c)
	batch, now := packet.NewBatch(1<<18), start
	wire := nakWire(3, 4, 9)
	reply := poll.AppendReply(nil, testTSI, testDest, poll.Reply{SQN: 1})
	round := func() {
		now = now.Add(3 * ms)
		for range 2 {
			if err := s.HandlePacket(now, testFrom, wire); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.HandlePacket(now, testFrom, reply); err != nil {
			t.Fatal(err)
		}
		batch.Reset()
		s.PollTransmit(now, batch)
		s.HandleTimeout(now)
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(500, round); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
	if st := s.Stats(); st.Polls.Polls < 100 || st.Polls.Stray < 100 || st.NCF < 1000 || st.Tuning.Failures == 0 || !s.children.tuner.Unicast(now) {
		t.Errorf("too little happened to say so: %+v", st)
	}
}
