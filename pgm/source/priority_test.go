package source

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// "A source MUST strictly prioritize sending of pending NCFs first, pending SPMs second, and only send ODATA or RDATA when no NCFs or SPMs
// are pending" [5.1.3-01].
func TestNCFsThenSPMsThenData(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 3}
	c := testConfig(f)
	c.Ambient = 100 * ms
	s := newSource(t, c)
	pollAll(t, s, start)
	now := start.Add(100 * ms) // an SPM is due
	f.next = 4
	s.Wake(now)
	ask(t, s, now, 1)
	ask(t, s, now, 2)
	var got []packet.Type
	for _, p := range pollAll(t, s, now) {
		got = append(got, p.h.Type)
	}
	if len(got) != 6 || got[0] != packet.TypeNCF || got[1] != packet.TypeNCF || got[2] != packet.TypeSPM || !got[3].IsData() || !got[4].IsData() || !got[5].IsData() {
		t.Errorf("%v, want two NCFs, an SPM, and three data packets", got)
	}
}

// What the rate of NCFs leaves unconfirmed for the moment is not repaired before it is confirmed, however much of the rate there is for
// repairs [5.3-01].
func TestRepairsFollowDeferredNCFs(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 100}
	c := testConfig(f)
	c.Ambient, c.IHBMin, c.IHBMax, c.MaxRate = time.Hour, time.Hour, time.Hour, 1_000_000
	s := newSource(t, c)
	play(t, s, start, start.Add(time.Second), func(sent) {})
	now := start.Add(time.Second)
	for q := packet.SQN(1000); q < 6000; q++ { // nothing that could be repaired
		ask(t, s, now, q)
	}
	ask(t, s, now, 5)
	var confirmed, repaired time.Time
	play(t, s, now, now.Add(time.Second), func(p sent) {
		switch p.h.Type {
		case packet.TypeNCF:
			for q := range p.nak.All() {
				if q == 5 && confirmed.IsZero() {
					confirmed = p.at
				}
			}
		case packet.TypeRDATA:
			if repaired = p.at; confirmed.IsZero() {
				t.Errorf("RDATA %v after %v, before its NCF", p.data.SQN, p.at.Sub(now))
			}
		}
	})
	if confirmed.IsZero() || repaired.IsZero() || confirmed.Sub(now) < 20*ms {
		t.Errorf("confirmed after %v, repaired after %v: the NCF did not wait", confirmed.Sub(now), repaired.Sub(now))
	}
}
