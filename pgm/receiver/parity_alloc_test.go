package receiver

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// beside is the Sink of an unordered session whose groups are decoded on another goroutine, from what it has kept, as files are.
type beside struct {
	session *Session
	kept    [64][]byte // of packet n at n modulo their number
	jobs    chan *fec.Job
	done    chan *fec.Job
	under   int // jobs that are not back yet
}

func newBeside(t *testing.T) *beside {
	b := &beside{jobs: make(chan *fec.Job, 4), done: make(chan *fec.Job, 4)}
	for i := range b.kept {
		b.kept[i] = make([]byte, 0, 2048)
	}
	go func() {
		d := fec.NewDecoder(testK)
		for j := range b.jobs {
			_ = d.Decode(j, b.load) // the Job has it
			b.done <- j
		}
	}()
	t.Cleanup(func() { close(b.jobs) })
	return b
}

func (b *beside) load(n packet.SQN, room []byte) (fec.Original, bool) {
	return fec.Original{TSDU: room[:copy(room, b.kept[n%64])]}, true
}

func (b *beside) Data(d Data) bool {
	b.kept[d.SQN%64] = append(b.kept[d.SQN%64][:0], d.TSDU...)
	return true
}

func (*beside) Lost(_, _ packet.SQN)  {}
func (*beside) End(End, packet.Reset) {}

func (b *beside) Decode(j *fec.Job) bool {
	if j != nil {
		b.under++
		b.jobs <- j
	}
	return true
}

// settle waits for the jobs, and gives them back.
func (b *beside) settle(now time.Time) {
	for ; b.under > 0; b.under-- {
		b.session.Decoded(now, <-b.done)
	}
}

// Where parity is on, neither data, nor parity that is not needed, nor parity that brings back what is missing allocates: in order and at once, or
// as it comes and decoded beside the loop.
func TestReceiveAllocatesNothingForParity(t *testing.T) {
	const size = 300
	for _, c := range []struct {
		name      string
		unordered bool
		lost      int // packets of each group, from the second on
	}{
		{"in order, nothing is missing", false, 0},
		{"in order, a packet of each group is", false, 1},
		{"as it comes, nothing is missing", true, 0},
		{"as it comes, a packet of each group is", true, 1},
		{"as it comes, three of each group are", true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newParityStage(t, Config{})
			side := newBeside(t)
			st.r.c.Accept = func(_ time.Time, s *Session) Sink {
				if side.session = s; c.unordered {
					s.Unordered()
					return side
				}
				return discard{}
			}
			st.begin(fec.Params{Group: testK, Proactive: true, OnDemand: true})
			var packets [][]byte
			e := fec.NewEncoder(testK, size)
			e.Begin(0, int(testK))
			for i := range int(testK) {
				tsdu := make([]byte, size)
				tsdu[0] = byte(i)
				e.Set(i, fec.Original{TSDU: tsdu})
				packets = append(packets, dataPacket(packet.TypeODATA, packet.SQN(i), 0, string(tsdu), nil))
			}
			for j := range max(c.lost, 1) {
				packets = append(packets, e.Append(nil, packet.Downstream(packet.TypeODATA, testTSI, testDest), 0, j))
			}
			tg := packet.SQN(0)
			group := func() {
				for i, p := range packets {
					if 1 <= i && i <= c.lost {
						continue
					}
					renumber(p, tg+packet.SQN(i%int(testK)))
					if err := st.r.HandlePacket(st.now, testFrom, p); err != nil {
						t.Fatal(err)
					}
				}
				side.settle(st.now)
				tg += packet.SQN(testK)
			}
			runs := 2000 // an ordered session holds a window of some thousand packets, each in memory of its own
			if c.unordered {
				runs = 100
			}
			for range runs {
				group()
			}
			if got := testing.AllocsPerRun(runs, group); got != 0 {
				t.Errorf("%v allocations for each group of %d packets", got, testK)
			}
			stats, groups := st.r.Stats(), uint64(tg)/uint64(testK)
			if stats.Delivered != groups*uint64(testK) || stats.Rebuilt != groups*uint64(c.lost) {
				t.Errorf("%d packets delivered, %d of them rebuilt, of %d groups", stats.Delivered, stats.Rebuilt, groups)
			}
			for i := range int(testK) {
				if k := side.kept[(uint32(tg)-8+uint32(i))%64]; c.unordered && (len(k) != size || k[0] != byte(i)) {
					t.Errorf("packet %d of the last group is not what was sent", i)
				}
			}
		})
	}
}
