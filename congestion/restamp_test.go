package congestion

import (
	"slices"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// A source that stamps repairs waits for the ACK of each: one that is newer than anything moves RX_MAX, one that fills a gap its bitmap. The
// stamp itself is old, so the echo is that of the newest ODATA.
func TestStampedRepairsAreAcknowledged(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	now := worldStart
	r.Restamp(now, 1)
	if r.hasStamp || r.Owed() > 0 || r.loss.started {
		t.Fatal("a repair that comes before any data is more than a repair")
	}
	for _, n := range []uint32{1, 2, 4} {
		r.Data(packet.SQN(n), 1448, false)
		r.Stamp(now, Data{1000, nla4})
	}
	r.Flush()
	said(t, r, now)
	for _, tt := range []struct{ repaired, max, bitmap uint32 }{{3, 4, 0xffff_ffff}, {6, 6, 0xffff_fffd}} {
		r.Data(packet.SQN(tt.repaired), 1448, true)
		r.Restamp(now, packet.SQN(tt.repaired))
		r.Flush()
		got := said(t, r, now.Add(5*ms))
		if len(got) != 1 || got[0].ACK != (ACK{packet.SQN(tt.max), tt.bitmap}) || got[0].Timestamp != 1005 {
			t.Errorf("repair %d: %+v", tt.repaired, got)
		}
	}
	other := nla4.Next()
	r.Stamp(now, Data{1010, other})
	r.Restamp(now, 5)
	if r.Flush(); r.Owed() > 0 {
		t.Error("a repair is acknowledged though another is the acker")
	}
	r.Stamp(now, Data{Timestamp: 1020})
	r.report = r.calm
	if r.Restamp(now, 7); r.NextTimeout().IsZero() {
		t.Error("no offer though nobody is the acker")
	}
}

// While something is missing, packets of a batch are acknowledged one by one, up to a bound; the rest as usual.
func TestGapsAreToldPacketByPacket(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	for n := range uint32(44) {
		if n == 2 {
			continue
		}
		r.Data(packet.SQN(n), 1448, false)
		r.Stamp(worldStart, Data{1, nla4})
	}
	r.Flush()
	var got []uint32
	for _, f := range said(t, r, worldStart) {
		got = append(got, uint32(f.Max))
	}
	if want := []uint32{3, 4, 5, 6, 22, 38, 43}; !slices.Equal(got, want) {
		t.Errorf("ACKs up to %v, want %v", got, want)
	}
}
