package receiver

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// strict is a Sink that fails the test when what it is promised does not hold.
type strict struct {
	t         *testing.T
	unordered bool
	began     bool
	next      packet.SQN
	seen      map[packet.SQN]bool
	refuse    int
	ended     bool
	session   *Session
	leave     int // the session is closed at so many calls
}

func (s *strict) Data(d Data) bool {
	if s.ended {
		s.t.Fatal("data after the end")
	}
	if s.refuse++; s.refuse%7 == 0 {
		return false
	}
	if s.seen[d.SQN] {
		s.t.Fatalf("packet %v twice", d.SQN)
	}
	s.seen[d.SQN] = true
	s.count()
	if !s.unordered && s.began && d.SQN != s.next {
		s.t.Fatalf("packet %v, want %v", d.SQN, s.next)
	}
	s.began, s.next = true, d.SQN+1
	return true
}

func (s *strict) Lost(first, last packet.SQN) {
	if s.ended {
		s.t.Fatal("loss after the end")
	}
	defer s.count()
	if last-first >= 1<<31 {
		s.t.Fatalf("lost %v..%v", first, last)
	}
	if !s.unordered {
		if s.began && first != s.next {
			s.t.Fatalf("lost %v..%v, want from %v", first, last, s.next)
		}
		s.began, s.next = true, last+1
	}
}

// count closes the session, from within a call, at the one that was chosen.
func (s *strict) count() {
	if s.leave--; s.leave == 0 {
		s.session.Close()
	}
}

func (s *strict) End(End, packet.Reset) { s.ended = true }

// FuzzReceiver: whatever comes, and whenever, the engine does not panic, stays within its bounds, and keeps its promises to Sinks.
// The input is a list of records: an octet of kind, then its arguments.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 5, 1, 7, 1, 9, 4, 6, 2, 6, 3, 3, 5, 200, 1, 6}, false)
	f.Add([]byte{1, 5, 1, 9, 0, 1, 12, 7, 5, 50, 1, 8, 6, 0, 8, 20, 5, 255}, true)
	f.Add([]byte{0, 1, 0, 1, 1, 1, 3, 12, 9, 9, 0, 0, 2, 5, 9, 13, 7, 0, 8, 20, 0, 5, 90, 14, 1, 7, 30, 1, 20, 0, 5, 200, 13, 8, 0, 0, 0, 0}, false)
	f.Add([]byte{9, 0x80, 0, 0, 0, 0, 1, 200, 10, 3, 0x7f, 0xff, 0xff, 0xff, 5, 9, 5, 9}, true)
	f.Fuzz(func(t *testing.T, in []byte, unordered bool) {
		st := newStage(t, Config{Window: 32, MaxSessions: 8}, unordered)
		st.r.c.Recovery.Max = 64
		var sinks []*strict
		st.r.c.Accept = func(_ time.Time, s *Session) Sink {
			if unordered {
				s.Unordered()
			}
			sink := &strict{t: t, unordered: unordered, seen: map[packet.SQN]bool{}, session: s, leave: len(in) % 16}
			sinks = append(sinks, sink)
			return sink
		}
		var base, spmSQN packet.SQN
		arg := func() packet.SQN {
			if len(in) == 0 {
				return 0
			}
			v := in[0]
			in = in[1:]
			return packet.SQN(v)
		}
		b := packet.NewBatch(1 << 16)
		for n := 0; len(in) > 0 && n < 500; n++ {
			var p []byte
			handle := st.r.HandlePacket
			switch kind := arg(); kind % 15 {
			case 0:
				spmSQN++
				p = spmPacket(spm.Packet{SQN: spmSQN, Trail: base + arg(), Lead: base + arg(), Path: testPath}, nil)
			case 1:
				p = dataPacket(packet.TypeODATA, base+arg(), base, "x", nil)
			case 2:
				p = dataPacket(packet.TypeRDATA, base+arg(), base+arg(), "y", nil)
			case 3, 4:
				h := packet.Downstream(packet.TypeNCF, testTSI, testDest)
				if kind%15 == 4 {
					h = packet.Upstream(packet.TypeNAK, testTSI, testDest)
				}
				p = nak.Append(nil, h, &nak.Packet{SQN: base + arg(), Source: testPath, Group: testGroup.Addr(), List: []packet.SQN{base + arg()}})
			case 12:
				handle = st.r.HandleUnicast
				h := packet.Downstream(packet.TypeNCF, testTSI, testDest)
				extra := poll.Interval{BackOff: time.Duration(arg()) << arg(), SQN: arg()}.AppendTo(nil)
				if arg()%2 == 0 {
					extra = poll.AppendPath(poll.AppendUnreachable(extra), testPath)
				}
				p = nak.Append(nil, h, &nak.Packet{SQN: base + arg(), Source: testPath, Group: testGroup.Addr(), Extra: extra})
			case 13:
				p = pollPacket(poll.Packet{SQN: arg(), Round: uint16(arg()), Path: testPath, BackOff: time.Duration(arg()) << arg(), Mask: uint32(arg())}, nil)
			case 14:
				p = spmPacket(spm.Packet{SQN: spmSQN + arg()%2, Trail: spm.NoTrail, Lead: spm.NoLead, Path: testPath}, func(b []byte) []byte {
					b = poll.Range{Max: time.Duration(arg()) << arg(), Min: time.Duration(arg()) << arg()}.AppendTo(b)
					if arg()%2 == 0 {
						b = poll.AppendUnreachable(b)
					}
					return b
				})
			case 5:
				st.now = st.now.Add(time.Duration(arg()) * time.Millisecond)
			case 6:
				for _, s := range sinks {
					s.refuse = 1
				}
				if s := st.r.Session(testTSI); s != nil {
					s.Resume(st.now)
				}
			case 7:
				spmSQN++
				p = spmPacket(spm.Packet{SQN: spmSQN, Trail: base, Lead: base + arg(), Path: testPath}, func(b []byte) []byte {
					return packet.AppendOption(packet.AppendJoin(b, base+arg()), packet.OptFin, 0)
				})
			case 8:
				p = dataPacket(packet.TypeODATA, base+arg(), base, "f", func(b []byte) []byte {
					return packet.Fragment{First: base + arg(), Offset: uint32(arg()), Length: uint32(arg())}.AppendTo(b)
				})
			case 9:
				if len(in) >= 4 {
					base = packet.SQN(binary.BigEndian.Uint32(in))
					in = in[4:]
				}
			case 10:
				size := min(int(arg()), len(in))
				p = append([]byte(nil), in[:size]...)
				in = in[size:]
			case 11:
				size := min(int(arg()), len(in))
				p = packet.Downstream(packet.Type(arg()), testTSI, testDest).Append(nil)
				p[5] = byte(arg())
				p = append(p, in[:min(size, len(in))]...)
				if p[5]&0xc0 == 0x40 {
					p[5] |= 0x80
				}
				packet.Seal(p)
			}
			if p != nil {
				handle(st.now, testFrom, p)
			}
			st.r.HandleTimeout(st.now)
			b.Reset()
			st.r.PollTransmit(st.now, b)
			if len(st.r.sessions) > 8 {
				t.Fatalf("%d sessions", len(st.r.sessions))
			}
			// Due work is done: the loop that drives the engine would spin otherwise.
			if next := st.r.NextTimeout(); !next.IsZero() && next.Before(st.now) {
				t.Fatalf("the next timeout was due %v ago", st.now.Sub(next))
			}
			if s := st.r.Session(testTSI); s != nil && s.recovery.Len() > 64 {
				t.Fatalf("%d packets in recovery", s.recovery.Len())
			}
		}
	})
}
