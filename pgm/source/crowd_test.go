package source

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
)

// limit has a receiver say how fast its program reads, in units of 1,000 octets a second; 0: fast enough.
func limit(t *testing.T, s *Source, now time.Time, rate uint32) {
	t.Helper()
	p := congestion.ACK{Max: 1, Bitmap: 1}.Append(packet.Upstream(congestion.TypeACK, testTSI, testDest).Append(nil))
	at := len(p)
	p = congestion.Echo{Receiver: testFrom.Addr()}.AppendTo(packet.BeginOptions(p))
	p = packet.EndOptions(congestion.Reception{ID: 1, Received: 1, Limit: rate}.AppendTo(p), at)
	packet.Seal(p)
	if err := s.HandlePacket(now, testFrom, p); err != nil {
		t.Fatal(err)
	}
}

// A receiver that has no room has what it asks for before much is sent that is new, which it would have to ask for in its turn; but who goes on asking
// does not stop the session.
func TestCrowdedReceiverIsRepairedFirst(t *testing.T) {
	for _, rate := range []uint32{0, 1000} {
		c := testConfig(&endless{next: packet.MaxWindow})
		c.CC = Auto
		s := newSource(t, c)
		now := start.Add(time.Second)
		play(t, s, start, now, func(sent) {})
		limit(t, s, now, rate)
		for first := range packet.SQN(4) {
			var list []packet.SQN
			for i := range packet.SQN(50) {
				list = append(list, first*60+i+1)
			}
			ask(t, s, now, first*60, list...)
		}
		repaired, between := 0, 0
		play(t, s, now, now.Add(2*time.Second), func(p sent) {
			switch {
			case p.h.Type == packet.TypeRDATA:
				repaired++
			case p.h.Type == packet.TypeODATA && repaired > 0 && repaired < 204:
				between++
			}
		})
		if most := 204 / crowdedPart * 2; repaired != 204 || between == 0 || rate > 0 && between > most || rate == 0 && between <= most {
			t.Errorf("with a limit of %d kB/s: %d repairs, and %d new packets between them", rate, repaired, between)
		}
	}
}

// What was sent is not given up for its age while a receiver has no room for what it misses of it.
func TestNothingIsTooOldForACrowdedReceiver(t *testing.T) {
	m := NewMemory(MemoryConfig{MaxTSDU: testTSDU, Keep: 2 * time.Second})
	c := testConfig(m)
	c.CC = Auto
	s := newSource(t, c)
	for range 20 {
		if err := m.WriteAPDU([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	now := start
	run := func(d time.Duration, rate uint32) {
		for end := now.Add(d); now.Before(end); now = now.Add(100 * ms) {
			s.HandleTimeout(now)
			pollAll(t, s, now)
			limit(t, s, now, rate)
		}
	}
	if run(10*time.Second, 1); m.Trail() != 0 {
		t.Errorf("it has given up %d packets", m.Trail())
	}
	if run(crowdedAge+time.Second, 0); m.Trail() != 20 {
		t.Errorf("when there is room it has given up %d packets, want all 20", m.Trail())
	}
}

// A session that has ended is there as long as a receiver says that it has no room for the rest, but not for ever; one that was reset is not.
func TestEndWaitsForACrowdedReceiver(t *testing.T) {
	for _, row := range []struct {
		says, want time.Duration
		reset      bool
	}{
		{0, time.Second, false},
		{20 * time.Second, 20*time.Second + crowdedAge, false},
		{20 * time.Second, time.Second, true},
		{time.Hour, crowdedMost, false},
	} {
		c := testConfig(&fake{first: 1, trail: 1, next: 10})
		c.CC, c.Linger, c.LingerMax = Auto, time.Second, 5*time.Second
		s := newSource(t, c)
		pollAll(t, s, start)
		if s.Close(start); row.reset {
			s.Reset(start, 1, false)
		}
		now := start
		for ; !s.Done(now); now = now.Add(100 * ms) {
			if row.says > 0 && now.Sub(start) <= row.says {
				limit(t, s, now, 1)
			}
			s.HandleTimeout(now)
			pollAll(t, s, now)
		}
		if got := now.Sub(start); got < row.want || got > row.want+time.Second {
			t.Errorf("it is over after %v, want %v: %+v", got, row.want, row)
		}
	}
}
