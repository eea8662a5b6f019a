package netio

import (
	"fmt"
	"testing"
)

// Each turn sends 44 datagrams of 1400 bytes over loopback multicast and receives them: the cost of
// both sides together.
func BenchmarkLoopback(b *testing.B) {
	for _, offload := range []bool{true, false} {
		b.Run(fmt.Sprintf("offload=%v", offload), func(b *testing.B) {
			s, r := open(b, Config{NoOffload: !offload}), open(b, Config{Receive: true, NoOffload: !offload})
			benchmarkConns(b, s, r, false)
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	m := NewMemory()
	benchmarkConns(b, m.Open(Config{Group: memoryGroup}, addr(1)), m.Open(Config{Group: memoryGroup, Receive: true}, addr(2)), false)
}

func benchmarkConns(b *testing.B, s, r Conn, alert bool) {
	const n, size = 44, 1400
	msgs := []Message{{To: s.Group(), Alert: alert, SegmentSize: size, Data: make([]byte, n*size)}}
	pool, reader := NewPool(4), r.Readers()[1]
	b.SetBytes(n * size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.WriteBatch(msgs); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < n; {
			batch, err := pool.Get(nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := reader.ReadBatch(batch); err != nil {
				b.Fatal(err)
			}
			got += len(batch.Datagrams)
			batch.Release()
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "datagrams/s")
	st := r.Stats()
	b.ReportMetric(float64(st.ReadDatagrams)/float64(st.Reads), "datagrams/read")
}
