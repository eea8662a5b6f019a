package conformance

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// bench is one of our receivers, to which stories are told.
type bench struct {
	t     testing.TB
	r     *receiver.Receiver
	ear   *ear
	apdus [][]byte
	sent  []pcap.Packet
	batch *packet.Batch
	// reply, unless nil, tells what is heard a millisecond after the receiver sent p.
	reply func(p *pcap.Packet) story
	queue []pcap.Packet // what is still to be heard
}

// assembling is a Sink that puts APDUs together.
type assembling struct {
	*ear
	b *bench
	a receiver.Assembler
}

func (s *assembling) Data(d receiver.Data) bool {
	if apdu, ok := s.a.Add(d); ok {
		s.b.apdus = append(s.b.apdus, slices.Clone(apdu))
	}
	return s.ear.Data(d)
}

func newBench(t testing.TB, c nak.RecoveryConfig) *bench {
	b := &bench{t: t, ear: &ear{got: map[packet.SQN]bool{}}, batch: packet.NewBatch(packet.MaxRun)}
	if c == (nak.RecoveryConfig{}) {
		c = sceneRecovery
	}
	r, err := receiver.New(receiver.Config{
		Dest: udpPort, Group: storyGroup, Recovery: c, Rand: rand.New(rand.NewPCG(1, 2)),
		Accept: func(time.Time, *receiver.Session) receiver.Sink { return &assembling{ear: b.ear, b: b} },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.r = r
	return b
}

// hear tells the receiver a story, whose times count from the beginning of the bench, and goes on until so many milliseconds have
// passed since then.
func (b *bench) hear(s story, until float64) {
	b.t.Helper()
	b.queue = append(b.queue, s.draw(b.t)...)
	end := storyBegin.Add(time.Duration(until * float64(time.Millisecond)))
	for {
		slices.SortStableFunc(b.queue, func(x, y pcap.Packet) int { return x.Time.Compare(y.Time) })
		now, packetFirst := b.r.NextTimeout(), false
		if len(b.queue) > 0 && (now.IsZero() || !now.Before(b.queue[0].Time)) {
			now, packetFirst = b.queue[0].Time, true
		}
		if now.IsZero() || now.After(end) {
			return
		}
		if packetFirst {
			p := b.queue[0]
			b.queue = b.queue[1:]
			b.r.HandlePacket(now, p.Src, p.Data) // what is refused is counted
		}
		b.r.HandleTimeout(now)
		b.batch.Reset()
		b.r.PollTransmit(now, b.batch)
		for _, m := range b.batch.Messages {
			for data := range slices.Chunk(m.Data, m.Size) {
				p := pcap.Packet{Time: now, Dst: m.To, TTL: m.TTL, Data: slices.Clone(data)}
				b.sent = append(b.sent, p)
				if b.reply != nil {
					for _, q := range b.reply(&p).draw(b.t) {
						q.Time = now.Add(time.Millisecond)
						b.queue = append(b.queue, q)
					}
				}
			}
		}
	}
}

// asked is a NAK that was sent.
type asked struct {
	at   float64 // milliseconds
	sqns []packet.SQN
	p    pcap.Packet
	nak  nak.Packet
}

// naks returns the NAKs that were sent so far.
func (b *bench) naks() (all []asked) {
	b.t.Helper()
	for _, p := range b.sent {
		var h packet.Header
		body, err := h.Parse(p.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		if h.Type != packet.TypeNAK {
			continue
		}
		a := asked{at: float64(p.Time.Sub(storyBegin)) / float64(time.Millisecond), p: p}
		if _, err := a.nak.Parse(&h, body); err != nil {
			b.t.Fatal(err)
		}
		a.sqns = slices.Collect(a.nak.All())
		all = append(all, a)
	}
	return all
}

// count returns how many packets of type t were sent.
func (b *bench) count(t packet.Type) (n int) {
	for _, p := range b.sent {
		if packet.Type(p.Data[4]&0x0f) == t {
			n++
		}
	}
	return n
}

// only fails unless exactly one NAK was sent, for these packets, between the times.
func (b *bench) only(from, until float64, sqns ...packet.SQN) asked {
	b.t.Helper()
	all := b.naks()
	if len(all) != 1 || !slices.Equal(all[0].sqns, sqns) || all[0].at < from || all[0].at > until {
		b.t.Fatalf("NAKs %+v, want one for %v between %v and %v ms", all, sqns, from, until)
	}
	return all[0]
}
