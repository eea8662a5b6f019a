package congestion

import (
	"math"
	"net/netip"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// [12.6-01]: "aged_loss_rate = loss_rate * exp( - SQN_difference * loss_rate / 2)"
func TestReportsAge(t *testing.T) {
	var w Worst
	w.Merge(Report{Kinds: ReceiverWorstPath, Lead: 0xffff_fff0, ReceiverPath: 0x1999, Receiver: nla4}, 0) // 10 %: a NAK in ten packets
	for _, tt := range []struct {
		lead packet.SQN
		by   float64
	}{{0xffff_fff0, 1}, {0xffff_ff00, 1}, {0xffff_fffa, math.Exp(-0.5)}, {84, math.Exp(-5)}} {
		got := w.At(tt.lead)
		if want := 0x1999 * tt.by; math.Abs(float64(got.ReceiverPath)-want) > 1 || got.Receiver != nla4 {
			t.Errorf("as of %v: %d of %v, want %.0f", tt.lead, got.ReceiverPath, got.Receiver, want)
		}
	}
}

// [12.6-02], [12.4-01]: the maximum of what was sent, aged, and what came; OPT_CR_RCVR goes with it. [12.6.1-01]: a change of more than
// 5 % is not suppressed.
func TestWorstReportIsForwarded(t *testing.T) {
	var w Worst
	other := netip.MustParseAddr("192.0.2.2")
	for _, tt := range []struct {
		name    string
		in      Report
		local   uint16
		want    Report
		changed bool
	}{
		{"the first", Report{allKinds, 100, 10, 1000, 1000, nla4}, 0, Report{allKinds, 100, 10, 1000, 1000, nla4}, true},
		{"better", Report{allKinds, 100, 5, 500, 500, other}, 0, Report{allKinds, 100, 10, 1000, 1000, nla4}, false},
		{"a little worse", Report{allKinds, 100, 10, 1000, 1040, other}, 0, Report{allKinds, 100, 10, 1000, 1040, other}, false},
		{"much worse", Report{allKinds, 100, 10, 1000, 2000, nla4}, 0, Report{allKinds, 100, 10, 1000, 2000, nla4}, true},
		{"of before", Report{allKinds, 90, 0, 0, 0, other}, 0, Report{allKinds, 100, 10, 1000, 2000, nla4}, false},
		{"a loaded link", Report{allKinds, 100, 0, 0x4000, 0, other}, 0x8000, Report{allKinds, 100, 0x8000, 0xa000, 2000, nla4}, true},
		{"one kind", Report{ElementWorstLink, 100, 0x9000, 0xffff, 0xffff, other}, 0, Report{ElementWorstLink, 100, 0x9000, 0, 0, nla4}, true},
	} {
		got, changed := w.Merge(tt.in, tt.local)
		if d := int(got.WorstPath) - int(tt.want.WorstPath); d*d <= 1 {
			got.WorstPath = tt.want.WorstPath
		}
		if got != tt.want || changed != tt.changed {
			t.Errorf("%s:\n got %+v, changed %v\nwant %+v, changed %v", tt.name, got, changed, tt.want, tt.changed)
		}
	}
}

// [12.1-03], [12.5-01..06]: only what was requested is reported; what elements fill in is zero; our own address and loss, as of the lead.
func TestReceiverReportsWhatIsRequested(t *testing.T) {
	r := newTestReporter(t, nla4, 1)
	if b := r.AppendReport(nil, 77); len(b) != 0 {
		t.Errorf("without a request: %x", b)
	}
	for n := range packet.SQN(1000) {
		if n%2 == 0 {
			r.Data(n, 100, false)
		}
	}
	for _, k := range []Kinds{ReceiverWorstPath, ElementWorstLink, allKinds} {
		r.SetRequested(k)
		b := r.AppendReport(nil, 77)
		got, err := ParseReport(packet.Option{Body: b[4:], Flags: b[3]})
		want := Report{Kinds: k, Lead: 77, Receiver: nla4}
		if k&ReceiverWorstPath != 0 {
			want.ReceiverPath = r.loss.rate() // [12.1-02]
			if p := float64(want.ReceiverPath) / 0xffff; p < 0.4 || p > 0.6 {
				t.Errorf("a loss of one half is reported as %.2f", p)
			}
		}
		if err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	r.SetRequested(0) // the next SPM has no OPT_CRQST
	if b := r.AppendReport(nil, 77); len(b) != 0 {
		t.Errorf("when nothing is requested any more: %x", b)
	}
}
