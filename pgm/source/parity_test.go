package source

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// parityStage is a source with parity in groups of 8, and a shorthand of what it sends.
type parityStage struct {
	t   *testing.T
	s   *Source
	now time.Time
	out []sent
}

func newParityStage(t *testing.T, store Store, c fec.Config) *parityStage {
	config := testConfig(store)
	config.FEC, config.MaxTSDU = c, 200
	return &parityStage{t: t, s: newSource(t, config), now: start}
}

// next lets d pass, step by step, and returns what is sent meanwhile: S for an SPM with its SPM_LEAD, O and R for data, P and Q for parity that is
// ODATA and RDATA, by group and number, N for an NCF, p for one with OPT_PARITY. A size that is said follows a slash.
func (st *parityStage) next(d time.Duration) string {
	st.t.Helper()
	var words []string
	st.out = st.out[:0]
	for end := st.now.Add(d); ; {
		b := packet.NewBatch(1 << 18)
		st.s.HandleTimeout(st.now)
		st.s.PollTransmit(st.now, b)
		for _, p := range drain(st.t, b, st.now) {
			st.out = append(st.out, p)
			words = append(words, st.word(&p))
		}
		if len(b.Messages) > 0 {
			continue
		}
		next := st.s.NextTimeout()
		if next.IsZero() || next.After(end) {
			st.now = end
			return strings.Join(words, " ")
		}
		if st.now = st.now.Add(time.Microsecond); next.After(st.now) {
			st.now = next
		}
	}
}

func (st *parityStage) word(p *sent) string {
	parity := p.h.Options&packet.FlagParity != 0
	k := fec.Size(8)
	var w string
	switch p.h.Type {
	case packet.TypeSPM:
		w = fmt.Sprintf("S%v", p.spm.Lead)
		if o, ok := packet.FindOption(p.opts, packet.OptParityPrm); !ok {
			w += "!"
		} else if params, err := fec.ParseParams(o); err != nil || params.Group != k {
			w += "?"
		}
	case packet.TypeNCF:
		if w = fmt.Sprintf("N%v", p.nak.SQN); parity {
			w = fmt.Sprintf("p%v", p.nak.SQN)
		}
	case packet.TypeODATA, packet.TypeRDATA:
		w = fmt.Sprintf("%c%v", p.h.Type.String()[0], p.data.SQN)
		if parity {
			var q fec.Parity
			if err := q.Parse(k, &p.h, &p.data); err != nil {
				st.t.Error(err)
			}
			w = fmt.Sprintf("P%v.%d", q.Group, q.Index)
			if p.h.Type == packet.TypeRDATA {
				w = "Q" + w[1:]
			}
		}
	}
	if o, ok := packet.FindOption(p.opts, packet.OptCurrTGSize); ok {
		n, err := fec.ParseCurrentSize(o, k)
		if err != nil {
			st.t.Error(err)
		}
		w += fmt.Sprintf("/%d", n)
	}
	return w
}

// ask hands the source a NAK; parity says of which kind.
func (st *parityStage) ask(parity bool, sqns ...packet.SQN) {
	st.t.Helper()
	h := packet.Upstream(packet.TypeNAK, testTSI, testDest)
	if parity {
		h.Options = packet.FlagParity
	}
	p := nak.Packet{SQN: sqns[0], Source: testSrc.Addr(), Group: testGrp.Addr(), List: sqns[1:]}
	if err := st.s.HandlePacket(st.now, testFrom, nak.Append(nil, h, &p)); err != nil {
		st.t.Errorf("NAK %v: %v", sqns, err)
	}
}

func (st *parityStage) want(got, want string) {
	st.t.Helper()
	if got != want {
		st.t.Errorf("sent %s\nwant %s", got, want)
	}
}

// §11.4: SPMs bear OPT_PARITY_PRM; parity follows the data of its group; what is asked for follows both, in the number that is asked for, with
// numbers that none had before.
func TestParityFollowsItsGroup(t *testing.T) {
	f := &fake{next: 8, size: 100}
	st := newParityStage(t, f, fec.Config{Group: 8, Proactive: 2, OnDemand: true})
	st.want(st.next(0), "S4294967295 O0 O1 O2 O3 O4 O5 O6 O7 P0.0 P0.1")
	if params := st.out[0].opts; !bytes.Contains(params, []byte{0x88, 8, 0, 3, 0, 0, 0, 8}) {
		t.Errorf("options of the SPM: %x, want OPT_PARITY_PRM with both bits", params)
	}
	st.ask(true, 0|2) // three
	st.want(st.next(time.Millisecond), "p2 Q0.2 Q0.3 Q0.4")
	st.next(100 * time.Millisecond)
	st.ask(true, 0|5, 8) // and of a group that was not sent: nothing
	st.want(st.next(time.Millisecond), "p5 Q0.5 Q0.6 Q0.7 Q0.8 Q0.9 Q0.10")
	f.next = 12
	st.s.Wake(st.now)
	st.want(st.next(time.Millisecond), "O8 O9 O10 O11")
	st.ask(true, 8|3) // it waits until the group is complete
	st.want(st.next(time.Millisecond), "p11")
	f.next = 17
	st.s.Wake(st.now)
	st.want(st.next(time.Millisecond), "O12 O13 O14 O15 P8.0 P8.1 Q8.2 Q8.3 Q8.4 Q8.5 O16")
}

// §11.4: NAKs for the same loss are confirmed, each, and what they ask for is not added up.
func TestParityRequestsAreMerged(t *testing.T) {
	st := newParityStage(t, &fake{next: 8, size: 100}, fec.Config{Group: 8, OnDemand: true})
	st.next(20 * time.Millisecond)
	st.ask(true, 1) // two
	st.ask(true, 3) // four
	st.ask(true, 2) // three
	st.want(st.next(time.Millisecond), "p1 p3 p2 Q0.0 Q0.1 Q0.2 Q0.3")
	st.ask(true, 4) // five, of which four have just gone
	st.want(st.next(time.Millisecond), "p4 Q0.4")
	st.ask(true, 1)
	st.want(st.next(time.Millisecond), "p1") // that was on its way
	st.next(100 * time.Millisecond)
	st.ask(true, 1)
	st.want(st.next(time.Millisecond), "p1 Q0.5 Q0.6")
}

// §11.1, §11.4: a selective NAK gets the packet while its group is not complete, then parity, if that is there on demand.
func TestSelectiveNAKGetsParityOfAFullGroup(t *testing.T) {
	f := &fake{next: 12, size: 100}
	st := newParityStage(t, f, fec.Config{Group: 8, OnDemand: true})
	st.next(time.Millisecond)
	st.ask(false, 3, 5, 9)
	st.want(st.next(time.Millisecond), "N3 R9 Q0.0 Q0.1")
	st = newParityStage(t, f, fec.Config{Group: 8, Proactive: 1})
	st.next(time.Millisecond)
	st.ask(false, 3, 9)
	st.want(st.next(time.Millisecond), "N3 R3 R9")
	if st.s.HandlePacket(st.now, testFrom, nak.Append(nil, packet.Header{
		Type: packet.TypeNAK, SourcePort: testDest, DestPort: testTSI.Port, GSI: testTSI.GSI, Options: packet.FlagParity,
	}, &nak.Packet{SQN: 3, Source: testSrc.Addr(), Group: testGrp.Addr()})) == nil {
		t.Error("a parity NAK was taken that nothing invites")
	}
}

// §11.2, §11.4: where data pauses, the group is ended: an SPM says so, parity follows, and the next data begins another group. A request for a short
// group is for as many less as it is short of.
func TestPauseEndsGroup(t *testing.T) {
	m := NewMemory(MemoryConfig{MaxTSDU: 200})
	st := newParityStage(t, m, fec.Config{Group: 8, Proactive: 1, OnDemand: true})
	write := func(n int) {
		for range n {
			if err := m.WriteAPDU(bytes.Repeat([]byte{7}, 150)); err != nil {
				t.Fatal(err)
			}
		}
		st.s.Wake(st.now)
	}
	write(5)
	st.want(st.next(5*time.Millisecond), "S4294967295 O0 O1 O2 O3 O4")
	st.want(st.next(6*time.Millisecond), "S4/5 P0.0/5")
	st.ask(true, 3) // four missing of eight: one of five
	st.want(st.next(time.Millisecond), "p3 Q0.1/5")
	write(1)
	st.want(st.next(time.Millisecond), "O8")
	st.ask(false, 6)
	st.want(st.next(time.Millisecond), "N6") // there is none
	if st.s.Stats().Outside != 1 {
		t.Errorf("a NAK for a number that is not used: %+v", st.s.Stats())
	}
	st.s.Close(st.now)
	st.want(st.next(time.Millisecond), "S8/1 P8.0/1")
}

// §11.4-17: the last data packet says that its group is short, if that is known when it is sent.
func TestLastPacketEndsGroup(t *testing.T) {
	st := newParityStage(t, &fake{next: 11, size: 100}, fec.Config{Group: 8, Proactive: 1})
	st.s.Close(st.now)
	st.want(st.next(time.Millisecond), "S4294967295 O0 O1 O2 O3 O4 O5 O6 O7 P0.0 O8 O9 O10/3 S10/3 P8.0/3")
}

// A round sends all again, as ODATA, each group with the parity behind that of the round before.
func TestRoundsBringOtherParity(t *testing.T) {
	st := newParityStage(t, &fake{next: 10, size: 100}, fec.Config{Group: 8, Proactive: 2})
	if st.s.Repeat(st.now) {
		t.Error("a round began before the store was sealed")
	}
	st.next(time.Millisecond)
	st.s.Seal(st.now)
	st.want(st.next(time.Millisecond), "S9/2 P8.0/2 P8.1/2")
	for round := range 2 {
		if !st.s.Repeat(st.now) || st.s.Repeat(st.now) {
			t.Error("a round does not begin, or two at once")
		}
		n := 2 * (round + 1)
		st.want(st.next(0), fmt.Sprintf("O0 O1 O2 O3 O4 O5 O6 O7 P0.%d P0.%d O8 O9/2 P8.%d/2 P8.%d/2 S9/2", n, n+1, n, n+1))
	}
	if n := st.s.Stats(); n.Rounds != 2 || n.ODATA != 10 || n.Repeated != 20 {
		t.Errorf("%+v", n)
	}
}

// Parity on demand is advertised once receivers lose different packets, and not for one that loses much.
func TestParityIsAdvertisedWhenItPays(t *testing.T) {
	for _, c := range []struct {
		name           string
		receivers, per int // of 64 groups, and the packets that each asks for in a group
		want           bool
	}{
		{"nothing lost", 3, 0, false},
		{"one receiver", 1, 4, false},
		{"several", 4, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tuning := newTuning(fec.Config{Group: 8, OnDemand: true, Adaptive: true})
			advertised := false
			for range 65 {
				for r := range c.receivers {
					from := testFrom
					from = netAddrPort(from, r)
					tuning.selective(from, c.per)
				}
				advertised = tuning.sent(time.Time{}, 8, false, nil) || advertised
			}
			if advertised != c.want {
				t.Errorf("advertised: %v", advertised)
			}
		})
	}
}

// reports is a controller of which only the receivers are asked.
type reports struct {
	congestion.Controller
	receivers []congestion.Receiver
}

func (r *reports) Receivers(f func(congestion.Receiver) bool) {
	for _, v := range r.receivers {
		if !f(v) {
			return
		}
	}
}

// What is sent unasked follows the worst receiver, by whichever way the source hears of it, and falls again when nothing is lost.
func TestUnaskedParityFollowsTheWorstReceiver(t *testing.T) {
	report := func(loss ...float64) *control {
		r := &reports{}
		for _, p := range loss {
			r.receivers = append(r.receivers, congestion.Receiver{Loss: p})
		}
		return &control{Controller: r}
	}
	shed := report(0.1, 0.4)
	shed.Controller.(*reports).receivers[1].Excluded = true
	for _, c := range []struct {
		name     string
		config   fec.Config
		onDemand bool
		selects  int // packets of 64 that one receiver asks for selectively; another asks for one
		asks     int // parity packets of each group that are asked for
		k        *control
		low, top int // where n ends
	}{
		{"nobody says anything", fec.Config{Group: 64, Proactive: 4, Adaptive: true}, false, 0, 0, nil, 4, 4},
		{"nobody reports to the control", fec.Config{Group: 64, Proactive: 4, Adaptive: true}, false, 0, 0, report(), 4, 4},
		{"selective NAKs, nothing on demand", fec.Config{Group: 64, Adaptive: true}, false, 6, 0, nil, 13, 15},
		{"parity NAKs", fec.Config{Group: 64, OnDemand: true, Adaptive: true}, true, 0, 6, nil, 5, 7},
		{"reports", fec.Config{Group: 64, Adaptive: true}, false, 0, 0, report(0.01, 0.1, 0), 14, 14},
		{"reports, on demand too", fec.Config{Group: 64, OnDemand: true, Adaptive: true}, true, 0, 0, report(0.01, 0.1, 0), 6, 8},
		{"reports of who is left behind", fec.Config{Group: 64, Adaptive: true}, false, 0, 0, shed, 14, 14},
	} {
		t.Run(c.name, func(t *testing.T) {
			tuning := newTuning(c.config.WithDefaults())
			run := func(groups int, k *control, selects, asks int) {
				for range groups {
					if selects > 0 {
						tuning.selective(netAddrPort(testFrom, 1), selects)
						tuning.selective(netAddrPort(testFrom, 2), 1)
					}
					if lacks := asks - tuning.n; lacks > 0 {
						tuning.asked(lacks, 0)
					}
					tuning.sent(time.Time{}, 64, c.onDemand, k)
				}
			}
			run(64*40, c.k, c.selects, c.asks)
			if tuning.n < c.low || tuning.n > c.top {
				t.Errorf("%d are sent unasked, want %d to %d", tuning.n, c.low, c.top)
			}
			if c.low == c.top && c.low == 4 {
				return
			}
			calm := c.k
			if calm != nil {
				calm = report(0, 0)
			}
			run(64*500, calm, 0, 0)
			if tuning.n != 0 {
				t.Errorf("when nothing is lost any more, %d are sent unasked", tuning.n)
			}
		})
	}
}

// What a receiver reported that has been silent since, and may be gone, is forgotten, whether others report or not.
func TestUnaskedParityForgetsWhoIsGone(t *testing.T) {
	then := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now := then.Add(lossAge)
	for _, others := range [][]congestion.Receiver{nil, {{Heard: now}}} {
		k := &control{Controller: &reports{receivers: append(others, congestion.Receiver{Loss: 0.1, Heard: then})}}
		tuning := newTuning(fec.Config{Group: 64, Adaptive: true}.WithDefaults())
		run := func(now time.Time) int {
			for range 64 * 500 {
				tuning.sent(now, 64, false, k)
			}
			return tuning.n
		}
		if n := run(now.Add(-1)); n != 14 {
			t.Errorf("%d others: %d are sent unasked while it is heard, want 14", len(others), n)
		}
		if n := run(now); n != 0 {
			t.Errorf("%d others: %d are sent unasked after that", len(others), n)
		}
	}
}

// Parity costs no allocation in the steady state, pro-active or asked for.
func TestParityDoesNotAllocate(t *testing.T) {
	f := &fake{next: 1 << 20, size: 1000}
	c := testConfig(f)
	c.FEC, c.MaxTSDU = fec.Config{Group: 64, Proactive: 4, OnDemand: true}, 1400
	s := newSource(t, c)
	batch := packet.NewBatch(1 << 18)
	now := start
	h := packet.Upstream(packet.TypeNAK, testTSI, testDest)
	h.Options = packet.FlagParity
	wire := nak.Append(nil, h, &nak.Packet{SQN: 64 | 2, Source: testSrc.Addr(), Group: testGrp.Addr()})
	if n := testing.AllocsPerRun(200, func() {
		now = now.Add(20 * ms)
		batch.Reset()
		if err := s.HandlePacket(now, testFrom, wire); err != nil {
			t.Fatal(err)
		}
		s.PollTransmit(now, batch)
	}); n > 0 {
		t.Errorf("%v allocations a batch", n)
	}
	if n := s.Stats(); n.ProactiveParity < 500 || n.DemandParity < 300 || n.ODATA < 10000 {
		t.Errorf("too little was sent to say so: %+v", n)
	}
}

// netAddrPort returns the address of another receiver.
func netAddrPort(a netip.AddrPort, n int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), a.Port()+uint16(n))
}
