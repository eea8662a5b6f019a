package receiver

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// parityStage is a stage with a source that has groups of 8.
type parityStage struct {
	*stage
	t       *testing.T
	spms    packet.SQN
	encoder *fec.Encoder
}

const testK = fec.Size(8)

func newParityStage(t *testing.T, c Config) *parityStage {
	return &parityStage{stage: newStage(t, c, false), t: t, encoder: fec.NewEncoder(testK, 100)}
}

// text is what packet n holds: of several lengths.
func text(n packet.SQN) string { return fmt.Sprintf("<%v%s>", n, strings.Repeat("*", int(n)%3)) }

// spm says what there is; lead is SPM_LEAD, size OPT_CURR_TGSIZE unless 0.
func (st *parityStage) spm(lead packet.SQN, p fec.Params, size int) {
	st.spms++
	st.handle(spmPacket(spm.Packet{SQN: st.spms, Trail: 0, Lead: lead, Path: testPath}, func(b []byte) []byte {
		b = p.AppendTo(b)
		if size > 0 {
			b = fec.AppendCurrentSize(b, size)
		}
		return b
	}))
}

func (st *parityStage) begin(p fec.Params) {
	st.spms++
	st.handle(spmPacket(spm.Packet{SQN: st.spms, Trail: 0, Lead: ^packet.SQN(0), Path: testPath}, p.AppendTo))
}

// data has packets come, a millisecond apart.
func (st *parityStage) data(sqns ...packet.SQN) {
	for _, n := range sqns {
		st.handle(dataPacket(packet.TypeODATA, n, 0, text(n), nil))
		st.advance(time.Millisecond)
	}
}

// parity has parity packets of a group of size packets come.
func (st *parityStage) parity(tg packet.SQN, size int, numbers ...int) {
	for _, j := range numbers {
		st.handle(st.wire(tg, size, j))
		st.advance(time.Millisecond)
	}
}

func (st *parityStage) wire(tg packet.SQN, size, j int) []byte {
	st.encoder.Begin(tg, size)
	for i := range size {
		st.encoder.Set(i, fec.Original{TSDU: []byte(text(tg + packet.SQN(i)))})
	}
	return st.encoder.Append(nil, packet.Downstream(packet.TypeRDATA, testTSI, testDest), 0, j)
}

// want holds what was written down since it was looked at last against the lines that matter.
func (st *parityStage) want(what string, lines ...string) {
	st.t.Helper()
	got := st.out.String()
	st.out.Reset()
	for _, l := range lines {
		i := strings.Index(got, l+"\n")
		if i < 0 {
			i = strings.Index(got, l+" ")
		}
		if i < 0 {
			st.t.Errorf("%s: no %q in order in\n%s", what, l, got)
			return
		}
		got = got[i+len(l):]
	}
}

func (st *parityStage) quiet(what, word string) {
	st.t.Helper()
	if got := st.out.String(); strings.Contains(got, word) {
		st.t.Errorf("%s: %q in\n%s", what, word, got)
	}
}

func (st *parityStage) ncf(sqn packet.SQN) {
	h := packet.Downstream(packet.TypeNCF, testTSI, testDest)
	h.Options = packet.FlagParity
	st.handle(nak.Append(nil, h, &nak.Packet{SQN: sqn, Source: testFrom.Addr(), Group: testGroup.Addr()}))
}

var onDemand = fec.Params{Group: testK, OnDemand: true}

// §11.5: what is missing is asked for as a count, when the group is over and not before, and any parity packets bring it back, with their lengths.
func TestGroupIsAskedForAtItsEnd(t *testing.T) {
	st := newParityStage(t, Config{})
	st.begin(onDemand)
	st.data(0, 1, 3, 5, 6)
	st.advance(50 * time.Millisecond)
	st.quiet("in the middle of a group", "send NAK")
	st.data(7)
	st.advance(10 * time.Millisecond)
	st.want("at the end of the group", "deliver 1", "send NAK 1 to")
	st.parity(0, 8, 3)
	st.quiet("half of what is needed", "deliver")
	st.parity(0, 8, 11) // with OPT_PARITY_GRP
	st.want("enough", `deliver 2 "<2**>" repaired`, "deliver 3", `deliver 4 "<4*>" repaired`, "deliver 7")
	st.advance(time.Second)
	st.quiet("after that", "send NAK")
	if n := st.r.Stats(); n.Rebuilt != 2 || n.Decoded != 1 || n.ParityNAKs != 1 || n.Missed != 2 {
		t.Errorf("%+v", n)
	}
}

// §11.5: when less parity comes than was asked for, what is still needed is asked for, no more.
func TestRestIsAskedForAgain(t *testing.T) {
	st := newParityStage(t, Config{})
	st.begin(onDemand)
	st.data(0, 1, 2, 3, 8)
	st.advance(10 * time.Millisecond)
	st.want("four are missing", "send NAK 3 to")
	st.ncf(3)
	st.parity(0, 8, 0, 1, 1, 0)
	st.advance(300 * time.Millisecond)
	st.want("two have come", "send NAK 1 to")
	if n := st.r.Session(testTSI).Stats().Groups; n.Duplicate != 2 {
		t.Errorf("%+v", n)
	}
}

// §6.3, §11.5: an NCF for as much or more suppresses a NAK; one for less does not.
func TestLargerRequestsSuppress(t *testing.T) {
	for _, c := range []struct {
		heard packet.SQN
		want  bool
	}{{0, true}, {1, true}, {2, false}, {7, false}} {
		st := newParityStage(t, Config{})
		st.begin(onDemand)
		st.data(0, 1, 2, 3, 4, 8) // three are missing
		st.ncf(c.heard)
		st.advance(30 * time.Millisecond)
		if got := strings.Contains(st.out.String(), "send NAK 2 to"); got != c.want {
			t.Errorf("heard NCF %v: a NAK: %v, want %v\n%s", c.heard, got, c.want, st.out.String())
		}
	}
}

// §11.2, §11.5: the numbers that a short group leaves unused are neither missing nor waited for, whatever tells of it; and a request counts as if
// the group were full.
func TestShortGroupLeavesNoGap(t *testing.T) {
	for _, by := range []string{"data", "SPM", "parity"} {
		st := newParityStage(t, Config{})
		st.begin(onDemand)
		st.data(0, 2, 3)
		switch by {
		case "data":
			st.handle(dataPacket(packet.TypeODATA, 4, 0, text(4), func(b []byte) []byte { return fec.AppendCurrentSize(b, 5) }))
		case "SPM":
			st.data(4)
			st.spm(4, onDemand, 5)
		case "parity":
			st.data(4)
			st.parity(0, 5, 6)
		}
		st.advance(15 * time.Millisecond)
		if by != "parity" { // which has brought 1 back already
			st.want(by, "send NAK 3 to")
			st.parity(0, 5, 0)
		}
		st.want(by, "deliver 1", "deliver 4")
		st.data(8, 9)
		st.advance(time.Second)
		st.quiet(by, "NAK")
		st.want(by, "deliver 8", "deliver 9")
	}
}

// §11.5: of a group that is not full, while no more data comes, packets are asked for by their numbers.
func TestPartialGroupIsRepairedSelectively(t *testing.T) {
	st := newParityStage(t, Config{})
	st.begin(onDemand)
	st.data(0, 2)
	st.spm(2, onDemand, 0)
	st.advance(10 * time.Millisecond)
	st.quiet("at the first SPM", "send NAK")
	st.spm(2, onDemand, 0)
	st.advance(10 * time.Millisecond)
	st.want("at the second", "send NAK 1 to")
	st.handle(dataPacket(packet.TypeRDATA, 1, 0, text(1), nil))
	st.want("repaired", "deliver 1", "deliver 2")
}

// §9.3, §11.2: what is asked for as parity and what is asked for by its number goes in NAKs of their own, also when both are due at once.
func TestNAKListsAreOfOneKind(t *testing.T) {
	st := newParityStage(t, Config{})
	st.begin(onDemand)
	st.data(0, 1, 2, 3, 4, 5, 6)
	st.data(8, 9, 10, 12) // 7 of the first group, 11 of one that is not full
	st.spm(12, onDemand, 0)
	st.spm(12, onDemand, 0)
	st.now = st.now.Add(time.Second) // a host that was busy: both are overdue
	st.advance(0)
	var of []string
	for line := range strings.Lines(st.out.String()) {
		if _, nak, ok := strings.Cut(strings.TrimSpace(line), " send NAK "); ok && !slices.Contains(of, nak) {
			of = append(of, nak)
		}
	}
	slices.Sort(of)
	want := []string{fmt.Sprintf("0 to %v of parity", testFrom), fmt.Sprintf("11 to %v", testFrom)}
	if !slices.Equal(of, want) {
		t.Errorf("got %q, want %q\n%s", of, want, st.out.String())
	}
}

// §11.5: pro-active parity is used, and what it brings is not asked for; without on-demand parity, the rest is asked for by its numbers.
func TestProactiveParityComesFirst(t *testing.T) {
	st := newParityStage(t, Config{})
	st.begin(fec.Params{Group: testK, Proactive: true})
	st.data(0, 1, 2, 3, 5, 6, 7)
	st.parity(0, 8, 0)
	st.data(8, 10, 11, 12, 14, 15)
	st.parity(8, 8, 0)
	st.want("one missing", "deliver 4", "deliver 8")
	st.quiet("before the next group", "send NAK")
	st.data(16, 17, 18)
	st.advance(10 * time.Millisecond)
	st.want("two missing, one parity packet", "send NAK 9 13 to")
}

// A session that learns of on-demand parity asks for what is missing as a count from then on [11.5-04].
func TestRequestsFollowWhatIsOffered(t *testing.T) {
	st := newParityStage(t, Config{})
	st.begin(fec.Params{Group: testK, Proactive: true})
	st.data(0, 1, 2, 3, 5, 6, 7, 8, 9, 10)
	st.advance(10 * time.Millisecond)
	st.want("nothing on demand", "send NAK 4 to")
	st.spm(10, onDemand, 0)
	st.advance(30 * time.Millisecond)
	st.want("on demand", "send NAK 0 to")
}

// §11.5-01: before an SPM says what parity is, it is not used.
func TestParityWaitsForItsSize(t *testing.T) {
	st := newParityStage(t, Config{})
	st.handle(dataPacket(packet.TypeODATA, 0, 0, text(0), nil))
	st.parity(0, 8, 0)
	if n := st.r.Stats(); n.Unused != 1 || n.Parity != 0 {
		t.Errorf("%+v", n)
	}
}

// What cannot be is counted by cause, and nothing is delivered for it.
func TestBadParityIsCountedAndHarmless(t *testing.T) {
	t.Run("group sizes", func(t *testing.T) {
		for i, size := range []uint32{0, 1, 3, 129, 256, 1 << 31} {
			st := newParityStage(t, Config{})
			p := fec.Params{Group: testK, OnDemand: true}.AppendTo(packet.BeginOptions(nil))
			p = append(p[4:len(p)-4], byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
			st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 0, Lead: ^packet.SQN(0), Path: testPath}, func(b []byte) []byte { return append(b, p...) }))
			st.data(0, 2, 3, 4)
			st.parity(0, 8, 0)
			if n := st.r.Stats(); n.BadParity != 1 || n.Unused != 1 || n.SPMs != 1 {
				t.Errorf("%d: size %d: %+v", i, size, n)
			}
			st.advance(10 * time.Millisecond)
			st.want("without parity", "send NAK 1 to")
		}
	})
	t.Run("another size", func(t *testing.T) {
		st := newParityStage(t, Config{})
		st.begin(onDemand)
		st.data(0)
		st.spm(0, fec.Params{Group: 16, OnDemand: true}, 0)
		if n := st.r.Stats(); n.BadParity != 1 {
			t.Errorf("%+v", n)
		}
	})
	bad := func(name string, f func(st *parityStage), count func(Stats, fec.GroupsStats) uint64, want uint64) {
		t.Run(name, func(t *testing.T) {
			st := newParityStage(t, Config{})
			st.begin(onDemand)
			st.data(0, 2, 3, 4, 5, 6, 7)
			st.out.Reset()
			f(st)
			st.quiet(name, "deliver")
			if got := count(st.r.Stats(), st.r.Session(testTSI).Stats().Groups); got != want {
				t.Errorf("counted %d, want %d: %+v %+v", got, want, st.r.Stats(), st.r.Session(testTSI).Stats().Groups)
			}
			st.parity(0, 8, 7, 8, 9, 10, 11, 12, 13, 14, 15)
			st.advance(5 * time.Second)
			if st.out.Len() > 0 && !strings.Contains(st.out.String(), `deliver 1 "<1*>" repaired`) {
				st.t.Errorf("%s: right parity did not bring it back:\n%s", name, st.out.String())
			}
		})
	}
	bad("a number beyond n", func(st *parityStage) {
		p := fec.Parity{Group: 0, Index: 8 * 40, Size: 8, TSDU: []byte("12345678")}
		st.handle(p.Append(nil, testK, packet.Downstream(packet.TypeRDATA, testTSI, testDest), 0))
	}, func(s Stats, _ fec.GroupsStats) uint64 { return s.BadParity }, 1)
	bad("no room for the length", func(st *parityStage) {
		p := fec.Parity{Group: 0, Index: 1, Size: 8, TSDU: []byte("1"), Variable: true}
		st.handle(p.Append(nil, testK, packet.Downstream(packet.TypeRDATA, testTSI, testDest), 0))
	}, func(s Stats, _ fec.GroupsStats) uint64 { return s.BadParity }, 1)
	bad("nonsense", func(st *parityStage) {
		p := fec.Parity{Group: 0, Index: 1, Size: 8, TSDU: []byte("0123456789"), Variable: true}
		st.handle(p.Append(nil, testK, packet.Downstream(packet.TypeRDATA, testTSI, testDest), 0))
	}, func(_ Stats, g fec.GroupsStats) uint64 { return g.Undecodable }, 1)
	bad("parity of another length than the data", func(st *parityStage) {
		p := fec.Parity{Group: 0, Index: 1, Size: 8, TSDU: []byte("0")}
		st.handle(p.Append(nil, testK, packet.Downstream(packet.TypeRDATA, testTSI, testDest), 0))
	}, func(_ Stats, g fec.GroupsStats) uint64 { return g.Undecodable }, 1)
	bad("another size of the group", func(st *parityStage) { st.parity(0, 5, 0) },
		func(_ Stats, g fec.GroupsStats) uint64 { return g.Contradict }, 1)
	bad("a size that contradicts the data", func(st *parityStage) { st.spm(3, onDemand, 4) },
		func(_ Stats, g fec.GroupsStats) uint64 { return g.Contradict }, 1)
	bad("a size that cannot be", func(st *parityStage) { st.spm(7, onDemand, 9) },
		func(s Stats, _ fec.GroupsStats) uint64 { return s.BadParity }, 1)
	bad("far ahead of the window", func(st *parityStage) { st.parity(1<<20, 8, 0) },
		func(s Stats, _ fec.GroupsStats) uint64 { return s.Outside }, 1)
	t.Run("complete and past", func(t *testing.T) {
		st := newParityStage(t, Config{})
		st.begin(onDemand)
		st.data(0, 1, 2, 3, 4, 5, 6, 7, 8)
		st.parity(0, 8, 0, 1)
		if n := st.r.Session(testTSI).Stats().Groups; n.Complete+n.Stale != 2 {
			t.Errorf("%+v", n)
		}
	})
}

// Whatever parity packets come, true or forged, in whatever number, memory is bounded, and data that is true stays so.
func TestForgedParityIsBounded(t *testing.T) {
	st := newParityStage(t, Config{})
	rng := rand.New(rand.NewPCG(3, 4))
	st.begin(onDemand)
	for i := range 20000 {
		p := fec.Parity{Group: packet.SQN(rng.IntN(4096)) &^ 7, Index: rng.IntN(200), Size: 1 + rng.IntN(8), TSDU: make([]byte, rng.IntN(1400)), Variable: rng.IntN(2) == 0}
		wire := p.Append(nil, testK, packet.Downstream(packet.TypeRDATA, testTSI, testDest), 0)
		_ = st.r.HandlePacket(st.now, netip.AddrPort(testFrom), wire)
		if i%100 == 0 {
			st.advance(time.Millisecond)
		}
	}
	s := st.r.Session(testTSI)
	if m := s.parity.groups.Memory(); m > maxParity {
		t.Errorf("%d octets of parity are held, more than %d", m, maxParity)
	}
	if n := len(s.parity.strikes); n > maxStruck {
		t.Errorf("%d groups are remembered", n)
	}
}
