package congestion

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// AutoConfig says how Auto controls a source. Fields that are zero have their defaults.
type AutoConfig struct {
	Self    netip.Addr // the source's NLA: its family is that of ackers
	Packet  int        // the size of the largest data packet, network headers included; default 1,500
	Ceiling int        // the rate that is never exceeded, in octets a second; 0: none
	Floor   int        // the rate that is always allowed; default 8,000, at most Ceiling
	Initial int        // the rate at the beginning, and while nobody answers; default 1,000,000, at most Ceiling
	Rand    *rand.Rand // draws the first timestamp, so that reports cannot be forged blindly; nil: it is 0
}

// The defaults of AutoConfig.
const (
	DefaultFloor   = 8_000
	DefaultInitial = 1_000_000
)

// Auto is the default congestion control of a source, on the messages of PGMCC: an SPM every few milliseconds bears a Probe, which the
// acker answers with an ACK, and NAKs report too. What becomes of the rate:
//   - At the start it is twice what arrives, until a queue builds up or the network loses what it did not before: then it is what
//     arrives.
//   - From then on a window follows CUBIC, and the rate is the window over the round trip.
//   - A loss counts as congestion only if queues were long when it happened, or if far more is lost than when the network was calm; and
//     what a receiver's socket had no room for always.
//   - When queues have been empty for some round trips, the window grows faster: the network has room that nobody uses.
//
// The acker is the receiver that is worst off: who reports congestion while the acker does not, or with a lower rate of arrival. A
// receiver counts only if it repeats the timestamp of a probe that was sent lately, and how it counts is bounded by what was sent.
type Auto struct {
	c     AutoConfig
	epoch time.Time
	begun bool

	probes  probes
	next    time.Time // when the next probe is due
	silence int       // probes since anybody answered
	packets uint64    // sent
	octets  uint64
	busy    time.Time // when data were sent last

	table   roster
	acker   int // in table; -1: none
	phase   phase
	rate    float64 // octets a second
	window  cubic
	rtt     time.Duration // what the window is divided by
	timeout time.Time
	misses  int // timeouts in a row

	round     uint32 // the probe whose echo ends the round
	roundFrom uint64 // packets sent before it began
	roundPeak time.Duration
	roundBusy bool          // all of the rate was used
	roundBad  bool          // something was congested
	calm      int           // rounds in a row with empty queues, and the rate used
	hold      bool          // the window stays as it is
	holdTo    time.Time     // until a probe that is sent later is reported
	measured  float64       // rate of arrival at the last congestion, or in the start
	exits     int           // signs in a row that the start is over
	reached   float64       // what measured was when the start last made progress
	flat      int           // rounds in a row in which it made none
	drainFrom time.Time     // when phase draining began, then when the first probe in it was sent
	drainEnd  time.Time     // of it, for a probe that is sent then
	drained   time.Duration // what the queue took at drainFrom
	contested bool          // others keep a queue full: delay does not end the start
	arrived   float64       // what arrived at the end of the start, until it is known whether others made room; 0: it is
	before    time.Duration // the shortest round trip at the end of the start
	last      time.Time     // when the acker reported last

	limit      float64   // of the receivers, octets a second; 0: none
	limiter    rosterKey // who told it
	limitUntil time.Time
	asked      float64 // packets that receivers without congestion control asked for lately
	askedAt    time.Time
	askedSent  uint64
	stats      AutoStats
}

// AutoStats counts what moved an Auto.
type AutoStats struct {
	Reports   uint64 // that counted
	Stale     uint64 // that repeated no timestamp of ours, or counted what was not sent
	Elections uint64
	Timeouts  uint64
	Queue     uint64 // decreases for losses with long queues
	Excess    uint64 // for losses beyond those of a calm network
	Overflow  uint64 // for losses in a receiver's socket
	Window    float64
	RTT       time.Duration
	Starting  bool
}

type phase uint8

const (
	starting phase = iota
	draining       // the queue that the start has left
	cruising
)

const (
	// What a probe costs is bounded by spacing them; what a report tells is fresh by sending some in a round trip.
	leastSpacing, mostSpacing = 4 * time.Millisecond, 25 * time.Millisecond
	probePackets              = 8 // at low rates, probes are no denser than one in so many data packets
	slowestSpacing            = 100 * time.Millisecond
	quietSpacing              = time.Second // when nobody answers
	quietAfter                = 50          // probes without an answer
	// idleAfter is after how long without data, at least, no more probes are sent.
	idleAfter = 200 * time.Millisecond
	// leastRTT is the shortest round trip that the window is divided by. What is shorter is mostly the noise of schedulers.
	leastRTT = 2 * time.Millisecond
	// leastTimeout is the least time after which a report is overdue.
	leastTimeout = 200 * time.Millisecond
	mostTimeout  = 1500 * time.Millisecond // whatever round trip a receiver makes believe
	firstTimeout = time.Second
	// entryAge is for how long a receiver that says nothing matters.
	entryAge = 3 * time.Second
	// startGain is how much faster than what arrives the start sends.
	startGain = 2
	// returnAfter and exploreAfter are how many calm rounds it takes until the window grows faster than by its law: back to where it was, and
	// beyond. Beyond it does not before its law has taken it back: others who share the network are on their way back, too.
	returnAfter, exploreAfter = 4, 16
)

// NewAuto checks c and returns the controller of a source that has sent nothing.
func NewAuto(c AutoConfig) (*Auto, error) {
	if c.Packet < 0 || c.Ceiling < 0 || c.Floor < 0 || c.Initial < 0 {
		return nil, errors.New("congestion: a rate or size of AutoConfig is negative")
	}
	if c.Packet == 0 {
		c.Packet = defaultPacket
	}
	if c.Floor == 0 {
		c.Floor = DefaultFloor
	}
	if c.Initial == 0 {
		c.Initial = DefaultInitial
	}
	a := &Auto{c: c, table: newRoster(), acker: -1, rtt: leastRTT, rate: float64(c.Initial)}
	if c.Rand != nil {
		a.probes.nonce = c.Rand.Uint32()
	}
	a.bound()
	return a, nil
}

// bound keeps the rate between the floor and the ceiling, and what receivers can take.
func (a *Auto) bound() {
	if a.limit > 0 {
		a.rate = min(a.rate, a.limit)
	}
	a.rate = max(a.rate, float64(a.c.Floor))
	if a.c.Ceiling > 0 {
		a.rate = min(a.rate, float64(a.c.Ceiling))
	}
	a.rate = min(a.rate, math.MaxInt32*1024)
}

// Rate returns how fast the source may send.
func (a *Auto) Rate() int { return max(int(a.rate), 1) }

// Tokens returns that the rate alone counts.
func (a *Auto) Tokens() int { return math.MaxInt }

// Stamp returns that data bear nothing: their size is that of blocks of a file, and probes say it all.
func (a *Auto) Stamp(time.Time) (Data, bool) { return Data{}, false }

// Sent counts what leaves.
func (a *Auto) Sent(now time.Time, _ packet.Type, _ packet.SQN, packets, octets int) {
	a.begin(now)
	if idle := now.Sub(a.busy); idle > a.pause() && !a.busy.IsZero() {
		a.resume(now, idle)
	}
	a.busy = now
	a.packets += uint64(packets)
	a.octets += uint64(octets)
}

func (a *Auto) begin(now time.Time) {
	if !a.begun {
		a.begun, a.epoch, a.busy, a.next = true, now, now, now
	}
}

// resume begins again after a pause: what was known of the network ages.
func (a *Auto) resume(now time.Time, idle time.Duration) {
	a.next = now
	a.timeout = time.Time{}
	a.hold, a.misses = false, 0
	if idle > max(a.pause(), time.Second) {
		initial := float64(a.c.Initial)
		a.rate = max(min(a.rate, initial), a.rate*math.Exp2(-idle.Seconds()/2))
		a.restart()
		a.bound()
	}
}

// pause is the time without data after which there are none, rather than the rate being low.
func (a *Auto) pause() time.Duration {
	return max(idleAfter, time.Duration(4*float64(a.c.Packet)/a.rate*float64(time.Second)))
}

// restart looks for the rate of the network again, from where it is.
func (a *Auto) restart() {
	a.phase, a.exits, a.flat, a.measured, a.reached, a.contested = starting, 0, 0, 0, 0, false
}

// ProbeAt returns when the next SPM with a probe is due: none while no data are sent.
func (a *Auto) ProbeAt() time.Time {
	if !a.begun || a.next.Sub(a.busy) > max(a.pause(), 2*a.spacing()) {
		return time.Time{}
	}
	return a.next
}

// spacing returns how far apart probes are.
func (a *Auto) spacing() time.Duration {
	if a.acker < 0 {
		if a.silence >= quietAfter {
			return quietSpacing
		}
		return defaultBackOff
	}
	d := min(max(a.rtt/4, leastSpacing), mostSpacing)
	few := time.Duration(probePackets * float64(a.c.Packet) / a.rate * float64(time.Second))
	return max(d, min(few, slowestSpacing))
}

// Probe returns the options for an SPM that leaves now.
func (a *Auto) Probe(now time.Time) (Data, Probe) {
	a.begin(now)
	p := a.probes.send(now, a.epoch, a.packets, a.octets, a.rate)
	d := Data{Timestamp: uint32(now.Sub(a.epoch) / time.Millisecond), Acker: zeroNLA(a.c.Self)}
	out := Probe{Timestamp: p.stamp, Threshold: math.MaxUint32}
	if e := a.current(); e != nil {
		d.Acker, out.Acker = e.addr, e.id
		out.RTT = max(micros(e.srtt), 1)
		// Those who wait markedly longer than the acker in some queue are behind another bottleneck.
		out.Threshold = micros(e.delay + max(e.threshold(), 5*time.Millisecond))
	}
	a.silence++
	a.next = now.Add(a.spacing())
	if a.timeout.IsZero() {
		a.timeout = now.Add(a.patience())
	}
	return d, out
}

// current returns the acker's entry, nil if there is none.
func (a *Auto) current() *entry {
	if a.acker < 0 {
		return nil
	}
	return &a.table.entries[a.acker]
}

// patience is for how long a report may stay out.
func (a *Auto) patience() time.Duration {
	if e := a.current(); e != nil && e.srtt > 0 {
		return min(max(4*e.srtt+4*a.spacing(), leastTimeout), mostTimeout)
	}
	return firstTimeout
}

// Feedback takes an ACK or NAK.
func (a *Auto) Feedback(now time.Time, f *Feedback) {
	if !f.HasReception || !f.HasEcho || !f.Echo.Receiver.IsValid() || f.Echo.Receiver.IsUnspecified() {
		a.foreign(now, f)
		return
	}
	r := &f.Reception
	p := a.probes.find(r.Timestamp)
	if p == nil {
		a.stats.Stale++
		return
	}
	rtt := now.Sub(p.at) - time.Duration(r.Held)*time.Microsecond
	if rtt <= 0 || rtt > maxRTT {
		a.stats.Stale++
		return
	}
	i := a.table.at(now, f.Echo.Receiver, r.ID)
	e := &a.table.entries[i]
	e.window = a.window.w
	s, ok := e.take(now, p, r, rtt, a.packets)
	if !ok {
		a.stats.Stale++
		return
	}
	a.stats.Reports++
	if a.table.excluded(e.addr) || now.Before(e.barred) {
		return
	}
	a.silence = 0
	a.constrain(now, e)
	if r.Leaving {
		e.barred = now.Add(entryAge)
		if i == a.acker {
			a.elect(now)
		}
		return
	}
	switch {
	case a.acker < 0:
		a.appoint(now, i)
		a.control(now, e, &s)
	case i == a.acker:
		a.control(now, e, &s)
	default:
		a.consider(now, i, &s)
	}
}

// constrain follows what receivers can take in the long run: the least that any says, and whatever that one says next.
func (a *Auto) constrain(now time.Time, e *entry) {
	limit, who := float64(e.last.Limit)*RateUnit, rosterKey{e.addr, e.id}
	same := a.limit > 0 && who == a.limiter
	if same && (limit == 0 || limit > (1+mostGrowth)*a.limit) {
		a.unlimit()
	}
	if limit > 0 && (a.limit == 0 || limit <= a.limit || same || now.After(a.limitUntil)) {
		a.limit, a.limiter, a.limitUntil = limit, who, now.Add(entryAge)
	} else {
		a.release(now)
	}
}

// release forgets a limit that nobody has repeated lately.
func (a *Auto) release(now time.Time) {
	if a.limit == 0 || !now.After(a.limitUntil) {
		return
	}
	a.unlimit()
}

// unlimit forgets the limit. What the network takes beyond it is not known.
func (a *Auto) unlimit() {
	if at := max(a.limit, float64(a.c.Floor)); a.rate >= 0.9*at && a.rate <= 1.1*at {
		a.restart()
	}
	a.limit = 0
}

// Limiter returns the receiver that sets the rate by saying what it can take; invalid: none does.
func (a *Auto) Limiter() netip.Addr {
	if a.limit == 0 || a.rate < a.limit/2 { // repairs and SPMs take a part of it, so that what arrives keeps the rate below
		return netip.Addr{}
	}
	return a.limiter.addr
}

// consider makes a receiver the acker if it is worse off than the one that is.
func (a *Auto) consider(now time.Time, i int, s *sample) {
	e, cur := &a.table.entries[i], a.current()
	if !s.congested || e.reports < 2 {
		return
	}
	recently := max(8*a.rtt, 200*time.Millisecond)
	if now.Sub(cur.congested) < recently && e.rate >= hysteresis*cur.rate {
		return
	}
	a.appoint(now, i)
	a.control(now, e, s)
}

// hysteresis is C of [CC-2.3-01].
const hysteresis = 0.75

// appoint makes a receiver the acker. The rate stays; the window is that of its round trip.
func (a *Auto) appoint(now time.Time, i int) {
	had := a.acker >= 0
	a.acker, a.table.keep = i, i
	before := a.rtt
	a.rtt = max(a.table.entries[i].srtt, leastRTT)
	if had && a.phase == cruising {
		a.window.scale(a.rtt.Seconds() / before.Seconds())
	} else {
		a.restart()
	}
	a.next = now // so that everybody else hears it before more of them offer
	a.calm, a.last, a.arrived = 0, now, 0
	a.round, a.roundFrom = a.probes.count, a.packets
	a.roundPeak, a.roundBusy, a.roundBad = 0, true, false
	a.stats.Elections++
}

// elect has probes name nobody, so that receivers offer themselves.
func (a *Auto) elect(now time.Time) {
	a.acker, a.table.keep = -1, -1
	a.silence, a.misses = 0, 0
	a.next = now
	a.timeout = now.Add(firstTimeout)
}

// HandleTimeout slows down when no report comes in time, and has a new acker elected the second time.
func (a *Auto) HandleTimeout(now time.Time) {
	a.release(now)
	if a.timeout.IsZero() || now.Before(a.timeout) {
		return
	}
	if now.Sub(a.busy) > a.pause() { // nothing was sent that could be answered
		a.timeout = time.Time{}
		return
	}
	a.stats.Timeouts++
	a.timeout = now.Add(a.patience())
	// Who knows what the network is like now; but not below what is sent when nobody is known.
	a.rate = max(a.rate/2, min(a.rate, float64(a.c.Initial)))
	a.restart()
	a.bound()
	if a.acker >= 0 {
		if a.misses++; a.misses > retryMax {
			a.elect(now)
		}
	}
}

// NextTimeout returns when a report is overdue.
func (a *Auto) NextTimeout() time.Time { return a.timeout }

// SetCeiling changes AutoConfig.Ceiling.
func (a *Auto) SetCeiling(rate int) {
	a.c.Ceiling = max(rate, 0)
	a.bound()
}

// Acker returns the acker; invalid: nobody is.
func (a *Auto) Acker() netip.Addr {
	if e := a.current(); e != nil {
		return e.addr
	}
	return netip.Addr{}
}

// Exclude has what the receivers at an address report not count, or count again.
func (a *Auto) Exclude(addr netip.Addr, excluded bool) {
	a.table.exclude(addr, excluded)
	if excluded && a.limit > 0 && a.limiter.addr == addr {
		a.unlimit()
	}
	if e := a.current(); excluded && e != nil && e.addr == addr {
		a.elect(a.last)
	}
}

// Receivers calls f for each receiver that was heard of lately.
func (a *Auto) Receivers(f func(Receiver) bool) {
	for i := range a.table.entries {
		e := &a.table.entries[i]
		r := e.public(a.table.excluded(e.addr))
		r.Acker = i == a.acker
		if !f(r) {
			return
		}
	}
}

// Stats returns what has been counted so far.
func (a *Auto) Stats() AutoStats {
	s := a.stats
	s.Window, s.RTT, s.Starting = a.window.w, a.rtt, a.phase == starting
	return s
}
