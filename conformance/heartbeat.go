package conformance

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// heartbeat follows the SPMs of a session while it sends no data [5.1.5].
type heartbeat struct {
	data  int64 // when data was sent last; 0: never
	last  int64 // when an SPM was sent since
	gap   int64 // in front of the first SPM since the data
	first int64 // the last such gap that the next one was twice as long as: of a heartbeat, and not of another SPM
	least int64 // IHB_MIN, once two of these in a row agree
	equal int   // gaps in a row of IHB_MIN
	asked int64 // when an SPMR came
}

var heartbeatRules = []*Rule{
	{
		Name: "heartbeat-restart", Clauses: []string{"5.1.5-02", "5.1-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA},
		Fires: "the first SPM after data comes later than IHB_MIN, as the source or the Config showed it",
		see: func(p *sight) {
			b := &p.s.beat
			if !p.h.Type.IsData() && (b.data == 0 || b.last != 0) {
				return
			}
			least := p.s.ihbMin()
			if gap := p.at - b.data; b.data != 0 && b.last == 0 && least != 0 && gap > 2*least+p.c.jitter+p.s.late() {
				p.miss("5.1.5-02", "%v without an SPM after data; IHB_MIN is %v", duration(gap), duration(least))
			}
		},
	},
	{
		Name: "heartbeat-decay", Clauses: []string{"5.1.5-03", "5.1.5-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA},
		Fires: "an idle source whose SPMs thin out faster than by half, or not at all",
		see:   func(p *sight) { p.s.beat.see(p) },
	},
}

func (s *session) ihbMin() int64 {
	if s.c.IHBMin != 0 {
		return int64(s.c.IHBMin)
	}
	return s.beat.least
}

// stillBeats is how many gaps of IHB_MIN in a row are no decay.
const stillBeats = 16

func (b *heartbeat) see(p *sight) {
	least := p.s.ihbMin()
	if b.data != 0 && b.last != 0 && least != 0 {
		// Beats come at IHB_MIN * (2^n - 1) after the data, and other SPMs only between them: whenever one came, the next is not
		// later than this.
		passed := b.last - b.data
		if gap := p.at - b.last; p.at-b.data > 2*passed+2*least+p.c.jitter+p.s.late()+passed/4 {
			p.miss("5.1.5-03", "%v without an SPM, %v after data and an SPM %v after it; IHB_MIN is %v",
				duration(gap), duration(p.at-b.data), duration(passed), duration(least))
		}
	}
	if p.h.Type.IsData() {
		b.data, b.last, b.equal = p.at, 0, 0
		return
	}
	if b.data == 0 {
		return
	}
	if b.last == 0 {
		b.gap, b.last = p.at-b.data, p.at
		return
	}
	b.learn(p.at - b.last)
	if gap := p.at - b.last; least != 0 && gap*2 <= least*3 && b.asked == 0 {
		if b.equal++; b.equal == stillBeats {
			p.find("5.1.5-01", "%d SPMs in a row %v or less apart, with no data between them", stillBeats, duration(least*3/2))
		}
	} else {
		b.equal = 0
	}
	b.last, b.asked = p.at, 0
}

// learn takes IHB_MIN from the first two gaps after data. An ambient SPM may be right behind data, so that one gap shows nothing.
func (b *heartbeat) learn(second int64) {
	gap := b.gap
	b.gap = 0
	if gap == 0 || second*4 < gap*7 || second*4 > gap*9 {
		return
	}
	if b.first != 0 && max(gap, b.first)*4 <= min(gap, b.first)*5 && (b.least == 0 || gap < b.least) {
		b.least = max(gap, b.first)
	}
	b.first = gap
}

// duration makes nanoseconds readable.
func duration(ns int64) time.Duration { return time.Duration(ns).Round(time.Microsecond) }
