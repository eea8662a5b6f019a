package leg

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	group = netip.MustParseAddrPort("239.192.77.71:7500")
)

// pair is a leg: both ends, and a network that loses what it is told to.
type pair struct {
	t    *testing.T
	now  time.Time
	ends [2]*Peer
	lose func(from int) bool
	sent int // hellos
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, now: start}
	for i := range p.ends {
		p.ends[i] = p.fresh(uint64(i))
	}
	return p
}

// fresh returns an end that has just started.
func (p *pair) fresh(seed uint64) *Peer { return NewPeer(p.now, rand.New(rand.NewPCG(seed, 7))) }

// run has d pass.
func (p *pair) run(d time.Duration) {
	for end := p.now.Add(d); ; {
		for busy := true; busy; {
			busy = false
			for i, e := range p.ends {
				e.HandleTimeout(p.now)
				for {
					b, _, ok := e.PollTransmit(p.now, nil)
					if !ok {
						break
					}
					busy = true
					p.sent++
					if p.lose == nil || !p.lose(i) {
						var k Packet
						_, _ = p.ends[1-i].Handle(p.now, b, &k)
					}
				}
			}
		}
		next := p.ends[0].NextTimeout()
		if t := p.ends[1].NextTimeout(); t.Before(next) {
			next = t
		}
		if next.After(end) {
			p.now = end
			return
		}
		p.now = next
	}
}

// carry has a PGM packet cross from end i.
func (p *pair) carry(i int) error {
	b, ok := p.ends[i].Append(nil, &Packet{TTL: 9, Group: group, Source: netip.MustParseAddr("10.0.0.1"), Data: pgm})
	if !ok {
		return errors.New("not sent")
	}
	var k Packet
	if ok, err := p.ends[1-i].Handle(p.now, b, &k); !ok || err != nil {
		return errors.New("not taken")
	}
	return nil
}

func TestEndsFindEachOtherAtOnce(t *testing.T) {
	p := newPair(t)
	p.ends[1].Listen(p.now, []Interest{{group, 1}})
	p.run(0)
	if !p.ends[0].Alive() || !p.ends[1].Alive() || p.ends[0].Wants(group) != 1 || p.ends[1].Wants(group) != 0 {
		t.Errorf("%+v\n%+v", p.ends[0], p.ends[1])
	}
	for i := range p.ends {
		if err := p.carry(i); err != nil {
			t.Errorf("from %d: %v", i, err)
		}
	}
	p.sent = 0
	if p.run(10 * time.Second); p.sent != 20 {
		t.Errorf("%d hellos in ten seconds", p.sent)
	}
}

func TestWhoListensIsToldAtOnce(t *testing.T) {
	p := newPair(t)
	p.run(100 * time.Millisecond)
	p.ends[1].Listen(p.now, []Interest{{group, 3}})
	if p.run(0); p.ends[0].Wants(group) != 3 {
		t.Error("not told")
	}
	p.ends[1].Listen(p.now, nil)
	if p.run(0); p.ends[0].Wants(group) != 0 {
		t.Error("not told that nobody does")
	}
	p.sent = 0
	p.ends[1].Listen(p.now, nil)
	if p.run(0); p.sent != 0 {
		t.Error("told what has not changed")
	}
}

// A side that is killed and started again has another cookie: what was meant for the one before is not taken, and the other side believes it
// within a hello.
func TestARestartIsNoticed(t *testing.T) {
	p := newPair(t)
	p.run(2500 * time.Millisecond)
	p.ends[0] = p.fresh(99)
	if err := p.carry(1); err == nil {
		t.Error("what was for another is taken")
	}
	p.run(0)
	if !p.ends[0].Alive() || p.carry(0) != nil || p.carry(1) != nil {
		t.Error("not together again")
	}
	if s := p.ends[1].Stats(); s.Restarts != 1 || s.Silences != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASilentPeerIsGone(t *testing.T) {
	p := newPair(t)
	p.ends[1].Listen(p.now, []Interest{{group, 1}})
	p.run(time.Second)
	p.lose = func(from int) bool { return from == 1 }
	if p.run(SilentAfter - HelloInterval - time.Millisecond); !p.ends[0].Alive() {
		t.Error("gone too early")
	}
	p.run(2 * HelloInterval)
	if p.ends[0].Alive() || p.ends[0].Wants(group) != 0 || p.ends[0].Stats().Silences != 1 {
		t.Error("still there")
	}
	if p.carry(0) == nil || p.ends[0].Stats().Unsent != 1 {
		t.Error("sent to nobody")
	}
	p.lose = nil
	if p.run(HelloInterval); !p.ends[0].Alive() || p.ends[0].Wants(group) != 1 {
		t.Error("not back")
	}
}

func TestLostHellosAreRepeated(t *testing.T) {
	p := newPair(t)
	rng := rand.New(rand.NewPCG(3, 4))
	p.lose = func(int) bool { return rng.IntN(2) == 0 }
	p.run(20 * time.Second)
	if p.lose = nil; p.ends[0].theirs != p.ends[1].cookie || p.ends[1].theirs != p.ends[0].cookie {
		t.Error("half of the hellos are not enough")
	}
}

// Who forges the other side's address, but does not see what passes, changes nothing and has a bounded number of answers sent.
func TestForgeriesChangeNothing(t *testing.T) {
	p := newPair(t)
	p.ends[1].Listen(p.now, []Interest{{group, 1}})
	p.run(time.Second)
	victim := p.ends[0]
	before, stale, answers := victim.theirs, victim.Stats().Stale, 0
	for range 1000 {
		p.now = p.now.Add(time.Millisecond)
		evil := greeting{666, []Interest{{netip.MustParseAddrPort("239.1.1.1:9"), 1}}}
		var k Packet
		_, err := victim.Handle(p.now, evil.appendHello(nil, 0), &k)
		if !errors.Is(err, ErrCookie) && !errors.Is(err, ErrHello) {
			t.Fatal(err)
		}
		data := Packet{TTL: 9, Group: group, Source: netip.MustParseAddr("10.0.0.1"), Data: pgm}
		if ok, err := victim.Handle(p.now, data.appendPacket(nil, 12345), &k); ok || !errors.Is(err, ErrCookie) {
			t.Fatal("taken")
		}
		for {
			_, answer, ok := victim.PollTransmit(p.now, nil)
			if !ok {
				break
			}
			if answer {
				answers++
			}
		}
	}
	if victim.theirs != before || victim.Wants(group) != 1 || victim.Stats().Stale != stale+2000 || answers > 1+int(time.Second/answerGap) {
		t.Errorf("%d answers, %+v", answers, victim)
	}
	if p.run(0); p.carry(0) != nil || p.carry(1) != nil {
		t.Error("the leg is broken")
	}
}

// A PGM packet crosses without an allocation.
func TestCrossingAllocatesNothing(t *testing.T) {
	p := newPair(t)
	p.run(0)
	k := Packet{TTL: 9, Group: group, Source: netip.MustParseAddr("10.0.0.1"), Data: make([]byte, 1400)}
	b := make([]byte, 0, 2048)
	if n := testing.AllocsPerRun(100, func() {
		out, _ := p.ends[0].Append(b, &k)
		var in Packet
		if ok, _ := p.ends[1].Handle(p.now, out, &in); !ok {
			t.Fatal("not taken")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTooLongIsUnsent(t *testing.T) {
	p := newPair(t)
	p.run(0)
	if _, ok := p.ends[0].Append(nil, &Packet{TTL: 1, Group: group, Source: netip.MustParseAddr("10.0.0.1"), Data: make([]byte, maxData+1)}); ok || p.ends[0].Stats().Unsent != 1 {
		t.Error("sent")
	}
}
