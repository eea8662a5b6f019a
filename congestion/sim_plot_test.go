package congestion

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// curve is a line of a plot: values of 0 to 1.2, evenly spaced in time.
type curve struct {
	name, colour string
	values       []float64
}

// plot draws curves over so many seconds.
func plot(title string, seconds float64, curves []curve) string {
	const width, height, left, top = 640, 200, 40, 24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n", width+left+10, height+top+36)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%d" y="14">%s</text>`+"\n", left, title)
	y := func(v float64) float64 { return top + height*(1-min(v, 1.2)/1.2) }
	for _, v := range []float64{0, 0.5, 1} {
		fmt.Fprintf(&b, `<path d="M%d %.0fh%d" stroke="#ccc"/><text x="%d" y="%.0f" text-anchor="end">%.1f</text>`+"\n", left, y(v), width, left-4, y(v)+4, v)
	}
	for i := range 6 {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%.0f s</text>`+"\n", left+i*width/5, top+height+14, seconds*float64(i)/5)
	}
	for i, c := range curves {
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+i*210, top+height+30, c.colour, c.name)
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" points="`, c.colour)
		for j, v := range c.values {
			fmt.Fprintf(&b, "%.0f,%.0f ", left+float64(j+1)*width/float64(len(c.values)), y(v))
		}
		b.WriteString("\"/>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// The plots in docs are drawn from what is measured: go test -rewrite.
func TestPlots(t *testing.T) {
	needsTime(t)
	if !*rewrite {
		t.Skip("drawn with -rewrite only")
	}
	write := func(name, svg string) {
		if err := os.WriteFile(filepath.Join("..", "docs", name), []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	colours := []string{"#06c", "#c30", "#393"}
	var alone, lossy, rival []curve
	for i, p := range []path{{10, ms, 50 * ms, 0, 0}, {1000, 50 * ms, 50 * ms, 0, 9000}, {10000, 50 * ms, 10 * ms, 0, 9000}} {
		alone = append(alone, curve{fmt.Sprintf("%.0f Mbit/s, RTT %v", p.mbit, p.rtt), colours[i], p.alone(6 * time.Second).series})
	}
	write("congestion-start.svg", plot("The start: goodput, of the bottleneck", 6, alone))
	for i, loss := range []float64{0.01, 0.05, 0.1} {
		lossy = append(lossy, curve{fmt.Sprintf("%.0f %% random loss", loss*100), colours[i], path{100, 50 * ms, 50 * ms, loss, 0}.alone(20 * time.Second).series})
	}
	write("congestion-loss.svg", plot("100 Mbit/s, RTT 50 ms, with random loss: goodput, of what can come", 20, lossy))
	_, _, series := rivals{path{100, 20 * ms, 20 * ms, 0, 0}, 1, true, true}.share(0, 60*time.Second)
	var us, them []float64
	for _, v := range series {
		us, them = append(us, v[0]), append(them, v[1])
	}
	rival = []curve{{"gopgm", colours[0], us}, {"TCP CUBIC", colours[1], them}}
	write("congestion-tcp.svg", plot("100 Mbit/s, RTT 20 ms, 20 ms of queue: we join a TCP flow", 60, rival))
}
