package congestion

import (
	"fmt"
	"math"
	"time"
)

// PacerConfig says how fast a source sends. Sizes are in bytes as the caller counts packets (with
// their IP and UDP headers, if TXW_MAX_RTE is to cover these), rates in bytes a second. Which packets
// the rate covers is the caller's choice too: those that it spends [5.1.1-02].
type PacerConfig struct {
	Rate   int // TXW_MAX_RTE, the sustained rate; 0: no limit
	Peak   int // rate of packets that follow each other, at least Rate; default 1.25 × Rate
	Packet int // largest packet; default 1,500
	Burst  int // what may leave at once, at least Packet; default Packet + 1.25 ms of Rate, at most 64 KiB
	Depth  int // token bucket size, at least Burst; default 8 ms of Rate, at least Burst
}

const (
	defaultPacket = 1500
	maxBurst      = 64 << 10 // what one system call takes (UDP_SEGMENT)
)

// Pacer is a token bucket and a leaky bucket that a packet must both pass [5.1.2-01, 5.1.2-03]. In any
// interval t no more than Depth + Rate × t and no more than Burst + Peak × t bytes leave, if each
// packet fits in its Budget; by less than a packet more if the last one may exceed it.
//
// A source that wakes when NextAt says keeps to the rate exactly. One that wakes late by up to 1 ms
// does on average, because Burst holds a packet and what 1 ms adds to it. With the defaults that is so
// up to some 50 MB/s, where Burst reaches 64 KiB: a faster source must wake more precisely, or be given
// a larger Burst.
type Pacer struct {
	config PacerConfig
	rate   int
	tokens bucket
	room   bucket // of the leaky bucket
}

// NewPacer checks c and returns a Pacer that may send a Burst at once.
func NewPacer(c PacerConfig) (*Pacer, error) {
	if c.Rate < 0 || c.Peak < 0 || c.Packet < 0 || c.Burst < 0 || c.Depth < 0 {
		return nil, fmt.Errorf("congestion: a rate or size is negative: %+v", c)
	}
	if c.Packet == 0 {
		c.Packet = defaultPacket
	}
	switch {
	case c.Peak != 0 && c.Peak < c.Rate:
		return nil, fmt.Errorf("congestion: peak of %d bytes a second is less than the rate of %d", c.Peak, c.Rate)
	case c.Burst != 0 && c.Burst < c.Packet:
		return nil, fmt.Errorf("congestion: burst of %d bytes does not hold a packet of %d", c.Burst, c.Packet)
	case c.Depth != 0 && c.Depth < c.Packet:
		return nil, fmt.Errorf("congestion: depth of %d bytes does not hold a packet of %d", c.Depth, c.Packet)
	case c.Depth != 0 && c.Depth < c.Burst:
		return nil, fmt.Errorf("congestion: depth of %d bytes does not hold a burst of %d", c.Depth, c.Burst)
	}
	p := &Pacer{config: c, rate: c.Rate}
	peak, burst, depth := c.limits(c.Rate)
	p.tokens = newBucket("token bucket", c.Rate, depth)
	p.room = newBucket("leaky bucket", peak, burst)
	return p, nil
}

// limits returns what c says, or its defaults, for a rate that may have changed since.
func (c PacerConfig) limits(rate int) (peak, burst, depth int) {
	if rate == 0 {
		peak = 0 // no limit either
	} else if peak = max(c.Peak, rate); c.Peak == 0 {
		peak = rate + min(rate/4+min(rate%4, 1), math.MaxInt-rate)
	}
	burst = c.Burst
	if burst == 0 {
		// A source sleeps until there is room for a packet. In the millisecond by which it may wake
		// late, 1.25 ms of the rate are added at the default peak; without space for them they are
		// lost, and the rate is not reached.
		burst = max(c.Packet, min(maxBurst, c.Packet+rate/800))
		if c.Depth != 0 {
			burst = min(burst, c.Depth)
		}
	}
	depth = c.Depth
	if depth == 0 {
		depth = max(burst, rate/125)
	}
	return peak, burst, depth
}

// Budget returns how many bytes may leave at once now: math.MaxInt if there is no limit.
func (p *Pacer) Budget(now time.Time) int {
	return min(p.tokens.available(now), p.room.available(now))
}

// Spend says that n bytes leave. If they exceed Budget, as the last packet of a batch may, by less
// than a packet, the excess is a debt that is paid before more may leave.
func (p *Pacer) Spend(now time.Time, n int) {
	p.tokens.spend(now, n)
	p.room.spend(now, n)
}

// NextAt returns when n bytes may leave, if none do until then: now if they may, and when a whole Burst
// may if n is more than that.
func (p *Pacer) NextAt(now time.Time, n int) time.Time {
	n = min(n, p.Burst())
	at := p.tokens.nextAt(now, n)
	if room := p.room.nextAt(now, n); room.After(at) {
		return room
	}
	return at
}

// SetRate changes the sustained rate, and with it each of Peak, Burst and Depth that is a default; a
// Peak that was given rises to the rate at least. 0 lifts the limit. The time since the last other call
// counts at the lower of the rates. It panics if rate is negative.
func (p *Pacer) SetRate(rate int) {
	if rate < 0 {
		panic(fmt.Sprintf("congestion: rate of %d bytes a second", rate))
	}
	p.rate = rate
	peak, burst, depth := p.config.limits(rate)
	p.tokens.set(rate, depth)
	p.room.set(peak, burst)
}

// Rate returns the sustained rate, 0 if there is no limit.
func (p *Pacer) Rate() int { return p.rate }

// Burst returns the most that may leave at once, if there is a limit.
func (p *Pacer) Burst() int { return int(min(p.room.depth, math.MaxInt)) }
