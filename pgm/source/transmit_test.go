package source

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Packets are what the store said, whatever their sizes and options: side by side in the batch, checksums right, in SQN order
// [3.2-01], [8.2-01].
func TestPacketsCarryTheirTSDUs(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, sizes := range []struct {
		name string
		hole func(packet.SQN) int
	}{
		{"all full", func(packet.SQN) int { return testTSDU }},
		{"all short", func(packet.SQN) int { return 200 }},
		{"all odd", func(packet.SQN) int { return 201 }},
		{"empty", func(packet.SQN) int { return 0 }},
		{"shrinking", func(s packet.SQN) int { return testTSDU - int(s)%700 }},
		{"growing", func(s packet.SQN) int { return int(s) % 1400 }},
		{"a short one in eight", func(s packet.SQN) int { return testTSDU - 7*(1-min(int(s)%8, 1)) }},
	} {
		for _, options := range []bool{false, true} {
			t.Run(fmt.Sprint(sizes.name, options), func(t *testing.T) {
				tsdus := map[packet.SQN]TSDU{}
				const first = 0x8123_ff00 // so that all octets of SQN and trail count
				f := &fake{first: first, trail: first}
				f.next = f.first + 500
				f.mark = func(s packet.SQN, u *TSDU) {
					if u.HasSum = rng.IntN(2) == 0; options {
						u.Syn, u.Fin = rng.IntN(5) == 0, rng.IntN(5) == 0
						if rng.IntN(3) == 0 {
							u.Fragment = packet.Fragment{First: s, Length: 1 << 20}
						}
					}
					u.Data = u.Data[:max(min(sizes.hole(s), testTSDU-u.OptionsLen()), 0)]
					for i := range u.Data {
						u.Data[i] = byte(rng.Uint32())
					}
					if u.Sum = 0xdead; u.HasSum {
						u.Sum = packet.Sum(u.Data)
					}
					if rng.IntN(4) == 0 { // memory of the store's own
						u.Data = bytes.Clone(u.Data)
					}
					kept := *u
					kept.Data = bytes.Clone(u.Data)
					tsdus[s] = kept
				}
				f.hole = func(packet.SQN) int { return testTSDU }
				s := newSource(t, testConfig(f))
				next := f.first
				for _, p := range pollAll(t, s, start) {
					if p.h.Type != packet.TypeODATA {
						continue
					}
					want := tsdus[next]
					if p.data.SQN != next || p.data.Trail != first || !bytes.Equal(p.data.TSDU, want.Data) {
						t.Fatalf("packet %v, trail %v, with %d octets; want %v, the first, %d", p.data.SQN, p.data.Trail, len(p.data.TSDU), next, len(want.Data))
					}
					if len(p.opts) != want.OptionsLen() || p.h.Options&packet.FlagNetwork != 0 {
						t.Fatalf("packet %v has options %x, flags %x", next, p.opts, p.h.Options)
					}
					_, syn := packet.FindOption(p.opts, packet.OptSyn)
					_, fin := packet.FindOption(p.opts, packet.OptFin)
					_, fragment := packet.FindOption(p.opts, packet.OptFragment)
					if syn != want.Syn || fin != want.Fin || fragment != (want.Fragment.Length > 0) {
						t.Fatalf("packet %v has options %x", next, p.opts)
					}
					next++
				}
				if next != f.next {
					t.Fatalf("packets up to %v left", next-1)
				}
			})
		}
	}
}

// Full packets go 44 at a time, in one message and by one Load.
func TestFullPacketsShareMessages(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1 + 4*44}
	s := newSource(t, testConfig(f))
	b := packet.NewBatch(1 << 19)
	s.PollTransmit(start, b)
	if len(b.Messages) != 5 || f.loads != 4 {
		t.Errorf("%d messages by %d loads, want an SPM and four of 44 packets", len(b.Messages), f.loads)
	}
	for _, m := range b.Messages[1:] {
		if m.Packets() != 44 || m.Size != packet.DataHeaderLen+testTSDU {
			t.Errorf("a message of %d packets of %d octets", m.Packets(), m.Size)
		}
	}
	// So do their repairs, though the batch has another message in front: a burst of losses is repaired by one Load.
	f.loads = 0
	b.Reset()
	ask(t, s, start.Add(ms), 10, 11, 12, 13, 14, 15)
	s.PollTransmit(start.Add(ms), b)
	if len(b.Messages) != 2 || b.Messages[1].Packets() != 6 || f.loads != 1 {
		t.Errorf("a burst of 6 took %d messages and %d loads", len(b.Messages)-1, f.loads)
	}
}

// A batch that is full is asked to come again at once; nothing is lost or sent twice.
func TestSmallBatches(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 101}
	s := newSource(t, testConfig(f))
	b := packet.NewBatch(MinBatch)
	next := packet.SQN(1)
	for range 200 {
		b.Reset()
		s.PollTransmit(start, b)
		for _, p := range drain(t, b, start) {
			if p.h.Type == packet.TypeODATA {
				if p.data.SQN != next {
					t.Fatalf("packet %v, want %v", p.data.SQN, next)
				}
				next++
			}
		}
		if s.NextTimeout().After(start) {
			break
		}
	}
	if next != 101 {
		t.Errorf("packets up to %v left", next-1)
	}
}

// limiter holds what leaves against the token bucket of the rate [5.1.2-02] and the leaky bucket of the peak [5.1.2-03]: in no
// interval, wherever it begins and ends, more than depth + rate × t.
type limiter struct {
	rate, depth float64
	level       float64
	last        time.Time
}

func (l *limiter) take(t testing.TB, now time.Time, n int) {
	t.Helper()
	if l.last.IsZero() {
		l.level = l.depth
	} else {
		l.level = min(l.depth, l.level+now.Sub(l.last).Seconds()*l.rate)
	}
	l.last = now
	if l.level -= float64(n); l.level < -0.01 {
		t.Fatalf("at %v, %.0f octets more than %.0f + %.0f × t were sent", now.Sub(start), -l.level, l.depth, l.rate)
	}
}

// A storm of 100,000 NAKs cannot make the source exceed its rate, nor stop new data: NCFs take a quarter at most, and of the
// rest repairs have their share [5.1.3-03], [5.2-02].
func TestNAKStormStaysWithinTheRate(t *testing.T) {
	const rate = 1_000_000
	f := &fake{first: 1, trail: 1, next: 1 << 20}
	c := testConfig(f)
	c.MaxRate = rate
	s := newSource(t, c)
	tokens := limiter{rate: rate, depth: rate / 125}
	room := limiter{rate: 1.25 * rate, depth: 1500 + rate/800}
	octets := map[packet.Type]int{}
	each := func(p sent) {
		tokens.take(t, p.at, p.wire)
		room.take(t, p.at, p.wire)
		octets[p.h.Type] += p.wire
	}
	now := start
	play(t, s, now, now.Add(time.Second), each)
	clear(octets)
	now = now.Add(time.Second)
	rng := rand.New(rand.NewPCG(5, 6))
	list := make([]packet.SQN, 62)
	for range 100_000 { // in 5 seconds
		first := packet.SQN(rng.IntN(600))
		for i := range list {
			list[i] = first + 1 + packet.SQN(i)
		}
		ask(t, s, now, first, list[:rng.IntN(63)]...)
		next := now.Add(50 * time.Microsecond)
		play(t, s, now, next, each)
		now = next
	}
	st := s.Stats()
	total := 0
	for _, n := range octets {
		total += n
	}
	if total < 5*rate*95/100 {
		t.Errorf("%d octets left in 5 s, want the whole rate", total)
	}
	if got := octets[packet.TypeNCF]; got > 5*rate*27/100 || got == 0 {
		t.Errorf("%d octets of NCFs, want no more than a quarter", got)
	}
	if data, repairs := octets[packet.TypeODATA], octets[packet.TypeRDATA]; float64(data) < 0.9*float64(repairs) || float64(repairs) < 0.9*float64(data) {
		t.Errorf("%d octets of ODATA and %d of RDATA, want as much of each", data, repairs)
	}
	if octets[packet.TypeSPM] == 0 {
		t.Errorf("no SPM: %+v", st)
	}
	if st.NAKs != 100_000 || st.PendingRepairs > 600+62 {
		t.Errorf("%d NAKs, %d repairs pending", st.NAKs, st.PendingRepairs)
	}
}

// RDATA follows the NCF, also where that waits for its rate; a NAK that gets no NCF gets no RDATA either [5.3-01]. When the receiver
// asks again, it gets both.
func TestNoRepairWithoutNCF(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1000}
	c := testConfig(f)
	c.Ambient, c.IHBMin, c.IHBMax = time.Hour, time.Hour, time.Hour
	s := newSource(t, c)
	pollAll(t, s, start)
	s.SetRate(20_000)
	ncfs, confirmed, repaired := 0, 0, 0
	seen := map[packet.SQN]bool{}
	each := func(p sent) {
		switch p.h.Type {
		case packet.TypeNCF:
			ncfs++
			for q := range p.nak.All() {
				seen[q] = true
				confirmed++
			}
		case packet.TypeRDATA:
			if !seen[p.data.SQN] {
				t.Fatalf("RDATA %v without an NCF", p.data.SQN)
			}
			repaired++
		}
	}
	for q := packet.SQN(1); q < 1000; q++ {
		ask(t, s, start.Add(ms), q)
	}
	play(t, s, start.Add(ms), start.Add(time.Minute), each)
	dropped := int(s.Stats().NCFsDropped)
	if confirmed == 0 || dropped == 0 || confirmed+dropped != 999 || repaired != confirmed {
		t.Errorf("of 999, %d were confirmed, %d repaired, %d dropped", confirmed, repaired, dropped)
	}
	for q := packet.SQN(1); q < 1000; q++ {
		if now := start.Add(time.Minute); !seen[q] {
			ask(t, s, now, q)
			play(t, s, now, now.Add(ms), each)
			break
		}
	}
	play(t, s, start.Add(time.Minute), start.Add(2*time.Minute), each)
	if repaired != confirmed || int(s.Stats().NCF) != ncfs || confirmed+dropped != 1000 {
		t.Errorf("asked again: %d confirmed, %d repaired", confirmed, repaired)
	}
}

// The share of repairs, while there is both [5.1.3-02]; alone, each kind has it all.
func TestRepairShare(t *testing.T) {
	for _, share := range []float64{0.1, 0.5, 0.8} {
		f := &fake{first: 1, trail: 1, next: 1 << 20}
		c := testConfig(f)
		c.MaxRate, c.RepairShare, c.Ambient, c.IHBMin, c.IHBMax = 10_000_000, share, time.Hour, time.Hour, time.Hour
		s := newSource(t, c)
		now := start.Add(2 * time.Second)
		play(t, s, start, now, func(sent) {})
		before := s.Stats()
		for at := packet.SQN(1); at < 10000; at += 50 {
			list := make([]packet.SQN, 49)
			for i := range list {
				list[i] = at + 1 + packet.SQN(i)
			}
			ask(t, s, now, at, list...)
			next := now.Add(5 * ms)
			play(t, s, now, next, func(sent) {})
			now = next
		}
		st := s.Stats()
		data, repairs := float64(st.ODATA-before.ODATA), float64(st.RDATA-before.RDATA)
		if got := repairs / (data + repairs); got < share-0.02 || got > share+0.02 {
			t.Errorf("repairs had %.3f of what was sent, want %v", got, share)
		}
	}
}

// The rate is what was asked for, whatever it is and whatever the packets' size: within 2 %, over a second or 200 packets.
func TestPacingIsAccurate(t *testing.T) {
	for _, bits := range []int{64_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000} {
		for _, size := range []int{200, 1400, 8900} {
			t.Run(fmt.Sprintf("%d bit/s of %d", bits, size), func(t *testing.T) {
				rate := bits / 8
				f := &endless{next: packet.MaxWindow}
				c := testConfig(f)
				c.MaxRate, c.MaxTSDU = rate, size-28-packet.DataHeaderLen
				s := newSource(t, c)
				b := packet.NewBatch(1 << 18)
				total, now := 0, start
				end := start.Add(max(time.Second, time.Duration(200*size)*time.Second/time.Duration(rate)))
				wakes := 0
				for now.Before(end) {
					b.Reset()
					s.PollTransmit(now, b)
					for _, m := range b.Messages {
						total += len(m.Data) + 28*m.Packets()
					}
					now = s.NextTimeout()
					wakes++
				}
				want := float64(rate) * now.Sub(start).Seconds()
				if got := float64(total) / want; got < 0.98 || got > 1.02 {
					t.Errorf("%.4f of the rate", got)
				}
				if uint64(total) != s.Stats().Sent {
					t.Errorf("Sent is %d, of %d octets", s.Stats().Sent, total)
				}
				if perSecond := float64(wakes) / now.Sub(start).Seconds(); perSecond > 5000 {
					t.Errorf("%.0f wake-ups a second", perSecond)
				}
			})
		}
	}
}

// What waits for the rate is to be sent to the microsecond; heartbeats, with nothing else to send, are not.
func TestHeartbeatsAreNotPaced(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1 << 20}
	c := testConfig(f)
	c.MaxRate = 1_000_000
	s := newSource(t, c)
	b := packet.NewBatch(1 << 18)
	s.PollTransmit(start, b)
	if !s.Paced() {
		t.Error("data waits for the rate, and is not paced")
	}
	f.next = 1
	s = newSource(t, c)
	for now, n := start, 0; n < 20; n++ {
		b.Reset()
		if s.PollTransmit(now, b); s.Paced() {
			t.Errorf("%v: there is nothing to send, and it is paced", now.Sub(start))
		}
		now = s.NextTimeout()
	}
}

func TestSetRate(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1 << 20}
	c := testConfig(f)
	c.MaxRate = 1_000_000
	s := newSource(t, c)
	play(t, s, start, start.Add(time.Second), func(sent) {})
	before := s.Stats().Sent
	s.SetRate(100_000)
	play(t, s, start.Add(time.Second), start.Add(3*time.Second), func(sent) {})
	if got := s.Stats().Sent - before; got > 220_000 || got < 180_000 {
		t.Errorf("%d octets in 2 s at 100,000 a second", got)
	}
	if s.Stats().Rate != 100_000 {
		t.Errorf("Rate is %d", s.Stats().Rate)
	}
}

// The window never holds more than 2^31-1 packets [3.3-02]: new data waits until the trail moves.
func TestWindowIsBounded(t *testing.T) {
	f := &fake{first: 0, trail: 0, next: packet.MaxWindow + 5}
	s := newSource(t, testConfig(f))
	s.next = packet.MaxWindow - 3
	out := pollAll(t, s, start)
	if n := count(out, packet.TypeODATA); n != 3 {
		t.Errorf("%d packets left, want 3", n)
	}
	f.trail = 2
	if n := count(pollAll(t, s, start), packet.TypeODATA); n != 2 {
		t.Errorf("%d packets left when the trail moved by 2", n)
	}
}

// A store that gives less than was asked for, or nothing, costs nothing but another Load.
func TestLoadGivesLess(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 31, limit: 7}
	s := newSource(t, testConfig(f))
	if got := sqns(pollAll(t, s, start), packet.TypeODATA); len(got) != 30 || got[29] != 30 {
		t.Errorf("packets %v left", got)
	}
	ask(t, s, start.Add(ms), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	if got := sqns(pollAll(t, s, start.Add(ms)), packet.TypeRDATA); len(got) != 10 || got[9] != 10 {
		t.Errorf("repairs %v left", got)
	}
}

// A store that breaks its contract is an error of the session, not a broken packet.
func TestStoreBreaksItsContract(t *testing.T) {
	for name, mark := range map[string]func(packet.SQN, *TSDU){
		"no room for options": func(_ packet.SQN, u *TSDU) { u.Syn = true },
		"too long":            func(_ packet.SQN, u *TSDU) { u.Data = make([]byte, testTSDU+1) },
	} {
		f := &fake{first: 1, trail: 1, next: 10, mark: mark}
		s := newSource(t, testConfig(f))
		out := pollAll(t, s, start)
		if s.Err() == nil || count(out, packet.TypeODATA) != 0 || !s.Finished() {
			t.Errorf("%s: %v", name, s.Err())
		}
	}
}

// Reports wait in a bounded queue and leave whole.
func TestReportsAreBounded(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 1}
	c := testConfig(f)
	c.MaxReports, c.MaxRate = 20, 100_000
	c.Ambient, c.IHBMin, c.IHBMax = time.Hour, time.Hour, time.Hour
	s := newSource(t, c)
	for i := range 30 {
		body := make([]byte, 200)
		body[0] = byte(i)
		if got := s.SendReport(testFrom, body); got != (i < 20) {
			t.Fatalf("report %d: %v", i, got)
		}
	}
	if s.SendReport(testFrom, make([]byte, testTSDU+1)) {
		t.Error("a report that no packet holds was queued")
	}
	if s.Stats().ReportsDropped != 11 {
		t.Errorf("%d dropped", s.Stats().ReportsDropped)
	}
	next := byte(0)
	play(t, s, start, start.Add(time.Second), func(p sent) {
		if p.h.Type == packet.TypeReport {
			if p.body[0] != next || p.to != testFrom {
				t.Fatalf("report %d to %v, want %d", p.body[0], p.to, next)
			}
			next++
		}
	})
	if next != 20 {
		t.Errorf("%d reports left", next)
	}
}

// IPv6 throughout: NLAs, and the group where it has a zone.
func TestIPv6(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 3}
	c := testConfig(f)
	c.Source = netip.MustParseAddrPort("[fe80::1%eth0]:7500")
	c.Group = netip.MustParseAddrPort("[ff12::1%eth0]:7500")
	c.Overhead = 48
	s := newSource(t, c)
	out := pollAll(t, s, start)
	if out[0].spm.Path != netip.MustParseAddr("fe80::1") || out[0].to != c.Group {
		t.Errorf("the SPM says %v, to %v", out[0].spm.Path, out[0].to)
	}
	wire := nakWireFor(netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff12::1"), 1)
	if err := s.HandlePacket(start, testFrom, wire); err != nil {
		t.Fatal(err)
	}
	if out := pollAll(t, s, start); count(out, packet.TypeNCF) != 1 || count(out, packet.TypeRDATA) != 1 || out[0].wire-28 != 60 {
		t.Errorf("%d packets answer the NAK", len(out))
	}
}
