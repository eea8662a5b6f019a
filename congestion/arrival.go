package congestion

import "time"

// transit follows how long probes are under way, to tell how long they waited in queues. The two clocks need not agree, only run at one
// speed: the least of the last seconds stands for empty queues.
type transit struct {
	least lowest[int32]
	zero  uint32 // the first difference of the clocks: all others count from it
	last  time.Time
	now   int32    // of the newest probe
	prior [2]int32 // of the two before it
	known bool
}

// transitSpan is for how long at least a transit time counts as that of empty queues: clocks drift, and paths change.
const transitSpan = 10 * time.Second

func newTransit() transit { return transit{least: lowest[int32]{span: transitSpan}} }

// add takes a probe that came at now, which is arrival on our clock in microseconds, with the source's timestamp.
func (t *transit) add(now time.Time, arrival, timestamp uint32) {
	diff := arrival - timestamp
	if !t.known {
		t.zero = diff
	}
	v := int32(diff - t.zero)
	// A probe cannot come later than the one before by more than the time between their arrivals: if it seems to, a clock was set.
	if grown := time.Duration(v-t.now) * time.Microsecond; t.known && grown > max(now.Sub(t.last), 0)+time.Millisecond {
		*t = newTransit()
		t.zero, v = diff, 0
	}
	t.prior = [2]int32{t.now, t.prior[0]}
	t.known, t.last, t.now = true, now, v
	t.least.add(now, v)
}

// queue returns for how many microseconds the newest probe was under way beyond the least.
func (t *transit) queue() uint32 { return uint32(max(t.now-t.least.get(), 0)) }

// standing returns the least that any of the newest three was.
func (t *transit) standing() uint32 {
	return uint32(max(min(t.now, t.prior[0], t.prior[1])-t.least.get(), 0))
}

// arrivals measures the rate at which data come, from probe to probe: between two of them, as much has come as was sent between them.
type arrivals struct {
	ring [32]arrival
	n    int // how many were added
}

type arrival struct {
	at      time.Time
	octets  uint64
	packets uint32
}

// A measured rate rests on at least so many packets, and so much time.
const (
	leastPackets = 6
	leastWindow  = 3 * time.Millisecond
)

func (a *arrivals) add(now time.Time, octets uint64, packets uint32) {
	a.ring[a.n%len(a.ring)] = arrival{now, octets, packets}
	a.n++
}

// rate returns the octets a second that came between the newest probe and the one next before it by at least window and leastPackets; 0
// when that is not known. If there is none so old, the oldest serves.
func (a *arrivals) rate(window time.Duration) uint64 {
	if a.n < 2 {
		return 0
	}
	newest := &a.ring[(a.n-1)%len(a.ring)]
	for i := 2; i <= min(a.n, len(a.ring)); i++ {
		p := &a.ring[(a.n-i)%len(a.ring)]
		span := newest.at.Sub(p.at)
		last := i == min(a.n, len(a.ring))
		if (span >= window && newest.packets-p.packets >= leastPackets || last) && span > 0 {
			return uint64(float64(newest.octets-p.octets) / span.Seconds())
		}
	}
	return 0
}
