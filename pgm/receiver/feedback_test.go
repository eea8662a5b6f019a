package receiver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

var testSelf = netip.MustParseAddr("192.0.2.9")

// probe has the receiver hear an SPM with a probe that names an acker.
func (st *stage) probe(acker netip.Addr, stamp uint32) {
	st.spm++
	st.handle(spmPacket(spm.Packet{SQN: st.spm, Trail: 1, Lead: 0, Path: testPath}, func(b []byte) []byte {
		b = congestion.AppendRequest(b, congestion.ReceiverWorstPath)
		b = congestion.Data{Timestamp: stamp / 1000, Acker: acker}.AppendTo(b)
		return congestion.Probe{Timestamp: stamp, Threshold: 1_000_000}.AppendTo(b)
	}))
}

// A receiver acknowledges probes that name it, one ACK each, to the source's path; none that name others, and offers itself after a while
// when nobody is named.
func TestProbesAreAcknowledged(t *testing.T) {
	st := newStage(t, Config{Self: testSelf, Overhead: 28}, false)
	other := netip.MustParseAddr("192.0.2.8")
	for n, test := range []struct {
		acker netip.Addr
		want  int
	}{{testSelf, 1}, {other, 0}, {netip.IPv4Unspecified(), 1}, {testSelf, 1}} {
		st.out.Reset()
		st.probe(test.acker, uint32(n)*5000)
		st.advance(100 * time.Millisecond)
		if got := strings.Count(st.out.String(), "send type 0x0d to "+testFrom.String()); got != test.want {
			t.Errorf("probe %d, to %v: got %q, want %d ACKs", n, test.acker, st.out.String(), test.want)
		}
	}
}

// The source that asks hears of congestion by NAKs too, OPT_CR first [12.5-01]: who does not ask gets NAKs without options.
func TestNAKsReport(t *testing.T) {
	for _, asks := range []bool{false, true} {
		st := newStage(t, Config{Self: testSelf, Overhead: 28}, false)
		if asks {
			st.probe(netip.MustParseAddr("192.0.2.8"), 5000)
		} else {
			st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
		}
		st.r.HandlePacket(st.now, testFrom, dataPacket(packet.TypeODATA, 5, 1, "x", nil))
		var opts []byte
		for range 50 {
			st.now = st.now.Add(time.Millisecond)
			st.r.HandleTimeout(st.now)
			b := packet.NewBatch(1 << 16)
			if st.r.PollTransmit(st.now, b); len(b.Messages) > 0 {
				var h packet.Header
				body, err := h.Parse(b.Messages[0].Data)
				if err != nil || h.Type != packet.TypeNAK {
					t.Fatalf("it sent %v, %v", h.Type, err)
				}
				opts = body[20:]
				break
			}
		}
		var f congestion.Feedback
		if len(opts) == 0 {
			t.Fatal("no NAK with a list was sent")
		}
		if err := f.ParseNAK(4, opts); err != nil {
			t.Fatal(err)
		}
		_, report := packet.FindOption(opts, packet.OptCR)
		if report != asks || f.HasEcho != asks || f.HasReception != asks || asks && f.Echo.Receiver != testSelf {
			t.Errorf("asked %v: OPT_CR %v, %+v", asks, report, f)
		}
	}
}

// Neither passive receivers nor silent sessions answer, nor who does not know its own address.
func TestSilentReceiversDoNotAcknowledge(t *testing.T) {
	for name, c := range map[string]Config{"passive": {Self: testSelf, Passive: true}, "without an address": {}} {
		st := newStage(t, c, false)
		st.probe(testSelf, 5000)
		st.probe(netip.IPv4Unspecified(), 10000)
		st.advance(time.Second)
		if strings.Contains(st.out.String(), "0x0d") {
			t.Errorf("%s: got %q", name, st.out.String())
		}
	}
}

// An acker that leaves says so.
func TestAckerThatLeaves(t *testing.T) {
	st := newStage(t, Config{Self: testSelf}, false)
	st.probe(testSelf, 5000)
	st.out.Reset()
	st.r.Session(testTSI).Close()
	st.poll()
	if got := st.out.String(); strings.Count(got, "0x0d") != 1 {
		t.Errorf("got %q, want an ACK", got)
	}
}

// Probes and what answers them allocate nothing.
func TestFeedbackAllocatesNothing(t *testing.T) {
	st := newStage(t, Config{Self: testSelf, Overhead: 28}, true)
	st.r.c.Accept = func(_ time.Time, s *Session) Sink { s.Unordered(); return discard{} }
	st.probe(testSelf, 1)
	data := dataPacket(packet.TypeODATA, 1, 1, string(make([]byte, 1448)), nil)
	b := packet.NewBatch(1 << 16)
	n := packet.SQN(0)
	wire := spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, func(b []byte) []byte {
		return congestion.Probe{Timestamp: 7}.AppendTo(congestion.Data{Acker: testSelf}.AppendTo(b))
	})
	if got := testing.AllocsPerRun(2000, func() {
		n++
		st.now = st.now.Add(time.Millisecond)
		renumber(data, n)
		renumber(wire, n+1)
		b.Reset()
		if st.r.HandlePacket(st.now, testFrom, wire) != nil || st.r.HandlePacket(st.now, testFrom, data) != nil {
			t.Fatal("refused")
		}
		st.r.PollTransmit(st.now, b)
	}); got != 0 {
		t.Errorf("%v allocations for each packet", got)
	}
	if f, ok := st.r.Session(testTSI).Feedback(); !ok || f.ACKs < 2000 {
		t.Errorf("%+v, %v", f, ok)
	}
}

// OpenPGM stamps repairs as it does data: who acknowledges data acknowledges them, and a stamp that is broken is malformed on either.
func TestStampedRepairsAreAcknowledged(t *testing.T) {
	st := newStage(t, Config{Self: testSelf, Overhead: 28}, false)
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	stamped := func(typ packet.Type, sqn packet.SQN, acker netip.Addr) []byte {
		return dataPacket(typ, sqn, 1, "x", func(b []byte) []byte { return congestion.Data{Timestamp: 7, Acker: acker}.AppendTo(b) })
	}
	for _, test := range []struct {
		typ  packet.Type
		sqn  packet.SQN
		want int
	}{{packet.TypeODATA, 1, 1}, {packet.TypeODATA, 3, 1}, {packet.TypeRDATA, 2, 1}, {packet.TypeRDATA, 4, 1}} {
		st.out.Reset()
		st.handle(stamped(test.typ, test.sqn, testSelf))
		if got := strings.Count(st.out.String(), "send type 0x0d"); got != test.want {
			t.Errorf("%v %v: got %q, want %d ACKs", test.typ, test.sqn, st.out.String(), test.want)
		}
	}
	for _, typ := range []packet.Type{packet.TypeODATA, packet.TypeRDATA} {
		broken := dataPacket(typ, 5, 1, "x", func(b []byte) []byte { return append(b, byte(congestion.OptPGMCCData), 8, 0, 0, 1, 2, 3, 4) })
		if err := st.r.HandlePacket(st.now, testFrom, broken); err == nil {
			t.Errorf("%v with half of OPT_PGMCC_DATA is taken", typ)
		}
	}
}
