package conformance

import (
	"bytes"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/sim"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// keeper has what an ear took, for parity to be decoded from.
type keeper struct {
	session *receiver.Session
	decoder *fec.Decoder
	now     func() time.Time
	data    map[packet.SQN]fec.Original
}

func newKeeper(s *receiver.Session, c fec.Config, now func() time.Time) *keeper {
	return &keeper{session: s, decoder: fec.NewDecoder(fec.Size(c.Group)), now: now, data: map[packet.SQN]fec.Original{}}
}

func (k *keeper) keep(d receiver.Data) {
	if k != nil {
		k.data[d.SQN] = fec.Original{TSDU: append(make([]byte, 0, len(d.TSDU)+1), d.TSDU...), Fragment: d.Fragment}
	}
}

// Decode decodes at once.
func (e *ear) Decode(j *fec.Job) bool {
	if j == nil || e.parity == nil {
		return e.parity != nil
	}
	_ = e.parity.decoder.Decode(j, func(n packet.SQN, room []byte) (fec.Original, bool) {
		o, ok := e.parity.data[n]
		if ok {
			o.TSDU = room[:copy(room, o.TSDU)]
		}
		return o, ok
	})
	e.parity.session.Decoded(e.parity.now(), j)
	return true
}

// parityTalk has messages of several lengths, fragments, and pauses in which groups end early.
func parityTalk(s *scene) {
	s.crowd(4, sim.Link{Loss: 0.05, Repeat: 0.01, Reorder: 0.01})
	s.write(300, 150)
	s.after(500*ms, func(s *scene) {
		s.write(5, 170)
		s.write(10, 900)
		for i := range 20 {
			if err := s.memory.WriteAPDU(bytes.Repeat([]byte{byte(i)}, 20+i)); err != nil {
				s.t.Fatal(err)
			}
		}
		s.source.Wake(s.net.Now())
		s.net.Wake(s.host)
	})
	s.after(2*time.Second, func(s *scene) { s.write(100, 150); s.close() })
}
