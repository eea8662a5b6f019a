package nak

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// repair plays a source that answers each NAK with an NCF at once, and repairs so many packets a second, in the order in which they were
// asked for. It returns how long it took until all of the packets were there, and how often each was asked for.
func repair(t *testing.T, m *machine, packets, rate int) (took time.Duration, requests float64, most int) {
	start := m.now
	var queue []packet.SQN
	queued := map[packet.SQN]bool{}
	next, here := packet.SQN(0), 0
	due := make([]packet.SQN, 0, 1+MaxList)
	sent := 0
	for here < packets {
		m.now = m.now.Add(time.Millisecond)
		if m.now.Sub(start) > time.Hour {
			t.Fatalf("%d of %d packets in an hour", here, packets)
		}
		for int(next) < packets && m.r.Lost(m.now, next) {
			next++
		}
		most = max(most, m.r.Len())
		m.r.HandleTimeout(m.now, func(s packet.SQN) { t.Fatalf("%v is given up after %v", s, m.now.Sub(start)) })
		for due = m.r.Due(m.now, due[:0]); len(due) > 0; due = m.r.Due(m.now, due[:0]) {
			for _, s := range due {
				m.r.Confirmed(m.now, s)
				if !queued[s] {
					queued[s] = true
					queue = append(queue, s)
				}
			}
		}
		for ; len(queue) > 0 && sent < int(m.now.Sub(start).Milliseconds())*rate/1000; sent++ {
			if m.r.Received(m.now, queue[0]) {
				here++
			}
			queue = queue[1:]
		}
	}
	return m.now.Sub(start), float64(m.r.Stats().Requested) / float64(packets), most
}

// How much is asked for at once follows what the source repairs: a fast one is asked for more and more, and none waits for requests. A
// slow one is asked for a packet twice a second at most, however long it takes.
func TestRecoveryFollowsTheSource(t *testing.T) {
	for _, c := range []struct {
		name          string
		packets, rate int // of repairs, a second
		slack         float64
		least, most   int // in recovery at once
		requests      float64
	}{
		{"fast", 500_000, 200_000, 1.3, 10_000, 1 << 16, 2.5},
		{"as fast as the first limit is long", 100_000, 20_000, 1.3, initialLimit, 1 << 16, 2.5},
		{"slow", 20_000, 1000, 1.1, initialLimit, 2 * initialLimit, 5},
		{"very slow", 1000, 10, 1.1, 256, initialLimit, 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(RecoveryConfig{})
			took, requests, most := repair(t, m, c.packets, c.rate)
			t.Logf("%v, each asked for %.2f times, %d at once", took, requests, most)
			if want := float64(c.packets) / float64(c.rate); took.Seconds() > want*c.slack+0.1 {
				t.Errorf("it took %v, want %.1f s", took, want)
			}
			if requests > c.requests {
				t.Errorf("each packet was asked for %.2f times, want at most %.2f", requests, c.requests)
			}
			if most < c.least || most > c.most {
				t.Errorf("%d packets were in recovery at once, want %d..%d", most, c.least, c.most)
			}
		})
	}
}

// Requests that have to be repeated halve the number of packets that may be in recovery, once in each wait for data, to no less than
// 256.
func TestRepeatsHalveTheLimit(t *testing.T) {
	m := newMachine(RecoveryConfig{NCFRetries: -1})
	for s := range packet.SQN(initialLimit) {
		m.r.Lost(m.now, s)
	}
	if !m.r.Full() || m.r.Lost(m.now, initialLimit) {
		t.Fatal("there is room beyond the first limit")
	}
	var limits []int
	for range 1000 {
		m.now = m.now.Add(time.Millisecond)
		m.poll()
		if n := len(limits); n == 0 || limits[n-1] != m.r.limit {
			limits = append(limits, m.r.limit)
		}
	}
	want := []int{2048, 1024, 512, 256}
	for i := range max(len(limits), len(want)) {
		if i >= len(limits) || i >= len(want) || limits[i] != want[i] {
			t.Fatalf("limits %v, want %v", limits, want)
		}
	}
	if m.r.Len() != initialLimit {
		t.Errorf("%d packets are in recovery; those that were are not forgotten", m.r.Len())
	}
}

// Repairs let it grow by a quarter each time that a quarter of it has come, up to Max.
func TestRepairsRaiseTheLimit(t *testing.T) {
	m := newMachine(RecoveryConfig{Max: 5000})
	came := packet.SQN(0)
	for range 512 {
		m.r.Lost(m.now, came)
		m.r.Received(m.now, came)
		came++
	}
	if m.r.limit != 2560 {
		t.Errorf("after 512 repairs the limit is %d, want 2560", m.r.limit)
	}
	for range 100_000 {
		m.r.Lost(m.now, came)
		m.r.Received(m.now, came)
		came++
	}
	if m.r.limit != 5000 {
		t.Errorf("the limit is %d, want Max", m.r.limit)
	}
}

// NAK_RDATA_IVL follows what repairs take, so that a source whose repairs queue is not asked again and again; what was asked for again
// says nothing about it (Karn).
func TestWaitForDataFollowsTheRepairs(t *testing.T) {
	m := newMachine(RecoveryConfig{BackOff: time.Nanosecond})
	one := func(s packet.SQN, delay time.Duration) {
		m.r.Lost(m.now, s)
		m.now = m.now.Add(time.Microsecond)
		m.poll()
		m.r.Confirmed(m.now, s)
		m.now = m.now.Add(delay)
		m.r.Received(m.now, s)
	}
	for s := range packet.SQN(100) {
		one(s, 10*time.Millisecond)
	}
	if got := m.r.dataInterval(); got != 50*time.Millisecond {
		t.Errorf("after fast repairs the wait is %v, want the configured 50ms", got)
	}
	for s := range packet.SQN(100) {
		one(s, 400*time.Millisecond)
	}
	if got := m.r.dataInterval(); got < 400*time.Millisecond || got > maxLatency {
		t.Errorf("after repairs that took 400 ms the wait is %v", got)
	}
	for s := range packet.SQN(100) {
		one(s, time.Minute)
	}
	if got := m.r.dataInterval(); got != maxLatency {
		t.Errorf("after repairs that took a minute the wait is %v, want %v", got, maxLatency)
	}

	m = newMachine(RecoveryConfig{})
	m.r.Lost(m.now, 1)
	m.advance(100 * time.Millisecond) // several NAKs
	m.r.Confirmed(m.now, 1)
	m.r.Received(m.now, 1)
	if m.r.latency != (latency{}) {
		t.Errorf("a repair that was asked for again counts: %+v", m.r.latency)
	}
}

// Reset forgets everything but the counters.
func TestResetForgets(t *testing.T) {
	m := newMachine(RecoveryConfig{})
	m.run(t, "lost 1..100")
	m.advance(10 * time.Millisecond)
	m.r.Reset()
	if m.r.Len() != 0 || !m.r.NextTimeout(true).IsZero() || m.r.Stats().Lost != 100 {
		t.Errorf("%d packets, next %v, %+v", m.r.Len(), m.r.NextTimeout(true), m.r.Stats())
	}
	if err := m.r.check(); err != nil {
		t.Error(err)
	}
	if !m.r.Lost(m.now, 1) {
		t.Error("there is no room after Reset")
	}
}

// In steady state nothing is allocated for a packet that is lost, asked for, confirmed and repaired.
func TestRecoveryDoesNotAllocate(t *testing.T) {
	m := newMachine(RecoveryConfig{})
	due := make([]packet.SQN, 0, 1+MaxList)
	s := packet.SQN(0)
	round := func() {
		for k := range packet.SQN(100) {
			m.r.Lost(m.now, s+k)
		}
		m.now = m.now.Add(5 * time.Millisecond)
		for due = m.r.Due(m.now, due[:0]); len(due) > 0; due = m.r.Due(m.now, due[:0]) {
			for _, s := range due {
				m.r.Confirmed(m.now, s)
			}
		}
		m.r.HandleTimeout(m.now, func(packet.SQN) {})
		for k := range packet.SQN(100) {
			m.r.Received(m.now, s+k)
		}
		s += 100
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations for 100 packets", n)
	}
}
