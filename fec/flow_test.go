package fec

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// flow is a source with all it needs of this package, and receivers behind links that lose packets.
type flow struct {
	t    *testing.T
	k    Size
	data []Original // from SQN first on; a nil TSDU is no packet
	sqn  packet.SQN
	plan *Plan
	enc  *Encoder
	rcv  []*flowReceiver
	sent int // parity packets
}

type flowReceiver struct {
	receiver
	groups  *Groups
	decoder *Decoder
	loss    func() bool
}

const flowFirst = packet.SQN(0xffff_ff00)

func newFlow(t *testing.T, c Config, packets, receivers int, loss float64) *flow {
	r := rand.New(rand.NewPCG(uint64(packets), uint64(receivers)))
	f := &flow{t: t, k: Size(c.Group), plan: NewPlan(c, flowFirst), enc: NewEncoder(Size(c.Group), 100), sqn: flowFirst}
	for n := range packets {
		o := text(fmt.Sprint("packet ", n*n*n))
		if n%3 == 0 {
			o.Fragment.Length = 500 // of which it is the first
		}
		f.data = append(f.data, o)
	}
	span := (packets + c.Group) * 2 // groups that are closed early leave numbers out
	for range receivers {
		rc := &flowReceiver{decoder: NewDecoder(f.k), loss: func() bool { return r.Float64() < loss }}
		rc.receiver = receiver{tg: flowFirst, have: make([]Original, span), has: make([]bool, span)}
		rc.groups = NewGroups(GroupsConfig{Size: f.k, Has: rc.Has})
		f.rcv = append(f.rcv, rc)
	}
	return f
}

// take has the receiver take what it has not.
func (rc *flowReceiver) take(s packet.SQN, o Original) {
	if !rc.Has(s) {
		rc.have[s-rc.tg], rc.has[s-rc.tg] = Original{TSDU: append([]byte{}, o.TSDU...), Fragment: o.Fragment}, true
		rc.groups.Have(s)
	}
}

// parity gives the receiver a parity packet, and has it decode what it can.
func (f *flow) parity(rc *flowReceiver, wire []byte) {
	q, _, err := parse(f.k, wire)
	if err != nil {
		f.t.Fatal(err)
	}
	rc.groups.Parity(&q)
	for j := rc.groups.Next(); j != nil; j = rc.groups.Next() {
		if err := rc.decoder.Decode(j, rc.load); err != nil {
			f.t.Fatal(err)
		}
		for s, o := range j.Rebuilt() {
			rc.take(s, o)
		}
		rc.groups.Done(j)
	}
}

// owed sends the parity that is owed to everybody, but for what is lost.
func (f *flow) owed(original func(packet.SQN) Original) {
	for r, ok := f.plan.Owed(); ok; r, ok = f.plan.Owed() {
		if tg, _, ok := f.enc.Group(); !ok || tg != r.Group {
			f.enc.Begin(r.Group, r.Size)
			for i := range r.Size {
				f.enc.Set(i, original(r.Group+packet.SQN(i)))
			}
		}
		n := f.enc.Prepare(r.First, r.N)
		for i := range n {
			typ := packet.TypeRDATA
			if r.Proactive {
				typ = packet.TypeODATA
			}
			wire := f.enc.Append(nil, packet.Downstream(typ, testTSI, 7500), flowFirst, r.First+i)
			for _, rc := range f.rcv {
				if !rc.loss() {
					f.parity(rc, wire)
				}
			}
		}
		f.sent += n
		f.plan.Sent(r, n)
	}
}

// run sends all the data, closing groups early now and then, and returns where each packet went.
func (f *flow) run(pause int) map[packet.SQN]Original {
	sent := map[packet.SQN]Original{}
	get := func(s packet.SQN) Original { return sent[s] }
	for n, o := range f.data {
		s := f.plan.Next()
		if o.Fragment.Length > 0 {
			o.Fragment.First = s
		}
		sent[s] = o
		for _, rc := range f.rcv {
			if !rc.loss() {
				rc.take(s, o)
			}
		}
		f.plan.DataSent(1)
		if n == len(f.data)-1 || pause > 0 && n%pause == pause-1 {
			f.close()
		}
		f.owed(get)
	}
	return sent
}

func (f *flow) close() {
	if last, size, ok := f.plan.Close(); ok {
		for _, rc := range f.rcv {
			rc.groups.Learn(last, size) // by SPMs, of which each receiver hears one
		}
	}
}

func (f *flow) check(sent map[packet.SQN]Original) {
	f.t.Helper()
	for n, rc := range f.rcv {
		for s, o := range sent {
			if got, ok := rc.load(s, nil); !ok || !got.equal(o) {
				f.t.Fatalf("receiver %d: packet %v is %+v, %v; want %+v", n, s, got, ok, o)
			}
		}
		if rc.groups.Memory() != 0 {
			f.t.Errorf("receiver %d holds %d octets of parity", n, rc.groups.Memory())
		}
		for s := f.plan.Next() - 1; s != flowFirst-1; s-- {
			if need := rc.groups.Need(s); need != 0 {
				f.t.Fatalf("receiver %d needs %d for the group of %v", n, need, s)
			}
		}
	}
}

// Receivers that lose different packets are repaired by the same parity: with counts and nothing else, and each octet right.
func TestOnDemandParityRepairsEverybody(t *testing.T) {
	for _, c := range []Config{
		{Group: 16, OnDemand: true},
		{Group: 8, Proactive: 2, OnDemand: true},
		{Group: 4, Parity: 3, OnDemand: true}, // so few that their numbers repeat
	} {
		f := newFlow(t, c, 1000, 20, 0.1)
		sent := f.run(70)
		rounds := 0
		for asked := true; asked && rounds < 200; rounds++ {
			asked = false
			for s := flowFirst; s.Before(f.plan.Next()); s += packet.SQN(f.k) {
				for _, rc := range f.rcv {
					if need := rc.groups.Need(s); need > 0 {
						tg, count := f.k.Requested(f.k.Request(s, need))
						f.plan.Request(tg, count)
						asked = true
					}
				}
			}
			f.owed(func(s packet.SQN) Original { return sent[s] })
		}
		f.check(sent)
		t.Logf("%+v: %d parity packets for %d data packets and %d receivers that lose a tenth, in %d rounds", c, f.sent, len(f.data), len(f.rcv), rounds)
	}
}

// Where nobody can ask, the whole is sent again with other parity, until everybody has it.
func TestRoundsRepairEverybody(t *testing.T) {
	f := newFlow(t, Config{Group: 32, Proactive: 4}, 3000, 10, 0.2)
	sent := f.run(0)
	rounds := 1
	for missing := true; missing && rounds < 50; rounds++ {
		for tg := flowFirst; tg.Before(f.plan.Next()); tg += packet.SQN(f.k) {
			for i := range f.plan.SizeOf(tg) {
				s := tg + packet.SQN(i)
				for _, rc := range f.rcv {
					if !rc.loss() {
						rc.take(s, sent[s])
					}
				}
			}
			f.plan.Repeat(tg)
			f.owed(func(s packet.SQN) Original { return sent[s] })
		}
		missing = false
		for _, rc := range f.rcv {
			for s := range sent {
				missing = missing || !rc.Has(s)
			}
		}
	}
	f.check(sent)
	if rounds > 4 {
		t.Errorf("%d rounds, with a loss of a fifth", rounds)
	}
	t.Logf("%d rounds, %d parity packets for %d data packets", rounds, f.sent, len(f.data))
}

// Jobs run beside the loop that owns the Groups: a worker has a Decoder, and gets what it reads with the Job or by a Load of its own.
func TestJobsRunBesideTheLoop(t *testing.T) {
	const k, groups = Size(16), 200
	all := make([]Original, groups*int(k))
	for n := range all {
		all[n] = text(fmt.Sprint("packet number ", n*n))
	}
	r := receiver{has: make([]bool, len(all)), have: all}
	g := NewGroups(GroupsConfig{Size: k, Has: r.Has})
	jobs, done := make(chan *Job, 4), make(chan *Job, 4)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			d := NewDecoder(k)
			for j := range jobs {
				_ = d.Decode(j, nil) // Done sees the error
				done <- j
			}
		})
	}
	finish := func(j *Job) {
		for s, o := range j.Rebuilt() {
			if want := all[s]; !o.equal(want) {
				t.Errorf("packet %v is %q", s, o.TSDU)
			}
			r.has[s] = true
			g.Have(s)
		}
		g.Done(j)
	}
	e := NewEncoder(k, 100)
	running := 0
	for n := range groups {
		tg := packet.SQN(n * int(k))
		e.Begin(tg, int(k))
		for i := range int(k) {
			e.Set(i, all[int(tg)+i])
			r.has[int(tg)+i] = i%7 != 3
		}
		for index := range 2 {
			q, _, err := parse(k, e.Append(nil, packet.Downstream(packet.TypeODATA, testTSI, 7500), 0, index))
			if err != nil {
				t.Fatal(err)
			}
			g.Parity(&q)
		}
		for j := g.Next(); j != nil; j = g.Next() {
			if !j.Attach(r.load) {
				t.Fatal("not attached")
			}
			for sent := false; !sent; {
				select {
				case jobs <- j:
					sent = true
					running++
				case j := <-done:
					finish(j)
					running--
				}
			}
		}
	}
	for ; running > 0; running-- {
		finish(<-done)
	}
	close(jobs)
	workers.Wait()
	if s := g.Stats(); s.Decoded != groups || s.Rebuilt != 2*groups || g.Memory() != 0 || g.Open() != 0 {
		t.Errorf("%+v, %d octets, %d open", s, g.Memory(), g.Open())
	}
}
