package fec

import "math"

// Adapter decides how many parity packets a source sends unasked with each group, from what receivers report that they lost.
//
// The law. Of the reports of an interval the greatest loss counts: parity has to do for the worst receiver. The estimate p follows it,
// half of the way up and an eighth of the way down in each interval, so that it is quick to protect and slow to forget. Then n is the
// least number for which a receiver that loses each packet with probability p lacks more than n of k+n packets, and so has to ask,
// once in 100 groups; it is at most h and at most half of k, for a network that loses a third of everything needs less rate, not
// more parity. n rises at once and falls by one in an interval.
//
// Where parity is there on demand, more than these can be had, and what need not be asked for is worth no more than a NAK and a wait: there n is the
// least number for which that receiver has to ask in half of the groups at most, so that a packet is sent unasked if it is likelier than not
// to be asked for anyway.
//
// With p = 0, n is 0: nothing is sent that nobody misses. An interval without any report changes nothing: there is no telling silence
// from contentment.
//
// It is not safe for concurrent use.
type Adapter struct {
	k, most int
	n       int
	p       float64
	worst   float64
	heard   bool
	residue float64 // the part of the groups in which the worst receiver has to ask
}

const (
	adaptUp, adaptDown = 2, 8       // the parts of the way
	adaptResidue       = 0.01       // of Adapter, where nothing can be asked for,
	adaptDemand        = 0.5        // and where parity can
	adaptNothing       = 1.0 / 4096 // below, a loss is not worth a packet for each group
)

// NewAdapter returns the Adapter of a source with the Config c, which has passed Check. It begins with c.Proactive.
func NewAdapter(c Config) *Adapter {
	c = c.WithDefaults()
	a := &Adapter{k: c.Group, most: min(c.Parity, c.Group/2), residue: adaptResidue}
	if c.OnDemand {
		a.residue = adaptDemand
	}
	a.n = min(c.Proactive, a.most)
	for a.n > 0 && a.p < 0.5 && needed(a.k, a.most, a.p, a.residue) < a.n { // the loss that c.Proactive is right for
		a.p += 0.001
	}
	return a
}

// Report says that a receiver, or a group of them, lost so many of the data packets that were sent since its last report, before any
// repair. What cannot be is taken for the nearest that can.
func (a *Adapter) Report(lost, sent int) {
	if sent <= 0 {
		return
	}
	a.heard = true
	a.worst = max(a.worst, min(max(float64(lost)/float64(sent), 0), 1))
}

// Interval ends an interval of reports, and returns the new n. Intervals are for the caller to choose: a few times the period at which
// receivers report, so that the worst of them has been heard.
func (a *Adapter) Interval() int {
	if !a.heard {
		return a.n
	}
	if d := a.worst - a.p; d > 0 {
		a.p += d / adaptUp
	} else {
		a.p += d / adaptDown
	}
	a.worst, a.heard = 0, false
	switch n := needed(a.k, a.most, a.p, a.residue); {
	case n > a.n:
		a.n = n
	case n < a.n:
		a.n--
	}
	return a.n
}

// Proactive returns n.
func (a *Adapter) Proactive() int { return a.n }

// Loss returns the estimate p.
func (a *Adapter) Loss() float64 { return a.p }

// needed returns the least n up to most for which more than n of k+n packets, each lost with probability p, are lost with a
// probability of residue at most.
func needed(k, most int, p, residue float64) int {
	if p < adaptNothing {
		return 0
	}
	if p >= 1 {
		return most
	}
	for n := range most {
		// P(at most n lost), term by term.
		term := math.Pow(1-p, float64(k+n))
		sum := term
		for i := range n {
			term *= float64(k+n-i) / float64(i+1) * p / (1 - p)
			sum += term
		}
		if 1-sum <= residue {
			return n
		}
	}
	return most
}
