package receiver

import (
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// What a Sink said to have is not asked for; what it takes back is, though nothing more arrives that would tell of a gap.
func TestWhatTheSinkTakesBackIsAskedFor(t *testing.T) {
	st := newStage(t, Config{}, true)
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	st.handle(dataPacket(packet.TypeODATA, 1, 1, "x", nil))
	s := st.r.Session(testTSI)
	s.Have(2, 5)
	st.handle(dataPacket(packet.TypeODATA, 6, 1, "x", nil))
	asked := func() (list []packet.SQN) {
		for range 100 {
			st.now = st.now.Add(time.Millisecond)
			st.r.HandleTimeout(st.now)
			b := packet.NewBatch(1 << 16)
			st.r.PollTransmit(st.now, b)
			for _, m := range b.Messages {
				for p := m.Data; len(p) > 0; p = p[min(m.Size, len(p)):] {
					var h packet.Header
					body, err := h.Parse(p[:min(m.Size, len(p))])
					if err != nil || h.Type != packet.TypeNAK {
						continue
					}
					var room [nak.MaxList]packet.SQN
					n := nak.Packet{List: room[:0]}
					if _, err := n.Parse(&h, body); err != nil {
						t.Fatal(err)
					}
					list = slices.AppendSeq(list, n.All())
				}
			}
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	if got := asked(); len(got) != 0 {
		t.Errorf("asked for %v, which the Sink has", got)
	}
	s.Want(3, 4)
	if got := asked(); !slices.Equal(got, []packet.SQN{3, 4}) {
		t.Errorf("asked for %v, want 3 and 4", got)
	}
}
