package element

import (
	"math"
	"time"
)

// Load measures the load of an outgoing link: "the percentage of the packets meant to be forwarded on the interface that were dropped"
// (RFC 3208 §12.6.2), all traffic counted. It is a moving average over time that has 90 % of a change within 200 ms [12.6.2-02].
type Load struct {
	value   float64
	at      time.Time
	started bool
}

// loadTime is the time constant: 200 ms / ln 10.
const loadTime = 87 * time.Millisecond

// Add takes how many packets were to be forwarded since the last call and how many of them were dropped.
func (l *Load) Add(now time.Time, packets, dropped uint64) {
	if packets == 0 {
		return
	}
	rate := min(float64(dropped)/float64(packets), 1)
	if !l.started {
		l.value, l.at, l.started = rate, now, true
		return
	}
	w := 1 - math.Exp(-float64(now.Sub(l.at))/float64(loadTime))
	l.value, l.at = l.value+w*(rate-l.value), now
}

// Value returns the load as OPT_CR has it: 0xffff for all.
func (l *Load) Value() uint16 { return uint16(math.Round(l.value * math.MaxUint16)) }

// Loaded tells the element the counters of interface i since the last call: packets that were to be forwarded there, of any protocol,
// and how many of them were dropped. Every 20 to 100 ms is often enough.
func (e *Element) Loaded(now time.Time, i int, packets, dropped uint64) {
	e.ports[i].load.Add(now, packets, dropped)
}
