package source

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

const ms = time.Millisecond

var (
	start    = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	testTSI  = packet.TSI{GSI: packet.GSI{0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}, Port: 4711}
	testFrom = netip.MustParseAddrPort("192.0.2.9:7500")
	testSrc  = netip.MustParseAddrPort("192.0.2.1:7500")
	testGrp  = netip.MustParseAddrPort("239.192.77.71:7500")
)

const (
	testDest = 7500
	testTSDU = 1448
)

// fake is a Store of packets that all look alike, but for the number in front.
type fake struct {
	first, next, trail packet.SQN
	size               int                  // of a TSDU; 0: testTSDU
	hole               func(packet.SQN) int // the length of one, if not nil
	mark               func(packet.SQN, *TSDU)
	limit              int // the most that Load gives at once; 0: no limit
	blocked            bool
	err                error
	loads              int
}

func (f *fake) Next() packet.SQN  { return f.next }
func (f *fake) Trail() packet.SQN { return f.trail }

func (f *fake) Load(first packet.SQN, dst []TSDU) (int, error) {
	f.loads++
	if f.err != nil {
		return 0, f.err
	}
	if f.blocked {
		return 0, nil
	}
	for i := range dst {
		s := first + packet.SQN(i)
		if !s.InWindow(f.trail, f.next-1) || f.limit > 0 && i == f.limit {
			return i, nil
		}
		size := f.size
		if size == 0 {
			size = len(dst[i].Data)
		}
		if f.hole != nil {
			size = f.hole(s)
		}
		dst[i].Data = dst[i].Data[:size]
		if size >= 4 {
			binary.BigEndian.PutUint32(dst[i].Data, uint32(s))
		}
		if f.mark != nil {
			f.mark(s, &dst[i])
		}
	}
	return len(dst), nil
}

func testConfig(f Store) Config {
	return Config{
		TSI: testTSI, Dest: testDest, Source: testSrc, Group: testGrp, MaxTSDU: testTSDU, Overhead: 28, Store: f,
		First: f.Trail(), Rand: rand.New(rand.NewPCG(1, 2)), Poll: poll.PollerConfig{Period: -1},
	}
}

func newSource(t testing.TB, c Config) *Source {
	t.Helper()
	s, err := New(c, start)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent is one packet that left, taken apart.
type sent struct {
	at   time.Time
	to   netip.AddrPort
	wire int // octets with the overhead
	h    packet.Header
	spm  spm.Packet
	nak  nak.Packet
	poll poll.Packet
	data packet.Data
	body []byte // of a report
	opts []byte
}

// drain takes the packets out of a batch, and holds them to be what they should.
func drain(t testing.TB, b *packet.Batch, now time.Time) (out []sent) {
	t.Helper()
	for _, m := range b.Messages {
		for data := m.Data; len(data) > 0; {
			p := data[:min(m.Size, len(data))]
			data = data[len(p):]
			s := sent{at: now, to: m.To, wire: len(p) + 28}
			body, err := s.h.Parse(p)
			if err == nil {
				switch s.h.Type {
				case packet.TypeSPM:
					s.opts, err = s.spm.Parse(&s.h, body)
				case packet.TypeNCF:
					s.opts, err = s.nak.Parse(&s.h, body)
				case packet.TypePOLL:
					s.opts, err = s.poll.Parse(&s.h, body)
				case packet.TypeODATA, packet.TypeRDATA:
					err = s.data.Parse(&s.h, body)
					s.opts = s.data.Options
				case packet.TypeReport:
					s.body = body
				default:
					err = fmt.Errorf("a source sends no %v", s.h.Type)
				}
			}
			if err != nil {
				t.Fatalf("the source sent %x: %v", p[:min(len(p), 64)], err)
			}
			if s.h.Checksum == 0 {
				t.Fatalf("%v without a checksum", s.h.Type)
			}
			if s.h.TSI() != testTSI || s.h.DataDestPort() != testDest {
				t.Fatalf("%v of %v to port %d", s.h.Type, s.h.TSI(), s.h.DataDestPort())
			}
			out = append(out, s)
		}
	}
	return out
}

// pull calls PollTransmit once.
func pull(t testing.TB, s *Source, now time.Time) []sent {
	t.Helper()
	b := packet.NewBatch(MinBatch)
	s.PollTransmit(now, b)
	return drain(t, b, now)
}

// pollAll calls PollTransmit as long as it fills batches.
func pollAll(t testing.TB, s *Source, now time.Time) (out []sent) {
	t.Helper()
	for {
		p := pull(t, s, now)
		if len(p) == 0 {
			return out
		}
		out = append(out, p...)
	}
}

// scratch is the batch of play, which is called often. Tests here are not parallel.
var scratch = packet.NewBatch(1 << 18)

// play drives a source in virtual time until the given time, as a loop over sockets would.
func play(t testing.TB, s *Source, now, until time.Time, each func(sent)) {
	t.Helper()
	b := scratch
	for idle := 0; ; {
		b.Reset()
		s.PollTransmit(now, b)
		for _, p := range drain(t, b, now) {
			each(p)
		}
		next := s.NextTimeout()
		if next.IsZero() || next.After(until) {
			return
		}
		if next.After(now) {
			now, idle = next, 0
			s.HandleTimeout(now)
		} else if idle++; idle > 1 && b.Len() == 0 {
			t.Fatalf("at %v, the source wants to be called at %v and sends nothing", now.Sub(start), next.Sub(start))
		}
	}
}

// ask gives the source a NAK.
func ask(t testing.TB, s *Source, now time.Time, sqn packet.SQN, list ...packet.SQN) {
	t.Helper()
	if err := s.HandlePacket(now, testFrom, nakWire(sqn, list...)); err != nil {
		t.Fatal(err)
	}
}

// nakWire returns a NAK for the test session.
func nakWire(sqn packet.SQN, list ...packet.SQN) []byte {
	return nakWireFor(testSrc.Addr(), testGrp.Addr(), sqn, list...)
}

func nakWireFor(src, group netip.Addr, sqn packet.SQN, list ...packet.SQN) []byte {
	p := nak.Packet{SQN: sqn, Source: src, Group: group, List: list}
	return nak.Append(nil, packet.Upstream(packet.TypeNAK, testTSI, testDest), &p)
}

func count(out []sent, typ packet.Type) (n int) {
	for i := range out {
		if out[i].h.Type == typ {
			n++
		}
	}
	return n
}

// sqns returns the sequence numbers of the packets of type typ.
func sqns(out []sent, typ packet.Type) (list []packet.SQN) {
	for i := range out {
		if out[i].h.Type == typ {
			if typ == packet.TypeNCF {
				list = append(list, out[i].nak.SQN)
			} else {
				list = append(list, out[i].data.SQN)
			}
		}
	}
	return list
}
