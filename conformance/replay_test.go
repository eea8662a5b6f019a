package conformance

import (
	"bytes"
	"io"
	"maps"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// reel returns the packets one after the other.
func reel(all []pcap.Packet) func(*pcap.Packet) error {
	return func(p *pcap.Packet) error {
		if len(all) == 0 {
			return io.EOF
		}
		*p, all = all[0], all[1:]
		return nil
	}
}

// replayed returns what sink is delivered of a capture.
func replayed(t *testing.T, all []pcap.Packet, accept func(*receiver.Session) receiver.Sink) *Replay {
	t.Helper()
	r := NewReplay(ReplayConfig{Accept: accept})
	if err := r.Run(reel(all)); err != nil {
		t.Fatal(err)
	}
	return r
}

// From what a receiver had, in whatever order and with whatever losses, the replay delivers what the receiver delivered.
func TestReplayDeliversWhatTheReceiverDid(t *testing.T) {
	for _, c := range scenarios {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c)
			c.play(s)
			s.net.Run(30 * time.Second)
			live := s.ears[len(s.ears)-1]
			again := &ear{unordered: live.unordered, got: map[packet.SQN]bool{}}
			replayed(t, s.view, func(x *receiver.Session) receiver.Sink {
				if c.fec.Enabled() {
					again.parity = newKeeper(x, c.fec, func() time.Time { return s.view[0].Time })
				}
				if again.unordered {
					x.Unordered()
				}
				return again
			})
			if !maps.Equal(again.got, live.got) || again.lost != live.lost || !again.ended || again.why != live.why {
				t.Errorf("%d packets, %d lost, ended %v, %v; live it was %d, %d, %v, %v", len(again.got), again.lost, again.ended, again.why,
					len(live.got), live.lost, live.ended, live.why)
			}
		})
	}
}

// Time is that of the capture, and does not go back: a session ends by its silence there, however fast it is read.
func TestReplayTakesTheTimeOfTheCapture(t *testing.T) {
	var ends []receiver.End
	all := story("0 spm 0 1..0\n1 odata 1\n5 odata 2\n20000 odata 3\n60000 odata 4").draw(t)
	all[2].Time = all[0].Time.Add(-time.Hour)
	r := replayed(t, all, func(*receiver.Session) receiver.Sink { return &farewell{ends: &ends} })
	if len(ends) != 2 || ends[0] != receiver.Expired || ends[1] != receiver.Closed || r.Stats().Sessions != 2 {
		t.Errorf("sessions ended so: %v; %d were heard", ends, r.Stats().Sessions)
	}
}

// farewell is a Sink that notes how sessions end.
type farewell struct {
	ends *[]receiver.End
	at   []byte // what was delivered with the last batch
	kept []pgm.Lease
}

func (e *farewell) Data(d receiver.Data) bool            { e.at = d.TSDU; return true }
func (e *farewell) Lost(first, last packet.SQN)          {}
func (e *farewell) End(why receiver.End, _ packet.Reset) { *e.ends = append(*e.ends, why) }

// leaser is a farewell that keeps the memory of each batch until the next.
type leaser struct {
	farewell
	t    *testing.T
	want []byte
}

func (l *leaser) Flush(lease pgm.Lease) {
	for _, k := range l.kept {
		if !bytes.Equal(l.at, l.want) {
			l.t.Error("memory was used again while it was held")
		}
		k.Release()
	}
	lease.Retain()
	l.want, l.kept = bytes.Clone(l.at), []pgm.Lease{lease}
}

// A sink that holds what it was delivered holds up the replay, and its memory stays as it is.
func TestReplayLeases(t *testing.T) {
	var ends []receiver.End
	l := &leaser{farewell: farewell{ends: &ends}, t: t}
	r := NewReplay(ReplayConfig{Accept: func(s *receiver.Session) receiver.Sink {
		s.Unordered()
		return l
	}})
	if err := r.Run(transfer(t, 20_000, 1000)); err != nil || len(ends) != 1 || r.Stats().ODATA < 19_000 {
		t.Errorf("%v, %v, %d packets", err, ends, r.Stats().ODATA)
	}
}

// Close ends a replay that waits for what is to come, and commands are called until then.
func TestReplayIsClosed(t *testing.T) {
	var ends []receiver.End
	r := NewReplay(ReplayConfig{Accept: func(*receiver.Session) receiver.Sink { return &farewell{ends: &ends} }})
	more := transfer(t, 2000, 1000)
	came, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	n := 0
	go r.Run(func(p *pcap.Packet) error {
		if n++; n == 1500 {
			close(came)
			<-never
		}
		return more(p)
	})
	<-came
	called := make(chan struct{})
	r.Do(func() { close(called) })
	r.Close()
	<-called
	if len(ends) != 1 || ends[0] != receiver.Closed || r.Do(func() {}) {
		t.Errorf("%v; or a command was taken after the end", ends)
	}
}

// What is not for receivers who ask for nothing, and what was cut, is not delivered to them.
func TestReplayHeedsWhatReceiversDo(t *testing.T) {
	all := story("0 spm 0 1..0\n1 odata 1\n2 nak 1\n3 ncf 1\n4 rdata 1\n5 spmr\n6 odata 2 to 10.0.0.9\n7 odata 3\n8 spm 1 1..3 fin").draw(t)
	all[7].Data, all[7].Truncated = all[7].Data[:20], true
	e := &ear{got: map[packet.SQN]bool{}}
	r := replayed(t, all, func(*receiver.Session) receiver.Sink { return e })
	if s := r.Stats(); len(e.got) != 1 || e.lost != 2 || e.why != receiver.Finished || s.NAKs+s.SPMRs+s.NCFs > 0 || s.Outside != 1 {
		t.Errorf("%v, %d lost, %v; %+v", e.got, e.lost, e.why, s)
	}
}

// Sessions that all wait for something do not together hold more than so much: the one that holds most waits no longer.
func TestReplayHoldsNoMoreThanSoMuch(t *testing.T) {
	held := map[packet.TSI]*ear{}
	var sessions []*receiver.Session
	r := NewReplay(ReplayConfig{Accept: func(s *receiver.Session) receiver.Sink {
		e := &ear{got: map[packet.SQN]bool{}}
		held[s.TSI()] = e
		sessions = append(sessions, s)
		return e
	}})
	data := packet.Data{Trail: 1, TSDU: []byte("data")}
	n := 0
	most := 0
	err := r.Run(flood(200_000, func(i int, p *pcap.Packet) {
		h := packet.Downstream(packet.TypeODATA, packet.TSI{GSI: packet.GSI{1, byte(i % 8)}, Port: 1}, udpPort)
		h.TSDULength = 4
		if data.SQN = packet.SQN(i / 8); data.SQN > 0 { // 1 is missing
			data.SQN++
		}
		data.SQN++
		p.Data = data.Append(h.Append(p.Data[:0]))
		packet.Seal(p.Data)
		if n++; n%1000 == 0 {
			r.Do(func() {
				sum := 0
				for _, s := range sessions {
					sum += s.Held()
				}
				most = max(most, sum)
			})
		}
	}))
	if err != nil || most > replayHeld || most < replayHeld/2 {
		t.Errorf("%v; %d packets were held, want up to %d", err, most, replayHeld)
	}
	for tsi, e := range held {
		if len(e.got) != 25_000 || e.lost != 1 {
			t.Errorf("session %v: %d packets, %d lost", tsi, len(e.got), e.lost)
		}
	}
}

// Of very many sessions at once, a bounded number is delivered, and that there were more is told.
func TestReplayDeliversNoMoreSessionsThanSoMany(t *testing.T) {
	accepted := 0
	r := NewReplay(ReplayConfig{Accept: func(*receiver.Session) receiver.Sink {
		accepted++
		return &ear{got: map[packet.SQN]bool{}}
	}})
	data := packet.Data{SQN: 1, Trail: 1}
	err := r.Run(flood(1000, func(i int, p *pcap.Packet) {
		h := packet.Downstream(packet.TypeODATA, packet.TSI{GSI: packet.GSI{1, byte(i / 256), byte(i)}, Port: 1}, uint16(7000+i%20))
		p.Data = data.Append(h.Append(p.Data[:0]))
		packet.Seal(p.Data)
	}))
	if err != nil || accepted != replaySessions || r.Stats().Refused == 0 {
		t.Errorf("%v; %d sessions were accepted, want %d; %d refused", err, accepted, replaySessions, r.Stats().Refused)
	}
}
