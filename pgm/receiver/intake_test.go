package receiver

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// reluctant is a Sink that takes so many packets.
type reluctant struct {
	recorder
	credit int
}

func (r *reluctant) Data(Data) bool {
	if r.credit == 0 {
		return false
	}
	r.credit--
	return true
}

// A source that finds its rate hears how fast the program reads when there is no room for what it does not, and that it does again; a pause for
// which there is room is nobody's business.
func TestSlowProgramLimitsTheSource(t *testing.T) {
	st := &stage{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	sink := &reluctant{recorder: recorder{out: &st.out}}
	c := Config{Self: testSelf, Overhead: 28, Window: 16, Dest: testDest, Group: testGroup, Rand: rand.New(rand.NewPCG(1, 2))}
	c.Accept = func(time.Time, *Session) Sink { return sink }
	var err error
	if st.r, err = New(c); err != nil {
		t.Fatal(err)
	}
	var next packet.SQN
	text := strings.Repeat("x", 1000)
	// play lets time pass, with a packet each millisecond and each of the last ones once more, and a program that reads every tenth.
	play := func(d time.Duration, sends bool, reads int) (limit uint32) {
		for i := range int(d / time.Millisecond) {
			st.now = st.now.Add(time.Millisecond)
			st.r.HandleTimeout(st.now)
			if sends {
				next++
				st.handle(dataPacket(packet.TypeODATA, next, 1, text, nil))
			}
			s := st.r.Session(testTSI)
			if i%10 == 9 {
				sink.credit += reads
				s.Resume(st.now)
				for n := s.order.next; n != s.order.next+16 && !n.After(next); n++ {
					st.handle(dataPacket(packet.TypeRDATA, n, 1, text, nil))
				}
			}
			if i%50 == 0 {
				st.spm++
				b := packet.NewBatch(1 << 16)
				p := spmPacket(spm.Packet{SQN: st.spm, Trail: 1, Lead: next, Path: testPath}, func(b []byte) []byte {
					b = congestion.Data{Timestamp: uint32(i), Acker: testSelf}.AppendTo(b)
					return congestion.Probe{Timestamp: uint32(st.now.Sub(st.t0) / time.Microsecond), Threshold: 1_000_000}.AppendTo(b)
				})
				if err := st.r.HandlePacket(st.now, testFrom, p); err != nil {
					t.Fatal(err)
				}
				st.r.PollTransmit(st.now, b)
				for _, m := range b.Messages {
					var h packet.Header
					var f congestion.Feedback
					if body, err := h.Parse(m.Data[:min(m.Size, len(m.Data))]); err == nil && congestion.IsACK(h.Type) && f.ParseACK(&h, body) == nil {
						limit = f.Reception.Limit
					}
				}
			}
		}
		return limit
	}
	play(time.Millisecond, true, 0) // which begins the session
	if got := play(10*time.Millisecond, true, 0); got != 0 {
		t.Errorf("a limit of %d though there is room", got)
	}
	if got := play(3*time.Second, true, 1); got < 90 || got > 100 { // 0.9 of 100 packets a second, of 1052 octets
		t.Errorf("a limit of %d kB/s, want 95", got)
	}
	if got := play(2*time.Second, true, 0); got != 1 {
		t.Errorf("a limit of %d kB/s though nothing is read, want the least", got)
	}
	if i := st.r.Session(testTSI); i.intake.limit == 0 {
		t.Error("the source is told nothing any more")
	}
	play(time.Second, false, 10000)
	if got := play(5*time.Second, false, 1); got != 0 {
		t.Errorf("a limit of %d kB/s though all is read", got)
	}
}

// A clock that is set back does not keep the source slow until it is as late again.
func TestIntakeSurvivesAClock(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var i intake
	i.crowd(now, true, false)
	if _, ok := i.crowd(now.Add(intakeSpan), true, false); !ok {
		t.Fatal("nothing is known after all of the time to measure")
	}
	now = now.Add(-time.Hour)
	for _, d := range []time.Duration{0, intakeRelief - 1} {
		if _, ok := i.relieve(now.Add(d), false, true); ok {
			t.Errorf("relieved after %v", d)
		}
	}
	if limit, ok := i.relieve(now.Add(intakeRelief), false, true); !ok || limit != 0 {
		t.Error("not relieved")
	}
}

// A limit goes by steps while the program waits for more, stays where it is while it does not, and goes once it is far above what comes, unless that is
// little because something is missing; what fills half of the window again shows what the program takes.
func TestIntakeIsRelievedBySteps(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var i intake
	i.crowd(now, true, false)
	i.took(1000)
	if limit, _ := i.crowd(now.Add(intakeSpan), true, false); limit != 1800 {
		t.Fatalf("a limit of %d, want nine tenths of 2000", limit)
	}
	now = now.Add(intakeRelief)
	for n, c := range []struct {
		took             int
		starved, blocked bool
		empty            bool
		want             int // 0: nothing new
	}{
		{2500, false, true, false, 0},
		{800, true, false, true, 3600},
		{1000, false, true, true, 0},
		{1000, true, true, true, 7200},
		{500, true, false, false, 0},
	} {
		now = now.Add(intakeSpan)
		i.took(c.took)
		i.starved = c.starved
		if limit, ok := i.relieve(now, c.blocked, c.empty); ok != (c.want > 0) || limit != c.want {
			t.Errorf("step %d: a limit of %d, %v, want %d", n, limit, ok, c.want)
		}
		if _, ok := i.relieve(now.Add(intakeSpan-1), c.blocked, c.empty); ok {
			t.Errorf("step %d: relieved twice", n)
		}
	}
	crowded := i
	crowded.took(1500)
	if limit, ok := crowded.crowd(now.Add(intakeSpan), true, true); !ok || limit != 1800 { // of 500 and 1500 in two spans
		t.Errorf("a limit of %d, %v in a crowd, want nine tenths of 2000", limit, ok)
	}
	i.took(500)
	i.starved = true
	if limit, ok := i.relieve(now.Add(intakeSpan), false, true); !ok || limit != 0 {
		t.Errorf("a limit of %d, %v, want none", limit, ok)
	}
}

// A program that waits for what is missing does not have its limit raised for that, over and over.
func TestIntakeKnowsWhatALimitIsFor(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	i := intake{since: now, told: now, full: now, limit: 10000, starved: true}
	i.took(1000)
	if limit, _ := i.crowd(now.Add(intakeSpan), false, false); limit != 10000 {
		t.Errorf("a limit of %d after 2000 came, want 10000 still", limit)
	}
}

// What a program takes while it waits for what is missing says nothing about how fast it reads.
func TestIntakeDoesNotCountGaps(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var i intake
	i.crowd(now, true, false)
	i.took(10)
	i.starved = true
	if limit, ok := i.crowd(now.Add(intakeSpan), true, false); ok {
		t.Errorf("a limit of %d", limit)
	}
	i.took(1000)
	if limit, ok := i.crowd(now.Add(2*intakeSpan), true, false); !ok || limit != 1800 {
		t.Errorf("a limit of %d, %v, want nine tenths of 2000", limit, ok)
	}
}

// A session that ends while its program is slow has one thing left to say: that it leaves.
func TestCrowdedSessionEnds(t *testing.T) {
	st := &stage{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	c := Config{Self: testSelf, Overhead: 28, Window: 16, Dest: testDest, Group: testGroup, Rand: rand.New(rand.NewPCG(1, 2))}
	c.Accept = func(time.Time, *Session) Sink { return &reluctant{recorder: recorder{out: &st.out}} }
	var err error
	if st.r, err = New(c); err != nil {
		t.Fatal(err)
	}
	p := spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, func(b []byte) []byte {
		return congestion.Probe{Threshold: 1_000_000}.AppendTo(congestion.Data{Acker: testSelf}.AppendTo(b))
	})
	if err := st.r.HandlePacket(st.now, testFrom, p); err != nil {
		t.Fatal(err)
	}
	for n := range packet.SQN(16) {
		st.handle(dataPacket(packet.TypeODATA, n+1, 1, "x", nil))
	}
	s := st.r.Session(testTSI)
	if s == nil || s.intake.limit == 0 {
		t.Fatal("the source is not told that there is no room")
	}
	s.Close()
	st.handle(dataPacket(packet.TypeODATA, 17, 1, "x", nil)) // whose session is over, and has nothing any more
	st.r.HandleTimeout(st.now)
	st.r.PollTransmit(st.now, packet.NewBatch(1<<16))
}
