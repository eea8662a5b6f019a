//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"
)

// The endpoint of our programs in the rig: the default group and port.
const (
	gopgmName     = "gopgm"
	gopgmGroup    = "239.192.77.71"
	gopgmEndpoint = "epgm://" + hostDevice + ";" + gopgmGroup + ":7500"
)

// lateLinger is how long a sender stays for a receiver that comes late, of whom
// it knows nothing when it starts.
const lateLinger = 10 * time.Second

// gopgm is pgmsend and pgmrecv.
type gopgm struct {
	bin                  string
	timeout              time.Duration
	sendFlags, recvFlags []string
}

func (*gopgm) name() string          { return gopgmName }
func (*gopgm) plays(Cell) bool       { return true }
func (*gopgm) group() netip.Addr     { return netip.MustParseAddr(gopgmGroup) }
func (*gopgm) settle() time.Duration { return 300 * time.Millisecond }
func (*gopgm) receiversExit() bool   { return true }

func (g *gopgm) receiver(c Cell, _ int, dir string) []string {
	argv := []string{filepath.Join(g.bin, "pgmrecv"), "-e", gopgmEndpoint, "--dir", dir, "--once", "--json",
		"--timeout", g.timeout.String()}
	if c.Rounds > 0 {
		argv = append(argv, "--one-way")
	}
	return append(argv, g.recvFlags...)
}

func (g *gopgm) sender(c Cell, file string) []string {
	argv := []string{filepath.Join(g.bin, "pgmsend"), "-e", gopgmEndpoint, "--json", "--timeout", g.timeout.String()}
	if c.Rate != "" {
		argv = append(argv, "--rate", c.Rate)
	}
	switch {
	case c.Rounds > 0:
		argv = append(argv, "--one-way", "--rounds", strconv.Itoa(c.Rounds))
	case c.Late > 0:
		// To expect a receiver would be to wait for it before the data, and
		// the question is what it gets when the data did not wait.
		argv = append(argv, "--linger", lateLinger.String())
	default:
		argv = append(argv, "--expect", strconv.Itoa(c.Receivers))
	}
	argv = append(argv, g.sendFlags...)
	return append(argv, file)
}

// gopgmEvent is a line of --json, sender's or receiver's, as far as the lab
// reads it. Fields that a program does not print stay nil.
type gopgmEvent struct {
	Event       string `json:"event"`
	Sent        *int64 `json:"odata"`
	Repairs     *int64 `json:"rdata"`
	NAKs        *int64 `json:"naks"`
	Lost        *int64 `json:"lost"`
	Repaired    *int64 `json:"repaired"`
	KernelDrops *int64 `json:"kernel_drops"`
}

func (*gopgm) figures(sender []byte, receivers [][]byte) figures {
	var f figures
	if e, ok := lastEvent(sender, "done"); ok {
		f.Sent, f.Repairs, f.NAKs = e.Sent, e.Repairs, e.NAKs
	}
	for _, out := range receivers {
		if e, ok := lastEvent(out, "exit"); ok {
			f.Lost = addCounts(f.Lost, e.Lost)
			f.Repaired = addCounts(f.Repaired, e.Repaired)
			f.KernelDrops = addCounts(f.KernelDrops, e.KernelDrops)
		}
	}
	return f
}

// lastEvent finds the last line of a kind. Lines that are no JSON are passed
// over: a program that fails may print anything.
func lastEvent(out []byte, kind string) (last gopgmEvent, ok bool) {
	for line := range bytes.Lines(out) {
		var e gopgmEvent
		if json.Unmarshal(line, &e) == nil && e.Event == kind {
			last, ok = e, true
		}
	}
	return last, ok
}

// addCounts sums what is known; nil if nothing is.
func addCounts(a, b *int64) *int64 {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	sum := *a + *b
	return &sum
}
