//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// wireInterval is how often the counter of the sender's device is read.
const wireInterval = 20 * time.Millisecond

// A wireLog is how many octets the sender's device had sent at which time.
type wireLog struct {
	mu      sync.Mutex
	samples []wireSample
}

type wireSample struct {
	at    time.Time
	bytes int64
}

// watchWire reads the counters of the sender's device until the sender ends.
func watchWire(sender *process) *wireLog {
	w := &wireLog{}
	path := fmt.Sprintf("/proc/%d/net/dev", sender.cmd.Process.Pid)
	go func() {
		tick := time.NewTicker(wireInterval)
		defer tick.Stop()
		for !sender.exited() {
			if text, err := os.ReadFile(path); err == nil {
				if n, ok := parseSent(string(text)); ok {
					w.add(time.Now(), n)
				}
			}
			<-tick.C
		}
	}()
	return w
}

func (w *wireLog) add(at time.Time, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, wireSample{at, bytes})
}

// parseSent finds the octets that the host's device has sent in the text of /proc/net/dev: the ninth number of its line.
func parseSent(text string) (n int64, ok bool) {
	for line := range strings.Lines(text) {
		name, numbers, found := strings.Cut(strings.TrimSpace(line), ":")
		if f := strings.Fields(numbers); found && name == hostDevice && len(f) > 8 {
			n, err := strconv.ParseInt(f[8], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

const (
	// dataBegins is how much a sender has sent when its data, and not its greetings, are on the way.
	dataBegins = 100_000
	// rateWindow is the time over which a rate is taken.
	rateWindow = 200 * time.Millisecond
)

// sum returns how much was sent in all, and how many seconds after the first data the rate first was 90 % of what it is in the
// later half of the transfer. The second is 0 for a transfer too short to say.
func (w *wireLog) sum() (sent int64, reached float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.samples
	if len(s) == 0 {
		return 0, 0
	}
	base := s[0].bytes
	sent = s[len(s)-1].bytes - base
	first := slices.IndexFunc(s, func(x wireSample) bool { return x.bytes-base >= dataBegins })
	last := slices.IndexFunc(s, func(x wireSample) bool { return float64(x.bytes-base) >= 0.98*float64(sent) })
	if first < 0 || last-first < 20 {
		return sent, 0
	}
	half := (first + last) / 2
	final := rate(s[half], s[last])
	for i := first; i <= last; i++ {
		from := i
		for from > first && s[i].at.Sub(s[from].at) < rateWindow {
			from--
		}
		if s[i].at.Sub(s[from].at) >= rateWindow && rate(s[from], s[i]) >= 0.9*final {
			return sent, s[i].at.Sub(s[first].at).Seconds()
		}
	}
	return sent, s[last].at.Sub(s[first].at).Seconds()
}

// rate returns octets a second between two samples.
func rate(a, b wireSample) float64 { return float64(b.bytes-a.bytes) / b.at.Sub(a.at).Seconds() }
