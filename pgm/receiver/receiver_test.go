package receiver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// A source that shares its host's port with another listens where its SPMs come from, so NAKs go to both places.
func TestNAKGoesToTheSPMsPortToo(t *testing.T) {
	st := newStage(t, Config{}, false)
	from := netip.MustParseAddrPort("192.0.2.1:40001")
	hear := func(p []byte) {
		if err := st.r.HandlePacket(st.now, from, p); err != nil {
			t.Fatal(err)
		}
	}
	hear(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	hear(dataPacket(packet.TypeODATA, 2, 1, "x", nil))
	hear(dataPacket(packet.TypeODATA, 3, 1, "x", nil))
	st.now = st.now.Add(5 * time.Millisecond)
	b := packet.NewBatch(1 << 12)
	st.r.PollTransmit(st.now, b)
	got := map[netip.AddrPort]int{}
	for _, m := range b.Messages {
		got[m.To]++
	}
	if len(b.Messages) != 2 || got[netip.MustParseAddrPort("192.0.2.1:7500")] != 1 || got[from] != 1 {
		t.Errorf("NAK went to %v, want once each to port 7500 and %v", got, from.Port())
	}
}

// Whoever floods us with new sessions gets no more than MaxSessions, and those in use stay.
func TestSessionsAreBounded(t *testing.T) {
	st := newStage(t, Config{MaxSessions: 4}, false)
	for i := range 100 {
		p := dataPacket(packet.TypeODATA, 1, 1, "x", nil)
		binary.BigEndian.PutUint16(p, uint16(i))
		packet.Seal(p)
		st.handle(p)
	}
	if n, refused := len(st.r.sessions), st.r.Stats().Refused; n != 4 || refused != 96 {
		t.Errorf("%d sessions, %d refused; want 4 and 96", n, refused)
	}
}

// A source that dies and starts anew is a new session beside the old one; the old one's end does not disturb it.
func TestSourceReturnsWithAnotherTSI(t *testing.T) {
	st := newStage(t, Config{}, false)
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	st.handle(dataPacket(packet.TypeODATA, 1, 1, "old", nil))
	other := func(p []byte) []byte {
		binary.BigEndian.PutUint16(p, 2000)
		packet.Seal(p)
		return p
	}
	st.handle(other(spmPacket(spm.Packet{SQN: 1, Trail: 50, Lead: 49, Path: testPath}, nil)))
	st.handle(other(dataPacket(packet.TypeODATA, 50, 50, "new", nil)))
	st.advance(20 * time.Second)
	st.handle(other(dataPacket(packet.TypeODATA, 51, 50, "newer", nil)))
	st.advance(11 * time.Second)
	want := "deliver 1 \"old\"\ndeliver 50 \"new\"\ndeliver 51 \"newer\"\nend: source fell silent\n"
	if got := st.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A window that jumps by nearly half the circle costs no more than what it shows: bounded memory, bounded NAKs.
func TestHalfWindowJumpIsBounded(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		st := newStage(t, Config{}, unordered)
		st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
		st.handle(dataPacket(packet.TypeODATA, 1, 1, "x", nil))
		start := time.Now()
		st.handle(spmPacket(spm.Packet{SQN: 2, Trail: 1, Lead: packet.MaxWindow, Path: testPath}, nil))
		st.advance(100 * time.Millisecond)
		st.handle(spmPacket(spm.Packet{SQN: 3, Trail: packet.MaxWindow, Lead: packet.MaxWindow, Path: testPath}, nil))
		st.advance(100 * time.Millisecond)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("unordered %v: took %v", unordered, d)
		}
		if n := st.r.Stats().Missed; n > 1<<16 {
			t.Errorf("unordered %v: %d packets in recovery", unordered, n)
		}
	}
}

// An impossible window is refused, and changes nothing (3.3-02).
func TestImpossibleSPMWindow(t *testing.T) {
	st := newStage(t, Config{}, false)
	err := st.r.HandlePacket(st.now, testFrom, spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 1 << 31, Path: testPath}, nil))
	if !errors.Is(err, packet.ErrWindow) || st.r.Session(testTSI) != nil {
		t.Errorf("SPM with a window of 2^31 packets: error %v, session %v", err, st.r.Session(testTSI))
	}
}

// leaver is a Sink that has enough as soon as something is lost.
type leaver struct {
	discard
	s *Session
}

func (l leaver) Lost(_, _ packet.SQN) { l.s.Close() }

// A Sink may close its session from within any call, whatever the engine is in the middle of.
func TestCloseFromWithinLost(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		st := newStage(t, Config{}, unordered)
		st.r.c.Accept = func(_ time.Time, s *Session) Sink {
			if unordered {
				s.Unordered()
			}
			return leaver{s: s}
		}
		st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 0, Lead: 0xffff_ffff, Path: testPath}, nil))
		st.handle(dataPacket(packet.TypeODATA, 0, 0, "x", nil))
		st.handle(dataPacket(packet.TypeODATA, 5, 4, "x", nil))
		st.handle(dataPacket(packet.TypeODATA, 6, 4, "x", nil))
		st.handle(spmPacket(spm.Packet{SQN: 2, Trail: 9, Lead: 12, Path: testPath}, nil))
		st.advance(20 * time.Second)
		if s := st.r.Session(testTSI); s == nil || s.active() || s.have != nil {
			t.Errorf("unordered %v: the session is not closed and released", unordered)
		}
	}
}

// The back-off is drawn over NAK_BO_IVL, uniformly, from the loss on (6.3-15).
func TestBackOffIsUniform(t *testing.T) {
	const interval = 8 * time.Millisecond
	var bins [8]int
	for seed := range uint64(2000) {
		st := newStage(t, Config{}, false)
		st.r.c.Rand = rand.New(rand.NewPCG(seed, 7))
		st.r.c.Recovery.BackOff = interval
		st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
		st.handle(dataPacket(packet.TypeODATA, 2, 1, "x", nil))
		st.handle(dataPacket(packet.TypeODATA, 3, 1, "x", nil))
		d := st.r.NextTimeout().Sub(st.now)
		if d <= 0 || d > interval {
			t.Fatalf("seed %d: back-off %v, want within (0, %v]", seed, d, interval)
		}
		bins[(d-1)/(interval/8)]++
	}
	for i, n := range bins {
		if n < 180 || n > 320 { // 250 ± 4.7 standard deviations
			t.Errorf("back-offs in eighth %d of the interval: %d of 2000", i, n)
		}
	}
}

// A receiver that lacks a great many packets asks for no more at once than the source repairs.
func TestRecoveryFollowsTheSource(t *testing.T) {
	st := newStage(t, Config{}, true)
	st.r.c.Recovery.DataRetries, st.r.c.Recovery.NCFRetries = -1, -1
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 1_000_000, Path: testPath}, func(b []byte) []byte { return packet.AppendJoin(b, 1) }))
	s := st.r.Session(testTSI)
	for i := range packet.SQN(100) {
		st.handle(spmPacket(spm.Packet{SQN: 2 + i, Trail: 1, Lead: 1_000_000, Path: testPath}, nil))
		st.advance(100 * time.Millisecond)
	}
	if n := s.recovery.Len(); n > 2048 {
		t.Errorf("%d packets in recovery of a source that repairs nothing; want no more than at first", n)
	}
	if got := s.Missing(); got != 1_000_000 {
		t.Errorf("%d packets missing, want 1,000,000", got)
	}
}

// Data that is delivered allocates nothing.
func TestReceiveAllocatesNothing(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		st := newStage(t, Config{}, unordered)
		st.r.c.Accept = func(_ time.Time, s *Session) Sink {
			if unordered {
				s.Unordered()
			}
			return discard{}
		}
		st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
		p := dataPacket(packet.TypeODATA, 1, 1, string(make([]byte, 1448)), nil)
		n := packet.SQN(0)
		got := testing.AllocsPerRun(20000, func() {
			n++
			renumber(p, n)
			if err := st.r.HandlePacket(st.now, testFrom, p); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("unordered %v: %v allocations for each packet", unordered, got)
		}
	}
}

type discard struct{}

func (discard) Data(Data) bool        { return true }
func (discard) Lost(_, _ packet.SQN)  {}
func (discard) End(End, packet.Reset) {}
func renumber(p []byte, n packet.SQN) {
	binary.BigEndian.PutUint32(p[16:], uint32(n))
	packet.Seal(p)
}

func BenchmarkHandleData(b *testing.B) {
	for _, unordered := range []bool{false, true} {
		b.Run(fmt.Sprintf("unordered=%v", unordered), func(b *testing.B) {
			st := newStage(b, Config{}, unordered)
			st.r.c.Accept = func(_ time.Time, s *Session) Sink {
				if unordered {
					s.Unordered()
				}
				return discard{}
			}
			st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
			p := dataPacket(packet.TypeODATA, 1, 1, string(make([]byte, 1448)), nil)
			b.SetBytes(1448)
			b.ReportAllocs()
			for n := packet.SQN(1); b.Loop(); n++ {
				renumber(p, n)
				st.r.HandlePacket(st.now, testFrom, p)
			}
		})
	}
}

// A window that moves back, because the first SPM comes late, keeps what the Sink said that it has, ahead of the newest packet too.
func TestRejoinKeepsWhatTheSinkHas(t *testing.T) {
	st := newStage(t, Config{}, true)
	st.handle(dataPacket(packet.TypeODATA, 10, 1, "x", nil))
	st.r.Session(testTSI).Have(12, 20)
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 21, Path: testPath}, func(b []byte) []byte { return packet.AppendJoin(b, 8) }))
	st.advance(10 * time.Millisecond)
	want := "deliver 10 \"x\"\n3.922141ms send NAK 8 9 to 192.0.2.1:7500\n4.982983ms send NAK 11 21 to 192.0.2.1:7500\n"
	if got := st.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
