package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// §6.1, §6.3: every receiver delivers every packet, once, in order unless it wants them as they come, whatever is lost, late or
// repeated, wherever on the circle of SQNs the session is.
func TestEverythingArrives(t *testing.T) {
	Seeds(t, 1000, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		first := packet.SQN(rng.Uint32())
		if rng.IntN(4) == 0 {
			first = packet.SQN(-rng.Int32N(300)) // the wrap is in mid-session
		}
		x.talk(Root, &Link{Delay: time.Millisecond}, talk{first: first, packets: 300})
		down := &Link{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.05, Reorder: 0.02, ReorderBy: 3 * time.Millisecond, Repeat: 0.01}
		up := &Link{Delay: time.Millisecond, Loss: 0.05, Reorder: 0.02, Repeat: 0.01}
		for i := range 20 {
			x.listen(Root, down, up, hear{unordered: i%4 == 3})
		}
		x.run(time.Minute)
	})
}
