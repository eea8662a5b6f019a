//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// together runs all members on their hosts and returns what each measured.
func (c *cluster) together(ctx context.Context, l load) ([]figures, error) {
	outs := make([]bytes.Buffer, l.members)
	all := make([]figures, l.members)
	var running []*exec.Cmd
	defer func() {
		for _, p := range running {
			end(p) // harmless when it has ended
		}
	}()
	for i := range l.members {
		l.index = i
		p := c.n.command(i, c.member(l)...)
		p.Stdout = &outs[i]
		if err := p.Start(); err != nil {
			return nil, err
		}
		running = append(running, p)
	}
	if c.started != nil {
		c.started(running)
	}
	kill := func() {
		for _, p := range running {
			_ = p.Process.Kill()
		}
	}
	late := time.AfterFunc(l.time+60*time.Second, kill)
	defer context.AfterFunc(ctx, kill)()
	defer late.Stop()
	failed := make([]error, l.members)
	var waits sync.WaitGroup
	for i, p := range running {
		waits.Go(func() {
			if err := p.Wait(); err != nil {
				failed[i] = fmt.Errorf("%s, member %d: %w", c.name, i, err)
				late.Reset(2 * time.Second) // without it the others come to no end, or not to that which was asked for
			} else {
				failed[i] = json.Unmarshal(outs[i].Bytes(), &all[i])
			}
		})
	}
	waits.Wait()
	errs := slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	for i := range all {
		if len(errs) == 0 && l.order >= 2 && all[i].Order != all[0].Order {
			errs = append(errs, fmt.Errorf("%s: members 0 and %d received different orders", c.name, i))
		}
	}
	return all, errors.Join(append(errs, ctx.Err())...)
}

// seen is a view, as a member that watches tells of it.
type seen struct {
	at            int64 // by the clock of the machine
	members, stop int64 // how many; for how long nothing was delivered, in microseconds
}

// watchers are members that only watch. What the first sees is told.
type watchers struct {
	c       *cluster
	l       load
	running []*exec.Cmd
	views   chan seen
}

func (c *cluster) watch(l load) *watchers {
	l.rejoin = true
	return &watchers{c: c, l: l, running: make([]*exec.Cmd, len(c.n.hosts)), views: make(chan seen, 1000)}
}

func (w *watchers) start(i int) error {
	w.l.index = i
	p := w.c.n.command(i, w.c.member(w.l)...)
	out, err := p.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	w.running[i] = p
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			var v seen
			if _, err := fmt.Sscan(s.Text(), &v.at, &v.members, &v.stop); err == nil && i == 0 {
				w.views <- v
			}
		}
	}()
	return nil
}

func (w *watchers) kill(i int) {
	if w.running[i] != nil {
		end(w.running[i])
		w.running[i] = nil
	}
}

func (w *watchers) close() {
	for i := range w.running {
		w.kill(i)
	}
}

// await waits for a view of so many members, and returns it and which view it was since it was asked.
func (w *watchers) await(ctx context.Context, members int) (v seen, nth int, err error) {
	timeout := time.After(60 * time.Second)
	for {
		select {
		case v = <-w.views:
			if nth++; int(v.members) == members {
				return v, nth, nil
			}
		case <-timeout:
			return v, nth, fmt.Errorf("%s: no view of %d members", w.c.name, members)
		case <-ctx.Done():
			return v, nth, ctx.Err()
		}
	}
}

// change is how long changes of the view took, in milliseconds, seen by a member that stays.
type change struct {
	Killed  []float64 `json:"killed_ms"`  // from when all of a host is killed to the view without it
	Joined  []float64 `json:"joined_ms"`  // from when it is started again to the view with it
	Process []float64 `json:"process_ms"` // from when the member alone is killed
	Back    []float64 `json:"back_ms"`    // from when the member alone is started again
	Blocked []float64 `json:"blocked_ms"` // for how long nothing was delivered, where it is told
}

// changes kills the last host of l.members, and starts it again, some times.
func (c *cluster) changes(ctx context.Context, l load, times int) (ch change, err error) {
	w := c.watch(l)
	defer w.close()
	last := l.members - 1
	for i := range l.members {
		if err := w.start(i); err != nil {
			return ch, err
		}
	}
	if _, _, err := w.await(ctx, l.members); err != nil {
		return ch, err
	}
	step := func(to *[]float64, members int, what func() error) error {
		time.Sleep(700*time.Millisecond + c.settle)
		at := clock()
		if err := what(); err != nil {
			return err
		}
		v, _, err := w.await(ctx, members)
		*to = append(*to, float64(v.at-at)/1e6)
		if v.stop > 0 && members == last {
			ch.Blocked = append(ch.Blocked, float64(v.stop)/1e3)
		}
		return err
	}
	for range times {
		err := errors.Join(
			step(&ch.Killed, last, func() error { c.halt(last); w.kill(last); return nil }),
			step(&ch.Joined, last+1, func() error { return errors.Join(c.boot(last), w.start(last)) }))
		if err == nil && c.beside != nil {
			err = errors.Join(
				step(&ch.Process, last, func() error { w.kill(last); return nil }),
				step(&ch.Back, last+1, func() error { return w.start(last) }))
		}
		if err != nil {
			return ch, err
		}
	}
	return ch, nil
}

// begin starts so many hosts at once, and returns how many views the first saw until all were in one, and how many milliseconds
// that took.
func (c *cluster) begin(ctx context.Context, l load, hosts int) (views int, ms float64, err error) {
	l.members = hosts
	w := c.watch(l)
	defer w.close()
	at := clock()
	for i := range hosts {
		if err := errors.Join(c.boot(i), w.start(i)); err != nil {
			return 0, 0, err
		}
	}
	v, nth, err := w.await(ctx, hosts)
	return nth, float64(v.at-at) / 1e6, err
}
