package source

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// endless is a Store that costs nothing, so that the engine is what is measured.
type endless struct{ next packet.SQN }

func (e *endless) Next() packet.SQN  { return e.next }
func (e *endless) Trail() packet.SQN { return 0 }
func (e *endless) Load(first packet.SQN, dst []TSDU) (int, error) {
	return len(dst), nil
}

// The engine alone, a batch of four runs at a time: SetBytes makes MB/s of it, which is a hundredth of 8 Gbit/s at 1000.
func BenchmarkPollTransmit(b *testing.B) {
	s, now := newSource(b, testConfig(&endless{next: packet.MaxWindow})), start
	batch := packet.NewBatch(1 << 18)
	octets := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if s.next > packet.MaxWindow-1<<16 {
			b.StopTimer()
			s = newSource(b, testConfig(&endless{next: packet.MaxWindow}))
			b.StartTimer()
		}
		now = now.Add(time.Microsecond)
		batch.Reset()
		s.PollTransmit(now, batch)
		octets += uint64(batch.Len())
	}
	b.ReportMetric(float64(octets)*8/1e9/b.Elapsed().Seconds(), "Gbit/s")
}

// A burst of 16 packets is asked for and repaired.
func BenchmarkRepair(b *testing.B) {
	store := &endless{next: 1000}
	s, now := newSource(b, testConfig(store)), start
	pollAll(b, s, now)
	batch := packet.NewBatch(1 << 18)
	wire := nakWire(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(10 * ms)
		if err := s.HandlePacket(now, testFrom, wire); err != nil {
			b.Fatal(err)
		}
		batch.Reset()
		s.PollTransmit(now, batch)
	}
	b.ReportMetric(float64(s.Stats().RDATA)/float64(b.N), "RDATA/op")
}

// A stream through Memory: written, sent, forgotten.
func BenchmarkMemory(b *testing.B) {
	m := NewMemory(MemoryConfig{MaxTSDU: testTSDU, Window: 4 << 20})
	s, now := newSource(b, testConfig(m)), start
	batch := packet.NewBatch(1 << 18)
	p := make([]byte, 64<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if n, err := m.Write(p); n < len(p) {
			b.Fatal(n, err)
		}
		for m.Backlog() > 0 {
			batch.Reset()
			s.PollTransmit(now, batch)
		}
	}
}

// The steady state allocates nothing, whatever is sent.
func TestTransmitDoesNotAllocate(t *testing.T) {
	batch := packet.NewBatch(1 << 18)
	now := start
	t.Run("data and repairs", func(t *testing.T) {
		f := &fake{next: 1 << 20}
		s := newSource(t, testConfig(f))
		wire := nakWire(3, 4, 9)
		if n := testing.AllocsPerRun(200, func() {
			now = now.Add(5 * ms)
			batch.Reset()
			if err := s.HandlePacket(now, testFrom, wire); err != nil {
				t.Fatal(err)
			}
			s.PollTransmit(now, batch)
		}); n != 0 {
			t.Errorf("%v allocations a batch", n)
		}
		if st := s.Stats(); st.RDATA < 500 || st.NCF < 150 || st.ODATA < 10000 {
			t.Errorf("too little was sent to say so: %+v", st)
		}
	})
	t.Run("stream", func(t *testing.T) {
		m := NewMemory(MemoryConfig{MaxTSDU: testTSDU, Window: 1 << 20})
		s := newSource(t, testConfig(m))
		p := make([]byte, 5000)
		round := func() {
			now = now.Add(ms)
			batch.Reset()
			if _, err := m.Write(p); err != nil {
				t.Fatal(err)
			}
			if err := m.WriteAPDU(p); err != nil {
				t.Fatal(err)
			}
			s.PollTransmit(now, batch)
		}
		for range 500 { // the window fills
			round()
		}
		if n := testing.AllocsPerRun(500, round); n != 0 {
			t.Errorf("%v allocations a batch", n)
		}
	})
}
