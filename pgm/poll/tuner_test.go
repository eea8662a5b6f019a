package poll

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// shared plays losses that n children share, and returns the interval that the parent comes to, in the mean over the second half,
// and how many NAKs it then gets for each loss. A child that has not sent its NAK by the time that the NCF for another's
// reaches it, half a round trip to the parent and half back, is silent [6.3-09].
func shared(rng *rand.Rand, n, losses int, roundTrip time.Duration) (interval time.Duration, naks float64) {
	t := NewTuner(TunerConfig{DupMax: -1})
	children := NewBackOff(0, Range{})
	now, sum, count := start, 0.0, 0
	for i := range losses {
		backoff := make([]time.Duration, n)
		for k := range backoff {
			backoff[k] = 1 + time.Duration(rng.Int64N(int64(children.Interval())))
		}
		slices.Sort(backoff)
		for k, d := range backoff {
			if k > 0 && d > backoff[0]+roundTrip {
				break
			}
			t.Heard(now.Add(d+roundTrip/2), packet.SQN(i), nil)
			if i >= losses/2 {
				count++
			}
		}
		now = now.Add(time.Second)
		children.Advertised(t.Advert(now))
		if i >= losses/2 {
			sum += float64(children.Interval())
		}
	}
	half := float64(losses - losses/2)
	return time.Duration(sum / half), float64(count) / half
}

// The interval finds its place for any number of children: the minimum for one, more for more, and few duplicates for all that the
// maximum has room for [15.2.1-02].
func TestTuningSuitsThePopulation(t *testing.T) {
	const roundTrip = 200 * time.Microsecond
	last := time.Duration(0)
	for _, n := range []int{1, 3, 10, 30, 100, 300} {
		interval, naks := shared(newRand(), n, 4000, roundTrip)
		t.Logf("%4d children: NAK_BO_IVL %v, %.2f NAKs for a loss", n, interval, naks)
		if n == 1 && (interval > DefaultBackOffMin*6/5 || naks != 1) {
			t.Errorf("one child: NAK_BO_IVL %v, %.2f NAKs", interval, naks)
		}
		if interval < last {
			t.Errorf("%d children: NAK_BO_IVL %v, fewer have %v", n, interval, last)
		}
		if naks > 1.6 {
			t.Errorf("%d children: %.2f NAKs for a loss, NAK_BO_IVL %v", n, naks, interval)
		}
		last = interval
	}
}

// A NAK list with a number twice does not duplicate itself.
func TestListDoesNotDuplicateItself(t *testing.T) {
	tuner := NewTuner(TunerConfig{})
	tuner.Heard(start, 5, []packet.SQN{5, 5, 6, 6})
	if s := tuner.Stats(); s.Duplicates != 0 || s.Repairs != 2 || tuner.Advert(start).BackOff != DefaultBackOff {
		t.Errorf("%+v", s)
	}
	tuner.Heard(start, 6, []packet.SQN{7})
	if s := tuner.Stats(); s.Duplicates != 1 || s.Repairs != 3 || tuner.Advert(start).BackOff != 2*DefaultBackOff {
		t.Errorf("%+v", s)
	}
}

// A duplicate has the count of clean measurements begin anew, and its own is none of them.
func TestDuplicateEndsTheCleanRun(t *testing.T) {
	tuner := NewTuner(TunerConfig{Default: 100 * ms, Probe: 3}) // at the maximum: nothing can be raised
	now := start
	for i := range packet.SQN(100) {
		now = now.Add(25 * ms)
		tuner.Heard(now, i, nil)
		if i%3 == 2 {
			tuner.Heard(now, i, nil)
		}
	}
	if tuner.Advert(now.Add(time.Second)); tuner.Stats().Lowered != 0 {
		t.Errorf("%+v: never three in a row were clean", tuner.Stats())
	}
}

// More NAKs within Life than the tuner has memory for, of more packets: it goes on, and judges early.
func TestTunerIsBounded(t *testing.T) {
	tuner := NewTuner(TunerConfig{Default: 100 * ms, Life: time.Hour})
	for i := range packet.SQN(3*repairCount + 5) {
		tuner.Heard(start, i, nil)
	}
	s := tuner.Stats()
	if s.Duplicates != 0 || s.Lowered == 0 || tuner.next-tuner.first > measureCount || len(tuner.repairs) != repairCount {
		t.Errorf("%+v, %d measures", s, tuner.next-tuner.first)
	}
}

// Idle time halves nothing: measurements do [15.2.1-02].
func TestIdleDoesNotLower(t *testing.T) {
	tuner := NewTuner(TunerConfig{})
	for i := range packet.SQN(DefaultProbe - 1) {
		tuner.Heard(start, i, nil)
	}
	if got := tuner.Advert(start.Add(time.Hour)).BackOff; got != DefaultBackOff {
		t.Errorf("NAK_BO_IVL is %v after one measurement too few", got)
	}
	tuner.Heard(start.Add(time.Hour), 1000, nil)
	if got := tuner.Advert(start.Add(time.Hour + DefaultLife)).BackOff; got != DefaultBackOff/2 {
		t.Errorf("NAK_BO_IVL is %v after NAK_PROBE_NUM measurements", got)
	}
}

// From the default on, the interval stays within its limits, whatever is asked for and counted; failures are told once.
func FuzzTuner(f *testing.F) {
	f.Add([]byte{1, 1, 1, 0x81, 1, 0x41, 9, 0xc1}, false)
	f.Fuzz(func(t *testing.T, ops []byte, polled bool) {
		tuner, now := NewTuner(TunerConfig{Polled: polled, DupMax: 3}), start
		limits := tuner.Range()
		for i, op := range ops {
			arg := packet.SQN(op & 0x3f)
			switch op >> 6 {
			case 0:
				before := tuner.Unicast(now)
				if failed := tuner.Heard(now, arg, nil); failed == before && failed || failed && !tuner.Unicast(now) {
					t.Fatal("a failure is told that was known, or is none")
				}
			case 1:
				tuner.Heard(now, arg, []packet.SQN{arg + 1, arg, arg * 4096})
			case 2:
				now = now.Add(time.Duration(arg) * ms)
			case 3:
				tuner.Polled(now, Result{SQN: packet.SQN(i), Population: int(math.Ldexp(1, int(arg)-1))})
			}
			a := tuner.Advert(now)
			if a.BackOff < limits.Min || a.BackOff > limits.Max || !polled && a.SQN != 0 {
				t.Fatalf("%+v is advertised", a)
			}
		}
	})
}

func TestTunerConfigCheck(t *testing.T) {
	if err := (TunerConfig{}).Check(); err != nil {
		t.Error(err)
	}
	if err := (TunerConfig{Default: time.Second}).Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []TunerConfig{
		{Default: -1}, {Min: -1}, {Max: -1}, {Default: ms, Min: 2 * ms}, {Default: 2 * ms, Max: ms}, {Max: time.Hour},
		{Probe: -1}, {Life: -1}, {PerChild: -1}, {Hold: -1},
	} {
		if c.Check() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
