package ncf

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

const ms = time.Millisecond

var (
	start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	src   = netip.MustParseAddr("192.0.2.1")
	grp   = netip.MustParseAddr("239.192.77.71")
)

func asks(s packet.SQN, list ...packet.SQN) *nak.Packet {
	return &nak.Packet{SQN: s, Source: src, Group: grp, List: list}
}

func next(f *Confirmer, now time.Time) *nak.Packet {
	p, _ := f.Next(now)
	return p
}

// send takes the NCFs that wait, and returns the first number of each.
func send(f *Confirmer, now time.Time) (sent []packet.SQN) {
	for p := next(f, now); p != nil; p = next(f, now) {
		sent = append(sent, p.SQN)
		f.Sent(now)
	}
	return sent
}

// An NCF says what the NAK said, list included [3.6.4.1-01], [9.3.4-01].
func TestNCFRepeatsTheNAK(t *testing.T) {
	f := New(Config{Source: src, Group: grp})
	if next(f, start) != nil {
		t.Fatal("an NCF waits before any NAK")
	}
	if v := f.Heard(start, asks(7, 9, 8)); v != Confirm {
		t.Fatalf("verdict %d", v)
	}
	if p := next(f, start); p.SQN != 7 || !slices.Equal(p.List, []packet.SQN{9, 8}) || p.Source != src || p.Group != grp || f.Pending() != 1 {
		t.Errorf("the NCF is %+v", p)
	}
}

// The first NAK is confirmed at once, identical ones only after Hold [5.2-03].
func TestIdenticalNAKsAreHeld(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Hold: 10 * ms})
	var sent []time.Duration
	for at := time.Duration(0); at <= 25*ms; at += ms {
		now := start.Add(at)
		f.Heard(now, asks(7))
		if len(send(f, now)) > 0 {
			sent = append(sent, at)
		}
	}
	if !slices.Equal(sent, []time.Duration{0, 10 * ms, 20 * ms}) {
		t.Errorf("NCFs at %v", sent)
	}
}

// While an NCF waits for the rate, the same NAK does not queue another.
func TestNAKIsHeldWhileItsNCFWaits(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Hold: ms})
	f.Heard(start, asks(7, 8))
	for i := range 1000 {
		now := start.Add(time.Duration(i) * time.Second)
		if v := f.Heard(now, asks(8)); v != Held || !f.Held(now, 7) {
			t.Fatalf("verdict %d after %d s", v, i)
		}
	}
	if f.Pending() != 1 {
		t.Errorf("%d NCFs wait", f.Pending())
	}
}

// A list is confirmed whole as soon as one of its numbers is not held.
func TestListWithANewNumberIsConfirmed(t *testing.T) {
	f := New(Config{Source: src, Group: grp})
	f.Heard(start, asks(7, 8))
	send(f, start)
	if v := f.Heard(start, asks(7, 8, 9)); v != Confirm {
		t.Errorf("verdict %d", v)
	}
	if p := next(f, start); p == nil || p.SQN != 7 || len(p.List) != 2 {
		t.Errorf("the NCF is %+v", p)
	}
	for _, p := range []*nak.Packet{asks(9), asks(8, 9), asks(9, 8, 7)} {
		if v := f.Heard(start, p); v != Held {
			t.Errorf("%v: verdict %d", p, v)
		}
	}
}

// The queue is bounded; NCFs leave in the order of their NAKs [5.2-02].
func TestQueueIsBounded(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Queue: 40})
	var want []packet.SQN
	for round := range 3 {
		want = want[:0]
		for i := range 100 {
			s := packet.SQN(1000*round + i)
			v := f.Heard(start, asks(s))
			if (v == Confirm) != (i < 40) || i >= 40 && v != Dropped {
				t.Fatalf("NAK %d: verdict %d", i, v)
			}
			if v == Confirm {
				want = append(want, s)
			}
			if v == Dropped && f.Held(start, s) {
				t.Fatal("a NAK that was dropped counts as confirmed")
			}
		}
		for i := range 10 { // so that the next round begins somewhere else in the ring
			if next(f, start).SQN != want[i] {
				t.Fatalf("NCF %v leaves, want %v", next(f, start).SQN, want[i])
			}
			f.Sent(start)
		}
		if got := send(f, start); !slices.Equal(got, want[10:]) {
			t.Fatalf("NCFs %v leave, want %v", got, want[10:])
		}
	}
	f.Sent(start) // none waits: nothing happens
}

// NCFs take no more than Rate, headers counted, and yet say all that is asked for: in a storm they take it up in lists [5.2-02].
func TestRateIsBounded(t *testing.T) {
	const rate, overhead = 100_000, 28
	f := New(Config{Source: src, Group: grp, Rate: rate, Overhead: overhead})
	octets, confirmed, single := 0, 0, 0
	asked := packet.SQN(0)
	for at := time.Duration(0); at < 10*time.Second; at += 250 * time.Microsecond { // of 92 octets, so 3.7 times too many
		now := start.Add(at)
		if v := f.Heard(now, asks(asked)); v != Confirm && v != Deferred {
			t.Fatalf("%v: verdict %d", at, v)
		}
		asked++
		for p, deferred := f.Next(now); p != nil; p, deferred = f.Next(now) {
			if !deferred && p.Count() > 1 {
				t.Fatalf("%v: NCF for %v and %v says more than its NAK", at, p.SQN, p.List)
			}
			octets += p.Len() + overhead
			if first := packet.SQN(confirmed); p.SQN != first || p.Count() > 1 && p.List[p.Count()-2] != first+packet.SQN(p.Count()-1) {
				t.Fatalf("%v: NCF for %v and %v, want from %v on", at, p.SQN, p.List, first)
			}
			if p.Count() == 1 {
				single++
			}
			confirmed += p.Count()
			f.Sent(now)
		}
	}
	if most := 10*rate + rate/16; octets > most {
		t.Errorf("NCFs of %d octets in 10 s, want at most %d", octets, most)
	}
	if waits := int(asked) - confirmed; waits > 1+nak.MaxList {
		t.Errorf("of %d that were asked for, %d still wait", asked, waits)
	}
	if single < 64 {
		t.Errorf("%d NAKs were confirmed on their own, want those before the rate was spent", single)
	}
	f.SetRate(0)
	send(f, start.Add(time.Hour))
	for i := range 1000 {
		if v := f.Heard(start, asks(packet.SQN(1<<20+i))); v != Confirm {
			t.Fatalf("without a rate: verdict %d", v)
		}
	}
}

// What would wait for the rate longer than is of use is dropped; what waits leaves when the rate allows, oldest number first.
func TestStormThatTheRateCannotConfirmIsDropped(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Rate: 4000, Overhead: 28})
	asked := 0
	for f.Heard(start, asks(packet.SQN(100_000-asked))) != Dropped {
		asked++
	}
	if f.Held(start, packet.SQN(100_000-asked)) {
		t.Error("a NAK that was dropped counts as confirmed")
	}
	got := len(send(f, start))
	now := start
	for f.Pending() > 0 {
		at := f.NextAt(now)
		if !at.After(now) {
			t.Fatalf("the next NCF is due at %v, but not there", at.Sub(start))
		}
		now = at
		p := next(f, now)
		if p == nil || !slices.IsSorted(p.List) || p.Count() > 1 && p.SQN >= p.List[0] {
			t.Fatalf("%v: NCF %+v", now.Sub(start), p)
		}
		got += p.Count()
		f.Sent(now)
	}
	if got != asked || now.Sub(start) > patience {
		t.Errorf("%d of %d were confirmed after %v, want all within %v", got, asked, now.Sub(start), patience)
	}
	if !f.NextAt(now).IsZero() {
		t.Error("something is due though nothing waits")
	}
}

// While multicast fails, everyone who asks gets an NCF of its own, whatever others were told [15.3.2-01]; each takes of the rate, and none
// takes up what another asks for.
func TestUnicastNCFs(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Hold: time.Hour, Rate: 20_000, Overhead: 28})
	to := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 7500)
	}
	var verdicts [4]int
	asked := 0
	for i := range 200 {
		v := f.HeardFrom(start, asks(7, 9, 8), to(i))
		verdicts[v]++
		if v != Dropped {
			asked++
		}
	}
	if verdicts[Held] > 0 || verdicts[Confirm] < 64 || verdicts[Deferred] == 0 || verdicts[Dropped] == 0 {
		t.Errorf("verdicts %v", verdicts)
	}
	now, sent, octets := start, 0, 0
	for f.Pending() > 0 {
		for p, deferred := f.Next(now); p != nil; p, deferred = f.Next(now) {
			if f.To() != to(sent) || p.SQN != 7 || !slices.Equal(p.List, []packet.SQN{9, 8}) || deferred != (sent >= verdicts[Confirm]) {
				t.Fatalf("NCF %d goes to %v: %+v, deferred %v", sent, f.To(), p, deferred)
			}
			p.Extra = make([]byte, 16)
			octets += p.Len() + 28
			sent++
			f.Sent(now)
		}
		if f.Pending() > 0 {
			now = f.NextAt(now)
		}
	}
	if sent != asked || f.To().IsValid() {
		t.Errorf("%d left, want %d; then one goes to %v", sent, asked, f.To())
	}
	if most := 20_000*now.Sub(start).Seconds() + minDepth + 100; float64(octets) > most {
		t.Errorf("%d octets left in %v, want at most %.0f", octets, now.Sub(start), most)
	}
	// By multicast, again: nothing of the others' clings to it.
	now = now.Add(2 * time.Hour)
	if v := f.Heard(now, asks(7)); v != Confirm || next(f, now) == nil || f.To().IsValid() || next(f, now).Extra != nil {
		t.Errorf("verdict %d, NCF %+v to %v", v, next(f, now), f.To())
	}
}

// A storm by multicast does not join what waits for one child.
func TestUnicastNCFTakesUpNothing(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Rate: 4000, Overhead: 28})
	from := netip.MustParseAddrPort("192.0.2.9:7500")
	s := packet.SQN(1)
	for f.HeardFrom(start, asks(s), from) == Confirm {
		s++
	}
	if v := f.Heard(start, asks(1000)); v != Deferred || f.Pending() != int(s)+1 {
		t.Errorf("verdict %d, %d NCFs wait, want %d", v, f.Pending(), s+1)
	}
	// Nor does what takes its place in the queue go to that child.
	now := start
	for f.Pending() > 0 {
		for next(f, now) != nil {
			f.Sent(now)
		}
		now = now.Add(ms)
	}
	for range 100 { // until each place of the queue was used again
		for range 200 {
			s++
			f.Heard(now, asks(5000+s))
		}
		for f.Pending() > 0 {
			for next(f, now) != nil {
				if f.To().IsValid() {
					t.Fatalf("an NCF for all goes to %v", f.To())
				}
				f.Sent(now)
			}
			now = now.Add(ms)
		}
	}
}

// A newer number that shares a place with an older one costs the older its hold, nothing else.
func TestTableForgetsTheOlder(t *testing.T) {
	f := New(Config{Source: src, Group: grp, Hold: time.Hour})
	f.Heard(start, asks(1))
	f.Heard(start, asks(1+slotCount))
	if f.Held(start, 1) || !f.Held(start, 1+slotCount) {
		t.Error("the newer is not held, or the older still is")
	}
	send(f, start)
	if f.Held(start, 1) || !f.Held(start, 1+slotCount) {
		t.Error("once sent, the newer is not held, or the older is")
	}
}

func TestConfirmingDoesNotAllocate(t *testing.T) {
	f := New(Config{Source: src, Group: grp})
	p := asks(0, 1, 2, 3)
	now := start
	round := func() {
		now = now.Add(ms)
		f.Heard(now, p)
		p.SQN++
		next(f, start)
		f.Sent(now)
	}
	round()
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
