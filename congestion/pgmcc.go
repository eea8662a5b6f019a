package congestion

import (
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// PGMCCConfig says how PGMCC controls a source. Fields that are zero have their defaults.
type PGMCCConfig struct {
	Self      netip.Addr    // the source's NLA: its family is that of ackers
	Packet    int           // the size of a data packet, network headers included; default 1,500
	Ceiling   int           // the rate that is never exceeded, in octets a second; 0: none
	Threshold float64       // SSTHRESH in packets; default 4 [CC-2.2-03]
	C         float64       // hysteresis of a change of acker, in (0, 1); default 0.75 [CC-2.3-01]
	Initial   time.Duration // the timeout before a round trip is known, and the longest; default 3 s [CC-2.7-01]
	Least     time.Duration // the least timeout, unless Initial is less; default 200 ms
	Rand      *rand.Rand    // draws the first timestamp; nil: it is 0
}

const (
	// lossAfter is how many later packets, acknowledged, make one that is not a loss.
	lossAfter = 3
	// retryMax is RETRY_MAX: the second timeout in a row forces an election [CC-2.7-02].
	retryMax = 1
	// maxRTT is what a round trip may take; longer ones are absurd.
	maxRTT = 60 * time.Second
	// lyingAfter is after how many ACKs the loss that an acker reports is compared with what its ACKs show, lying by how much more it may
	// report, and ineligible for how long it is not elected after that [CC-5-01].
	lyingAfter = 64
	lying      = 0.25
	ineligible = 30 * time.Second
)

// PGMCC is the congestion control of draft-ietf-rmt-bb-pgmcc-03 at a source: one receiver, the acker, acknowledges data, and a window of
// W packets, counted in tokens, follows as TCP's does. It understands the ACKs of other stacks: those of OpenPGM always report no
// loss, so that the first acker stays.
type PGMCC struct {
	c     PGMCCConfig
	epoch time.Time
	first uint32 // timestamp at epoch
	begun bool

	w, t    float64 // W and T: "non-integer", so floating-point [CC-2.2-01]
	lead    packet.SQN
	flight  bool       // something was sent that is not acknowledged
	acked   packet.SQN // the newest that was
	history uint64     // bit i: acked - i was acknowledged, or its loss is dealt with
	hasAck  bool
	hold    bool // the window is not changed until feedback comes for a packet after holdTo [CC-2.2-05]
	holdTo  packet.SQN

	acker        netip.Addr
	model        float64 // M² of the acker, in seconds² [CC-2.4-01]
	srtt, rttvar time.Duration
	retry        int
	timeout      time.Time
	wait         time.Duration // what it was when it was armed

	shownACKs int     // of this acker
	shown     float64 // the loss rate that its ACKs show
	reported  float64 // the loss rate that it reports, smoothed alike

	table roster
}

// NewPGMCC checks c and returns the controller of a source that has sent nothing.
func NewPGMCC(c PGMCCConfig) (*PGMCC, error) {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Threshold, 4)
	def(&c.C, 0.75)
	if c.Packet == 0 {
		c.Packet = defaultPacket
	}
	if c.Initial == 0 {
		c.Initial = 3 * time.Second
	}
	if c.Least == 0 {
		c.Least = 200 * time.Millisecond
	}
	switch {
	case !(c.C > 0 && c.C < 1):
		return nil, errors.New("congestion: PGMCCConfig.C is not between 0 and 1")
	case !(c.Threshold >= 1) || c.Packet < 0 || c.Ceiling < 0 || c.Initial < 0 || c.Least < 0:
		return nil, errors.New("congestion: a window, size, rate or interval is negative or too small")
	}
	p := &PGMCC{c: c, w: 1, t: 1, table: newRoster()}
	if c.Rand != nil {
		p.first = c.Rand.Uint32()
	}
	return p, nil
}

// clock returns the timestamp of now, in milliseconds.
func (p *PGMCC) clock(now time.Time) uint32 {
	if !p.begun {
		p.begun, p.epoch = true, now
	}
	return p.first + uint32(now.Sub(p.epoch)/time.Millisecond)
}

// Rate returns twice what the window makes of the round trip, which spaces packets; the window does the rest.
func (p *PGMCC) Rate() int {
	if p.srtt == 0 {
		return p.c.Ceiling
	}
	rate := 2 * max(p.w, 1) * float64(p.c.Packet) / max(p.srtt, time.Millisecond).Seconds()
	if p.c.Ceiling > 0 {
		rate = min(rate, float64(p.c.Ceiling))
	}
	return max(int(min(rate, math.MaxInt32*1024)), 1)
}

// Tokens returns how many new data packets may leave: "transmission requires T >= 1" [CC-2.2-02].
func (p *PGMCC) Tokens() int { return max(int(p.t), 0) }

// Sent takes a token for each new packet. Repairs take none: no ACK speaks of them, so theirs would be lost; the rate bounds them.
func (p *PGMCC) Sent(now time.Time, t packet.Type, first packet.SQN, packets, _ int) {
	if t != packet.TypeODATA || packets <= 0 {
		return
	}
	p.keep(now)
	if !p.flight {
		p.flight = true
		p.arm(now)
	}
	p.t -= float64(packets)
	p.lead = first + packet.SQN(packets-1)
	if !p.hasAck { // what comes before the first ACK is not missing from it
		p.hasAck, p.acked, p.history = true, first-1, math.MaxUint64
	}
}

// Stamp returns the timestamp and the acker.
func (p *PGMCC) Stamp(now time.Time) (Data, bool) {
	d := Data{Timestamp: p.clock(now), Acker: p.acker}
	if !p.acker.IsValid() {
		d.Acker = zeroNLA(p.c.Self)
	}
	return d, true
}

// ProbeAt returns the zero time: data carry what there is to ask.
func (p *PGMCC) ProbeAt() time.Time { return time.Time{} }

// Probe returns what Stamp does. SPMs need not bear it.
func (p *PGMCC) Probe(now time.Time) (Data, Probe) {
	d, _ := p.Stamp(now)
	return d, Probe{}
}

// modelM returns M² for a round trip and a loss rate in 0..1:
// M = 1/T = RTT sqrt(p) (1 + 9p (1 + 32 p²)) [CC-2.4-01].
func modelM(rtt time.Duration, p float64) float64 {
	f := 1 + 9*p*(1+32*p*p)
	s := rtt.Seconds()
	return s * s * p * f * f
}

// Feedback takes an ACK or NAK.
func (p *PGMCC) Feedback(now time.Time, f *Feedback) {
	p.keep(now)
	if !f.HasEcho || !f.Echo.Receiver.IsValid() || f.Echo.Receiver.IsUnspecified() || !p.begun {
		return
	}
	who := f.Echo.Receiver
	e := p.table.entry(now, who, f.Reception.ID)
	if e == nil {
		return
	}
	rtt := time.Duration(p.clock(now)-f.Echo.Timestamp) * time.Millisecond
	if rtt > maxRTT { // or negative: the timestamp is not one of ours
		e.stale++
		return
	}
	rtt = max(rtt, time.Millisecond/2) // its resolution
	e.heard, e.loss = now, float64(f.Echo.Loss)/math.MaxUint16
	e.smooth(rtt)
	if p.table.excluded(who) || now.Before(e.barred) {
		return
	}
	if f.IsACK && f.Reception.Leaving {
		if who == p.acker {
			p.elect() // [CC-2.3.2-01]
		}
		return
	}
	m := modelM(e.srtt, e.loss)
	switch {
	case !p.acker.IsValid():
		p.appoint(who, m)
		p.t = min(p.t+1, max(p.w, 1)) // the pseudo-code's T = T + 1 [CC-3-01]
	case who != p.acker:
		if m*p.c.C*p.c.C > p.model {
			p.appoint(who, m)
		}
	default:
		p.model = m
	}
	if who != p.acker {
		return
	}
	// The draft's pseudo-code has feedback of anybody reset RETRY: then the NAKs of others would keep an acker that is gone.
	p.retry = 0
	p.measure(rtt)
	if f.IsACK {
		p.acknowledge(now, f)
		if p.lies(e.loss) {
			e.barred = now.Add(ineligible)
			p.elect()
		}
	}
}

// appoint makes who the acker. Its round trip is measured anew.
func (p *PGMCC) appoint(who netip.Addr, m float64) {
	p.acker, p.model = who, m
	p.srtt, p.rttvar = 0, 0
	p.shownACKs, p.shown, p.reported = 0, 0, 0
}

// elect has data name nobody, so that receivers offer themselves [CC-2.3.1-01].
func (p *PGMCC) elect() { p.appoint(netip.Addr{}, 0) }

// measure takes a round trip of the acker, of which no more counts than is waited for: the rate would be next to nothing otherwise.
func (p *PGMCC) measure(rtt time.Duration) {
	rtt = min(rtt, p.c.Initial)
	if p.srtt == 0 {
		p.srtt, p.rttvar = rtt, rtt/2
		return
	}
	p.rttvar += ((rtt - p.srtt).Abs() - p.rttvar) / 4
	p.srtt += (rtt - p.srtt) / 8
}

// acknowledge changes the window by an ACK of the acker.
func (p *PGMCC) acknowledge(now time.Time, f *Feedback) {
	if !p.hasAck || p.lead.Before(f.Max) || f.Max.Before(p.acked-31) {
		return // of what was not sent, or too old to say anything
	}
	fresh, lost := p.note(f.Max, f.Bitmap)
	if p.hold && p.holdTo.Before(f.Max) {
		p.hold = false
	}
	n := float64(fresh)
	switch {
	case lost > 0 && !p.hold:
		p.t += n - p.w/2 // [CC-2.2-05]
		p.w = max(p.w/2, 1)
		p.hold, p.holdTo = true, p.lead
	case p.hold:
		p.t += n // the window is as it is; a packet leaves for each that has left the network
	default: // [CC-2.2-04]
		if p.w < p.c.Threshold {
			d := min(n, p.c.Threshold-p.w)
			n -= d
			p.t += 2 * d
			p.w += d
		}
		p.t += n * (1 + 1/p.w)
		p.w += n / p.w
	}
	p.t += float64(lost) // what is lost is no longer on its way either: otherwise each loss would cost a token for good
	p.t = min(p.t, p.w)
	if fresh > 0 {
		if p.flight = p.acked != p.lead; p.flight {
			p.arm(now)
		} else {
			p.timeout = time.Time{}
		}
	}
}

// note enters an ACK into the history, and returns how many packets it acknowledges that none did before, and how many it shows as lost:
// those that lossAfter later ones were acknowledged without.
func (p *PGMCC) note(top packet.SQN, bitmap uint32) (fresh, lost int) {
	if ahead := top.Sub(p.acked); ahead > 0 {
		if ahead > 32 { // ACKs were lost, and nobody will say what became of these: they are not in the network any more
			fresh = int(ahead - 32)
		}
		if ahead >= 64 {
			p.history = 0
		} else {
			p.history <<= ahead
		}
		if ahead > 32 {
			p.history |= math.MaxUint32 << 32
		}
		p.acked = top
	}
	said := uint64(bitmap) << p.acked.Sub(top)
	fresh += bits.OnesCount64(said &^ p.history)
	p.history |= said
	later := 0
	for i := range 64 {
		if p.history>>i&1 != 0 {
			later++
		} else if later >= lossAfter {
			lost++
			p.history |= 1 << i
		}
	}
	// What the acker shows, for comparison with what it says.
	p.shownACKs++
	p.shown += (float64(32-bits.OnesCount32(bitmap))/32 - p.shown) / 16
	return fresh, lost
}

// lies reports whether the acker reports a loss that its ACKs do not show: to be elected, it says to be worse off than it is [CC-5-01].
func (p *PGMCC) lies(loss float64) bool {
	p.reported += (loss - p.reported) / 16
	return p.shownACKs >= lyingAfter && p.reported > 2*p.shown+lying
}

// arm schedules the timeout [CC-2.7-01]. While nobody is the acker the last one doubles. It is never longer than before a round trip is known,
// as OpenPGM's always is: whoever pretends to be far away would stop the source for that long.
func (p *PGMCC) arm(now time.Time) {
	switch {
	case p.srtt > 0:
		p.wait = min(max(p.srtt+4*p.rttvar, p.c.Least), p.c.Initial)
	case p.wait > 0:
		p.wait = min(2*p.wait, p.c.Initial)
	default:
		p.wait = p.c.Initial
	}
	p.timeout = now.Add(p.wait)
}

// keep has the timeout come though the clock was set back: the ACKs of what is on its way have timestamps of the future then, and do not
// count, so that nothing else would have the source go on.
func (p *PGMCC) keep(now time.Time) {
	if latest := now.Add(p.wait); p.timeout.After(latest) {
		p.timeout = latest
	}
}

// HandleTimeout lets one packet go when no ACK came in time, and the second time in a row has a new acker elected [CC-2.7-02].
func (p *PGMCC) HandleTimeout(now time.Time) {
	if p.timeout.IsZero() || now.Before(p.timeout) {
		return
	}
	p.w, p.t, p.hold = 1, 1, false
	p.history = math.MaxUint64
	switch {
	case p.retry < retryMax:
		p.retry++
	case p.acker.IsValid():
		p.elect()
	default: // a liar is better than nobody; and an ACK that was forged in the name of one that is none may have made it look so
		p.table.each(func(e *entry) bool {
			e.barred = time.Time{}
			return true
		})
	}
	p.arm(now)
}

// NextTimeout returns when an ACK is overdue.
func (p *PGMCC) NextTimeout() time.Time { return p.timeout }

// SetCeiling changes PGMCCConfig.Ceiling.
func (p *PGMCC) SetCeiling(rate int) { p.c.Ceiling = max(rate, 0) }

// Acker returns the acker; invalid: data name nobody.
func (p *PGMCC) Acker() netip.Addr { return p.acker }

// Window returns W and T, in packets.
func (p *PGMCC) Window() (w, t float64) { return p.w, p.t }

// Exclude has the receiver at a never be acker, or be so again.
func (p *PGMCC) Exclude(a netip.Addr, excluded bool) {
	p.table.exclude(a, excluded)
	if excluded && a == p.acker {
		p.elect()
	}
}

// Receivers calls f for each receiver that was heard of lately.
func (p *PGMCC) Receivers(f func(Receiver) bool) {
	p.table.each(func(e *entry) bool {
		r := e.public(p.table.excluded(e.addr))
		r.Acker = e.addr == p.acker
		return f(r)
	})
}
