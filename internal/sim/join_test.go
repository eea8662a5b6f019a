package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Who comes late gets the whole session where SPMs bear OPT_JOIN [9.4], whenever that is: while data is sent, and after it.
func TestLateJoinerGetsTheWholeSession(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{first: packet.SQN(1<<32 - 200), packets: 500}) // 0.25 s
		link := &Link{Delay: time.Millisecond, Loss: 0.05, Reorder: 0.02}
		for i := range 10 {
			x.listen(Root, link, link, hear{unordered: i%2 == 0, after: time.Duration(rng.Int64N(int64(time.Second)))})
		}
		x.run(20 * time.Second)
	})
}

// Without OPT_JOIN a receiver that comes late gets what is sent from then on, without a hole.
func TestLateJoinerGetsTheRestWithoutAHole(t *testing.T) {
	Seeds(t, 50, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{first: packet.SQN(1<<32 - 200), packets: 500, noJoin: true})
		link := &Link{Delay: time.Millisecond, Loss: 0.05, Reorder: 0.02}
		for range 10 {
			x.listen(Root, link, link, hear{after: time.Duration(rng.Int64N(int64(200 * time.Millisecond))), late: true})
		}
		x.run(20 * time.Second)
		for _, e := range x.ears {
			if got := e.witnesses[0].count; got < 20 {
				t.Errorf("receiver %d, there after %v, got %d packets", e.host, e.c.after, got)
			}
		}
	})
}

// §13: receivers that hear a session without an SPM ask for one by turns: the multicast SPMR of the first is the request of all on its
// network.
func TestReceiversSolicitByTurns(t *testing.T) {
	Seeds(t, 10, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: 500, rate: 125_000}) // a second
		deaf := &Link{Delay: time.Millisecond, LossOf: map[packet.Type]float64{packet.TypeSPM: 1}}
		lan := x.net.Router(Root, deaf, &Link{Delay: time.Millisecond})
		for i := range 100 {
			x.listen(lan, &Link{Delay: 50 * time.Microsecond}, &Link{Delay: 50 * time.Microsecond}, hear{unordered: i%2 == 0})
		}
		x.net.Run(450 * time.Millisecond) // the random delay is 250 ms at most, and 500 ms are between two turns
		if got := x.net.Tally().Count(Sent, packet.TypeSPMR); got < 2 || got > 10 {
			t.Errorf("100 receivers sent %d SPMRs, want one or a few of each kind", got)
		}
		deaf.LossOf = nil
		x.run(20 * time.Second)
	})
}
