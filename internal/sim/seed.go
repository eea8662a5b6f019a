package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var seed = flag.Uint64("seed", 0, "the one seed to run simulations with; 0: those of the test")

// FromSeed returns the generator that a seed stands for.
func FromSeed(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x50474d)) }

// Rand returns a generator for a test: a new seed each time, which is printed if the test fails, or that of the flag -seed.
func Rand(t testing.TB) *rand.Rand {
	s := *seed
	for s == 0 {
		s = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: go test -run '^%s$' -seed %d", t.Name(), s)
		}
	})
	return FromSeed(s)
}

// Seeds runs f with the seeds 1..count, each as a test of its own, several at once: "go test -run Test/seed=17" runs one of them, and the
// flag -seed any other. When the race detector or the flag -short asks for patience or haste, it runs a twentieth of them.
func Seeds(t *testing.T, count int, f func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	run := func(s uint64) {
		t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
			t.Parallel()
			f(t, FromSeed(s))
		})
	}
	if *seed != 0 {
		run(*seed)
		return
	}
	if raceDetector || testing.Short() {
		count = max(1, count/20)
	}
	for s := range count {
		run(uint64(s) + 1)
	}
}
