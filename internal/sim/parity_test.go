package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/script"
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

// Of independent losses, one parity packet repairs as many as there are receivers that miss something in its group. What is sent for repairs
// grows with the worst of them, slowly, where that of selective repairs grows until every packet is sent again. With as much parity unasked as
// one receiver in a few groups lacks, a thousand cost less than twice what one does.
func TestParityKeepsRepairsFew(t *testing.T) {
	needsAllSeeds(t)
	const loss, k = 0.02, 64
	modes := []struct {
		name string
		fec  fec.Config
	}{
		{"selective", fec.Config{}},
		{"on demand", fec.Config{Group: k, OnDemand: true}},
		{"and 5 unasked", fec.Config{Group: k, OnDemand: true, Proactive: 5}},
	}
	counts := []int{1, 3, 10, 30, 100, 1000}
	curves := make([][]float64, len(modes)+1)
	var b strings.Builder
	fmt.Fprintf(&b, "repair packets, and NAKs, for 100 data packets; each receiver loses %v %%, whatever others lose; groups of %d\n\nreceivers  least", 100*loss, k)
	for _, m := range modes {
		fmt.Fprintf(&b, "  %13s   NAKs", m.name)
	}
	b.WriteString("\n")
	for _, receivers := range counts {
		floor := 100 * worst(k, receivers, loss) / k
		curves[len(modes)] = append(curves[len(modes)], floor)
		fmt.Fprintf(&b, "%9d  %5.1f", receivers, floor)
		for i, m := range modes {
			packets := 10 * k
			if receivers == 1000 { // every one of them hears, and weighs, all that any other asks for
				packets = []int{1, 5, 8}[i] * k
			}
			x := star(t, FromSeed(uint64(receivers)), talk{
				packets: packets, rate: 500_000, source: source.Config{FEC: m.fec, Linger: 4 * time.Second},
			}, receivers, &Link{Delay: time.Millisecond, Loss: loss}, hear{})
			x.run(2 * time.Minute)
			n := x.talkers[0].Stats()
			repairs := float64(n.RDATA+n.ProactiveParity+n.DemandParity) * 100 / float64(packets)
			curves[i] = append(curves[i], repairs)
			fmt.Fprintf(&b, "  %13.1f  %5.1f", repairs, float64(n.NAKs)*100/float64(packets))
		}
		b.WriteString("\n")
	}
	last := len(counts) - 1
	if c := curves[2]; c[last] >= 2*c[0] {
		t.Errorf("%d receivers cost %.1f repairs for 100 packets, one costs %.1f: want less than twice as many", counts[last], c[last], c[0])
	}
	if got, want := curves[1][last], curves[3][last]; got > 2*want {
		t.Errorf("%d receivers cost %.1f repairs for 100 packets, where the worst of them lacks %.1f", counts[last], got, want)
	}
	golden(t, "parity.txt", b.String())
	if script.Rewriting() {
		svg := plotRepairs(counts, []string{"selective repair", "parity on demand", "and 5 of 64 unasked", "what the worst receiver lacks"}, curves)
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "fec-repairs.svg"), []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// worst returns how many of a group of k packets the worst of so many receivers lacks, on average.
func worst(k, receivers int, loss float64) (mean float64) {
	below, term := 0.0, math.Pow(1-loss, float64(k)) // P(at most n lost)
	for n := range k {
		below += term
		mean += 1 - math.Pow(min(below, 1), float64(receivers))
		term *= float64(k-n) / float64(n+1) * loss / (1 - loss)
	}
	return mean
}

// plotRepairs draws the curves over the numbers of receivers, which are shown by their logarithms.
func plotRepairs(counts []int, names []string, curves [][]float64) string {
	const left, top, width, height, most = 50, 30, 560, 260, 140.0
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", left+width+20, top+height+40)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="18">Repair packets for 100 data packets, each receiver losing 2 %%</text>`+"\n", left)
	span := math.Log(float64(counts[len(counts)-1]))
	x := func(i int) float64 { return left + width*math.Log(float64(counts[i]))/span }
	y := func(v float64) float64 { return top + height*(1-v/most) }
	for v := 0.0; v <= most; v += 20 {
		fmt.Fprintf(&b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, y(v), width, left-6, y(v)+4, v)
	}
	for i, n := range counts {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(i), top+height+16, n)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">receivers</text>`+"\n", left+width/2, top+height+32)
	for c, color := range []string{"#c33", "#36c", "#393", "#888"} {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, color)
		for i, v := range curves[c] {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(i), y(min(v, most)))
		}
		fmt.Fprintf(&b, `"/><text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+20, top+20+16*c, color, names[c])
	}
	b.WriteString("</svg>\n")
	return b.String()
}
