package receiver

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// NLAs travel without zones. What goes to a link-local one goes out on the link that the session is heard on (8-18).
func TestUpstreamHasTheSessionsZone(t *testing.T) {
	for _, tt := range []struct{ name, group, from, path, to string }{
		{"IPv4", "239.192.77.71:7500", "192.0.2.1:7500", "192.0.2.1", "192.0.2.1:7500"},
		{"IPv6", "[ff08::1]:7500", "[2001:db8::1]:7500", "2001:db8::1", "[2001:db8::1]:7500"},
		{"IPv6, link-local", "[ff02::1%eth0]:7500", "[fe80::1%eth0]:7500", "fe80::1", "[fe80::1%eth0]:7500"},
		{"IPv6, link-local element", "[ff08::1%eth1]:7500", "[2001:db8::1%eth1]:7500", "fe80::7", "[fe80::7%eth1]:7500"},
		{"IPv6, no host", "[ff02::1%eth0]:7500", "[fe80::1%eth0]:7500", "::", "[fe80::1%eth0]:7500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStage(t, Config{MulticastNAKs: true}, false)
			group, from, path := netip.MustParseAddrPort(tt.group), netip.MustParseAddrPort(tt.from), netip.MustParseAddr(tt.path)
			st.r.c.Group = group
			hear := func(p []byte) {
				t.Helper()
				if err := st.r.HandleUnicast(st.now, from, p); err != nil {
					t.Fatal(err)
				}
			}
			hear(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: path}, nil))
			hear(dataPacket(packet.TypeODATA, 2, 1, "x", nil))
			hear(dataPacket(packet.TypeODATA, 3, 1, "x", nil))
			pollPath := path
			if path.IsUnspecified() {
				pollPath = from.Addr().WithZone("")
			}
			hear(pollPacket(poll.Packet{SQN: 1, Path: pollPath}, nil))
			st.now = st.now.Add(5 * time.Millisecond)
			b := packet.NewBatch(1 << 12)
			st.r.PollTransmit(st.now, b)
			var sent []packet.Type
			for _, m := range b.Messages {
				var h packet.Header
				body, err := h.Parse(m.Data)
				if err != nil {
					t.Fatal(err)
				}
				sent = append(sent, h.Type)
				if multicast := m.To == group && m.TTL == 1 && h.Type == packet.TypeNAK; !multicast && m.To.String() != tt.to {
					t.Errorf("a %v goes to %v with TTL %d, want %v", h.Type, m.To, m.TTL, tt.to)
				}
				if h.Type == packet.TypeNAK {
					var n nak.Packet
					if _, err := n.Parse(&h, body); err != nil {
						t.Fatal(err)
					}
					if n.Source != from.Addr().WithZone("") || n.Group != group.Addr().WithZone("") {
						t.Errorf("NAK_SRC %v and NAK_GRP %v, want %v and %v without zones", n.Source, n.Group, from.Addr(), group.Addr())
					}
				}
			}
			if len(sent) != 3 {
				t.Errorf("sent %v, want a POLR and a NAK twice", sent)
			}
			// OPT_PATH_NLA has no zone either.
			hear(nak.Append(nil, packet.Downstream(packet.TypeNCF, testTSI, testDest), &nak.Packet{
				SQN: 1, Source: from.Addr(), Group: group.Addr(), Extra: poll.AppendPath(poll.AppendUnreachable(nil), pollPath),
			}))
			if n := st.r.Stats().Silences; n != 1 {
				t.Errorf("%d silences after an NCF with OPT_NBR_UNREACH from the parent, want 1", n)
			}
		})
	}
}

// Strangers' POLLs, by the ten thousand, cost no memory and draw nothing; those for a session that is received, of whatever number, draw
// no more than a hundred POLRs a second, however many sessions there are that are not.
func TestFloodOfPOLLsDrawsFewPOLRs(t *testing.T) {
	st := newStage(t, Config{}, false)
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	start := st.now
	for i := range packet.SQN(10_000) {
		st.now = start.Add(time.Duration(i) * 100 * time.Microsecond)
		p := pollPacket(poll.Packet{SQN: i, Path: testPath}, nil)
		st.handle(p)
		p[0], p[1] = byte(i>>8), byte(i) // of a session that is not known
		packet.Seal(p)
		st.handle(p)
	}
	n := st.r.Stats()
	if n.POLRs < 90 || n.POLRs > 101 {
		t.Errorf("%d POLRs in a second, want no more than 100", n.POLRs)
	}
	if len(st.r.sessions) != 1 || n.Strangers < 9_990 || n.POLLs+n.Strangers != 20_000 {
		t.Errorf("%d sessions, %d POLLs, %d of strangers; want 1 session, and about 10,000 of each", len(st.r.sessions), n.POLLs, n.Strangers)
	}
	if next := st.r.NextTimeout(); !next.After(st.now) {
		t.Errorf("the engine wants to be called again at once")
	}
}

// Options that say nothing sensible are refused and change nothing.
func TestBrokenAdviceChangesNothing(t *testing.T) {
	short := func(o packet.OptionType, n int) func([]byte) []byte {
		return func(b []byte) []byte { return packet.AppendOption(b, o, 0, make([]byte, n)...) }
	}
	regular := spm.Packet{SQN: 2, Trail: 1, Lead: 1, Path: testPath}
	ncf := func(extra []byte) []byte {
		return nak.Append(nil, packet.Downstream(packet.TypeNCF, testTSI, testDest), &nak.Packet{SQN: 1, Source: testPath, Group: testGroup.Addr(), Extra: extra})
	}
	for name, p := range map[string][]byte{
		"OPT_NAK_BO_IVL on an SPM": spmPacket(regular, short(packet.OptNAKBOIvl, 4)),
		"OPT_NAK_BO_RNG on an SPM": spmPacket(regular, short(packet.OptNAKBORng, 12)),
		"OPT_NAK_BO_IVL on an NCF": ncf(short(packet.OptNAKBOIvl, 0)(nil)),
		"OPT_PATH_NLA on an NCF":   ncf(short(packet.OptPathNLA, 5)(nil)),
		"OPT_NAK_BO_IVL on a POLL": pollPacket(poll.Packet{SQN: 1, Path: testPath}, short(packet.OptNAKBOIvl, 9)),
		"a NNAK that is cut short": seal(packet.Upstream(packet.TypeNNAK, testTSI, testDest).Append(nil)),
		"a POLL that is cut short": seal(packet.Downstream(packet.TypePOLL, testTSI, testDest).Append(nil)),
	} {
		st := newStage(t, Config{}, false)
		st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
		s := st.r.Session(testTSI)
		before := s.Stats()
		if err := st.r.HandlePacket(st.now, testFrom, p); err == nil {
			t.Errorf("%s of a wrong length is taken", name)
		}
		if after := s.Stats(); after != before || s.path.Last() != 1 || !s.mayNAK() {
			t.Errorf("%s of a wrong length changes something: %+v, before %+v", name, after, before)
		}
	}
}

func seal(p []byte) []byte {
	packet.Seal(p)
	return p
}

// A NAK_BO_IVL that is advertised, absurd or not, leaves back-offs within what the engine promises: above zero, and 10 s at most.
func TestAbsurdIntervalsAreBounded(t *testing.T) {
	const most = (1<<32 - 1) * time.Microsecond
	for _, tt := range []struct {
		interval, low, high time.Duration
		want                time.Duration // the most that a back-off lasts
	}{
		{0, 0, 0, 500 * time.Microsecond}, // limits that are no range are not taken
		{0, 0, most, time.Microsecond},
		{most, 0, most, 10 * time.Second},
		{most, most, most, 10 * time.Second},
		{most, time.Millisecond, time.Second, time.Second},
		{0, time.Second, time.Millisecond, 500 * time.Microsecond},
	} {
		for seed := range 50 {
			st := newStage(t, Config{}, false)
			for range seed {
				st.r.c.Rand.Uint64()
			}
			st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, func(b []byte) []byte {
				return poll.Range{Max: tt.high, Min: tt.low}.AppendTo(poll.Interval{BackOff: tt.interval}.AppendTo(b))
			}))
			st.handle(dataPacket(packet.TypeODATA, 2, 1, "x", nil))
			st.handle(dataPacket(packet.TypeODATA, 3, 1, "x", nil))
			if d := st.r.NextTimeout().Sub(st.now); d <= 0 || d > tt.want {
				t.Fatalf("%+v: a back-off of %v", tt, d)
			}
		}
	}
}

// What a parent sends all the time costs no memory: SPMs, NCFs and POLLs with their options, and the replies.
func TestParentsPacketsAllocateNothing(t *testing.T) {
	st := newStage(t, Config{}, true)
	st.r.c.Accept = func(_ time.Time, s *Session) Sink {
		s.Unordered()
		return discard{}
	}
	advice := poll.Interval{BackOff: time.Millisecond}.AppendTo(nil)
	join := func(b []byte) []byte { return packet.AppendJoin(append(b, advice...), 1) }
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, join))
	special := spmPacket(spm.Packet{SQN: 0xffff_ffff, Trail: spm.NoTrail, Lead: spm.NoLead, Path: testPath}, poll.AppendUnreachable)
	regular := spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, join)
	ncf := nak.Append(nil, packet.Downstream(packet.TypeNCF, testTSI, testDest), &nak.Packet{SQN: 1, Source: testPath, Group: testGroup.Addr(),
		List: []packet.SQN{2, 3}, Extra: append(advice, poll.AppendPath(poll.AppendUnreachable(nil), testPath)...)})
	question := pollPacket(poll.Packet{SQN: 1, Path: testPath}, func(b []byte) []byte { return append(b, advice...) })
	b := packet.NewBatch(1 << 16)
	n := packet.SQN(1)
	step := func() {
		n++
		st.now = st.now.Add(20 * time.Millisecond)
		renumber(regular, n)
		renumber(special, n)
		renumber(question, n)
		for _, p := range [][]byte{regular, ncf, special, question} {
			if err := st.r.HandleUnicast(st.now, testFrom, p); err != nil {
				t.Fatal(err)
			}
		}
		st.r.HandleTimeout(st.now)
		b.Reset()
		st.r.PollTransmit(st.now, b)
		st.r.NextTimeout()
	}
	step()
	if got := testing.AllocsPerRun(2000, step); got != 0 {
		t.Errorf("%v allocations for an SPM, an NCF, a special SPM and a POLL", got)
	}
	if s := st.r.Stats(); s.POLRs < 2000 || s.Copies < 2000 || s.Silences < 2000 {
		t.Errorf("%d POLRs, %d copies and %d silences: not what was to be measured", s.POLRs, s.Copies, s.Silences)
	}
}

// A receiver that is passive answers no POLL, and does not want to be woken for it, nor for NAKs.
func TestPassiveReceiverIsNoChild(t *testing.T) {
	st := newStage(t, Config{Passive: true}, false)
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	st.handle(pollPacket(poll.Packet{SQN: 1, Path: testPath}, nil))
	st.handle(dataPacket(packet.TypeODATA, 1, 1, "x", nil))
	st.handle(dataPacket(packet.TypeODATA, 3, 1, "x", nil))
	st.handle(nak.Append(nil, packet.Downstream(packet.TypeNCF, testTSI, testDest), &nak.Packet{SQN: 2, Source: testPath, Group: testGroup.Addr()}))
	for range 10 {
		next := st.r.NextTimeout()
		if next.IsZero() {
			break // the session is forgotten
		}
		if !next.After(st.now) {
			t.Fatalf("at %v it wants to be called again at once", st.now.Sub(st.t0))
		}
		st.now = next
		st.r.HandleTimeout(st.now)
	}
}

// RAND_NODE_ID is one for all sessions of a receiver, and differs between receivers (14.5-01).
func TestNodeIDIsOneForAllSessions(t *testing.T) {
	ids := map[uint32]bool{}
	for seed := range uint64(20) {
		st := newStage(t, Config{}, false)
		st.r.c.Rand.Uint64()
		for range seed {
			st.r.c.Rand.Uint64()
		}
		var id uint32
		for port := range byte(5) {
			for _, p := range [][]byte{
				spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil),
				pollPacket(poll.Packet{SQN: 1, Path: testPath}, nil),
			} {
				p[1] = port
				packet.Seal(p)
				st.handle(p)
			}
			s := st.r.Session(packet.TSI{GSI: testTSI.GSI, Port: testTSI.Port&0xff00 | uint16(port)})
			if port > 0 && s.parent.child.NodeID != id {
				t.Errorf("session %d has RAND_NODE_ID %#x, another %#x", port, s.parent.child.NodeID, id)
			}
			id = s.parent.child.NodeID
		}
		ids[id] = true
	}
	if len(ids) != 20 {
		t.Errorf("20 receivers have %d identifiers", len(ids))
	}
}

// Limits of the back-off that are no range are refused when the receiver is made; one alone goes with the default of the other.
func TestLimitsOfTheBackOffAreARange(t *testing.T) {
	for _, tt := range []struct {
		low, high time.Duration
		ok        bool
		want      time.Duration // NAK_BO_IVL at first, 5 ms by default
	}{
		{0, 0, true, 5 * time.Millisecond},
		{10 * time.Millisecond, 0, true, 10 * time.Millisecond},
		{0, 2 * time.Millisecond, true, 2 * time.Millisecond},
		{time.Second, 2 * time.Second, true, time.Second},
		{2 * time.Second, time.Second, false, 0},
		{-1, 0, false, 0},
		{0, -1, false, 0},
	} {
		c := Config{BackOffMin: tt.low, BackOffMax: tt.high, Group: testGroup, Accept: func(time.Time, *Session) Sink { return discard{} },
			Rand: rand.New(rand.NewPCG(1, 2))}
		r, err := New(c)
		if (err == nil) != tt.ok {
			t.Errorf("%v to %v: %v", tt.low, tt.high, err)
		}
		if err != nil {
			continue
		}
		p := spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil)
		r.c.Dest = testDest
		if err := r.HandlePacket(time.Now(), testFrom, p); err != nil {
			t.Fatal(err)
		}
		if got := r.Session(testTSI).Stats().BackOff; got != tt.want {
			t.Errorf("%v to %v: NAK_BO_IVL %v, want %v", tt.low, tt.high, got, tt.want)
		}
	}
}
