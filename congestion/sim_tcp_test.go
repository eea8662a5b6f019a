package congestion

import (
	"math"
	"time"
)

// tcpModel is a TCP flow over the shared link with an endless supply of data: Reno (RFC 5681) or CUBIC (RFC 9438, with fast convergence).
// Its slow start has no HyStart, its receiver delays acknowledgements (RFC 5681 §4.2), and it recovers as SACK lets it: what was sent three
// transmissions before one that arrived is lost, and is sent again when there is room; one reduction a round trip, spread over it (RFC 6937).
//
// Each transmission has a number of its own, whether it is new or repeated. What arrives is new to the receiver in any case.
type tcpModel struct {
	w        *world
	isCubic  bool
	rtt      int64 // besides what the queue takes
	octets   uint64
	stopped  bool
	cwnd     float64
	ssthresh float64
	srtt     int64

	next     int64   // number of the next transmission
	highest  int64   // that arrived
	inflight int     // neither acknowledged nor known to be lost
	missing  []int64 // lost, which the sender does not know yet
	credit   float64 // of transmissions that ACKs have allowed for, in recovery
	recover  int64   // recovery lasts until a transmission from here on arrives; congestion before it is the same
	events   int     // reductions

	wmax, cubicK float64 // of CUBIC: W_max and K
	west         float64 // W_est
	prior        float64 // cwnd_prior
	epoch        int64   // when the epoch began; 0: with the next ACK

	heard   int64 // when the newest segment arrived
	waiting []int64
	sentAt  int64 // when the newest of the waiting ones was sent
	timer   int64
	rto     int64
}

const (
	tcpSize   = 1500
	delayedBy = 40 * time.Millisecond // of ACKs, as Linux has it
	tcpCubicC = 0.4
	tcpBeta   = 0.7
	leastRTO  = 200 * time.Millisecond
	mostBurst = 44 // of 64 KiB
)

func (w *world) tcpFlow(rtt time.Duration, isCubic bool, start time.Duration) *tcpModel {
	f := &tcpModel{w: w, isCubic: isCubic, rtt: int64(rtt), cwnd: 10, ssthresh: math.MaxInt32, srtt: int64(rtt), highest: -1, recover: -1, rto: int64(time.Second)}
	w.tcp = append(w.tcp, f)
	w.at(int64(start), f.send)
	return f
}

func (f *tcpModel) recovering() bool { return f.recover > f.highest }

// send sends what the window allows. As Linux does it, segments leave in bursts of a millisecond of the rate.
func (f *tcpModel) send() {
	room := int(f.cwnd) - f.inflight
	if f.recovering() {
		room = min(room, int(f.credit))
	}
	burst := int(min(max(f.cwnd/(float64(f.srtt)/1e6), 1), mostBurst, f.cwnd/2))
	if room < burst && f.inflight > 0 {
		return
	}
	for ; room > 0 && !f.stopped; room-- {
		f.transmit()
	}
	f.arm()
}

func (f *tcpModel) transmit() {
	n, sent := f.next, f.w.now
	f.next++
	f.inflight++
	f.credit = max(f.credit-1, 0)
	at, ok := f.w.shared.cross(f.w.now, tcpSize)
	if !ok {
		f.missing = append(f.missing, n)
		return
	}
	// Hosts are not clockwork: without some jitter the same flow finds the queue full again and again.
	at = max(at-f.w.shared.delay+f.rtt+f.w.rng.Int64N(int64(tcpSize/f.w.shared.rate*1e9)), f.heard+1)
	f.heard = at
	f.w.at(at, func() { f.arrive(n, sent) })
}

// arrive is a segment that reaches the receiver, half a round trip late, which makes no difference to the sender: every second one is
// acknowledged, one behind a gap at once.
func (f *tcpModel) arrive(n, sent int64) {
	f.octets += tcpSize
	f.waiting = append(f.waiting, n)
	f.sentAt = sent
	if len(f.waiting) >= 2 || len(f.missing) > 0 && f.missing[0] < n {
		f.ack()
		return
	}
	f.w.at(f.w.now+int64(delayedBy), func() {
		if len(f.waiting) > 0 && f.waiting[0] == n {
			f.ack()
		}
	})
}

// ack is an acknowledgement of all that waits.
func (f *tcpModel) ack() {
	acked := len(f.waiting)
	was := f.recovering()
	f.highest = max(f.highest, f.waiting[acked-1])
	f.waiting = f.waiting[:0]
	f.inflight = max(f.inflight-acked, 0)
	if rtt := f.w.now - f.sentAt; f.srtt == f.rtt {
		f.srtt = rtt
	} else {
		f.srtt += (rtt - f.srtt) / 8
	}
	f.rto = max(2*f.srtt, int64(leastRTO))
	for len(f.missing) > 0 && f.missing[0]+3 <= f.highest {
		lost := f.missing[0]
		f.missing = f.missing[1:]
		f.inflight = max(f.inflight-1, 0)
		if lost >= f.recover {
			f.reduce()
		}
	}
	switch {
	case f.recovering(): // a reduction by β lets so much leave for what arrives that inflight is ssthresh at the end of the round trip
		if f.credit += float64(acked) * f.beta(); f.inflight < int(f.ssthresh) {
			f.credit = max(f.credit, min(float64(acked)+1, f.ssthresh-float64(f.inflight)))
		}
	case !was:
		for range acked {
			f.grow()
		}
	}
	f.send()
}

func (f *tcpModel) beta() float64 {
	if f.isCubic {
		return tcpBeta
	}
	return 0.5
}

// reduce reacts to congestion.
func (f *tcpModel) reduce() {
	f.events++
	f.recover = f.next
	f.credit = 1
	if f.cwnd < f.wmax { // "fast convergence" (RFC 9438 §4.7)
		f.wmax = f.cwnd * (1 + tcpBeta) / 2
	} else {
		f.wmax = f.cwnd
	}
	f.prior = f.cwnd
	f.ssthresh = max(f.cwnd*f.beta(), 2)
	f.cwnd = f.ssthresh
	f.epoch = 0
}

// grow is the growth for one segment that was acknowledged.
func (f *tcpModel) grow() {
	switch {
	case f.cwnd < f.ssthresh:
		f.cwnd++
		return
	case !f.isCubic:
		f.cwnd += 1 / f.cwnd
		return
	}
	if f.epoch == 0 {
		f.epoch, f.west = f.w.now, f.cwnd
		f.wmax = max(f.wmax, f.cwnd)
		f.cubicK = math.Cbrt((f.wmax - f.cwnd) / tcpCubicC)
	}
	alpha := 3 * (1 - tcpBeta) / (1 + tcpBeta)
	if f.west >= f.prior {
		alpha = 1
	}
	f.west += alpha / f.cwnd
	d := float64(f.w.now-f.epoch)/1e9 + float64(f.srtt)/1e9 - f.cubicK
	target := min(tcpCubicC*d*d*d+f.wmax, 1.5*f.cwnd)
	f.cwnd += max(target-f.cwnd, 0) / f.cwnd
	f.cwnd = max(f.cwnd, f.west)
}

// arm starts the timer of retransmission anew.
func (f *tcpModel) arm() {
	f.timer = f.w.now
	began := f.timer
	if f.inflight == 0 {
		return
	}
	f.w.at(f.w.now+f.rto, func() {
		if f.timer != began || f.inflight == 0 {
			return
		}
		f.reduce()
		f.cwnd, f.inflight, f.missing, f.credit = 1, 0, f.missing[:0], 1
		f.recover = f.highest
		f.rto = min(2*f.rto, int64(time.Minute))
		f.send()
	})
}
