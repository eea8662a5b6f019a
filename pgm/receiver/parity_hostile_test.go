package receiver

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// exact is a Sink that wants each packet once and right, and all in order if the session is ordered.
type exact struct {
	beside
	t       *testing.T
	ordered bool
	next    packet.SQN
	seen    map[packet.SQN]bool
}

func (x *exact) Data(d Data) bool {
	if want := text(d.SQN); string(d.TSDU) != want || d.Fragment != fragmentOf(d.SQN) || x.seen[d.SQN] || x.ordered && d.SQN != x.next {
		x.t.Errorf("packet %v is %q, %+v, seen before: %v; want %q, and %v to be next", d.SQN, d.TSDU, d.Fragment, x.seen[d.SQN], want, x.next)
	}
	x.seen[d.SQN], x.next = true, d.SQN+1
	return x.beside.Data(d)
}

func (x *exact) Lost(first, last packet.SQN) { x.t.Errorf("%v..%v are lost", first, last) }

// Decode decodes from what was kept, at once.
func (x *exact) Decode(j *fec.Job) bool {
	if j == nil {
		return true
	}
	_ = fec.NewDecoder(testK).Decode(j, func(n packet.SQN, room []byte) (fec.Original, bool) {
		return fec.Original{TSDU: room[:copy(room, text(n))], Fragment: fragmentOf(n)}, x.seen[n]
	})
	x.session.Decoded(x.session.heard, j)
	return true
}

// fragmentOf is what packet n says of the APDU that it is a part of: every second group has some.
func fragmentOf(n packet.SQN) packet.Fragment {
	if n/packet.SQN(testK)%2 == 0 || n%4 != 1 {
		return packet.Fragment{}
	}
	return packet.Fragment{First: n, Length: uint32(len(text(n))) + 10}
}

// nonsense draws parity packets, SPMs and data that no source sends: the true ones of a group, with something that cannot be.
type nonsense struct {
	*rand.Rand
	st  *parityStage
	tg  packet.SQN // of the group that has just been sent, of which packets are missing
	spm packet.SQN
}

func (x *nonsense) true(tg packet.SQN, j int) fec.Parity {
	x.st.encoder.Begin(tg, int(testK))
	for i := range packet.SQN(testK) {
		x.st.encoder.Set(int(i), fec.Original{TSDU: []byte(text(tg + i)), Fragment: fragmentOf(tg + i)})
	}
	var h packet.Header
	var d packet.Data
	var q fec.Parity
	body, err := h.Parse(x.st.encoder.Append(nil, packet.Downstream(packet.TypeODATA, testTSI, testDest), 0, j))
	if err == nil {
		err = d.Parse(&h, body)
	}
	if err == nil {
		err = q.Parse(testK, &h, &d)
	}
	if err != nil {
		x.st.t.Fatal(err)
	}
	return q
}

func (x *nonsense) send(q fec.Parity) {
	x.st.handle(q.Append(nil, testK, packet.Downstream(packet.TypeODATA, testTSI, testDest), 0))
}

func (x *nonsense) status(lead packet.SQN, opts func([]byte) []byte) {
	x.spm++
	x.st.handle(spmPacket(spm.Packet{SQN: x.spm, Lead: lead, Path: testPath}, opts))
}

// kinds are what cannot be, by name; each is said of the group x.tg, whose first packet and whose last two have come.
var nonsenseKinds = map[string]func(x *nonsense){
	"a size of groups": func(x *nonsense) {
		b := fec.Params{Group: testK, OnDemand: true}.AppendTo(packet.BeginOptions(nil))[4:]
		binary.BigEndian.PutUint32(b[4:], []uint32{0, 1, 3, 16, 129, 1 << 31}[x.IntN(6)])
		x.status(x.tg+7, func(p []byte) []byte { return append(p, b...) })
	},
	"a number beyond n": func(x *nonsense) {
		q := x.true(x.tg, 3)
		q.Index = fec.MaxPackets - int(testK) + x.IntN(700)
		x.send(q)
	},
	"parity of another length": func(x *nonsense) {
		q := x.true(x.tg, 1)
		q.TSDU = append(make([]byte, x.IntN(60)), q.TSDU[:x.IntN(len(q.TSDU)-2)]...) // its own is longer by less
		x.send(q)
	},
	"parity that says that lengths do not vary": func(x *nonsense) {
		q := x.true(x.tg, 2)
		q.Variable = false
		x.send(q)
	},
	"options that decode to nonsense": func(x *nonsense) {
		q := x.true(x.tg, x.IntN(100))
		q.HasFragment = true
		for i := range q.Fragment {
			q.Fragment[i] = byte(x.Uint32())
		}
		x.send(q)
	},
	"parity of a group never seen": func(x *nonsense) {
		x.send(x.true(x.tg+packet.SQN(testK)*packet.SQN(1+x.IntN(3)), 5))
		x.send(x.true(x.tg+1<<20, 5))
	},
	"parity of a complete group": func(x *nonsense) {
		if x.tg > 0 {
			x.send(x.true(x.tg-packet.SQN(testK), x.IntN(100)))
		}
	},
	"parity of a shorter group": func(x *nonsense) {
		q := x.true(x.tg, 4)
		q.Size = 1 + x.IntN(int(testK)-1)
		x.send(q)
	},
	"an SPM that ends a group": func(x *nonsense) {
		x.status(x.tg+6, func(b []byte) []byte { return fec.AppendCurrentSize(b, 1+x.IntN(int(testK))) })
	},
	"data that ends a group": func(x *nonsense) {
		n := x.tg + packet.SQN(x.IntN(3))*7/2 // the first, the fourth and the last
		x.st.handle(dataPacket(packet.TypeRDATA, n, 0, text(n), func(b []byte) []byte {
			if f := fragmentOf(n); f.Length > 0 {
				b = f.AppendTo(b)
			}
			return fec.AppendCurrentSize(b, 1+x.IntN(int(testK)-1)+3*x.IntN(2))
		}))
	},
}

// What cannot be, among what is true: it is counted, and everything is delivered, as it was sent. No digest is needed to find that out.
func TestNonsenseOfParityIsNeverDelivered(t *testing.T) {
	for name, say := range nonsenseKinds {
		for _, ordered := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", in order", false: ", as it comes"}[ordered], func(t *testing.T) {
				st := newParityStage(t, Config{})
				sink := &exact{t: t, ordered: ordered, seen: map[packet.SQN]bool{}}
				st.r.c.Accept = func(_ time.Time, s *Session) Sink {
					if sink.session = s; !ordered {
						s.Unordered()
					}
					return sink
				}
				x := &nonsense{Rand: rand.New(rand.NewPCG(1, 2)), st: st, spm: 1}
				st.begin(onDemand)
				data := func(n packet.SQN) {
					st.handle(dataPacket(packet.TypeODATA, n, 0, text(n), func(b []byte) []byte {
						if f := fragmentOf(n); f.Length > 0 {
							return f.AppendTo(b)
						}
						return packet.AppendOption(b, 0x20, 0)
					}))
				}
				const groups = 25
				for g := range packet.SQN(groups) {
					x.tg = g * packet.SQN(testK)
					missing := 1 + x.IntN(4)
					for i := range packet.SQN(testK) {
						if i == 0 || i > packet.SQN(missing) {
							data(x.tg + i)
						}
					}
					for range 1 + x.IntN(4) {
						say(x)
						st.advance(time.Millisecond)
					}
					for j := 0; j < 40 && !sink.seen[x.tg+1]; j++ { // the source answers whoever asks, as often as it takes
						x.send(x.true(x.tg, 100+j))
						st.advance(time.Millisecond)
					}
					if st.out.Reset(); !sink.seen[x.tg+1] {
						t.Fatalf("group %v: parity did not bring it back: %+v", x.tg, st.r.Session(testTSI).Stats())
					}
				}
				if n := len(sink.seen); n != groups*int(testK) {
					t.Errorf("%d packets, want %d", n, groups*int(testK))
				}
				s := st.r.Session(testTSI).Stats()
				c := s.Groups
				if counted := s.BadParity + s.Outside + s.Duplicates + c.Complete + c.Stale + c.Surplus + c.Disagree + c.Contradict + c.Undecodable + c.Held - s.Rebuilt; counted < groups/2 {
					t.Errorf("what cannot be was counted %d times: %+v", counted, s)
				}
				if m := st.r.Session(testTSI).parity.groups; m.Memory() > 1<<16 || m.Open() > 2*groups {
					t.Errorf("%d octets of parity, of %d groups", m.Memory(), m.Open())
				}
			})
		}
	}
}

// A group that is said to be short before packets behind its end have come is not: these refute it, and what is missing between them is asked for,
// not passed over.
func TestDataRefutesTheSizeOfItsGroup(t *testing.T) {
	for _, by := range []packet.SQN{3, 5, 7, 9} { // what comes next, of a group that is said to have two
		st := newParityStage(t, Config{})
		st.begin(onDemand)
		st.data(0)
		st.handle(dataPacket(packet.TypeODATA, 1, 0, text(1), func(b []byte) []byte { return fec.AppendCurrentSize(b, 2) }))
		if by < packet.SQN(testK) {
			st.data(by)
		}
		st.data(8, 9)
		st.advance(20 * time.Millisecond)
		if by > packet.SQN(testK) { // nothing refutes it
			st.want("short", "deliver 1", "deliver 8", "deliver 9")
			continue
		}
		st.quiet("behind what is missing", "deliver 8")
		st.want("asked for", "send NAK 4 to")
		st.parity(0, 8, 0, 1, 2, 3, 4)
		st.want("repaired", "deliver 2", "deliver 7", "deliver 8", "deliver 9")
		if n := st.r.Session(testTSI).Stats().Groups.Contradict; n != 1 {
			t.Errorf("%d contradictions", n)
		}
	}
}
