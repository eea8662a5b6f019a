package receiver

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Where parity is on, neither data, nor parity that is not needed, nor parity that brings back what is missing, in order and at once, allocates.
func TestReceiveAllocatesNothingForParity(t *testing.T) {
	for _, c := range []struct {
		name string
		lost bool
	}{{"nothing is missing", false}, {"a packet of each group is", true}} {
		t.Run(c.name, func(t *testing.T) {
			st := newParityStage(t, Config{})
			st.r.c.Accept = func(time.Time, *Session) Sink { return discard{} }
			st.begin(fec.Params{Group: testK, Proactive: true, OnDemand: true})
			var packets [][]byte
			e := fec.NewEncoder(testK, 1448)
			e.Begin(0, int(testK))
			for i := range int(testK) {
				tsdu := make([]byte, 1448)
				tsdu[0] = byte(i)
				e.Set(i, fec.Original{TSDU: tsdu})
				packets = append(packets, dataPacket(packet.TypeODATA, packet.SQN(i), 0, string(tsdu), nil))
			}
			packets = append(packets, e.Append(nil, packet.Downstream(packet.TypeODATA, testTSI, testDest), 0, 0))
			tg := packet.SQN(0)
			group := func() {
				for i, p := range packets {
					n := tg + packet.SQN(i)
					if i == int(testK) {
						n = tg
					}
					renumber(p, n)
					if c.lost && i == 3 {
						continue
					}
					if err := st.r.HandlePacket(st.now, testFrom, p); err != nil {
						t.Fatal(err)
					}
				}
				tg += packet.SQN(testK)
			}
			for range 2000 {
				group()
			}
			if got := testing.AllocsPerRun(2000, group); got != 0 {
				t.Errorf("%v allocations for each group of %d packets", got, testK)
			}
			stats := st.r.Stats()
			if want := uint64(tg) / uint64(testK); stats.Delivered != want*uint64(testK) || c.lost != (stats.Rebuilt == want) {
				t.Errorf("%d packets delivered, %d of them rebuilt, of %d groups", stats.Delivered, stats.Rebuilt, want)
			}
		})
	}
}
