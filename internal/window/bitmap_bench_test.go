package window

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// steady moves a window of a million packets by n: 1 % come late, at a random point of the window.
func steady(b *Bitmap, lead packet.SQN, late []packet.SQN, n int) packet.SQN {
	for range n {
		lead++
		if lead%100 == 0 {
			i := int(lead/100) % len(late)
			b.Add(late[i])
			late[i] = lead
		} else {
			b.Add(lead)
		}
		b.Advance(lead - 1_000_000)
	}
	return lead
}

func newSteady() (b *Bitmap, lead packet.SQN, late []packet.SQN) {
	b = NewBitmap(0, 2_000_000)
	late = slices.Repeat([]packet.SQN{0}, 300) // comes 30,000 packets later
	return b, steady(b, 0, late, 2_100_000), late
}

func TestBitmapAllocatesNothingInTheSteadyState(t *testing.T) {
	b, lead, late := newSteady()
	if got := testing.AllocsPerRun(5, func() {
		lead = steady(b, lead, late, 300_000)
		b.Contiguous()
	}); got != 0 {
		t.Errorf("%v allocations for 300,000 packets, want 0", got)
	}
}

func BenchmarkBitmapAdd(bench *testing.B) {
	b, lead, late := newSteady()
	bench.ReportAllocs()
	bench.ResetTimer()
	steady(b, lead, late, bench.N)
}

func BenchmarkBitmapHas(bench *testing.B) {
	b, lead, _ := newSteady()
	bench.ReportAllocs()
	var n int
	for i := 0; bench.Loop(); i++ {
		if b.Has(lead - packet.SQN(i*4099%1_000_000)) {
			n++
		}
	}
}

// The whole of 14 million packets is searched, 1 in some missing: time for each one that is found.
func BenchmarkBitmapNextMissing(bench *testing.B) {
	for _, every := range []int{100, 10_000, 1_000_000} {
		bench.Run(fmt.Sprintf("1in%d", every), func(bench *testing.B) {
			const packets = 14_000_000
			b := newFull(5, packets, packets)
			for i := every - 1; i < packets; i += every {
				b.Remove(5 + packet.SQN(i))
			}
			bench.ReportAllocs()
			s := b.Trail()
			for bench.Loop() {
				var ok bool
				if s, ok = b.NextMissing(s, 5+packets-1); !ok {
					s = b.Trail()
				} else {
					s++
				}
			}
		})
	}
}
