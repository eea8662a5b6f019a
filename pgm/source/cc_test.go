package source

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// ccSource returns a source that finds its rate, with endless data, and a receiver to answer it.
func ccSource(t testing.TB, cc CC, ceiling int) (*Source, *answerer) {
	c := testConfig(&endless{next: packet.MaxWindow})
	c.CC, c.MaxRate = cc, ceiling
	s := newSource(t, c)
	r, err := congestion.NewReporter(congestion.ReporterConfig{Self: testFrom.Addr(), Overhead: 28, Rand: rand.New(rand.NewPCG(3, 4))})
	if err != nil {
		t.Fatal(err)
	}
	return s, &answerer{t: t, s: s, reporter: r}
}

// answerer is a receiver that gets everything at once, and answers.
type answerer struct {
	t        testing.TB
	s        *Source
	reporter *congestion.Reporter
	octets   int
}

func (a *answerer) hear(p sent) {
	a.octets += p.wire
	switch p.h.Type {
	case packet.TypeODATA, packet.TypeRDATA:
		a.reporter.Data(p.data.SQN, p.wire-28, p.h.Type == packet.TypeRDATA)
	}
	var d congestion.Data
	var q congestion.Probe
	var err error
	if o, ok := packet.FindOption(p.opts, congestion.OptPGMCCData); ok {
		if d, err = congestion.ParseData(o); err != nil {
			a.t.Error(err)
		}
		if p.h.Type == packet.TypeODATA {
			a.reporter.Stamp(p.at, d)
		}
	}
	if o, ok := packet.FindOption(p.opts, congestion.OptProbe); ok {
		if q, err = congestion.ParseProbe(o); err != nil {
			a.t.Error(err)
		}
		a.reporter.Probe(p.at, d, q)
	}
}

// answer gives the source what the receiver owes, a while after it came.
func (a *answerer) answer(now time.Time) {
	a.reporter.HandleTimeout(now)
	a.reporter.Flush()
	for a.reporter.Owed() > 0 {
		if err := a.s.HandlePacket(now, testFrom, a.reporter.AppendACK(now, nil, testTSI, testDest)); err != nil {
			a.t.Error(err)
		}
	}
}

// run plays the source for so long, in steps of a millisecond, after which it is answered; it returns what left in octets a second.
func (a *answerer) run(from time.Time, d time.Duration) float64 {
	a.octets = 0
	for now := from; now.Before(from.Add(d)); now = now.Add(ms) {
		a.s.HandleTimeout(now)
		play(a.t, a.s, now, now.Add(ms-1), a.hear)
		a.answer(now.Add(ms - 1))
	}
	return float64(a.octets) / d.Seconds()
}

// ackWire returns an ACK with all its options, of nobody's probe.
func ackWire() []byte {
	p := congestion.ACK{Max: 1, Bitmap: 1}.Append(packet.Upstream(congestion.TypeACK, testTSI, testDest).Append(nil))
	at := len(p)
	p = congestion.Echo{Loss: 0x8000, Receiver: testFrom.Addr()}.AppendTo(packet.BeginOptions(p))
	p = packet.EndOptions(congestion.Reception{ID: 1, Received: 1, Lost: 9}.AppendTo(p), at)
	packet.Seal(p)
	return p
}

// A receiver that takes everything has the rate rise from its initial value to the ceiling within a second, never above.
func TestControlFindsTheCeiling(t *testing.T) {
	const ceiling = 20_000_000
	s, a := ccSource(t, Auto, ceiling)
	a.run(start, time.Second)
	got := a.run(start.Add(time.Second), time.Second)
	if got < 0.9*ceiling || got > ceiling*101/100 {
		t.Errorf("after a second, %.0f octets a second leave; the ceiling is %d", got, ceiling)
	}
	st := s.Stats()
	if st.Control.Acker.Addr != testFrom.Addr() || st.Control.ACKs == 0 || st.Control.ACKs > 800 || st.Control.Ceiling != ceiling {
		t.Errorf("%+v", st.Control)
	}
	s.SetRate(ceiling / 10)
	if got = a.run(start.Add(2*time.Second), time.Second); got > ceiling/10*102/100 {
		t.Errorf("with a lower ceiling, %d, %.0f octets a second leave", ceiling/10, got)
	}
}

// Nobody answers: the source keeps its initial rate, and probes become rare.
func TestControlWithoutReceivers(t *testing.T) {
	s, _ := ccSource(t, Auto, 0)
	octets, spms := 0, 0
	play(t, s, start, start.Add(10*time.Second), func(p sent) {
		octets += p.wire
		if p.h.Type == packet.TypeSPM && p.at.Sub(start) > 5*time.Second {
			spms++
		}
	})
	if rate := octets / 10; rate < congestion.DefaultInitial*9/10 || rate > congestion.DefaultInitial*11/10 {
		t.Errorf("%d octets a second left, want %d", rate, congestion.DefaultInitial)
	}
	if spms > 15 {
		t.Errorf("%d SPMs left in five seconds without an answer", spms)
	}
}

// The clock is set by an hour, back and forth: the source sends on, and is soon at its rate again.
func TestControlSurvivesClocksThatAreSet(t *testing.T) {
	const ceiling = 10_000_000
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		_, a := ccSource(t, Auto, ceiling)
		a.run(start, 2*time.Second)
		then := start.Add(2*time.Second + jump)
		if jump < 0 {
			// What was due then is due in an hour now: a loop that wakes for its own reasons has the source look.
			a.s.Wake(then)
		}
		a.run(then, 5*time.Second)
		if got := a.run(then.Add(5*time.Second), time.Second); got < 0.8*ceiling || got > ceiling*101/100 {
			t.Errorf("after the clock was set by %v, %.0f octets a second leave, want %d", jump, got, ceiling)
		}
	}
}

// PGMCC: ODATA bears OPT_PGMCC_DATA [CC-2.1.1-01], which leaves MaxTSDU to data; RDATA, whose stamp would be old, does not.
func TestPGMCCStampsData(t *testing.T) {
	s, a := ccSource(t, PGMCC, 10_000_000)
	odata, rdata := 0, 0
	hear := func(p sent) {
		_, stamped := packet.FindOption(p.opts, congestion.OptPGMCCData)
		switch p.h.Type {
		case packet.TypeODATA:
			if odata++; !stamped || len(p.data.TSDU) != testTSDU {
				t.Fatalf("ODATA %v with %d octets, stamped %v", p.data.SQN, len(p.data.TSDU), stamped)
			}
		case packet.TypeRDATA:
			if rdata++; stamped || len(p.data.TSDU) != testTSDU {
				t.Fatalf("RDATA %v with %d octets, stamped %v", p.data.SQN, len(p.data.TSDU), stamped)
			}
		}
		a.hear(p)
	}
	for now := start; now.Before(start.Add(time.Second)); now = now.Add(ms) {
		s.HandleTimeout(now)
		play(t, s, now, now.Add(ms-1), hear)
		a.answer(now.Add(ms - 1))
		if now.Sub(start) == 500*ms {
			ask(t, s, now.Add(ms-1), 1, 2, 3)
		}
	}
	if odata < 500 || rdata != 3 {
		t.Errorf("%d ODATA and %d RDATA left", odata, rdata)
	}
}

// Without congestion control ACKs are refused, and with it those of other sessions; a NAK whose options are broken is served.
func TestFeedbackThatIsRefused(t *testing.T) {
	ack := func(tsi packet.TSI) []byte {
		p := congestion.ACK{Max: 1}.Append(packet.Upstream(congestion.TypeACK, tsi, testDest).Append(nil))
		packet.Seal(p)
		return p
	}
	s := newSource(t, testConfig(&fake{next: 10}))
	if err := s.HandlePacket(start, testFrom, ack(testTSI)); !errors.Is(err, packet.ErrType) {
		t.Errorf("an ACK at a fixed rate: %v", err)
	}
	s, _ = ccSource(t, Auto, 0)
	other := testTSI
	other.Port++
	if err := s.HandlePacket(start, testFrom, ack(other)); !errors.Is(err, ErrForeign) {
		t.Errorf("an ACK of another session: %v", err)
	}
	if err := s.HandlePacket(start, testFrom, ack(testTSI)[:20]); err == nil {
		t.Error("a truncated ACK was taken")
	}
	pollAll(t, s, start)
	wire := nakWire(0)
	at := len(wire)
	wire = packet.EndOptions(append(packet.BeginOptions(wire), byte(congestion.OptReception), 8, 0, 0, 1, 2, 3, 4), at)
	packet.Seal(wire)
	if err := s.HandlePacket(start.Add(ms), testFrom, wire); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.NAKs != 1 || st.Control.BadFeedback != 2 || st.PendingRepairs != 1 {
		t.Errorf("%d NAKs, %d packets with bad options, %d repairs wait", st.NAKs, st.Control.BadFeedback, st.PendingRepairs)
	}
}

// A receiver that was found to hold up the others is confirmed by unicast, and has next to no repairs until they want nothing more; then it has
// all of them.
func TestLateReceiverIsRepairedLast(t *testing.T) {
	c := testConfig(&fake{next: 2000})
	c.CC, c.Slow = Auto, Demote
	var told []bool
	c.Lag = func(_ netip.Addr, behind bool) { told = append(told, behind) }
	s := newSource(t, c)
	then := start.Add(500 * ms)
	play(t, s, start, then, func(sent) {})
	s.control.slow.leave(testFrom.Addr(), s)
	s.control.Exclude(testFrom.Addr(), true)
	for first := range packet.SQN(5) {
		list := make([]packet.SQN, 59)
		for i := range list {
			list[i] = first*60 + packet.SQN(i) + 1
		}
		ask(t, s, then, first*60, list...)
	}
	early, rdata := 0, 0
	play(t, s, then, then.Add(10*time.Second), func(p sent) {
		switch p.h.Type {
		case packet.TypeNCF:
			if p.to != testFrom {
				t.Errorf("an NCF to %v", p.to)
			}
		case packet.TypeRDATA:
			if rdata++; p.at.Sub(then) < feedEvery {
				early++
			}
		}
	})
	if early > s.maxRun() || rdata != 300 || len(told) != 2 || !told[0] || told[1] {
		t.Errorf("%d RDATA at once and %d in all, told %v", early, rdata, told)
	}
}

// Probes and their answers cost no allocation.
func TestControlDoesNotAllocate(t *testing.T) {
	s, a := ccSource(t, Auto, 20_000_000)
	a.run(start, time.Second)
	batch := packet.NewBatch(1 << 18)
	now := start.Add(time.Second)
	ack := make([]byte, 0, congestion.ACKLen)
	if n := testing.AllocsPerRun(500, func() {
		now = now.Add(ms)
		batch.Reset()
		s.HandleTimeout(now)
		s.PollTransmit(now, batch)
		for _, m := range batch.Messages {
			var h packet.Header
			body, err := h.Parse(m.Data[:min(m.Size, len(m.Data))])
			if err != nil {
				t.Fatal(err)
			}
			if h.Type != packet.TypeSPM {
				continue
			}
			opts := body[12+8:]
			if o, ok := packet.FindOption(opts, congestion.OptProbe); ok {
				q, _ := congestion.ParseProbe(o)
				o, _ = packet.FindOption(opts, congestion.OptPGMCCData)
				d, _ := congestion.ParseData(o)
				a.reporter.Probe(now, d, q)
			}
		}
		for a.reporter.Owed() > 0 {
			if err := s.HandlePacket(now, testFrom, a.reporter.AppendACK(now, ack, testTSI, testDest)); err != nil {
				t.Fatal(err)
			}
		}
		s.Stats()
	}); n != 0 {
		t.Errorf("%v allocations a millisecond", n)
	}
	if s.Stats().Control.ACKs < 300 {
		t.Errorf("%d ACKs came: too few to say so", s.Stats().Control.ACKs)
	}
}

// Either of the types that acknowledgements have in the field opens the window of PGMCC, in our own session only; so it does at Auto.
func TestACKsOfEitherTypeAreTaken(t *testing.T) {
	for _, cc := range []CC{PGMCC, Auto} {
		for _, typ := range []packet.Type{congestion.TypeACK, congestion.TypeOldACK} {
			s, a := ccSource(t, cc, 10_000_000)
			retyped := func(now time.Time) {
				a.reporter.HandleTimeout(now)
				a.reporter.Flush()
				for a.reporter.Owed() > 0 {
					ack := a.reporter.AppendACK(now, nil, testTSI, testDest)
					ack[4] = byte(typ)
					packet.Seal(ack)
					if err := s.HandlePacket(now, testFrom, ack); err != nil {
						t.Fatal(err)
					}
					ack[3]++ // of the session of another port
					packet.Seal(ack)
					if err := s.HandlePacket(now, testFrom, ack); err == nil {
						t.Fatal("an ACK of another session is taken")
					}
				}
			}
			for now := start; now.Before(start.Add(500 * ms)); now = now.Add(ms) {
				s.HandleTimeout(now)
				play(t, s, now, now.Add(ms-1), a.hear)
				retyped(now.Add(ms - 1))
			}
			if st := s.Stats(); st.Control.ACKs < 20 || st.Control.Acker.Addr != testFrom.Addr() || st.ODATA < 100 {
				t.Errorf("%v, %v: %d packets left, %+v", cc, typ, st.ODATA, st.Control)
			}
		}
	}
}

// Forged feedback does what it may to the rate of a source of PGMCC, and no more: what leaves keeps to the ceiling, and something does.
func TestPGMCCKeepsToItsCeiling(t *testing.T) {
	const ceiling = 1_000_000
	s, a := ccSource(t, PGMCC, ceiling)
	a.run(start, time.Second)
	now := start.Add(time.Second)
	var stamp congestion.Data
	lead := packet.SQN(0)
	octets, last, longest := 0, now, time.Duration(0)
	for end := now.Add(5 * time.Second); now.Before(end); now = now.Add(ms) {
		s.HandleTimeout(now)
		play(t, s, now, now.Add(ms-1), func(p sent) {
			octets += p.wire
			if o, ok := packet.FindOption(p.opts, congestion.OptPGMCCData); ok && p.h.Type == packet.TypeODATA {
				stamp, _ = congestion.ParseData(o)
				lead, longest, last = p.data.SQN, max(longest, p.at.Sub(last)), p.at
			}
		})
		ack := congestion.ACK{Max: lead, Bitmap: 0xffff_ffff}.Append(packet.Upstream(congestion.TypeACK, testTSI, testDest).Append(nil))
		at := len(ack)
		e := congestion.Echo{Timestamp: stamp.Timestamp, Receiver: stamp.Acker}
		if now.Sub(start)/time.Second%2 == 0 { // a stranger that loses everything, and then whoever is the acker
			e.Loss, e.Receiver = 0xffff, netip.MustParseAddr("192.0.2.66")
		}
		ack = packet.EndOptions(e.AppendTo(packet.BeginOptions(ack)), at)
		packet.Seal(ack)
		if err := s.HandlePacket(now.Add(ms-1), testFrom, ack); err != nil && e.Receiver.IsValid() {
			t.Fatal(err)
		}
	}
	if rate := octets / 5; rate > ceiling*102/100 || longest > 3*time.Second+10*ms {
		t.Errorf("%d octets a second left, and nothing for %v", rate, longest)
	}
}
