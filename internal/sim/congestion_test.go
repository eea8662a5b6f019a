package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
	"github.com/gopgm/gopgm/spm"
)

// neck is a bottleneck of 10 Mbit/s with a round trip of 10 ms and a queue of 50 ms.
const neck = 1_250_000

func (x *trial) behindNeck() Router {
	return x.net.Router(Root, &Link{Delay: 5 * time.Millisecond, Rate: neck, Queue: neck / 20}, &Link{Delay: 5 * time.Millisecond})
}

// auto is a source that finds its rate, and may send at a hundred times what the bottleneck takes.
func auto(packets int) talk {
	return talk{packets: packets, rate: 100 * neck, source: source.Config{CC: source.Auto}}
}

// alone returns for how long the data of a session takes the bottleneck.
func alone(packets int) time.Duration {
	return time.Duration(packets) * (tsduLen - 32 + packet.DataHeaderLen + Overhead) * time.Second / neck
}

// A source that is told nothing fills a bottleneck, with and without random loss behind it, and loses little by its own doing.
func TestAutoFillsABottleneck(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.05} {
		Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
			const packets = 30_000
			x := newTrial(t, rng)
			x.talk(Root, &Link{}, auto(packets))
			at := x.behindNeck()
			for i := range 3 {
				x.listen(at, &Link{Loss: loss}, &Link{}, hear{unordered: i%2 == 0})
			}
			x.run(time.Minute)
			tally := x.net.Tally()
			overflows := tally.Count(Overflowed, packet.TypeODATA) + tally.Count(Overflowed, packet.TypeRDATA)
			if got, most := x.net.Elapsed(), time.Duration(float64(alone(packets))*(1.12+3*loss))+time.Second; got > most {
				t.Errorf("loss %v: the session took %v, want %v at most; its data alone take %v", loss, got, most, alone(packets))
			}
			if overflows > packets/100 {
				t.Errorf("loss %v: %d of %d packets met a full queue", loss, overflows, packets)
			}
		})
	}
}

// What is given as rate is a ceiling, which trial holds each packet against.
func TestAutoKeepsItsCeiling(t *testing.T) {
	Seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		c := auto(10_000)
		c.rate = neck / 2
		x := star(t, rng, c, 3, &Link{Loss: 0.01, Delay: time.Millisecond}, hear{})
		x.run(time.Minute)
		if got, most := x.net.Elapsed(), 2*alone(10_000)*13/10; got > most {
			t.Errorf("the session took %v, want %v at most", got, most)
		}
	})
}

// The acker vanishes: another is elected, and the session goes on at the rate that it had.
func TestAckerVanishes(t *testing.T) {
	Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
		const packets = 25_000
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, auto(packets))
		at := x.behindNeck()
		for range 3 {
			x.listen(at, &Link{}, &Link{}, hear{unordered: true})
		}
		x.net.After(2*time.Second, func() {
			h, ok := x.net.host(netip.AddrPortFrom(k.Stats().Control.Acker.Addr, Group.Port()))
			if !ok {
				t.Fatal("after two seconds nobody is the acker")
			}
			x.net.Cut(h, true)
			x.pending--
		})
		x.run(time.Minute)
		if got, most := x.net.Elapsed(), alone(packets)*5/4+3*time.Second; got > most {
			t.Errorf("the session took %v, want %v at most", got, most)
		}
	})
}

// PGMCC gets everything to everybody through a bottleneck, however slowly; parity, fragments and repairs included.
func TestPGMCCCompletes(t *testing.T) {
	Seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		c := auto(5_000)
		c.source.CC = source.PGMCC
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, c)
		at := x.behindNeck()
		for i := range 3 {
			x.listen(at, &Link{Loss: 0.001}, &Link{}, hear{unordered: i%2 == 0})
		}
		x.run(5 * time.Minute)
		if s := k.Stats(); s.Control.ACKs < 200 || !s.Control.Acker.Addr.IsValid() {
			t.Errorf("%d ACKs came, the acker is %v", s.Control.ACKs, s.Control.Acker.Addr)
		}
	})
}

// Two receivers get what they would without a third one that is four times slower; and that one gets everything too, later.
func TestSlowReceiverIsDemoted(t *testing.T) {
	Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
		const packets = 15_000
		c := auto(packets)
		c.source.Slow = source.Demote
		var behind []bool
		c.source.Lag = func(_ netip.Addr, b bool) { behind = append(behind, b) }
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, c)
		k.SetReceivers(3)
		at := x.behindNeck()
		for range 2 {
			x.listen(at, &Link{}, &Link{}, hear{unordered: true})
		}
		patient := receiver.Config{Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1}} // as those of files are
		slow := x.listen(at, &Link{Rate: neck / 4, Queue: neck / 100}, &Link{}, hear{unordered: true, receiver: patient})
		others := x.timed(2)
		x.run(10 * time.Minute)
		if most := alone(packets)*11/10 + time.Second; *others > most {
			t.Errorf("the others had everything after %v, want %v at most", *others, most)
		}
		if !slow.done() {
			t.Error("the slow receiver did not get everything")
		}
		if len(behind) != 2 || !behind[0] || behind[1] {
			t.Errorf("it was said to be behind: %v; want once, and back once", behind)
		}
	})
}

// done reports whether the receiver has all that was sent.
func (e *ear) done() bool {
	return len(e.witnesses) == 1 && e.witnesses[0].count == e.witnesses[0].c.packets
}

// timed returns when the first n receivers have all that was sent, once they do.
func (x *trial) timed(n int) *time.Duration {
	at, observe := new(time.Duration), x.net.Observe
	x.net.Observe = func(e Event) {
		observe(e)
		if *at == 0 && !slices.ContainsFunc(x.ears[:n], func(e *ear) bool { return !e.done() }) {
			*at = x.net.Elapsed()
		}
	}
	return at
}

// So it is with one whose program reads slowly, though nothing is lost on the way to it, and what it holds is in order.
func TestSlowProgramIsDemoted(t *testing.T) {
	Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
		const packets = 30_000
		c := auto(packets)
		c.source.Slow = source.Demote
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, c)
		k.SetReceivers(3)
		at := x.behindNeck()
		for range 2 {
			x.listen(at, &Link{}, &Link{}, hear{})
		}
		patient := receiver.Config{Window: 1024, Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1}}
		slow := x.listen(at, &Link{}, &Link{}, hear{refuse: 0.4, receiver: patient}) // some 270 packets a second
		others := x.timed(2)
		x.run(10 * time.Minute)
		if most := alone(packets)*11/10 + 5*time.Second; *others > most {
			t.Errorf("the others had everything after %v, want %v at most", *others, most)
		}
		if s := k.Stats().Control.Slow; !slow.done() || s.Found != 1 {
			t.Errorf("it got everything: %v; what became of slow receivers: %+v", slow.done(), s)
		}
	})
}

// Who waits for a program that reads slowly takes hardly longer than it takes to read it, though much was sent before that it is slow was known, and
// has to be repaired.
func TestSlowProgramIsWaitedFor(t *testing.T) {
	Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
		const packets = 20_000
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, auto(packets))
		patient := receiver.Config{Window: 1024, Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1}}
		x.listen(x.behindNeck(), &Link{}, &Link{}, hear{refuse: 0.4, receiver: patient})
		x.run(10 * time.Minute)
		if got, most := x.net.Elapsed(), packets*time.Second/270*5/4; got > most {
			t.Errorf("it took %v, want %v at most", got, most)
		}
	})
}

// stream writes so many packets to a source that has no more than a window of them, as fast as it takes them.
func (x *trial) stream(c talk, window int) *talker {
	m := source.NewMemory(source.MemoryConfig{MaxTSDU: tsduLen, Packets: window, Window: window * tsduLen, Backlog: window * tsduLen / 16})
	c.store = m
	k := x.talk(Root, &Link{}, c)
	var n packet.SQN
	var room [tsduLen]byte
	var write func()
	write = func() {
		for int(n) < c.packets && m.WriteAPDU(tsdu(room[:], uint64(k.c.port), n)) == nil {
			n++
		}
		if k.Wake(x.net.Now()); int(n) < c.packets {
			x.net.After(100*time.Microsecond, write)
		} else {
			k.Close(x.net.Now())
		}
		x.net.Wake(k.host)
	}
	x.net.After(0, write)
	return k
}

// A stream that comes much faster than its program reads, through windows that hold what it reads in a second or two, loses nothing and takes hardly
// longer than to read it; and a program that is fast again has all that comes within seconds. That the program is slow is heard late.
func TestSlowProgramOfAStreamLosesNothing(t *testing.T) {
	const packets, window, fast = 150_000, 8192, 60_000_000
	for _, c := range []struct {
		name  string
		reads func(tick int) int
		slack time.Duration
	}{
		{"evenly", func(int) int { return 50 }, time.Second},
		{"with pauses", func(tick int) int { return 60 * min(tick%600/100, 1) }, time.Second},
		{"in bursts", func(tick int) int { return 2500 * (1 - min(tick%50, 1)) }, time.Second},
		{"fast again", func(tick int) int { return 50 + packets*min(tick/1000, 1) }, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
				x := newTrial(t, rng)
				k := auto(packets)
				k.rate = 2 * fast
				x.stream(k, window)
				at := x.net.Router(Root, &Link{Delay: time.Millisecond, Rate: fast, Queue: fast / 100}, &Link{Delay: 20 * time.Millisecond})
				tick := -1
				patient := receiver.Config{Window: window, Recovery: nak.RecoveryConfig{NCFRetries: -1, DataRetries: -1}}
				x.listen(at, &Link{}, &Link{}, hear{receiver: patient, reads: func() int { tick++; return c.reads(tick) }})
				x.run(5 * time.Minute)
				ticks := 0
				for n := 0; n < packets; ticks++ {
					n += c.reads(ticks)
				}
				own := time.Duration(ticks) * 10 * time.Millisecond
				if got, most := x.net.Elapsed(), own*5/4+c.slack; got > most {
					t.Errorf("it took %v, want %v at most; the program alone takes %v", got, most, own)
				}
			})
		})
	}
}

// A receiver that is shed is waited for no more, and loses what it misses.
func TestSlowReceiverIsShed(t *testing.T) {
	Seeds(t, 2, func(t *testing.T, rng *rand.Rand) {
		const packets = 60_000
		c := auto(packets)
		c.source.Slow = source.Shed
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, c)
		k.SetReceivers(3)
		at := x.behindNeck()
		for range 2 {
			x.listen(at, &Link{}, &Link{}, hear{unordered: true})
		}
		x.listen(at, &Link{Rate: neck / 10, Queue: neck / 100}, &Link{}, hear{unordered: true, lossy: true, ends: func(*witness, receiver.End) bool { return true }})
		x.pending-- // the others' are awaited
		x.run(time.Minute)
		if got, most := x.net.Elapsed(), alone(packets)*11/10+time.Second; got > most {
			t.Errorf("the others had everything after %v, want %v at most", got, most)
		}
		if s := k.Stats().Control.Slow; s.Behind != 1 || s.Ignored == 0 {
			t.Errorf("what became of slow receivers: %+v", s)
		}
	})
}

// liar is a host that sends what it likes.
type liar struct{ packets [][]byte }

func (*liar) HandlePacket(time.Time, netip.AddrPort, []byte) error { return nil }
func (*liar) HandleTimeout(time.Time)                              {}
func (*liar) NextTimeout() time.Time                               { return time.Time{} }
func (l *liar) PollTransmit(_ time.Time, b *packet.Batch) {
	for _, p := range l.packets {
		b.Append(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), Group.Port()), 0, p)
	}
	l.packets = nil
}

// forged returns an ACK of an address with random contents, as far as they are not given.
func forged(rng *rand.Rand, tsi packet.TSI, who netip.Addr, stamp uint32) []byte {
	p := packet.Upstream(congestion.TypeACK, tsi, Group.Port()).Append(nil)
	p = congestion.ACK{Max: packet.SQN(rng.Uint32()), Bitmap: rng.Uint32()}.Append(p)
	at := len(p)
	p = packet.BeginOptions(p)
	p = congestion.Echo{Timestamp: rng.Uint32(), Loss: 0xffff, Receiver: who}.AppendTo(p)
	p = congestion.Reception{
		ID: rng.Uint32(), Timestamp: stamp, Held: rng.Uint32(), Delay: rng.Uint32(), Standing: rng.Uint32(),
		Received: rng.Uint32(), Lost: rng.Uint32(), Overflow: rng.Uint32(), Rate: rng.Uint32(), Limit: rng.Uint32() % 3,
	}.AppendTo(p)
	packet.EndOptions(p, at)
	packet.Seal(p)
	return p
}

// A host floods the source with forged ACKs: in the names of the receivers and in others, with absurd timestamps and counters, with those of
// the newest probe too. While it does, the source sends on, at its floor at least and below its ceiling; when it stops, the
// source is back at its rate within seconds.
func TestForgedACKs(t *testing.T) {
	Seeds(t, 1, func(t *testing.T, rng *rand.Rand) {
		const packets = 60_000
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, auto(packets))
		at := x.behindNeck()
		for range 3 {
			x.listen(at, &Link{}, &Link{}, hear{unordered: true})
		}
		l := &liar{}
		h := x.net.Host(Root, &Link{}, &Link{})
		x.net.Start(h, l)
		var stamp uint32
		observe := x.net.Observe
		x.net.Observe = func(e Event) {
			if e.Kind == Refused { // some are absurd enough
				return
			}
			observe(e)
			if e.Kind == Sent && e.Type() == packet.TypeSPM {
				stamp = probeOf(e.Data, stamp)
			}
		}
		sent := k.Stats().Sent
		var lie func()
		lie = func() {
			who := x.net.Addr(Host(rng.IntN(8))).Addr()
			s := stamp
			if rng.IntN(4) == 0 {
				s = rng.Uint32()
			}
			l.packets = append(l.packets, forged(rng, k.tsi(), who, s))
			x.net.Wake(h)
			if x.net.Elapsed() < 4*time.Second {
				x.net.After(time.Duration(rng.IntN(int(5*time.Millisecond))), lie)
			}
		}
		x.net.After(time.Second, lie)
		x.net.After(4*time.Second, func() {
			if more := k.Stats().Sent - sent; more < 3*8000 {
				t.Errorf("under attack, %d octets were sent in four seconds", more)
			}
		})
		x.run(time.Minute)
		if got, most := x.net.Elapsed(), alone(packets)*11/10+10*time.Second; got > most {
			t.Errorf("the session took %v, want %v at most", got, most)
		}
	})
}

func (k *talker) tsi() packet.TSI {
	return packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: k.c.port}
}

// probeOf returns the timestamp of the probe on an SPM, old if it bears none.
func probeOf(p []byte, old uint32) uint32 {
	var h packet.Header
	body, err := h.Parse(p)
	if err != nil {
		return old
	}
	var s spm.Packet
	opts, _ := s.Parse(&h, body)
	if o, ok := packet.FindOption(opts, congestion.OptProbe); ok {
		if q, err := congestion.ParseProbe(o); err == nil {
			return q.Timestamp
		}
	}
	return old
}
