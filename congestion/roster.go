package congestion

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// maxReceivers bounds the receivers that a source keeps apart; a new one takes the place of the one that was silent for longest.
	maxReceivers = 256
	// maxExcluded bounds those that are excluded; more cannot be.
	maxExcluded = 1024
)

// entry is a receiver that a source has heard of.
type entry struct {
	addr  netip.Addr
	id    uint32
	heard time.Time
	stale uint32 // reports with a timestamp that was never sent

	srtt   time.Duration
	base   lowest[time.Duration] // round trip without queues
	loss   float64               // of the network
	barred time.Time             // not to be acker until then

	// What the newest Reception said.
	has             bool
	last            Reception
	delay           time.Duration
	jitter          float64 // twice that by which delays differ from probe to probe, in seconds
	peak            float64 // the longest queueing delay of late, in seconds
	peakAt          time.Time
	arrived, missed float64 // packets since the loss rate was last judged
	calmLoss        lowest[float64]
	smoothLoss      float64
	random          float64   // the part that was lost lately while queues were short
	shortAt         time.Time // when they last were
	surplus         float64   // packets lost with long queues beyond what is lost at random
	window          float64   // of the source, in packets, that these losses would keep down
	windows         int
	congested       time.Time // when it last was
	rate            float64   // of arrival at that time
	reports         int
}

// smooth takes a round trip.
func (e *entry) smooth(rtt time.Duration) {
	if e.srtt == 0 {
		e.srtt = rtt
		return
	}
	e.srtt += (rtt - e.srtt) / 8
}

// forgive forgets what was lost while the rate was looked for: that was by the source's own doing.
func (e *entry) forgive() { e.random, e.surplus = 0, 0 }

func (e *entry) public(excluded bool) Receiver {
	return Receiver{
		Addr: e.addr, ID: e.id, Heard: e.heard, RTT: e.srtt, Loss: e.loss, Delay: e.delay,
		Rate: int(e.last.Rate) * RateUnit, Limit: int(e.last.Limit) * RateUnit, Overflow: uint64(e.last.Overflow), Excluded: excluded,
	}
}

type rosterKey struct {
	addr netip.Addr
	id   uint32
}

// roster is a bounded table of receivers.
type roster struct {
	entries []entry
	index   map[rosterKey]int
	out     []netip.Addr // those excluded
	keep    int          // the entry that is not given up: the acker's; -1: none
}

func newRoster() roster {
	return roster{entries: make([]entry, 0, maxReceivers), index: make(map[rosterKey]int, 2*maxReceivers), keep: -1}
}

// at returns where the entry of a receiver is, made if it is new: -1 if there is no room.
func (r *roster) at(now time.Time, a netip.Addr, id uint32) int {
	key := rosterKey{a, id}
	if i, ok := r.index[key]; ok {
		return i
	}
	i := len(r.entries)
	if i < maxReceivers {
		r.entries = r.entries[:i+1]
	} else {
		i = -1
		for j := range r.entries {
			if j != r.keep && (i < 0 || r.entries[j].heard.Before(r.entries[i].heard)) {
				i = j
			}
		}
		delete(r.index, rosterKey{r.entries[i].addr, r.entries[i].id})
	}
	r.entries[i] = entry{addr: a, id: id, heard: now}
	r.entries[i].base.span, r.entries[i].calmLoss.span = transitSpan, calmLossSpan
	r.index[key] = i
	return i
}

// entry returns the entry of a receiver, made if it is new.
func (r *roster) entry(now time.Time, a netip.Addr, id uint32) *entry {
	return &r.entries[r.at(now, a, id)]
}

func (r *roster) excluded(a netip.Addr) bool { return len(r.out) > 0 && slices.Contains(r.out, a) }

func (r *roster) exclude(a netip.Addr, excluded bool) {
	switch i := slices.Index(r.out, a); {
	case excluded && i < 0 && len(r.out) < maxExcluded:
		r.out = append(r.out, a)
	case !excluded && i >= 0:
		r.out = slices.Delete(r.out, i, i+1)
	}
}

func (r *roster) each(f func(*entry) bool) {
	for i := range r.entries {
		if !f(&r.entries[i]) {
			return
		}
	}
}
