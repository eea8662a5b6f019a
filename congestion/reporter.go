package congestion

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// ReporterConfig says for whom a Reporter reports. Fields that are zero have their defaults.
type ReporterConfig struct {
	Self     netip.Addr    // our own NLA, as ACKs and NAKs leave with it
	Overhead int           // network octets in front of each packet, which rates count
	BackOff  time.Duration // the longest that a report waits that others may make superfluous (ack_bo_ivl), before a round trip is known; default 20 ms
	Rand     *rand.Rand    // draws back-offs and the receiver's ID
}

// Reporter is the part of PGMCC at a receiver, for one session [CC-4]: it measures loss, delay and rate, sends ACKs when the source
// wants them from this receiver, and says what NAKs report. It serves both of our controllers and other stacks' sources.
type Reporter struct {
	c   ReporterConfig
	id  uint32
	met time.Time // when the first packet came: our clock counts from here

	loss     lossFilter
	received uint32
	octets   uint64
	overflow uint32
	limit    uint32
	kinds    Kinds // OPT_CRQST

	stamp    Data // the newest
	stampAt  time.Time
	hasStamp bool
	probe    Probe // the newest
	probeAt  time.Time
	hasProbe bool
	delay    transit
	arrivals arrivals

	acks    [maxACKs]ACK // that are to be sent, oldest first
	owed    int
	pending int       // data packets that name us since the last of acks
	report  time.Time // when a report is due that others may make superfluous; zero: none
	calm    time.Time // until when no other of them is
	leaving bool
	left    bool
	sent    uint64
}

const (
	// maxACKs is how many ACKs may wait for the end of a batch, and ackEvery after how many data packets the next one begins: the bitmap
	// of each has room to repeat what the one before said, in case that is lost.
	maxACKs  = 8
	ackEvery = 16
	// defaultBackOff suits a LAN: until somebody has answered, the source keeps its initial rate.
	defaultBackOff = 20 * time.Millisecond
	// groupSize is how many receivers a back-off is prepared for [RFC 5401].
	groupSize = 1000
	// calmRTTs is how many round trips, and calmLeast how long at least, a receiver that reported unasked keeps still.
	calmRTTs  = 4
	calmLeast = 250 * time.Millisecond
)

// NewReporter returns a Reporter that has heard nothing.
func NewReporter(c ReporterConfig) (*Reporter, error) {
	switch {
	case c.Rand == nil:
		return nil, errors.New("congestion: ReporterConfig.Rand is missing")
	case c.Overhead < 0 || c.BackOff < 0:
		return nil, errors.New("congestion: an overhead or interval is negative")
	}
	if c.BackOff == 0 {
		c.BackOff = defaultBackOff
	}
	c.Self = c.Self.Unmap().WithZone("")
	return &Reporter{c: c, id: max(c.Rand.Uint32(), 1), delay: newTransit()}, nil
}

// Data takes a data packet of so many octets, headers of PGM included: ODATA, or RDATA if repair is set. A repair says nothing about the
// loss of the packet that it repeats, but it is traffic.
func (r *Reporter) Data(n packet.SQN, octets int, repair bool) {
	r.received++
	r.octets += uint64(octets + r.c.Overhead)
	if !repair {
		r.loss.data(n)
	}
}

// Stamp takes OPT_PGMCC_DATA of the ODATA that Data was just called for. If it names us, an ACK is to be sent [CC-4-01]: at the next Flush,
// and one for each 16 packets before. While one of the newest 32 packets is missing, the first of a batch are acknowledged one by one: a source
// that counts ACKs after a gap, as OpenPGM's does up to three, forgets those that the third one speaks of besides.
func (r *Reporter) Stamp(now time.Time, d Data) {
	r.stamp, r.stampAt, r.hasStamp = d, now, true
	switch {
	case d.None():
		r.offer(now)
	case d.Acker == r.c.Self:
		r.report = time.Time{}
		if r.pending++; r.pending >= ackEvery || ^r.loss.bitmap != 0 && r.owed < maxACKs/2 {
			r.Flush()
		}
	default:
		r.report = time.Time{} // somebody else does it [CC-2.3.1-01]
		r.Flush()
	}
}

// Restamp takes a repair of packet n that bears OPT_PGMCC_DATA, after Data. Its timestamp and acker are those of the ODATA it repeats, and so
// nothing; but a source that stamps repairs, as OpenPGM's does, spends a token of its window on each, and with the last one it waits for an ACK.
// So the packet counts as received, as it does among OpenPGM's own receivers, and is acknowledged by whom the newest ODATA named.
func (r *Reporter) Restamp(now time.Time, n packet.SQN) {
	if !r.hasStamp {
		return
	}
	r.loss.data(n)
	switch {
	case r.stamp.None():
		r.offer(now)
	case r.stamp.Acker == r.c.Self:
		r.pending++
	}
}

// Flush says that a batch of received packets is at its end: an ACK for what came in it is due now.
func (r *Reporter) Flush() {
	if r.pending > 0 {
		r.pending = 0
		r.owe()
	}
}

// owe has an ACK sent that says what is known now.
func (r *Reporter) owe() {
	if r.owed == maxACKs {
		copy(r.acks[:], r.acks[1:]) // the bitmap of the next says most of it
		r.owed--
	}
	r.acks[r.owed] = ACK{r.loss.max, r.loss.bitmap}
	r.owed++
}

// Probe takes the options Data and Probe of an SPM.
func (r *Reporter) Probe(now time.Time, d Data, p Probe) {
	if r.met.IsZero() {
		r.met = now
	}
	r.stamp, r.stampAt, r.hasStamp = d, now, true
	r.probe, r.probeAt, r.hasProbe = p, now, true
	r.delay.add(now, micros(now.Sub(r.met)), p.Timestamp)
	r.arrivals.add(now, r.octets, r.received)
	switch {
	case d.None():
		r.offer(now)
	case d.Acker == r.c.Self && (p.Acker == 0 || p.Acker == r.id):
		r.report = time.Time{}
		r.owe()
	case r.troubled():
		r.offer(now)
	default:
		r.report = time.Time{}
	}
}

// troubled reports whether the source ought to hear from us though it does not ask. What is lost it hears of by NAKs.
func (r *Reporter) troubled() bool {
	return r.delay.standing() > r.probe.Threshold || r.limit != 0 && r.arrivals.rate(r.window()) > uint64(r.limit)*RateUnit
}

// window is the time over which rates are measured.
func (r *Reporter) window() time.Duration {
	return max(time.Duration(r.probe.RTT)*time.Microsecond/4, leastWindow)
}

// offer schedules a report after a random time, in which others may make it superfluous [CC-2.3.1-01].
func (r *Reporter) offer(now time.Time) {
	if !r.report.IsZero() || now.Before(r.calm) {
		return
	}
	longest := r.c.BackOff
	if r.probe.RTT > 0 {
		longest = max(longest, min(4*time.Duration(r.probe.RTT)*time.Microsecond, 2*time.Second))
	}
	r.report = now.Add(r.backOff(longest))
}

// backOff draws from the truncated exponential distribution of RFC 5401 §3.2: of many receivers few come first, and one alone does not
// wait much longer than the time that many need.
func (r *Reporter) backOff(longest time.Duration) time.Duration {
	lambda := math.Log(groupSize) + 1
	x := r.c.Rand.Float64() + 1/(math.Exp(lambda)-1)
	d := math.Log(x*(math.Exp(lambda)-1)) / lambda
	return time.Duration(min(max(d, 0), 1) * float64(longest))
}

// SetOverflow says how many packets the kernel has dropped so far because the socket's buffer was full: losses that are the host's, not
// the network's.
func (r *Reporter) SetOverflow(total uint64) { r.overflow = uint32(total) }

// SetLimit says how fast the receiver can take data in the long run, in octets a second, because its program reads slowly; 0: as fast as it comes.
func (r *Reporter) SetLimit(rate int) {
	r.limit = uint32(min(max((rate+RateUnit-1)/RateUnit, 0), math.MaxUint32))
}

// SetRequested takes OPT_CRQST of the newest SPM; an SPM without it requests nothing [12.5-02].
func (r *Reporter) SetRequested(k Kinds) { r.kinds = k }

// Leave says that the receiver leaves the session. If the source counts on its ACKs, one more tells so [CC-2.3.2-01].
func (r *Reporter) Leave() {
	if r.hasStamp && r.stamp.Acker == r.c.Self && !r.left {
		r.leaving, r.left = true, true
		r.owe()
	}
}

// HandleTimeout says what time it is. Early is harmless.
func (r *Reporter) HandleTimeout(now time.Time) {
	if r.report.IsZero() || now.Before(r.report) {
		return
	}
	r.report = time.Time{}
	r.calm = now.Add(max(calmLeast, calmRTTs*time.Duration(r.probe.RTT)*time.Microsecond))
	if r.hasStamp && r.stamp.None() {
		r.calm = now.Add(r.c.BackOff) // nobody is acker yet, so this report may have been lost
	}
	r.owe()
}

// NextTimeout returns when HandleTimeout has something to do; zero: never.
func (r *Reporter) NextTimeout() time.Time { return r.report }

// Owed returns how many ACKs are to be sent now.
func (r *Reporter) Owed() int { return r.owed }

// ACKLen is more octets than an ACK takes.
const ACKLen = packet.HeaderLen + ackLen + 4 + 28 + ReceptionLen

// AppendACK appends the next ACK, a whole packet to be unicast to the source of the session. It panics if none is owed.
func (r *Reporter) AppendACK(now time.Time, b []byte, tsi packet.TSI, dest uint16) []byte {
	if r.owed == 0 {
		panic("congestion: no ACK is owed")
	}
	start := len(b)
	b = packet.Upstream(TypeACK, tsi, dest).Append(b)
	b = r.acks[0].Append(b)
	copy(r.acks[:], r.acks[1:r.owed])
	r.owed--
	at := len(b) - start
	b = r.AppendOptions(now, packet.BeginOptions(b))
	packet.EndOptions(b[start:], at)
	if r.owed == 0 {
		r.leaving = false
	}
	packet.Seal(b[start:])
	r.sent++
	return b
}

// AppendOptions appends what a NAK of the session bears, OPT_PGMCC_FEEDBACK and OPT_RECEPTION, encoded as they follow the
// network-significant options: nothing before the source has shown that it listens.
func (r *Reporter) AppendOptions(now time.Time, b []byte) []byte {
	if !r.hasStamp {
		return b
	}
	held := max(now.Sub(r.stampAt), 0)
	b = Echo{
		Timestamp: r.stamp.Timestamp + uint32(held/time.Millisecond), Loss: r.loss.rate(), Receiver: r.c.Self,
	}.AppendTo(b)
	if !r.hasProbe {
		return b
	}
	return r.reception(now).AppendTo(b)
}

// reception returns what a report says now.
func (r *Reporter) reception(now time.Time) Reception {
	return Reception{
		Leaving: r.leaving, ID: r.id, Timestamp: r.probe.Timestamp, Held: micros(max(now.Sub(r.probeAt), 0)), Delay: r.delay.queue(), Standing: r.delay.standing(),
		Received: r.received, Lost: r.loss.lost, Overflow: r.overflow,
		Rate: uint32(min(r.arrivals.rate(r.window())/RateUnit, math.MaxUint32)), Limit: r.limit,
	}
}

// AppendReport appends OPT_CR to the options of a NAK, if the source requested reports; lead is the leading edge of the transmit window as
// it is known [12.5-01, 12.5-05]. It is network-significant, so it goes before AppendOptions.
func (r *Reporter) AppendReport(b []byte, lead packet.SQN) []byte {
	if r.kinds == 0 {
		return b
	}
	c := Report{Kinds: r.kinds, Lead: lead, Receiver: r.c.Self}
	if r.kinds&ReceiverWorstPath != 0 {
		c.ReceiverPath = r.loss.rate()
	}
	return c.AppendTo(b)
}

// ReporterStats is what a Reporter knows of its session.
type ReporterStats struct {
	ACKs  uint64        // sent
	Lost  uint64        // data packets that did not come when they should have, modulo 2^32
	Loss  float64       // the loss rate of late, 0..1
	Rate  int           // of arrival, in octets a second, if the source probes
	Delay time.Duration // in queues on the way, if the source probes
}

// Stats returns what is known now.
func (r *Reporter) Stats() ReporterStats {
	return ReporterStats{
		ACKs: r.sent, Lost: uint64(r.loss.lost), Loss: float64(r.loss.p) / (1 << 32),
		Rate: int(r.arrivals.rate(r.window())), Delay: time.Duration(r.delay.queue()) * time.Microsecond,
	}
}

// micros returns d in microseconds, modulo 2^32.
func micros(d time.Duration) uint32 { return uint32(d / time.Microsecond) }
