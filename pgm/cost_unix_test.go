//go:build unix

package pgm

import (
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// In the steady state neither end allocates for a packet, whatever else the process does.
func TestPacketsAllocateNothing(t *testing.T) {
	c := Config{Rate: 1_000_000_000, MTU: 1500}
	out, in, l, err := half(c, c, loopback())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer in.Close()
	defer out.writer.sender.CloseNow()
	const block = 64 << 10
	p, q := make([]byte, block), make([]byte, block)
	measure := func(blocks int) float64 {
		var before, after runtime.MemStats
		packets := l.Stats().ODATA
		runtime.ReadMemStats(&before)
		for range blocks {
			if _, err := out.Write(p); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(in, q); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		time.Sleep(2 * statsEvery)
		return float64(after.Mallocs-before.Mallocs) / float64(l.Stats().ODATA-packets)
	}
	measure(700) // more than the transmit window: all memory that will be used again is there
	var got float64
	for range 3 { // looking after the interface costs some, and the process has other goroutines
		if got = measure(300); got < 0.05 {
			return
		}
	}
	t.Errorf("%.3f allocations a packet; want none", got)
}

// A session that has nothing to do does next to nothing: it sleeps, and does not poll.
func TestIdleSessionsSleep(t *testing.T) {
	out, in, l, err := half(Config{}, Config{}, loopback())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer in.Close()
	defer out.writer.sender.CloseNow()
	time.Sleep(100 * time.Millisecond) // until the heartbeats are rare
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Skip("the system does not tell how much it worked: ", err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	time.Sleep(time.Second)
	if got := used() - before; got > 100*time.Millisecond {
		t.Errorf("%v of a processor in 1 s; want next to none", got)
	}
}
