package member

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Nobody is removed who is stopped for 100 ms again and again, while all send and one packet in a hundred comes late. A few seconds of
// virtual time; VSYNC_HOURS is for how many hours, each with a seed of its own.
func TestPausesRemoveNobody(t *testing.T) {
	hours, _ := strconv.Atoi(os.Getenv("VSYNC_HOURS"))
	d := 10 * time.Second
	if hours > 0 {
		d = time.Hour
	}
	var runs sync.WaitGroup
	slots := make(chan bool, 2)
	for seed := range uint64(max(hours, 2)) {
		runs.Go(func() {
			slots <- true
			defer func() { <-slots }()
			pauses, messages := underLoad(t, seed+1, d)
			t.Logf("seed %d: %v of virtual time, %d pauses, %d messages", seed+1, d, pauses, messages)
		})
	}
	runs.Wait()
}

// underLoad has four members send for a time, and stops one of them every 150 ms or so: now and then several at once.
func underLoad(t *testing.T, seed uint64, d time.Duration) (pauses int, messages uint64) {
	net := newNetwork(rand.New(rand.NewPCG(seed, 2)))
	net.loss, net.jitter = 0.01, time.Millisecond
	for range 4 {
		net.join(Config{Group: "hour", Order: Order(seed % 4), Safe: seed%3 == 0, Batch: 2 << 10}).mute = true
	}
	net.run(500 * time.Millisecond)
	end := net.now + d
	var pause func()
	pause = func() {
		pauses++
		net.procs[net.rng.IntN(4)].pause(100 * time.Millisecond)
		net.at(net.now+time.Duration(net.rng.Int64N(int64(300*time.Millisecond))), pause)
	}
	net.at(net.now, pause)
	var talk func()
	talk = func() {
		for _, p := range net.procs {
			p.do(p.send)
		}
		net.at(net.now+5*time.Millisecond, talk)
	}
	net.at(net.now, talk)
	for net.now < end {
		net.run(min(net.now+time.Minute, end))
		for i, p := range net.procs {
			if p.members != 4 || p.ended {
				t.Errorf("seed %d, before %v: process %d has a view of %d members, out %v", seed, net.now, i, p.members, p.ended)
				return
			}
		}
	}
	for _, p := range net.procs {
		if p.m.View().ID.Counter != 1 {
			t.Errorf("seed %d: view %v; want the first", seed, p.m.View().ID)
		}
		messages += p.m.Stats().Sent
	}
	return pauses, messages
}
