package sim

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/pgm/source"
)

// together has so many receivers lose the same packets, one in 25, on the first link, and returns how many NAKs for each lost packet
// reached the source in each third of the session, as losses go.
func together(t *testing.T, rng *rand.Rand, receivers int, tuner poll.TunerConfig) (naks [3]float64, interval time.Duration) {
	const packets = 1500
	x := newTrial(t, rng)
	k := x.talk(Root, &Link{}, talk{packets: packets, rate: 130_000, source: source.Config{Tuner: tuner}})
	first := &Link{LossOf: map[packet.Type]float64{packet.TypeODATA: 0.04}}
	behind := x.net.Router(Root, first, &Link{})
	for i := range receivers {
		link := &Link{Delay: 100*time.Microsecond + time.Duration(rng.Int64N(int64(400*time.Microsecond)))}
		x.listen(behind, link, link, hear{unordered: i%2 == 0})
	}
	var counts, losses [3]int
	observe := x.net.Observe
	x.net.Observe = func(e Event) {
		observe(e)
		third := min(int(k.Stats().Lead)*3/packets, 2)
		switch {
		case e.Kind == Delivered && e.Type() == packet.TypeNAK:
			counts[third]++
		case e.Kind == Lost && e.Type() == packet.TypeODATA:
			losses[third]++
		}
	}
	x.run(time.Minute)
	for i := range naks {
		naks[i] = float64(counts[i]) / float64(max(losses[i], 1))
	}
	return naks, k.Stats().BackOff
}

// §15.2: receivers that lose the same packets spread their NAKs as far as their number asks for. How many NAKs come for a lost packet, with
// the interval fixed at its default and tuned, in the thirds of a session.
func TestTuningQuenchesDuplicates(t *testing.T) {
	needsAllSeeds(t)
	var b strings.Builder
	b.WriteString("receivers  NAK_BO_IVL   NAKs for a lost packet, by thirds   at last    round trip 0.2 to 1 ms\n")
	for _, receivers := range []int{5, 50, 500} {
		var last [2]float64
		for i, c := range []struct {
			name  string
			tuner poll.TunerConfig
		}{
			{"fixed", poll.TunerConfig{Min: poll.DefaultBackOff, Default: poll.DefaultBackOff, Max: poll.DefaultBackOff}},
			{"tuned", poll.TunerConfig{}},
		} {
			naks, interval := together(t, FromSeed(1), receivers, c.tuner)
			fmt.Fprintf(&b, "%9d  %-10s %10.1f %11.1f %11.1f %9v\n", receivers, c.name, naks[0], naks[1], naks[2], interval)
			last[i] = naks[2]
		}
		if receivers == 500 && last[1] > last[0]/4 {
			t.Errorf("%d receivers: %.1f NAKs for a lost packet with a tuned interval, %.1f without", receivers, last[1], last[0])
		}
	}
	golden(t, "tuning.txt", b.String())
}

// §14.3.1: polls say how many receivers there are, as exactly as their masks allow: within three standard deviations.
func TestPollsCountReceivers(t *testing.T) {
	for _, receivers := range []int{1, 10, 300, 3000} {
		t.Run(fmt.Sprint(receivers), func(t *testing.T) {
			x := newTrial(t, FromSeed(uint64(receivers)))
			k := x.talk(Root, &Link{}, talk{store: &text{}, source: source.Config{Ambient: 10 * time.Second, IHBMax: 10 * time.Second}})
			var mask uint32
			var variance float64
			groups, most := uint64(0), 0
			x.net.Observe = func(e Event) {
				if s := k.Stats().Polls; s.Groups > groups { // what was asked last completed a poll
					groups = s.Groups
					variance += float64(receivers) * (math.Ldexp(1, bits.OnesCount32(mask)) - 1)
				}
				if e.Kind == Sent && e.Type() == packet.TypePOLL {
					var h packet.Header
					var p poll.Packet
					body, _ := h.Parse(e.Data)
					if _, err := p.Parse(&h, body); err != nil {
						t.Fatal(err)
					}
					mask = p.Mask
				}
			}
			for i := range receivers {
				x.listen(Root, &Link{Delay: time.Duration(i%1000) * time.Microsecond}, &Link{}, hear{})
			}
			for range 60 {
				before := k.Stats().Polls.Replies
				x.net.Run(100 * time.Millisecond)
				most = max(most, int(k.Stats().Polls.Replies-before))
			}
			s := k.Stats()
			deviation := math.Sqrt(variance) / float64(max(groups, 1))
			t.Logf("%d of %d receivers, standard deviation %.0f, %+v", s.Receivers, receivers, deviation, s.Polls)
			if !s.ReceiversKnown || groups < 2 || math.Abs(float64(s.Receivers-receivers)) > 3*deviation {
				t.Errorf("estimate %d of %d, standard deviation %.1f; %+v", s.Receivers, receivers, deviation, s.Polls)
			}
			if limit := 4*poll.DefaultWant + 1; most > limit {
				t.Errorf("%d replies in 100 ms, want at most %d", most, limit)
			}
			if s.Polls.Stray > 0 || s.Bad.Total() > 0 {
				t.Errorf("%d stray replies, %+v", s.Polls.Stray, s.Bad)
			}
		})
	}
}
