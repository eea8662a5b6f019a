package transfer

import (
	"math/rand/v2"
	"testing"
)

func TestBlockSetAgreesWithAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []uint32{0, 1, 2, 63, 64, 65, 100, 10_000} {
		for _, share := range []float64{0, 0.01, 0.5, 0.99, 1} {
			s, want := newBlockSet(n), make(map[uint32]bool)
			const block = 100
			size := int64(n)*block - 30
			if n == 0 {
				size = 0
			}
			var octets int64
			for i := range n {
				if rng.Float64() < share {
					if !s.add(i) || s.add(i) {
						t.Fatalf("of %d blocks, %d is not added once", n, i)
					}
					want[i] = true
					octets += min(block, size-int64(i)*block)
				}
			}
			if s.add(n) {
				t.Errorf("of %d blocks, %d is added", n, n)
			}
			first := uint32(0)
			for want[first] {
				first++
			}
			if s.len() != uint32(len(want)) || s.full() != (uint32(len(want)) == n) || s.contiguous() != first {
				t.Errorf("of %d blocks: %d are in, contiguous to %d; want %d, %d", n, s.len(), s.contiguous(), len(want), first)
			}
			if got := s.octets(size, block); got != octets {
				t.Errorf("of %d blocks: %d octets, want %d", n, got, octets)
			}
			again := newBlockSet(n)
			if err := again.parse(s.append(nil)); err != nil {
				t.Fatal(err)
			}
			in, last := 0, int64(-2)
			again.runs(func(a, b uint32) {
				if int64(a) <= last+1 || b < a {
					t.Fatalf("run %d..%d after %d", a, b, last)
				}
				for i := a; i <= b; i++ {
					if !want[i] {
						t.Fatalf("block %d is in a run", i)
					}
					in++
				}
				last = int64(b)
			})
			if in != len(want) {
				t.Errorf("of %d blocks: %d in runs, want %d", n, in, len(want))
			}
			if n > 65 {
				if other := newBlockSet(n - 1); other.parse(s.append(nil)) == nil {
					t.Errorf("the set of %d blocks passes for one of %d", n, n-1)
				}
			}
		}
	}
}
