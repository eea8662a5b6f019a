package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// Decode decodes at once, from what was delivered.
func (w *witness) Decode(j *fec.Job) bool {
	if j == nil {
		return true
	}
	tg, _ := j.Group()
	if w.decoder == nil {
		w.decoder = fec.NewDecoder(fec.Size(w.c.source.FEC.Group))
	}
	_ = w.decoder.Decode(j, func(s packet.SQN, room []byte) (fec.Original, bool) {
		i := int(s - w.c.first)
		if i >= len(w.seen) || !w.seen[i] {
			w.errorf("packet %v of group %v is to be loaded, and was not delivered", s, tg)
			return fec.Original{}, false
		}
		var dst [tsduLen]byte
		return fec.Original{TSDU: tsdu(dst[:], uint64(w.c.port), s)}, true
	})
	w.session.Decoded(w.ear.x.net.Now(), j)
	return true
}

// §11: with parity of whatever kind, every receiver has every packet, once and right, and asks as it is to.
func TestSimParityRepairs(t *testing.T) {
	for _, c := range []struct {
		name string
		fec  fec.Config
	}{
		{"on demand", fec.Config{Group: 16, OnDemand: true}},
		{"pro-active", fec.Config{Group: 16, Proactive: 2}},
		{"both", fec.Config{Group: 8, Proactive: 1, OnDemand: true}},
		{"adaptive", fec.Config{Group: 16, OnDemand: true, Adaptive: true}},
		{"few numbers", fec.Config{Group: 4, Parity: 4, OnDemand: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			Seeds(t, 8, func(t *testing.T, rng *rand.Rand) {
				x := star(t, rng, talk{
					first: packet.SQN(0xffff_ff00 + 16*rng.IntN(20)), packets: 2005, rate: 300_000, source: source.Config{FEC: c.fec, Linger: 4 * time.Second},
				}, 8, &Link{Delay: time.Millisecond, Loss: 0.03, Reorder: 0.01, Jitter: time.Millisecond, Repeat: 0.01}, hear{})
				x.run(time.Minute)
				k := x.talkers[0].Stats()
				t.Logf("ODATA %d RDATA %d parity %d + %d, NAKs %d (%d)", k.ODATA, k.RDATA, k.ProactiveParity, k.DemandParity, k.NAKs, k.ParityNAKs)
			})
		})
	}
}
