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

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/element"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/pgm/source"
)

// §7: behind elements at some routers and none at others, whatever links lose, every receiver has everything.
func TestElementsRepairLoss(t *testing.T) {
	Seeds(t, 40, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: 200})
		routers := []Router{Root}
		for range 2 + rng.IntN(6) {
			down := &Link{Delay: time.Duration(rng.Int64N(int64(2 * time.Millisecond))), Loss: 0.03 * rng.Float64(), Reorder: 0.01, Repeat: 0.01}
			routers = append(routers, x.net.Router(routers[rng.IntN(len(routers))], down, &Link{Delay: down.Delay, Loss: down.Loss}))
		}
		for _, r := range routers {
			for range rng.IntN(4) {
				x.listen(r, &Link{Loss: 0.02, Delay: 100 * time.Microsecond}, &Link{Loss: 0.02}, hear{unordered: rng.IntN(2) == 0, receiver: patient})
			}
		}
		for _, r := range routers {
			if rng.IntN(3) > 0 {
				x.net.Assist(r, element.Config{Discover: time.Duration(rng.IntN(2)) * time.Second})
			}
		}
		x.expectRefusals()
		x.run(time.Minute)
	})
}

// expectRefusals has elements refuse what a network with losses and repeats may bring them: repeated SPMs, and packets of a session of
// which the SPM was lost.
func (x *trial) expectRefusals() {
	observe := x.net.Observe
	x.net.Observe = func(e Event) {
		if e.Kind == Refused && e.Host < everyone && (e.Err == element.ErrSequence || e.Err == element.ErrUnknown) {
			return
		}
		observe(e)
	}
}

// §7.8: what is lost on one leaf is repaired on that leaf; the others see no RDATA, and the source one NAK for each packet.
func TestRepairsStayOnTheLeafThatLost(t *testing.T) {
	Seeds(t, 10, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		k := x.talk(Root, &Link{}, talk{packets: 300})
		near := x.net.Router(Root, &Link{Delay: time.Millisecond}, &Link{Delay: time.Millisecond})
		clean := map[Host]bool{}
		var leaves []Router
		for i := range 3 {
			down := &Link{Delay: 100 * time.Microsecond}
			if i == 0 {
				down.LossOf = map[packet.Type]float64{packet.TypeODATA: 0.05}
			}
			leaf := x.net.Router(near, down, &Link{})
			leaves = append(leaves, leaf)
			for range 3 {
				clean[x.listen(leaf, &Link{}, &Link{}, hear{unordered: true}).host] = i > 0
			}
		}
		for _, r := range append(leaves, Root, near) {
			x.net.Assist(r, element.Config{})
		}
		naks := 0
		observe := x.net.Observe
		x.net.Observe = func(e Event) {
			observe(e)
			switch {
			case e.Kind != Delivered:
			case e.Type() == packet.TypeRDATA && clean[e.Host]:
				t.Errorf("%v: a repair reached receiver %d, who missed nothing", x.net.Elapsed(), e.Host)
			case e.Type() == packet.TypeNAK && e.Host == k.host:
				naks += requests(e.Data)
			}
		}
		x.run(time.Minute)
		if lost := len(x.missed); naks != lost {
			t.Errorf("%d packets were lost, the source was asked for %d", lost, naks)
		}
	})
}

// requests returns how many packets a NAK asks for.
func requests(p []byte) int {
	var h packet.Header
	var n nak.Packet
	body, err := h.Parse(p)
	if err == nil {
		_, err = n.Parse(&h, body)
	}
	if err != nil {
		return 0
	}
	return n.Count()
}

// A source that is killed, a parent whose element is another one after a while: receivers behind a repairer that stays silent, and the
// like, are in package element's scripts. Here: an element that forgets everything in mid-session costs repeats, and nothing else.
func TestElementThatForgets(t *testing.T) {
	Seeds(t, 10, func(t *testing.T, rng *rand.Rand) {
		x := newTrial(t, rng)
		x.talk(Root, &Link{}, talk{packets: 600})
		lossy := &Link{Delay: time.Millisecond, Loss: 0.05}
		leaf := x.net.Router(Root, lossy, &Link{Delay: time.Millisecond})
		for range 4 {
			x.listen(leaf, &Link{}, &Link{}, hear{unordered: true, receiver: patient})
		}
		x.net.Assist(leaf, element.Config{})
		for i := range 3 {
			x.net.After(time.Duration(50+50*i)*time.Millisecond, func() { x.net.Assist(leaf, element.Config{}) })
		}
		x.expectRefusals()
		x.run(time.Minute)
	})
}

// audience is a session to many receivers in a tree, and what came of it.
type audience struct {
	elements int
	losses   int    // links that lost a data packet
	naks     int    // packets that the source was asked for
	last     [2]int // both in the last third of the session
	all      bool   // everybody has everything
}

// perLoss returns how many NAKs there were for a loss.
func perLoss(naks, losses int) float64 { return float64(naks) / float64(max(losses, 1)) }

// broad builds three levels of routers, as many as the receivers need, with some hundreds of receivers on each network, and runs a session
// of so many packets from a source that is 1 ms away. Links lose packets: the first, behind which all are, one in 25; with elements
// others too, so that in all as many are lost by the link to some router, and as many by that to a single receiver.
func broad(t *testing.T, rng *rand.Rand, receivers, packets int, assisted bool) (c audience) {
	n := New(rng)
	odata := func(loss float64) map[packet.Type]float64 { return map[packet.Type]float64{packet.TypeODATA: loss} }
	others := 0.04
	if !assisted {
		others = 0
	}
	leaves := max(1, min(900, (receivers+199)/200))
	mids := (leaves + 29) / 30
	var routers []Router
	first := n.Router(Root, &Link{Delay: 100 * time.Microsecond, LossOf: odata(0.04)}, &Link{Delay: 100 * time.Microsecond})
	hop := &Link{Delay: 100 * time.Microsecond, LossOf: odata(others / float64(mids+leaves))}
	for len(routers) < mids {
		routers = append(routers, n.Router(first, hop, &Link{Delay: hop.Delay}))
	}
	for i := range leaves {
		routers = append(routers, n.Router(routers[i%mids], hop, &Link{Delay: hop.Delay}))
	}
	far := &Link{Delay: time.Millisecond}
	src := n.Host(Root, far, far)
	n.Leave(src)
	all := n.Crowd()
	own := &Link{Delay: 100 * time.Microsecond, LossOf: odata(others / float64(receivers))}
	for i := range receivers {
		h := n.Host(routers[mids+i%leaves], own, &Link{Delay: 100 * time.Microsecond})
		n.Start(h, all.Receiver())
	}
	if assisted {
		for _, r := range append(routers, Root, first) {
			n.Assist(r, element.Config{})
		}
		c.elements = len(routers) + 2
	}
	s, err := source.New(source.Config{
		TSI: packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1000}, Dest: Group.Port(), Source: n.Addr(src), Group: Group,
		MaxTSDU: tsduLen, Overhead: Overhead, MaxRate: 60_000, Rand: n.Rand(), Linger: 10 * time.Second,
		Store: &text{packets: packets}, Tuner: poll.TunerConfig{Max: 5 * time.Second}, Poll: poll.PollerConfig{Period: -1},
	}, n.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.Close(n.Now())
	n.Start(src, s)
	n.Observe = func(e Event) {
		late := int(s.Stats().Lead) >= packets*2/3
		switch {
		case e.Kind == Lost && e.Type() == packet.TypeODATA:
			c.losses++
			if late {
				c.last[1]++
			}
		case e.Kind == Delivered && e.Host == src && e.Type() == packet.TypeNAK:
			c.naks += requests(e.Data)
			if late {
				c.last[0] += requests(e.Data)
			}
		}
	}
	n.Run(time.Duration(packets)*4*time.Millisecond + 15*time.Second)
	c.all = all.Missed == all.Repaired
	return c
}

// How many NAKs reach the source for a lost packet, with elements and without: the reason for elements. GOPGM_MILLION=1 adds the million.
func TestImplosion(t *testing.T) {
	needsAllSeeds(t)
	sizes := []int{10, 100, 1000, 10_000, 100_000}
	million := os.Getenv("GOPGM_MILLION") != ""
	if million {
		sizes = append(sizes, 1_000_000)
	}
	var b strings.Builder
	var points []implosion
	b.WriteString("                  with elements: NAKs     without, tuned: NAKs\n")
	b.WriteString("receivers  elements    for each loss    for each loss  in the last third\n")
	for _, receivers := range sizes {
		with := broad(t, FromSeed(uint64(receivers)), receivers, max(400*1000/max(receivers, 1000), 60), true)
		p := implosion{receivers: receivers, with: perLoss(with.naks, with.losses)}
		fmt.Fprintf(&b, "%9d %9d %16.2f", receivers, with.elements, p.with)
		if p.with > 1.1 {
			t.Errorf("%d receivers: %d NAKs for %d losses", receivers, with.naks, with.losses)
		}
		if receivers <= 10_000 {
			without := broad(t, FromSeed(uint64(receivers)), receivers, 600, false)
			p.without, p.last = perLoss(without.naks, without.losses), perLoss(without.last[0], without.last[1])
			fmt.Fprintf(&b, " %16.2f %18.2f", p.without, p.last)
			with.all = with.all && without.all
			if p.last > 10 {
				t.Errorf("%d receivers without elements: %.1f NAKs for a loss in the last third", receivers, p.last)
			}
		}
		if !with.all {
			t.Errorf("%d receivers: not everything was repaired", receivers)
		}
		points = append(points, p)
		b.WriteByte('\n')
	}
	if million {
		t.Log("\n" + b.String())
		return
	}
	golden(t, "implosion.txt", b.String())
	if script.Rewriting() {
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "element-naks.svg"), []byte(plotImplosion(points)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// implosion is a row of the table.
type implosion struct {
	receivers           int
	with, without, last float64
}

// plotImplosion draws the table, both axes logarithmic: 10 to 1,000,000 receivers, 0.5 to 500 NAKs.
func plotImplosion(rows []implosion) string {
	const width, height, left, top = 640, 240, 40, 24
	x := func(receivers int) float64 { return left + width*(math.Log10(float64(receivers))-1)/5 }
	y := func(naks float64) float64 { return top + height*(1-math.Log10(min(max(naks, 0.5), 500)/0.5)/3) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width+left+20, height+top+36)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="14">NAKs at the source for a lost packet, by the number of receivers</text>`+"\n", left)
	for _, v := range []float64{1, 10, 100} {
		fmt.Fprintf(&b, `<path d="M%d %.0fh%d" stroke="#ccc"/><text x="%d" y="%.0f" text-anchor="end">%.0f</text>`+"\n", left, y(v), width, left-4, y(v)+4, v)
	}
	for n := 10; n <= 1_000_000; n *= 10 {
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="middle">%d</text>`+"\n", x(n), top+height+14, n)
	}
	for i, c := range []struct {
		name, colour string
		value        func(r implosion) float64
	}{
		{"with elements", "#06c", func(r implosion) float64 { return r.with }},
		{"without, tuned back-off", "#c30", func(r implosion) float64 { return r.without }},
		{"the same, in the last third", "#393", func(r implosion) float64 { return r.last }},
	} {
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n"+`<polyline fill="none" stroke="%s" points="`, left+i*210, top+height+30, c.colour, c.name, c.colour)
		for _, r := range rows {
			if v := c.value(r); v > 0 {
				fmt.Fprintf(&b, "%.0f,%.0f ", x(r.receivers), y(v))
			}
		}
		b.WriteString("\"/>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}
