//go:build linux

package main

import (
	"math"
	"testing"
	"time"
)

func TestSentBytesAreReadFromTheDevicesLine(t *testing.T) {
	const text = "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n" +
		"    lo:       7       1    0    0    0     0          0         0        8       1    0    0    0     0       0          0\n" +
		"    e0: 1000     10    0    0    0     0          0         0   123456     99    0    0    0     0       0          0\n"
	if n, ok := parseSent(text); n != 123456 || !ok {
		t.Errorf("got %d, %v", n, ok)
	}
	if _, ok := parseSent("    lo: 1 2 3 4 5 6 7 8 9 10\n"); ok {
		t.Error("the loopback device counts")
	}
}

// The rate climbs for two seconds and then stays: the time until 90 % is between.
func TestTimeUntilTheRateIsReached(t *testing.T) {
	var w wireLog
	start, sent, rate := time.Now(), 0.0, 0.0
	for ms := 0; ms <= 10_000; ms += 20 {
		w.add(start.Add(time.Duration(ms)*time.Millisecond), int64(sent))
		rate = min(float64(ms)/2000, 1) * 50e6
		sent += rate * 0.02
	}
	total, reached := w.sum()
	if math.Abs(float64(total)-sent) > 2e6 {
		t.Errorf("sent %d, want %.0f", total, sent)
	}
	if reached < 1.6 || reached > 2.1 {
		t.Errorf("90 %% after %.2f s, want about 1.85", reached)
	}
}
