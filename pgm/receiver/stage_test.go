package receiver

import (
	"bytes"
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

var (
	testTSI   = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 1000}
	testGroup = netip.MustParseAddrPort("239.192.77.71:7500")
	testFrom  = netip.MustParseAddrPort("192.0.2.1:7500")
	testPath  = netip.MustParseAddr("192.0.2.1")
)

const testDest = 7500

// recorder is a Sink that writes down what it hears, and refuses data while full.
type recorder struct {
	out     *bytes.Buffer
	full    bool
	observe bool
}

func (r *recorder) Data(d Data) bool {
	if r.full {
		return false
	}
	fmt.Fprintf(r.out, "deliver %v %q", d.SQN, d.TSDU)
	if d.Fragment.Length != 0 {
		fmt.Fprintf(r.out, " fragment %v+%d/%d", d.Fragment.First, d.Fragment.Offset, d.Fragment.Length)
	}
	if d.Repaired {
		r.out.WriteString(" repaired")
	}
	r.out.WriteByte('\n')
	return true
}

func (r *recorder) Lost(first, last packet.SQN) { fmt.Fprintf(r.out, "lost %v..%v\n", first, last) }

func (r *recorder) End(reason End, reset packet.Reset) { fmt.Fprintf(r.out, "end: %v\n", reason) }

func (r *recorder) Event(e Event) {
	if !r.observe {
		return
	}
	fmt.Fprintf(r.out, "%v %v", e.Kind, e.SQN)
	if e.Kind == Aborted {
		fmt.Fprintf(r.out, " code %d, repairs %v", e.Reset.Code, !e.Reset.NoRepair)
	}
	r.out.WriteByte('\n')
}

func (r *recorder) Report(body []byte) { fmt.Fprintf(r.out, "report %q\n", body) }

// stage is a Receiver with one source to play and a script to follow.
type stage struct {
	r    *Receiver
	sink *recorder
	now  time.Time
	t0   time.Time
	out  bytes.Buffer
	spm  packet.SQN
}

func newStage(t testing.TB, c Config, unordered bool) *stage {
	st := &stage{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	st.t0 = st.now
	st.sink = &recorder{out: &st.out}
	c.Dest, c.Group, c.Rand = testDest, testGroup, rand.New(rand.NewPCG(1, 2))
	c.Accept = func(_ time.Time, s *Session) Sink {
		if unordered {
			s.Unordered()
		}
		return st.sink
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	st.r = r
	return st
}

func (st *stage) handle(p []byte) { st.hand(st.r.HandlePacket, p) }

func (st *stage) hand(handle func(time.Time, netip.AddrPort, []byte) error, p []byte) {
	if err := handle(st.now, testFrom, p); err != nil {
		fmt.Fprintf(&st.out, "error: %v\n", err)
	}
	st.poll()
}

// poll writes down what the receiver wants sent.
func (st *stage) poll() {
	b := packet.NewBatch(1 << 16)
	st.r.PollTransmit(st.now, b)
	for _, m := range b.Messages {
		for data := m.Data; len(data) > 0; {
			p := data[:min(m.Size, len(data))]
			data = data[len(p):]
			var h packet.Header
			body, err := h.Parse(p)
			if err != nil {
				fmt.Fprintf(&st.out, "send broken: %v\n", err)
				continue
			}
			fmt.Fprintf(&st.out, "%v send %v", st.now.Sub(st.t0), h.Type)
			switch h.Type {
			case packet.TypePOLR:
				var reply poll.Reply
				if _, err := reply.Parse(&h, body); err != nil {
					fmt.Fprintf(&st.out, " broken: %v", err)
				}
				fmt.Fprintf(&st.out, " %v.%d", reply.SQN, reply.Round)
			case packet.TypeNAK, packet.TypeNCF:
				n := nak.Packet{List: make([]packet.SQN, 0, nak.MaxList)}
				if _, err := n.Parse(&h, body); err != nil {
					fmt.Fprintf(&st.out, " broken: %v", err)
				}
				for s := range n.All() {
					fmt.Fprintf(&st.out, " %v", s)
				}
			}
			fmt.Fprintf(&st.out, " to %v", m.To)
			if m.TTL != 0 {
				fmt.Fprintf(&st.out, " ttl %d", m.TTL)
			}
			if h.Options&packet.FlagParity != 0 {
				st.out.WriteString(" of parity")
			}
			st.out.WriteByte('\n')
		}
	}
}

// advance lets time pass, stopping where the receiver wants to be woken.
func (st *stage) advance(d time.Duration) {
	end := st.now.Add(d)
	for n := 0; n < 100000; n++ {
		next := st.r.NextTimeout()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(st.now) {
			st.now = next
		}
		st.r.HandleTimeout(st.now)
		st.poll()
	}
	st.now = end
	st.r.HandleTimeout(st.now)
	st.poll()
}

func dataPacket(t packet.Type, sqn, trail packet.SQN, tsdu string, opts func([]byte) []byte) []byte {
	h := packet.Downstream(t, testTSI, testDest)
	h.TSDULength = uint16(len(tsdu))
	b := packet.Data{SQN: sqn, Trail: trail}.Append(h.Append(nil))
	if opts != nil {
		b = packet.EndOptions(opts(packet.BeginOptions(b)), packet.DataHeaderLen)
	}
	b = append(b, tsdu...)
	packet.Seal(b)
	return b
}

func spmPacket(p spm.Packet, opts func([]byte) []byte) []byte {
	b := p.Append(packet.Downstream(packet.TypeSPM, testTSI, testDest).Append(nil))
	if opts != nil {
		at := len(b)
		b = packet.EndOptions(opts(packet.BeginOptions(b)), at)
	}
	packet.Seal(b)
	return b
}

func pollPacket(p poll.Packet, opts func([]byte) []byte) []byte {
	b := p.Append(packet.Downstream(packet.TypePOLL, testTSI, testDest).Append(nil))
	if opts != nil {
		at := len(b)
		b = packet.EndOptions(opts(packet.BeginOptions(b)), at)
	}
	packet.Seal(b)
	return b
}
