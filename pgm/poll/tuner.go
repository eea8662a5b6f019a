package poll

import (
	"errors"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The defaults of TunerConfig, besides those of NAK_BO_IVL: for a network with a round trip below 1 ms.
const (
	DefaultProbe    = 8
	DefaultLife     = 20 * time.Millisecond
	DefaultPerChild = 100 * time.Microsecond
	DefaultDupMax   = 16
	DefaultHold     = time.Second
)

// TunerConfig says how a parent tunes the NAK_BO_IVL of its children. Fields that are zero have their defaults.
type TunerConfig struct {
	Default, Min, Max time.Duration // NAK_BO_IVL_DEFAULT, _MIN and _MAX
	Probe             int           // NAK_PROBE_NUM: measurements without a duplicate, after which the interval is halved
	// Life is for how long after the first NAK for a packet others count as its duplicates: the repair state of a source, which
	// repairs at once. Longer than the round trip to any child, shorter than the NAK_RPT_IVL after which one asks again.
	Life time.Duration
	// PerChild is what each child adds to an interval that is derived from their number.
	PerChild time.Duration
	// Counted says that polls are made. Then duplicates raise the interval to four times what is derived from the number of children
	// at most, and to four times Default while that is not known: a few children send few duplicates however short it is,
	// and spreading their NAKs further only delays repairs.
	Counted bool
	// Polled has the interval derived from polls alone, and advertised for the poll that it comes from [14.4-11], [14.4-12]. Children
	// that received no poll up to that one must not send NAKs at all [6.3-16]: who joins late has to wait for the next poll
	// to complete. Otherwise duplicates drive the interval, and polls raise it when there are none [15.2.3-01].
	Polled bool
	DupMax int           // DUP_NAK_MAX: duplicates for one packet that mean a multicast failure; negative: none do
	Hold   time.Duration // for how long after that NCFs are unicast
}

// WithDefaults returns c with its zero fields replaced.
func (c TunerConfig) WithDefaults() TunerConfig {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Default, DefaultBackOff)
	set(&c.Min, min(DefaultBackOffMin, c.Default))
	set(&c.Max, max(DefaultBackOffMax, c.Default))
	set(&c.Life, DefaultLife)
	set(&c.PerChild, DefaultPerChild)
	set(&c.Hold, DefaultHold)
	if c.Probe == 0 {
		c.Probe = DefaultProbe
	}
	if c.DupMax == 0 {
		c.DupMax = DefaultDupMax
	}
	return c
}

// Check returns what is wrong with c, once defaults are in place.
func (c TunerConfig) Check() error {
	c = c.WithDefaults()
	switch {
	case !(0 < c.Min && c.Min <= c.Default && c.Default <= c.Max) || c.Max > maxBackOff:
		return errors.New("poll: NAK_BO_IVL is not within its limits, or these not within 0..1000 s")
	case c.Probe < 0 || c.Life < 0 || c.PerChild < 0 || c.Hold < 0:
		return errors.New("poll: NAK_PROBE_NUM or an interval is negative")
	}
	return nil
}

// Tuner is how a parent keeps the NAKs of its children from imploding, for one session on one interface: it counts duplicate
// NAKs, and tunes the NAK_BO_IVL that it advertises [15.2.1]; it presumes a multicast failure when they are very many [15.3.1].
//
// The measure is a NAK packet, which one random back-off decided, whatever number of packets it asks for. It tells something
// about the interval only if it was sent under it: one for a packet that was first asked for before the interval last changed
// neither doubles nor halves it. So a burst of losses doubles the interval once, not once for each packet.
type Tuner struct {
	c        TunerConfig
	interval time.Duration
	sqn      packet.SQN // NAK_BO_IVL_SQN
	changed  uint64     // the first measure under interval

	repairs  []repair // nil before the first NAK; a packet has its place by its lowest bits; a newer one takes the place of an older
	measures [measureCount]measure
	first    uint64 // the oldest measure whose life is not over
	next     uint64 // behind the newest
	clean    int    // measures without a duplicate since the last one with

	most    time.Duration // what duplicates raise the interval to
	heard   bool          // a NAK, since the last poll
	tunedTo int           // the population that interval goes with

	failing bool
	until   time.Time // when failing ends
	stats   TunerStats
}

// repair is the repair state of a packet, as far as duplicates go [15.2.1-02].
type repair struct {
	sqn        packet.SQN
	measure    uint64
	used       bool
	duplicates int
	born       time.Time
}

type measure struct {
	born       time.Time
	duplicated bool
}

const (
	repairCount  = 4096 // a power of two
	measureCount = 256  // a power of two; of more NAKs within Life, the oldest are measured early
)

// TunerStats counts what a Tuner saw and did.
type TunerStats struct {
	Repairs    uint64 // packets that were asked for
	Duplicates uint64 // requests for a packet that was asked for within Life before
	Raised     uint64 // times that the interval grew, because of a duplicate or a poll
	Lowered    uint64 // times that it shrank
	Failures   uint64 // multicast failures presumed
}

// NewTuner returns the Tuner of a session of which nothing is known yet; c must pass Check.
func NewTuner(c TunerConfig) *Tuner {
	t := &Tuner{c: c.WithDefaults()}
	t.interval, t.most = t.c.Default, t.c.Max
	t.tunedTo = max(int(t.c.Default/max(t.c.PerChild, 1)), 1)
	if t.c.Counted {
		t.most = min(4*t.c.Default, t.c.Max)
	}
	return t
}

// Advert returns OPT_NAK_BO_IVL as it is to be advertised now, on each NCF [15.2.1-01] and SPM.
func (t *Tuner) Advert(now time.Time) Interval {
	t.settle(now)
	return Interval{BackOff: t.interval, SQN: t.sqn}
}

// Range returns OPT_NAK_BO_RNG as it may be advertised on SPMs [15.2.1-06].
func (t *Tuner) Range() Range { return Range{Max: t.c.Max, Min: t.c.Min} }

// Heard takes a NAK from a child: the packet that it asks for, and those of its list. It reports whether a multicast failure is
// presumed with it that was not before: then an SPM is to be sent at once [15.3.2-01].
func (t *Tuner) Heard(now time.Time, sqn packet.SQN, list []packet.SQN) (failed bool) {
	t.settle(now)
	if t.repairs == nil {
		t.repairs = make([]repair, repairCount)
	}
	if t.next-t.first == measureCount {
		t.judge()
	}
	t.heard = true
	t.measures[t.next%measureCount] = measure{born: now}
	var n tally
	t.count(now, sqn, &n)
	for _, s := range list {
		t.count(now, s, &n)
	}
	if n.duplicates > 0 {
		t.clean = 0
	}
	if n.fresh > 0 {
		t.next++
	}
	if n.doubles && !t.c.Polled {
		t.raise(min(2*t.interval, t.most))
	}
	if t.c.DupMax > 0 && n.most >= t.c.DupMax {
		failed = !t.Unicast(now)
		t.failing, t.until = true, now.Add(t.c.Hold)
		if failed {
			t.stats.Failures++
		}
	}
	return failed
}

// tally is what one NAK packet amounts to.
type tally struct {
	fresh      int // packets that were not asked for before
	duplicates int
	most       int  // duplicates that a packet has by now
	doubles    bool // it is a reason to double the interval
}

// count adds the request for packet s to n.
func (t *Tuner) count(now time.Time, s packet.SQN, n *tally) {
	r := &t.repairs[s%repairCount]
	switch {
	case !r.used || r.sqn != s || now.Sub(r.born) >= t.c.Life:
		*r = repair{sqn: s, measure: t.next, used: true, born: now}
		n.fresh++
		t.stats.Repairs++
		return
	case r.measure == t.next: // twice in one list
		return
	}
	r.duplicates++
	n.duplicates++
	n.most = max(n.most, r.duplicates)
	t.stats.Duplicates++
	if r.measure >= t.first { // not judged yet
		t.measures[r.measure%measureCount].duplicated = true
	}
	// "Increase the current value NAK_BO_IVL when the first duplicate NAK is received for a given SQN" (RFC 3208 §15.2.1).
	n.doubles = n.doubles || r.duplicates == 1 && !t.outdated(r.measure)
}

// settle judges the measures whose life is over.
func (t *Tuner) settle(now time.Time) {
	for t.first != t.next && now.Sub(t.measures[t.first%measureCount].born) >= t.c.Life {
		t.judge()
	}
}

// judge takes the oldest measure for what it was. "Decrease the value of NAK_BO_IVL if no duplicate NAKs are received on a
// particular interface for the last NAK_PROBE_NUM measurements" (RFC 3208 §15.2.1).
func (t *Tuner) judge() {
	m := &t.measures[t.first%measureCount]
	outdated := t.outdated(t.first)
	t.first++
	if m.duplicated || outdated || t.c.Polled {
		return
	}
	if t.clean++; t.clean < t.c.Probe {
		return
	}
	t.clean = 0
	t.set(t.Range().clamp(t.interval / 2))
}

// raise sets a longer interval.
func (t *Tuner) raise(to time.Duration) {
	if to = t.Range().clamp(to); to > t.interval {
		t.set(to)
	}
}

// set changes the interval.
func (t *Tuner) set(to time.Duration) {
	switch {
	case to > t.interval:
		t.stats.Raised++
	case to < t.interval:
		t.stats.Lowered++
	default:
		return
	}
	t.interval, t.changed = to, t.next
}

// outdated reports whether the NAK of a measure came before the interval last changed.
func (t *Tuner) outdated(measure uint64) bool { return measure < t.changed }

// Polled takes the result of a poll.
func (t *Tuner) Polled(now time.Time, r Result) {
	t.settle(now)
	n := max(r.Population, 1)
	quiet := !t.heard
	t.heard = false
	if t.c.Counted && !t.c.Polled {
		if t.most = max(t.times(4*t.c.PerChild, float64(n)), t.c.Default); t.interval > t.most {
			t.set(t.most)
			t.tunedTo = n
		}
	}
	switch {
	case t.c.Polled && r.SQN == 0:
		// "Zero is reserved" for NAK_BO_IVL_SQN: once in 2^32 polls, the one before remains the latest.
	case t.c.Polled:
		t.sqn = r.SQN
		t.set(t.times(t.c.PerChild, float64(n)))
	case !quiet:
		t.tunedTo = n // duplicates had their say about as many
	case n >= 2*t.tunedTo:
		// "If the result of the polls shows that the population size has increased significantly during a period without NAKs,
		// they SHOULD increase NAK_BO_IVL as a safety measure" (RFC 3208 §15.2.3).
		t.raise(min(t.times(t.interval, float64(n)/float64(t.tunedTo)), t.most))
		t.tunedTo = n
	}
}

// times returns d, factor times, within the limits.
func (t *Tuner) times(d time.Duration, factor float64) time.Duration {
	if product := float64(d) * factor; product < float64(t.c.Max) {
		return t.Range().clamp(time.Duration(product))
	}
	return t.c.Max
}

// Unicast reports whether children are presumed to be out of reach of multicast: NCFs are unicast to who sent the NAK, with
// OPT_NBR_UNREACH and OPT_PATH_NLA [15.3.2-01], [15.3.2-03].
func (t *Tuner) Unicast(now time.Time) bool { return t.failing && now.Before(t.until) }

// Regular ends the presumption of a multicast failure. A network element calls it for a regular SPM of the source, and sets
// TunerConfig.Hold longer than those are apart [15.3.2-02]; at a source it ends by itself after Hold.
func (t *Tuner) Regular() { t.failing = false }

// Stats returns the counters.
func (t *Tuner) Stats() TunerStats { return t.stats }
