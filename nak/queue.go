package nak

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// entry is one packet in recovery, linked into the list of its timer.
type entry struct {
	sqn         packet.SQN
	prev, next  int32 // in the list; next also links the unused
	list        int16 // listNCF or listData, + a stage; or numLists + the back-off's id
	state       State
	waited      uint8 // waits for data that were in vain, as far as they lengthen the next
	ncfRetries  uint16
	dataRetries uint16
	mark        uint32 // how many packets had come when the wait for data began
	deadline    int64  // nanoseconds since the epoch; of a back-off, in the back-off
	asked       int64  // when its one NAK went out; 0: none did, askedAgain: several did
}

const askedAgain = -1

type list struct{ first, last int32 }

// There is a list for each length of each wait, so the entries of a list are in the order of their deadlines, and timers cost nothing
// to keep.
const (
	stages   = 6 // the lengths of a wait: it, and it doubled five times
	listNCF  = 0
	listData = stages
	numLists = 2 * stages
)

// stage returns how often a wait is doubled that was in vain before, n times: "the network lost it" explains the first time, and
// is answered at once; then, more and more, that the path is down or the source asked for more than it can do.
func stage(n int) int { return min(max(n-1, 0), stages-1) }

// backoff is one drawn NAK_RB_IVL and the packets that share it.
type backoff struct {
	list     list
	born     int64
	deadline int64
	id       int16
}

// sharing is the part of NAK_BO_IVL within which losses share a draw; it bounds how far a back-off is off its uniform
// distribution, and, with it, the number of back-offs that run.
const sharing = 8

// maxBackOffs bounds the back-offs when none may end, because there is nowhere to send a NAK to; then the latest takes all that
// comes, and starts afresh.
const maxBackOffs = 4 * sharing

func (r *Recovery) since(now time.Time) int64 {
	if r.epoch.IsZero() {
		// A second before now: no deadline is zero, and a clock that is set back a little stays on the scale.
		r.epoch = now.Add(-time.Second)
	}
	return int64(now.Sub(r.epoch))
}

func (r *Recovery) add(s packet.SQN) int32 {
	i := r.free
	if i >= 0 {
		r.free = r.entries[i].next
	} else {
		i = int32(len(r.entries))
		r.entries = append(r.entries, entry{})
	}
	r.entries[i] = entry{sqn: s, prev: -1, next: -1, list: -1}
	r.index[s] = i
	return i
}

func (r *Recovery) remove(i int32) {
	r.unlink(i)
	delete(r.index, r.entries[i].sqn)
	r.entries[i].next = r.free
	r.free = i
}

// backOff draws NAK_RB_IVL, uniformly over NAK_BO_IVL [6.3-15], or what is made of that by Bias, or shares the latest draw, unless that may
// last longer.
func (r *Recovery) backOff(now time.Time, i int32) {
	t := r.since(now)
	ivl, biased := r.c.BackOff, r.bias != nil
	if biased {
		ivl = min(max(r.bias(ivl, r.entries[i].sqn), 1), ivl)
	}
	span := int64(ivl) / sharing
	var b *backoff
	if n := len(r.backoffs); n > 0 {
		last := &r.backoffs[n-1]
		if t-last.born <= span && t >= last.born && t < last.deadline && (!biased || last.deadline <= t+int64(ivl)) {
			b = last
		}
	}
	if b == nil && len(r.backoffs) >= maxBackOffs {
		b = &r.backoffs[len(r.backoffs)-1]
		b.born, b.deadline = t, t+r.draw(ivl)
	}
	if b == nil {
		id := int16(0)
		for r.findBackOff(id) != nil {
			id++
		}
		r.backoffs = append(r.backoffs, backoff{list{-1, -1}, t, t + r.draw(ivl), id})
		b = &r.backoffs[len(r.backoffs)-1]
	}
	r.entries[i].state = BackOff
	r.link(&b.list, numLists+b.id, i)
}

func (r *Recovery) findBackOff(id int16) *backoff {
	for g := range r.backoffs {
		if r.backoffs[g].id == id {
			return &r.backoffs[g]
		}
	}
	return nil
}

func (r *Recovery) dropBackOff(g int) { r.backoffs = append(r.backoffs[:g], r.backoffs[g+1:]...) }

// waitNCF starts NAK_RPT_IVL for an entry that is in no list.
func (r *Recovery) waitNCF(now time.Time, i int32) {
	st := stage(int(r.entries[i].ncfRetries))
	r.wait(now, i, listNCF+st, r.length(listNCF+st))
}

// waitData starts NAK_RDATA_IVL for an entry that is in no list.
func (r *Recovery) waitData(now time.Time, i int32) {
	e := &r.entries[i]
	e.mark = uint32(r.stats.Recovered)
	st := stage(int(e.waited))
	r.wait(now, i, listData+st, r.length(listData+st))
}

// maxWait bounds the wait for data that is doubled: a source that ends lingers for two seconds, and should be asked more than once.
const maxWait = 500 * time.Millisecond

// length returns how long the wait lasts that begins now in a list.
func (r *Recovery) length(l int) time.Duration {
	if l < listData {
		return r.c.Repeat << (l - listNCF)
	}
	d := r.dataInterval()
	return max(d, min(d<<(l-listData), maxWait))
}

// early is by how much a wait in the list may be cut short: what has waited for so long need not wait to the end to be asked for
// together with others, in one list.
func (r *Recovery) early(l int) time.Duration {
	base := r.c.Repeat
	if l >= listData {
		base = r.dataInterval()
	}
	return (r.length(l) - base) / 4
}

func (r *Recovery) wait(now time.Time, i int32, l int, d time.Duration) {
	r.entries[i].deadline = r.since(now) + int64(d)
	r.link(&r.lists[l], int16(l), i)
}

func (r *Recovery) link(l *list, id int16, i int32) {
	e := &r.entries[i]
	e.list, e.prev, e.next = id, l.last, -1
	if l.last >= 0 {
		r.entries[l.last].next = i
	} else {
		l.first = i
	}
	l.last = i
}

func (r *Recovery) unlink(i int32) {
	e := &r.entries[i]
	if e.list < 0 {
		return
	}
	var l *list
	if e.list < numLists {
		l = &r.lists[e.list]
	} else {
		l = &r.findBackOff(e.list - numLists).list
	}
	if e.prev >= 0 {
		r.entries[e.prev].next = e.next
	} else {
		l.first = e.next
	}
	if e.next >= 0 {
		r.entries[e.next].prev = e.prev
	} else {
		l.last = e.prev
	}
	e.list, e.prev, e.next = -1, -1, -1
}

// latency estimates how long a repair takes from its NAK on, as TCP estimates a round trip (RFC 6298).
type latency struct{ mean, dev time.Duration }

// maxLatency bounds the estimate, and so the wait of a receiver whose source is slow to repair.
const maxLatency = time.Second

func (l *latency) sample(d time.Duration) {
	if d < 0 {
		return
	}
	if l.mean == 0 {
		l.mean, l.dev = d, d/2
		return
	}
	diff := l.mean - d
	if diff < 0 {
		diff = -diff
	}
	l.dev += (diff - l.dev) / 4
	l.mean += (d - l.mean) / 8
}

func (l *latency) bound() time.Duration { return min(l.mean+4*l.dev, maxLatency) }
