package nak

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// State is where the recovery of one missing packet stands [6.3-08..6.3-14].
type State uint8

// The states of RFC 3208 §6.3. A packet that is not being recovered has none.
const (
	BackOff  State = iota // BACK-OFF_STATE: the NAK is pending
	WaitNCF               // WAIT_NCF_STATE: it is outstanding, unconfirmed
	WaitData              // WAIT_DATA_STATE: it is outstanding, confirmed
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case BackOff:
		return "BACK-OFF"
	case WaitNCF:
		return "WAIT-NCF"
	}
	return "WAIT-DATA"
}

// RecoveryConfig holds the intervals and limits of a Recovery. Zero fields mean the defaults.
type RecoveryConfig struct {
	BackOff     time.Duration // NAK_BO_IVL, over which NAK_RB_IVL is drawn; default 5 ms
	Repeat      time.Duration // NAK_RPT_IVL, the least wait for an NCF; default 20 ms
	Data        time.Duration // NAK_RDATA_IVL, the least wait for data; default 50 ms, at least Repeat
	NCFRetries  int           // NAK_NCF_RETRIES; default 20, some 10 s; negative: no limit
	DataRetries int           // NAK_DATA_RETRIES; default 20, some 8 s; negative: no limit
	Max         int           // packets in recovery at once; default 65536
}

// initialLimit is how many packets may be in recovery before the source has shown what it repairs.
const initialLimit = 2048

func (c RecoveryConfig) withDefaults() RecoveryConfig {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.BackOff, 5*time.Millisecond)
	set(&c.Repeat, 20*time.Millisecond)
	set(&c.Data, 50*time.Millisecond)
	c.Data = max(c.Data, c.Repeat) // timers.md: the NCF of a parent comes sooner than the data of the source
	if c.NCFRetries == 0 {
		c.NCFRetries = 20
	}
	if c.DataRetries == 0 {
		c.DataRetries = 20
	}
	if c.Max <= 0 {
		c.Max = 1 << 16
	}
	return c
}

// Recovery is NAK generation at a receiver for one session [6.3]: a machine with the three states for each missing packet. It
// decides when to ask; what is missing, and how a NAK is sent, is its caller's affair. Memory is bounded by Max. It is not
// safe for concurrent use.
//
// Packets that are found missing within a fraction of NAK_BO_IVL of each other share one random back-off, so that a burst
// becomes one NAK with a list. How many packets are in recovery at once follows what the source delivers: a request that has
// to be repeated halves the number, repairs that come let it grow, up to Max; so a receiver that lacks millions of packets
// asks for no more than is being repaired.
//
// NAK_RPT_IVL and NAK_RDATA_IVL are doubled, up to 640 and 500 ms, when a packet has waited in vain before, more than once. RFC 3208 lets
// both be chosen freely. So NAKs for a source that cannot follow, or that is not there, become few, and the retries last for
// seconds: a short outage is not the loss of what the source still keeps.
type Recovery struct {
	c        RecoveryConfig
	rng      *rand.Rand
	bias     func(backOff time.Duration, s packet.SQN) time.Duration // nil: none
	epoch    time.Time                                               // deadlines are nanoseconds since
	index    map[packet.SQN]int32
	entries  []entry
	free     int32 // first of the unused entries, -1: none
	lists    [numLists]list
	backoffs []backoff // few: NAK_BO_IVL over their spacing, and those due
	limit    int
	grown    int       // repairs since limit last grew
	judged   time.Time // when slowDown last weighed the next two
	repeated int
	repaired int
	latency  latency
	stats    RecoveryStats
}

// RecoveryStats counts what a Recovery did.
type RecoveryStats struct {
	Lost       uint64 // packets that entered recovery
	Recovered  uint64 // packets that came
	Cancelled  uint64 // packets given up or no longer wanted
	Requested  uint64 // SQNs handed out by Due
	Suppressed uint64 // requests spared by an NCF or another receiver's NAK during the back-off [6.3-21]
	NCFRepeats uint64 // returns to the back-off because no NCF came
	Repeats    uint64 // returns to the back-off because no data came
}

// NewRecovery returns a machine with nothing missing. rng draws the back-offs.
func NewRecovery(c RecoveryConfig, rng *rand.Rand) *Recovery {
	r := &Recovery{c: c.withDefaults(), rng: rng}
	r.Reset()
	return r
}

// Len returns how many packets are in recovery.
func (r *Recovery) Len() int { return len(r.index) }

// Full reports whether Lost would refuse a further packet.
func (r *Recovery) Full() bool { return len(r.index) >= r.limit }

// Stats returns the counters.
func (r *Recovery) Stats() RecoveryStats { return r.stats }

// Lost says that s is missing. It enters BACK-OFF with fresh retry counters [6.3-08], unless it is in recovery already
// [6.3-20]. It returns false, and forgets s, when there is no room: the caller says it again later.
func (r *Recovery) Lost(now time.Time, s packet.SQN) bool {
	if _, ok := r.index[s]; ok {
		return true
	}
	if r.Full() {
		return false
	}
	r.stats.Lost++
	r.backOff(now, r.add(s))
	return true
}

// Received says that s came, by whatever way [6.3-12], and reports whether it was in recovery.
func (r *Recovery) Received(now time.Time, s packet.SQN) bool {
	i, ok := r.index[s]
	if !ok {
		return false
	}
	e := &r.entries[i]
	if e.asked > 0 { // of several NAKs, there is no telling which brought it
		r.latency.sample(time.Duration(r.since(now) - e.asked))
	}
	r.stats.Recovered++
	r.repaired++
	r.remove(i)
	if r.grown++; r.grown >= r.limit/4 {
		r.grown, r.limit = 0, min(r.c.Max, r.limit+r.limit/4)
	}
	return true
}

// Cancel forgets s: the window moved past it [6.3-13], or nobody wants it any more.
func (r *Recovery) Cancel(s packet.SQN) {
	if i, ok := r.index[s]; ok {
		r.stats.Cancelled++
		r.remove(i)
	}
}

// CancelRange forgets all of first..last, at a cost that is bounded by what is in recovery.
func (r *Recovery) CancelRange(first, last packet.SQN) {
	if len(r.index) == 0 {
		return
	}
	if n := last - first; int64(n) < int64(len(r.index)) {
		for s := first; s != last+1; s++ {
			r.Cancel(s)
		}
		return
	}
	for s := range r.index {
		if s.InWindow(first, last) {
			r.Cancel(s)
		}
	}
}

// Reset forgets everything but the counters, and its memory.
func (r *Recovery) Reset() {
	*r = Recovery{c: r.c, rng: r.rng, bias: r.bias, index: map[packet.SQN]int32{}, free: -1, limit: min(r.c.Max, initialLimit), stats: r.stats}
	for i := range r.lists {
		r.lists[i] = list{-1, -1}
	}
}

// Confirmed says that an NCF for s was heard; s is missing. In any state it leads to, or restarts, the wait for data [6.3-09],
// [6.3-10], [6.3-28]. A packet that was not known to be lost enters recovery here [6.3-04].
func (r *Recovery) Confirmed(now time.Time, s packet.SQN) {
	i, ok := r.index[s]
	if !ok {
		if r.Full() {
			return
		}
		r.stats.Lost++
		i = r.add(s)
	} else {
		if r.entries[i].state == BackOff {
			r.stats.Suppressed++
		}
		r.unlink(i)
	}
	// The retries without an NCF count from the last NCF on: "unconfirmed" is over, and the path works [6.3-26].
	r.entries[i].state, r.entries[i].ncfRetries = WaitData, 0
	r.waitData(now, i)
}

// Heard says that another receiver's NAK for s was heard [6.3-09]; s is missing. During the back-off it suppresses our own, and
// the wait for the NCF lasts as long as one for data: RFC 3208's diagram goes to WAIT_NCF, its prose asks for NAK_RDATA_IVL
// [6.3-21], and this satisfies both. Later it restarts the timer that runs.
func (r *Recovery) Heard(now time.Time, s packet.SQN) {
	i, ok := r.index[s]
	if !ok {
		return
	}
	e := &r.entries[i]
	suppressed := e.list >= listData // a wait that stands in for our own NAK
	r.unlink(i)
	switch {
	case e.state == BackOff:
		r.stats.Suppressed++
		e.state = WaitNCF
		r.waitData(now, i)
	case e.state == WaitData || suppressed:
		r.waitData(now, i)
	default:
		r.waitNCF(now, i)
	}
}

// Due appends to dst the packets whose back-off is over, oldest first [6.3-19], at most as many as dst has room for, and moves
// them to WAIT_NCF: the caller sends NAKs for them now [6.3-23].
func (r *Recovery) Due(now time.Time, dst []packet.SQN) []packet.SQN {
	start, t := len(dst), r.since(now)
	for g := 0; g < len(r.backoffs); {
		b := &r.backoffs[g]
		for b.deadline <= t && b.list.first >= 0 && len(dst) < cap(dst) {
			i := b.list.first
			e := &r.entries[i]
			r.unlink(i)
			e.state = WaitNCF
			if e.asked == 0 {
				e.asked = t
			} else {
				e.asked = askedAgain
			}
			dst = append(dst, e.sqn)
			r.waitNCF(now, i)
		}
		if b.list.first < 0 && (b.deadline <= t || g < len(r.backoffs)-1) {
			r.dropBackOff(g)
			continue
		}
		g++
	}
	out := dst[start:]
	slices.SortFunc(out, func(a, b packet.SQN) int { return a.Sub(b) })
	r.stats.Requested += uint64(len(out))
	return dst
}

// HandleTimeout returns to the back-off what waited in vain for an NCF or for data; lost is called for each packet whose retries
// are used up, which is then forgotten [6.3-10], [6.3-11], [6.3-30]. When other missing packets came during a wait for data, the
// retries count anew: the source repairs, and has more to repair than time.
func (r *Recovery) HandleTimeout(now time.Time, lost func(packet.SQN)) {
	t := r.since(now)
	for l := range r.lists {
		first := r.lists[l].first
		if first < 0 || r.entries[first].deadline > t {
			continue
		}
		due := t + int64(r.early(l))
		for i := first; i >= 0 && r.entries[i].deadline <= due; i = r.lists[l].first {
			e := &r.entries[i]
			retries, limit := &e.dataRetries, r.c.DataRetries
			if e.state == WaitNCF {
				retries, limit = &e.ncfRetries, r.c.NCFRetries
				r.stats.NCFRepeats++
			} else {
				if e.mark != uint32(r.stats.Recovered) {
					e.dataRetries = 0
				}
				e.waited = min(e.waited+1, stages)
				r.stats.Repeats++
			}
			r.slowDown(now)
			// RFC 3208 §6.3 does not say whether the first transmission is a retry: it is not, so a NAK goes out 1 + NAK_NCF_RETRIES times.
			if limit >= 0 && int(*retries) >= limit {
				s := e.sqn
				r.stats.Cancelled++
				r.remove(i)
				lost(s)
				continue
			}
			if *retries < 1<<15 {
				*retries++
			}
			r.unlink(i)
			r.backOff(now, i)
		}
	}
}

// NextTimeout returns when HandleTimeout has something to do; if sending is true, also when Due has. Zero: never.
func (r *Recovery) NextTimeout(sending bool) time.Time {
	next := int64(-1)
	earlier := func(d int64) {
		if next < 0 || d < next {
			next = d
		}
	}
	for l := range r.lists {
		if i := r.lists[l].first; i >= 0 {
			earlier(r.entries[i].deadline)
		}
	}
	if sending {
		for i := range r.backoffs {
			if r.backoffs[i].list.first >= 0 {
				earlier(r.backoffs[i].deadline)
			}
		}
	}
	if next < 0 {
		return time.Time{}
	}
	return r.epoch.Add(time.Duration(next))
}

// State returns the state of s; ok is false when s is not in recovery.
func (r *Recovery) State(s packet.SQN) (st State, ok bool) {
	i, ok := r.index[s]
	if !ok {
		return 0, false
	}
	return r.entries[i].state, true
}

// slowDown halves the number of packets that may be in recovery when, over a wait for data, more than one request in eight had to
// be repeated: the source does not deliver what it is asked for. Fewer repeats are the loss of repairs.
func (r *Recovery) slowDown(now time.Time) {
	r.repeated++
	if now.Sub(r.judged) < r.dataInterval() {
		return
	}
	if r.repeated*8 > r.repaired {
		r.grown, r.limit = 0, max(min(256, r.c.Max), r.limit/2)
	}
	r.judged, r.repeated, r.repaired = now, 0, 0
}

// dataInterval is NAK_RDATA_IVL: the configured interval, or what repairs take of late when that is longer, because the source's
// repairs queue behind each other and asking again does not speed them up.
func (r *Recovery) dataInterval() time.Duration {
	return max(r.c.Data, r.latency.bound())
}
