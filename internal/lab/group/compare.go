//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// ten is how many are started at once.
const ten = 10

// compare measures all systems, one after the other in each turn, and prints the table.
func compare(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "gopgm-group-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	n, err := newNet(ctx, max(o.members, ten), o.loss)
	defer n.close()
	if err != nil {
		return err
	}
	t := newTable(os.Stdout, os.Stderr, o)
	self, err := ours()
	if err != nil {
		return err
	}
	systems := []system{self}
	if peer, err := corosync(ctx, dir, "corosync", "", o.members); err != nil {
		t.say("without corosync: %v", err)
	} else {
		systems = append(systems, peer)
	}
	err = t.loads(ctx, n, systems, o)
	if err == nil && len(systems) > 1 && slices.Contains(o.only, "views") {
		// Its default is made for networks that are busy elsewhere; this is for one like ours.
		var tuned system
		if tuned, err = corosync(ctx, dir, "corosync, token 300 ms", "token: 300\ntoken_coefficient: 0\n", o.members); err == nil {
			err = t.changes(ctx, n, tuned, o, o.turns)
		}
	}
	if err == nil && slices.Contains(o.only, "begin") {
		if len(systems) > 1 {
			if systems[1], err = corosync(ctx, dir, "corosync", "", ten); err != nil {
				return err
			}
		}
		for turn := range o.turns {
			for i, s := range systems {
				if i == 0 || turn == 0 { // the other takes its time
					err = errors.Join(err, t.begin(ctx, n, s, o))
				}
			}
		}
	}
	t.print()
	return err
}

// loads measures what needs a group that stays: rates, latency, and changes at its end.
func (t *table) loads(ctx context.Context, n *network, systems []system, o options) error {
	var clusters []*cluster
	defer func() {
		for _, c := range clusters {
			c.close()
		}
	}()
	for _, s := range systems {
		c, err := newCluster(s, n, o.members)
		if err != nil {
			return err
		}
		clusters = append(clusters, c)
	}
	for turn := range o.turns {
		for _, m := range []struct {
			cell, what string
			size, rate int
			safe       bool
		}{
			{"rate", "64 B", 64, 0, o.safe},
			{"rate", "8 KB", 8192, 0, o.safe},
			{"safe", "64 B safe", 64, 0, true},
			{"safe", "8 KB safe", 8192, 0, true},
			{"latency", "64 B, one sends 1000/s", 64, 1000, o.safe},
		} {
			if !slices.Contains(o.only, m.cell) {
				continue
			}
			for _, c := range clusters {
				l := o.load
				l.size, l.rate, l.safe = m.size, m.rate, m.safe
				if m.rate > 0 {
					l.senders = 1
				}
				all, err := c.together(ctx, l)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil { // a system that cannot is shown as one
					t.say("turn %d: %v", turn+1, err)
					continue
				}
				t.load(c.name, m.what, m.rate > 0, all)
			}
		}
	}
	if !slices.Contains(o.only, "views") {
		return nil
	}
	var errs []error
	for i, c := range clusters {
		times := o.turns
		if i > 0 {
			times = 1 // it takes its time
		}
		errs = append(errs, t.change(ctx, c, o.load, times))
	}
	return errors.Join(errs...)
}

// load adds what the members of a system measured.
func (t *table) load(system, what string, latency bool, all []figures) {
	least, most := all[0], all[0]
	var p50 []float64
	for _, f := range all {
		if f.Rate < least.Rate {
			least = f
		}
		if f.P99 > most.P99 {
			most = f
		}
		p50 = append(p50, float64(f.P50))
	}
	if latency {
		t.add(system, what+", median", "µs", lower, median(p50))
		t.add(system, what+", 99th percentile", "µs", lower, float64(most.P99))
		return
	}
	t.add(system, what, "messages/s", higher, least.Rate)
	t.add(system, what, "MB/s", higher, least.MBs)
}

// changes measures the changes of a system that is not there otherwise.
func (t *table) changes(ctx context.Context, n *network, s system, o options, times int) error {
	c, err := newCluster(s, n, o.members)
	if err != nil {
		return err
	}
	defer c.close()
	return t.change(ctx, c, o.load, times)
}

func (t *table) change(ctx context.Context, c *cluster, l load, times int) error {
	ch, err := c.changes(ctx, l, times)
	for _, x := range []struct {
		what string
		ms   []float64
	}{
		{"killed host is out", ch.Killed}, {"started host is in", ch.Joined}, {"killed process, its host lives", ch.Process},
		{"started process, its host lives", ch.Back}, {"nothing delivered", ch.Blocked},
	} {
		for _, ms := range x.ms {
			t.add(c.name, x.what, "ms", lower, ms)
		}
	}
	return err
}

// begin starts ten hosts together.
func (t *table) begin(ctx context.Context, n *network, s system, o options) error {
	c, err := newCluster(s, n, 0)
	if err != nil {
		return err
	}
	defer c.close()
	l := o.load
	l.expect = 1
	views, ms, err := c.begin(ctx, l, ten)
	if err != nil {
		return err
	}
	t.add(s.name, fmt.Sprintf("%d started together", ten), "views", lower, float64(views))
	t.add(s.name, fmt.Sprintf("%d started together", ten), "ms", lower, ms)
	time.Sleep(100 * time.Millisecond)
	return nil
}

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return (s[m-1] + s[m]) / 2
}
