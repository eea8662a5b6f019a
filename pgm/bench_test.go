package pgm

import (
	"fmt"
	"io"
	"testing"
)

// benchmarkConfig keeps whole what a busy machine holds up for a while.
var benchmarkConfig = Config{Rate: 2_000_000_000, Window: 256 << 20, ReadBuffer: 16 << 20}

// BenchmarkStream sends a stream over loopback, at no more than 2 Gbit/s.
func BenchmarkStream(b *testing.B) {
	for _, mtu := range []int{1500, 9000} {
		b.Run(fmt.Sprintf("mtu=%d", mtu), func(b *testing.B) {
			c := benchmarkConfig
			c.MTU = mtu
			out, in, l, err := half(c, c, loopback())
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			defer in.Close()
			defer out.writer.sender.CloseNow()
			const block = 64 << 10
			b.SetBytes(block)
			b.ReportAllocs()
			done := make(chan error)
			go func() {
				_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{in}, make([]byte, 256<<10))
				done <- err
			}()
			p := make([]byte, block)
			for b.Loop() {
				if _, err := out.Write(p); err != nil {
					b.Fatal(err)
				}
			}
			out.Close()
			if err := <-done; err != nil {
				b.Fatalf("%v\n%+v\n%+v", err, l.Stats(), out.Stats())
			}
			report(b, l.Stats())
		})
	}
}

// BenchmarkMessages sends messages over loopback, a packet each, at no more than 2 Gbit/s.
func BenchmarkMessages(b *testing.B) {
	for _, size := range []int{64, 1000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			endpoint := loopback()
			var bus [2]*PacketConn
			for i := range bus {
				p, err := (&ListenConfig{Config: benchmarkConfig}).ListenPacket(b.Context(), "epgm", endpoint)
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				bus[i] = p
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			done := make(chan error)
			n := 0
			go func() {
				buf := make([]byte, 2000)
				for i := 0; ; i++ {
					k, _, err := bus[1].ReadFrom(buf)
					if err != nil || k == 1 { // the last
						n = i
						done <- err
						return
					}
				}
			}()
			p := make([]byte, size)
			for b.Loop() {
				if _, err := bus[0].Write(p); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := bus[0].Write([]byte{0}); err != nil {
				b.Fatal(err)
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(b.N-n), "lost") // on a machine too busy to keep up
			report(b, bus[1].ReceiverStats())
		})
	}
}

func report(b *testing.B, s ReceiverStats) {
	b.ReportMetric(float64(s.Missed), "missed")
	b.ReportMetric(float64(s.Socket.ReadDatagrams)/float64(s.Socket.Reads), "datagrams/read")
}
