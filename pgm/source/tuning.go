package source

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/fec"
)

// tuning decides what parity pays: how many packets are sent unasked, and, of a source that adapts, from when on parity is there on demand.
//
// On demand. A receiver that hears PARITY_PRM_OND asks for parity and for nothing else [11.5-04], so it is the source that chooses. For one
// receiver, a selective repair is as good as a parity packet and costs neither side the work of a whole group; of several that lose different
// packets, a parity packet repairs all. What it would spare is what was asked for selectively, less what the receiver that asked for the
// most would still need. When, over an interval, that is a twentieth of the data or more, parity is advertised, and stays so: a receiver
// that asks for counts no longer says what it asked for.
//
// Unasked. fec.Adapter says how many packets, of what receivers report to the congestion control that they lose. Where there is none, or
// nobody reports, what is asked for stands for it: the largest demand for each group while parity is there on demand, and what the worst
// receiver asks for selectively where it never is.
type tuning struct {
	k         int
	adapter   *fec.Adapter // nil: n is fixed
	n         int          // parity packets that are sent unasked
	proactive bool         // PARITY_PRM_PRO
	demand    bool         // parity may be advertised on demand

	data   int // packets since the interval began
	lost   int // parity packets that were asked for and would have been sent in their place
	groups int // for which any was asked for
	askers map[netip.AddrPort]int
	heard  bool // somebody asked for anything, ever
}

const (
	tuneGroups = 64 // groups in an interval
	payShare   = 20 // the part of the data that parity must spare: 1/payShare
	maxAskers  = 256
)

func newTuning(c fec.Config) tuning {
	t := tuning{k: c.Group, n: c.Proactive, proactive: c.Params().Proactive, demand: c.OnDemand}
	if c.Adaptive {
		t.adapter = fec.NewAdapter(c)
		t.askers = make(map[netip.AddrPort]int)
	}
	return t
}

// asked notes a parity NAK for count packets of a group of which so many were asked for before.
func (t *tuning) asked(count, before int) {
	t.heard = true
	if before == 0 {
		t.groups++
		t.lost += t.n
	}
	t.lost += max(count-before, 0)
}

// selective notes a selective NAK for n packets that nobody had asked for.
func (t *tuning) selective(from netip.AddrPort, n int) {
	t.heard = true
	if _, ok := t.askers[from]; t.askers != nil && (ok || len(t.askers) < maxAskers) {
		t.askers[from] += n
	}
}

// sent notes n data packets, and reports whether parity is to be there on demand from now on. k knows what receivers report.
func (t *tuning) sent(now time.Time, n int, onDemand bool, k *control) (advertise bool) {
	if t.data += n; t.adapter == nil || t.data < tuneGroups*t.k {
		return false
	}
	all, most := 0, 0
	for _, m := range t.askers {
		all += m
		most = max(most, m)
	}
	if t.demand && !onDemand {
		advertise = (all-most)*payShare >= t.data
	} else {
		t.adapt(now, onDemand, most, k)
	}
	clear(t.askers)
	t.data, t.lost, t.groups = 0, 0, 0
	return advertise
}

// adapt ends an interval of the adapter, in which a receiver asked selectively for so many packets at most.
func (t *tuning) adapt(now time.Time, onDemand bool, most int, k *control) {
	// Where nobody asked, what was sent unasked was enough: how much less would have been, nobody knows. So the estimate decays.
	rest := t.adapter.Loss() * 7 / 8
	if loss, ok := k.worstLoss(now); ok {
		t.adapter.Report(int(loss*float64(t.data)), t.data)
	} else if onDemand {
		t.adapter.Report(t.lost+int(rest*float64(t.data-t.groups*t.k)), t.data)
	} else if t.heard {
		t.adapter.Report(max(most, int(rest*float64(t.data))), t.data)
	}
	t.n = t.adapter.Interval()
}
