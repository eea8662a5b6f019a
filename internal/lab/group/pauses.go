//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// pause is how long a member is stopped.
const pause = 100 * time.Millisecond

// pauses has all members send as much as goes, for the time that o says, and stops one of them at random for 100 ms, again and again. It
// fails if one of them is removed.
func pauses(ctx context.Context, o options) error {
	n, err := newNet(ctx, o.members, o.loss)
	defer n.close()
	if err != nil {
		return err
	}
	self, err := ours()
	if err != nil {
		return err
	}
	c, err := newCluster(self, n, o.members)
	if err != nil {
		return err
	}
	stopped := 0
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	l := o.load
	l.members, l.senders = o.members, o.members
	c.started = func(running []*exec.Cmd) {
		go func() {
			defer close(done)
			for begin := time.Now(); ; stopped++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(200*time.Millisecond + time.Duration(rand.Int64N(int64(800*time.Millisecond)))):
				}
				if time.Since(begin) < 3*time.Second || time.Since(begin) > l.time {
					continue // they are coming, or going
				}
				p := running[rand.IntN(len(running))].Process
				_ = p.Signal(syscall.SIGSTOP)
				time.Sleep(pause)
				_ = p.Signal(syscall.SIGCONT)
			}
		}()
	}
	all, err := c.together(ctx, l)
	cancel()
	<-done
	if err != nil {
		return err
	}
	removed := 0
	for _, f := range all {
		removed = max(removed, f.Removed)
	}
	report := map[string]any{"event": "pauses", "order": o.order.String(), "members": o.members, "seconds": o.time.Seconds(), "pauses": stopped, "removed": removed,
		"messages": all[0].Count, "rate": all[0].Rate}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(report)
	}
	fmt.Printf("%d members under full load for %v, %.0f messages/s: stopped %d times for %v, %d removed\n", o.members, o.time, all[0].Rate, stopped, pause, removed)
	if removed > 0 {
		return fmt.Errorf("%d members were removed", removed)
	}
	return nil
}
