package conformance

import (
	"math/bits"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// bucket is the token bucket that a source may not draw dry [5.1.2-02].
type bucket struct {
	level uint64 // octets above the rate, times the nanoseconds of a second
	at    int64
	over  bool
}

var rateRules = []*Rule{
	{
		Name: "rate", parity: true, Clauses: []string{"5.1.2-02", "5.1.1-01", "5.1.2-01", "5.1-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA, packet.TypeNCF},
		Fires: "more octets in some time than the rate and the bucket allow, if they are known",
		see: func(p *sight) {
			if p.c.Rate == 0 {
				return
			}
			b := &p.s.rate
			if _, n := bits.Mul64(uint64(p.at-b.at), uint64(p.c.Rate)); n < b.level && uint64(p.at-b.at) < 1<<32 {
				b.level -= n
			} else {
				b.level = 0
			}
			b.at = p.at
			b.level += uint64(len(p.Data)+p.overhead()) * uint64(time.Second)
			slack := uint64(p.c.Depth)*uint64(time.Second) + uint64(p.c.Rate)*uint64(p.s.late())
			if b.level <= slack {
				b.over = false
				return
			}
			if !b.over {
				b.over = true
				p.find("5.1.2-02", "%d octets more than %d a second allow, with a bucket of %d", (b.level-slack)/uint64(time.Second)+1, p.c.Rate, p.c.Depth)
			}
		},
	},
}

// overhead returns the octets in front of the packet, of its network and UDP headers.
func (p *sight) overhead() int {
	n := 40
	if p.Dst.Addr().Unmap().Is4() {
		n = 20
		if p.RouterAlert {
			n = 24
		}
	}
	if p.UDP {
		n += 8
	}
	return n
}
