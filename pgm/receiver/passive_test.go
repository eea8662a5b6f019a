package receiver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// hear has a passive receiver hear an SPM and then the data packets of these numbers, a millisecond apart.
func (st *stage) hear(sqns ...packet.SQN) {
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	for _, n := range sqns {
		st.advance(time.Millisecond)
		st.handle(dataPacket(packet.TypeODATA, n, 1, "x", nil))
	}
}

// Whatever is missing, a passive receiver sends nothing, waits for it all the same, and takes it when it comes.
func TestPassiveReceiverOnlyListens(t *testing.T) {
	st := newStage(t, Config{Passive: true}, false)
	st.handle(dataPacket(packet.TypeODATA, 1, 1, "x", nil)) // without an SPM, any other would ask for one
	st.hear(2, 5)
	st.r.Session(testTSI).Report([]byte("report"))
	st.advance(20 * time.Second)
	if got := st.out.String(); strings.Contains(got, "send") || strings.Contains(got, "deliver 5") {
		t.Errorf("got\n%s", got)
	}
	st.handle(dataPacket(packet.TypeRDATA, 4, 1, "x", nil))
	st.handle(dataPacket(packet.TypeRDATA, 3, 1, "x", nil))
	if got := st.out.String(); !strings.HasSuffix(got, "deliver 3 \"x\" repaired\ndeliver 4 \"x\" repaired\ndeliver 5 \"x\"\n") {
		t.Errorf("got\n%s", got)
	}
}

// A passive receiver whose window is full gives up what is missing rather than what comes.
func TestPassiveReceiverMakesRoom(t *testing.T) {
	st := newStage(t, Config{Passive: true, Window: 4}, false)
	st.hear(1, 3, 4, 6, 7)
	want := "deliver 1 \"x\"\nlost 2..2\ndeliver 3 \"x\"\ndeliver 4 \"x\"\n"
	if got := st.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	st.handle(dataPacket(packet.TypeODATA, 1_000_000, 1, "x", nil))
	if got := st.out.String(); !strings.HasSuffix(got, "lost 5..5\ndeliver 6 \"x\"\ndeliver 7 \"x\"\nlost 8..999996\n") {
		t.Errorf("got\n%s", got)
	}
}

// What is held for an SPM to come is delivered when there is no more room for it.
func TestPassiveReceiverHoldsNoMoreThanItsWindow(t *testing.T) {
	st := newStage(t, Config{Passive: true, Window: 4}, false)
	for n := range packet.SQN(6) {
		st.handle(dataPacket(packet.TypeODATA, 11+n, 1, "x", nil))
	}
	if got := st.out.String(); !strings.Contains(got, "deliver 11") || strings.Contains(got, "lost") {
		t.Errorf("got\n%s", got)
	}
}

// What is missing when all has been heard is lost, and what is behind it is delivered; a session whose last packet is known ends.
func TestGiveUp(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		st := newStage(t, Config{Passive: true}, unordered)
		st.hear(1, 4)
		st.handle(spmPacket(spm.Packet{SQN: 2, Trail: 1, Lead: 6, Path: testPath}, func(b []byte) []byte {
			return packet.AppendOption(b, packet.OptFin, 0)
		}))
		st.r.Session(testTSI).GiveUp()
		want := "deliver 1 \"x\"\nlost 2..3\ndeliver 4 \"x\"\nlost 5..6\nend: finished\n"
		if unordered {
			want = "deliver 1 \"x\"\ndeliver 4 \"x\"\nlost 2..3\nlost 5..6\nend: finished\n"
		}
		if got := st.out.String(); got != want {
			t.Errorf("unordered %v: got\n%swant\n%s", unordered, got, want)
		}
	}
}

// A session that falls silent is given up first: what was held behind a gap is delivered.
func TestPassiveReceiverGivesUpBeforeTheEnd(t *testing.T) {
	st := newStage(t, Config{Passive: true, PeerExpiry: time.Second}, false)
	st.hear(1, 3)
	st.advance(2 * time.Second)
	want := "deliver 1 \"x\"\nlost 2..2\ndeliver 3 \"x\"\nend: source fell silent\n"
	if got := st.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A session whose source hears nobody sends nothing, whatever it is asked and whatever is missing: from the beginning, or from when it has learned
// of it, with all that waited to be sent.
func TestSilentSessionAnswersNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		passive bool
		silent  bool
	}{{"passive", true, false}, {"silent later", false, true}, {"neither", false, false}} {
		t.Run(c.name, func(t *testing.T) {
			st := newParityStage(t, Config{Passive: c.passive, Self: testSelf, Overhead: 28})
			spms := packet.SQN(0)
			ask := func() {
				for _, acker := range []netip.Addr{testSelf, netip.IPv4Unspecified()} {
					spms++
					st.handle(spmPacket(spm.Packet{SQN: spms, Lead: 7, Path: testPath}, func(b []byte) []byte {
						b = congestion.AppendRequest(onDemand.AppendTo(b), congestion.ReceiverWorstPath)
						b = congestion.Data{Timestamp: uint32(spms), Acker: acker}.AppendTo(b)
						return congestion.Probe{Timestamp: uint32(spms) * 1000, Threshold: 1}.AppendTo(b)
					}))
				}
				st.handle(pollPacket(poll.Packet{SQN: spms, Path: testPath, BackOff: time.Millisecond}, nil))
				st.data(spms*8, spms*8+1, spms*8+5, spms*8+8)
				st.r.Session(testTSI).Report([]byte("report"))
			}
			if c.silent { // all is due, and nothing has left
				for range 2 {
					ask()
				}
				s := st.r.Session(testTSI)
				s.Report([]byte("another"))
				s.reporter.Stamp(st.now, congestion.Data{Acker: testSelf})
				s.Silent()
				st.out.Reset()
			}
			for range 3 {
				ask()
				st.advance(5 * time.Second)
			}
			if got := strings.Count(st.out.String(), "send "); got > 0 != (c.name == "neither") {
				t.Errorf("%d packets were sent:\n%s", got, st.out.String())
			}
		})
	}
}
