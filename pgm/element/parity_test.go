package element

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// fromParent is how a NAK comes that the parent of the repairer sends it.
var fromParent = Arrival{Unicast: true, From: netip.MustParseAddrPort("10.0.0.1:7500")}

// newParityRepairer has heard the group 8..15 of 8 packets, and of the group behind it the first.
func newParityRepairer(t testing.TB, spoil func(*RepairerConfig), spm words) *Repairer {
	t.Helper()
	r := newRepairer(t, spoil)
	feed(t, r, fromSource, spm.spm(t, "1"))
	for q := 8; q < 16; q++ {
		feed(t, r, fromSource, words{}.data(t, packet.TypeODATA, fmt.Sprint(q)))
	}
	feed(t, r, fromSource, words{}.data(t, packet.TypeODATA, "16"))
	drain(t, r.PollTransmit, start)
	return r
}

func feed(t testing.TB, r *Repairer, a Arrival, p []byte) {
	t.Helper()
	if err := r.HandlePacket(start, a, p); err != nil {
		t.Fatal(err)
	}
}

// [9.5.2-01]: the offers of a repairer that can give parity say so: where the source has it on demand.
func TestOffersOfParity(t *testing.T) {
	for name, want := range map[string]bool{"tgs": true, "none": false} {
		spm := words{"lead": "16"}
		if want {
			spm["tgs"] = "8"
		}
		r := newParityRepairer(t, nil, spm)
		feed(t, r, fromSource, words{}.request(t, packet.TypeNCF, "9"))
		sent := drain(t, r.PollTransmit, start)
		if len(sent) != 1 || sent[0].h.Type != packet.TypePOLR || sent[0].h.Options&packet.FlagParity != 0 != want {
			t.Errorf("%s: %+v", name, sent)
		}
	}
}

// [9.5.2.2-04], [9.5.2.2-06], [11.4-06]: a parity NAK is answered with an NCF, a NNAK for the source, and as many parity packets as are asked
// for, to the parent if it asks. A receiver restores by them what it lacks, whatever parity it has of the source's.
func TestRepairerRepairsByParity(t *testing.T) {
	for name, from := range map[string]Arrival{"the parent": fromParent, "a child": fromChild(0, 5)} {
		r := newParityRepairer(t, nil, words{"tgs": "8", "lead": "16"})
		lost := map[packet.SQN]bool{9: true, 12: true, 15: true}
		feed(t, r, from, words{"count": "3"}.request(t, packet.TypeNAK, "8"))
		groups := fec.NewGroups(fec.GroupsConfig{Size: 8, Has: func(q packet.SQN) bool { return !lost[q] }})
		var types []packet.Type
		for _, s := range drain(t, r.PollTransmit, start) {
			types = append(types, s.h.Type)
			if s.h.Options&packet.FlagParity == 0 || s.h.Type != packet.TypeNNAK && (s.to == testGroup) == (from == fromParent) {
				t.Errorf("%s: %v to %v, options %v", name, s.h.Type, s.to, s.h.Options)
			}
			if s.h.Type == packet.TypeRDATA {
				takeParity(t, groups, &s)
			}
		}
		if fmt.Sprint(types) != "[NCF NNAK RDATA RDATA RDATA]" {
			t.Errorf("%s: sent %v", name, types)
		}
		job := groups.Next()
		if job == nil {
			t.Fatalf("%s: the group cannot be decoded: %+v", name, groups.Stats())
		}
		load := func(q packet.SQN, room []byte) (o fec.Original, ok bool) {
			return fec.Original{TSDU: append(room[:0], "payload "+fmt.Sprint(q)...)}, true
		}
		if err := fec.NewDecoder(8).Decode(job, load); err != nil {
			t.Fatal(err)
		}
		for q, o := range job.Rebuilt() {
			if want := "payload " + fmt.Sprint(q); string(o.TSDU) != want {
				t.Errorf("%s: %q, want %q", name, o.TSDU, want)
			}
			delete(lost, q)
		}
		if len(lost) > 0 {
			t.Errorf("%s: %v are not restored", name, lost)
		}
	}
}

// takeParity gives a parity packet to a receiver's groups, and returns which it is.
func takeParity(t testing.TB, g *fec.Groups, s *sent) int {
	t.Helper()
	var h packet.Header
	var d packet.Data
	var q fec.Parity
	body, err := h.Parse(s.packet)
	if err == nil {
		err = d.Parse(&h, body)
	}
	if err == nil {
		err = q.Parse(8, &h, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Parity(&q)
	return q.Index
}

// What is asked for again gets other parity than before; what is asked for by another at once, and is on its way, is sent once.
func TestRepairerMakesOtherParityEachTime(t *testing.T) {
	r := newParityRepairer(t, nil, words{"tgs": "8", "lead": "16"})
	g := fec.NewGroups(fec.GroupsConfig{Size: 8, Has: func(packet.SQN) bool { return true }})
	seen, now := map[int]bool{}, start
	ask := func(count string, want int) {
		t.Helper()
		if err := r.HandlePacket(now, fromChild(0, 5), words{"count": count}.request(t, packet.TypeNAK, "8")); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range drain(t, r.PollTransmit, now) {
			if s.h.Type == packet.TypeRDATA {
				j := takeParity(t, g, &s)
				if seen[j] || j < 16 {
					t.Errorf("parity packet %d is sent again, or is one of the first, which the source sends", j)
				}
				seen[j] = true
				n++
			}
		}
		if n != want {
			t.Errorf("%d parity packets for %s, want %d", n, count, want)
		}
	}
	ask("2", 2)
	ask("2", 0)
	ask("5", 3)
	now = now.Add(time.Second)
	ask("5", 5)
}

// [9.5.2.2-07], [9.5.2.1-06]: a group that is not held whole is confirmed and asked for at the parent, and not repaired.
func TestRepairerPassesOnWhatItCannotRepairByParity(t *testing.T) {
	r := newParityRepairer(t, nil, words{"tgs": "8", "lead": "16"})
	feed(t, r, fromParent, words{"count": "1"}.request(t, packet.TypeNAK, "16"))
	var got []string
	for _, s := range drain(t, r.PollTransmit, start) {
		got = append(got, fmt.Sprint(s.h.Type, " parity ", s.h.Options&packet.FlagParity != 0, " to ", s.to.Addr()))
	}
	if fmt.Sprint(got) != "[NCF parity true to 10.0.0.1 NAK parity true to 10.0.0.1]" {
		t.Errorf("sent %q", got)
	}
}

// [11.4-20]: a group that was ended early is whole with fewer packets, and those behind its last are not missed.
func TestRepairerKnowsShortGroups(t *testing.T) {
	r := newParityRepairer(t, nil, words{"tgs": "8", "lead": "16"})
	for _, q := range []string{"17", "18"} {
		feed(t, r, fromSource, words{}.data(t, packet.TypeODATA, q))
	}
	feed(t, r, fromSource, words{"tgsize": "4"}.data(t, packet.TypeODATA, "19"))
	feed(t, r, fromSource, words{}.data(t, packet.TypeODATA, "24"))
	now := start
	for range 100 {
		now = now.Add(10 * time.Millisecond)
		r.HandleTimeout(now)
	}
	if sent := drain(t, r.PollTransmit, now); len(sent) > 0 {
		t.Errorf("sent %v for packets that do not exist", sent[0].h.Type)
	}
	feed(t, r, fromParent, words{"count": "6"}.request(t, packet.TypeNAK, "16")) // two are missing, and four that are not there
	n := 0
	for _, s := range drain(t, r.PollTransmit, now) {
		if s.h.Type == packet.TypeRDATA {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d parity packets, want 2", n)
	}
}

// A parity NAK of a session without parity on demand is refused: who asks learns so that it has to ask elsewhere.
func TestRepairerConfirmsNoParityThatThereIsNot(t *testing.T) {
	r := newParityRepairer(t, nil, words{"lead": "16"})
	if err := r.HandlePacket(start, fromParent, words{"count": "1"}.request(t, packet.TypeNAK, "8")); err == nil {
		t.Error("it is taken")
	}
	if sent := drain(t, r.PollTransmit, start); len(sent) > 0 {
		t.Errorf("sent %v", sent[0].h.Type)
	}
}

// A storm of parity NAKs does not have a repairer send, or read, more than its rate allows; and what it does not send, it does not confirm.
func TestParityKeepsToTheRate(t *testing.T) {
	r := newParityRepairer(t, func(c *RepairerConfig) { c.Rate = 10_000 }, words{"tgs": "8", "lead": "16"})
	octets, confirmed, now := 0, 0, start
	for i := range 20_000 {
		now = now.Add(3 * time.Millisecond)
		n := nak.Packet{SQN: fec.Size(8).Request(8, 1+i%8), Source: testSource, Group: testGroup.Addr()}
		h := packet.Upstream(packet.TypeNAK, testTSI, 7500)
		h.Options |= packet.FlagParity
		_ = r.HandlePacket(now, fromParent, nak.Append(nil, h, &n))
		repairs := 0
		for _, s := range drain(t, r.PollTransmit, now) {
			switch s.h.Type {
			case packet.TypeRDATA:
				octets += len(s.packet)
				repairs++
			case packet.TypeNCF:
				confirmed++
				repairs--
			}
		}
		if repairs < 0 {
			t.Fatalf("NAK %d is confirmed, and nothing is sent", i)
		}
	}
	if limit := packet.MaxRun + 60*10_000 + 1000; octets > limit || confirmed == 0 || confirmed == 20_000 {
		t.Errorf("%d octets in a minute, want at most %d; %d NAKs confirmed", octets, limit, confirmed)
	}
}

// In the steady state parity costs no allocation.
func TestParityRepairDoesNotAllocate(t *testing.T) {
	r := newParityRepairer(t, func(c *RepairerConfig) { c.Rate = 1 << 30 }, words{"tgs": "8", "lead": "16"})
	b, ask, now := packet.NewBatch(outSize), words{"count": "2"}.request(t, packet.TypeNAK, "8"), start
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(10 * time.Millisecond)
		if err := r.HandlePacket(now, fromParent, ask); err != nil {
			t.Fatal(err)
		}
		b.Reset()
		r.PollTransmit(now, b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if r.Stats().ParityRepairs < 200 {
		t.Errorf("%+v", r.Stats())
	}
}

// What parity has brought back may be longer than all that came.
func TestRepairerGivesParityOfTheLongestThatItRebuilt(t *testing.T) {
	r := newRepairer(t, nil)
	feed(t, r, fromSource, words{"tgs": "8", "lead": "16"}.spm(t, "1"))
	e := fec.NewEncoder(8, 1000)
	e.Begin(8, 8)
	for i := range 8 {
		o := fec.Original{TSDU: make([]byte, 10)}
		if q := packet.SQN(8 + i); q == 11 {
			o.TSDU = make([]byte, 1000)
		} else {
			h := packet.Downstream(packet.TypeODATA, testTSI, 7500)
			h.TSDULength = uint16(len(o.TSDU))
			b := append(packet.Data{SQN: q, Trail: 1}.Append(h.Append(nil)), o.TSDU...)
			packet.Seal(b)
			feed(t, r, fromSource, b)
		}
		e.Set(i, o)
	}
	feed(t, r, fromSource, e.Append(nil, packet.Downstream(packet.TypeRDATA, testTSI, 7500), 1, 0))
	drain(t, r.PollTransmit, start)
	feed(t, r, fromParent, words{"count": "1"}.request(t, packet.TypeNAK, "8"))
	if s := r.Stats(); s.Rebuilt != 1 || s.ParityRepairs != 1 {
		t.Errorf("%+v", s)
	}
}

// [11.1-04]: a source that has parity on demand answers a NAK by parity. A repairer that misses a packet itself brings it back by that, with the
// fragment of an APDU that it is, and repairs it.
func TestRepairerIsRepairedByParity(t *testing.T) {
	r := newRepairer(t, nil)
	feed(t, r, fromSource, words{"tgs": "8", "lead": "16"}.spm(t, "1"))
	e := fec.NewEncoder(8, 100)
	e.Begin(8, 8)
	for i := range 8 {
		q := packet.SQN(8 + i)
		o := fec.Original{TSDU: []byte(fmt.Sprint("part ", q)), Fragment: packet.Fragment{First: 8, Offset: uint32(10 * i), Length: 100}}
		e.Set(i, o)
		if q == 11 {
			continue
		}
		h := packet.Downstream(packet.TypeODATA, testTSI, 7500)
		h.TSDULength = uint16(len(o.TSDU))
		b := packet.Data{SQN: q, Trail: 1}.Append(h.Append(nil))
		at := len(b)
		b = append(packet.EndOptions(o.Fragment.AppendTo(packet.BeginOptions(b)), at), o.TSDU...)
		packet.Seal(b)
		feed(t, r, fromSource, b)
	}
	feed(t, r, fromSource, e.Append(nil, packet.Downstream(packet.TypeRDATA, testTSI, 7500), 1, 0))
	drain(t, r.PollTransmit, start)
	feed(t, r, fromParent, words{}.request(t, packet.TypeNAK, "11"))
	var d packet.Data
	for _, s := range drain(t, r.PollTransmit, start) {
		if s.h.Type == packet.TypeRDATA {
			if err := d.Parse(&s.h, s.packet[packet.HeaderLen:]); err != nil {
				t.Fatal(err)
			}
		}
	}
	o, _ := packet.FindOption(d.Options, packet.OptFragment)
	f, err := packet.ParseFragment(o, 11, len(d.TSDU))
	if string(d.TSDU) != "part 11" || err != nil || f != (packet.Fragment{First: 8, Offset: 30, Length: 100}) {
		t.Errorf("repaired %q, %+v %v; %+v", d.TSDU, f, err, r.Stats())
	}
	now := start.Add(time.Minute)
	r.HandleTimeout(now)
	if sent := drain(t, r.PollTransmit, now); len(sent) > 0 {
		t.Errorf("sent %v for what is there", sent[0].h.Type)
	}
}
