package sim

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// crowd is the Sink of many receivers.
type crowd struct{ delivered int }

func (c *crowd) Data(receiver.Data) bool        { c.delivered++; return true }
func (c *crowd) Lost(packet.SQN, packet.SQN)    {}
func (c *crowd) End(receiver.End, packet.Reset) {}

// BenchmarkDelivery is the cost of a data packet at a receiver, engine included, and of a receiver in memory.
func BenchmarkDelivery(b *testing.B) {
	for _, receivers := range []int{20, 1000, 100_000} {
		b.Run(fmt.Sprint(receivers), func(b *testing.B) {
			if testing.Short() && receivers > 1000 {
				b.Skip("too many for -short")
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			x := newTrial(b, FromSeed(1))
			x.talk(Root, &Link{}, talk{packets: 1 << 30, rate: 1_000_000})
			x.net.Observe = nil
			c := &crowd{}
			accept := func(time.Time, *receiver.Session) receiver.Sink { return c }
			link := &Link{Delay: time.Millisecond, Loss: 0.0001}
			for range receivers {
				e, err := receiver.New(receiver.Config{Dest: Group.Port(), Group: Group, Window: 256, Rand: x.net.Rand(), Accept: accept})
				if err != nil {
					b.Fatal(err)
				}
				x.net.Start(x.net.Host(Root, link, link), e)
			}
			x.net.Run(10 * time.Millisecond)
			runtime.GC()
			runtime.ReadMemStats(&after)
			start := c.delivered
			b.ResetTimer()
			for c.delivered-start < b.N {
				x.net.Run(250 * time.Microsecond)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(c.delivered-start), "ns/delivery")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(receivers), "B/receiver")
		})
	}
}
