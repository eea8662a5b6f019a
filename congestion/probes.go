package congestion

import "time"

// sent is a probe that is under way, or was.
type sent struct {
	stamp   uint32
	number  uint32
	at      time.Time
	packets uint64  // sent before it
	octets  uint64  //
	rate    float64 // that was allowed
}

// probes are the newest of those that were sent.
type probes struct {
	ring  [128]sent
	count uint32
	nonce uint32
	stamp uint32 // the newest
}

// send enters a probe that leaves now. Timestamps only ever grow, whatever the clock does, so that each is of one probe.
func (p *probes) send(now, epoch time.Time, packets, octets uint64, rate float64) *sent {
	stamp := p.nonce + micros(now.Sub(epoch))
	if p.count > 0 && int32(stamp-p.stamp) <= 0 {
		stamp = p.stamp + 1
	}
	s := &p.ring[p.count%uint32(len(p.ring))]
	*s = sent{stamp, p.count, now, packets, octets, rate}
	p.count++
	p.stamp = stamp
	return s
}

// find returns the probe with a timestamp, nil if there is none: the timestamp is forged, or older than it may be.
func (p *probes) find(stamp uint32) *sent {
	for i := range min(p.count, uint32(len(p.ring))) {
		if s := &p.ring[(p.count-1-i)%uint32(len(p.ring))]; s.stamp == stamp {
			return s
		}
	}
	return nil
}

// before returns the probe that was sent before s, nil if that is forgotten.
func (p *probes) before(s *sent) *sent {
	if s.number == 0 || p.count-s.number >= uint32(len(p.ring)) {
		return nil
	}
	return &p.ring[(s.number-1)%uint32(len(p.ring))]
}
