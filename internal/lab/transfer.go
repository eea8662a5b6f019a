//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// joinTime is how long a receiver may take to join its group.
	joinTime = 5 * time.Second
	// lastGrace is how long receivers may go on when the sender has ended:
	// nothing more is coming.
	lastGrace = 15 * time.Second
	// stopAfter is how long after the first byte a receiver is stopped.
	stopAfter = 300 * time.Millisecond
)

// A program is a pair of sender and receiver that can be measured.
type program interface {
	name() string
	plays(c Cell) bool // whether it runs in this cell
	group() netip.Addr // that its receivers join when they are ready
	settle() time.Duration
	// receiver is the command line of receiver i of 1 to c.Receivers, which
	// puts the file into dir; sender that of the sender.
	receiver(c Cell, i int, dir string) []string
	sender(c Cell, file string) []string
	// receiversExit says that a receiver ends by itself when it has the
	// file. If it does not, the end of the sender is the end of the transfer.
	receiversExit() bool
	// figures reads what sender and receivers report of themselves.
	figures(sender []byte, receivers [][]byte) figures
}

// A stayer is a program whose sender repairs until it is told to end.
type stayer interface{ senderStays() bool }

// figures are what programs count themselves, over all receivers. Nil: unknown.
type figures struct {
	Sent        *int64 `json:"odata,omitempty"`
	Repairs     *int64 `json:"rdata,omitempty"`
	NAKs        *int64 `json:"naks,omitempty"` // as the sender counts them
	Lost        *int64 `json:"lost,omitempty"`
	Repaired    *int64 `json:"repaired,omitempty"`
	KernelDrops *int64 `json:"kernel_drops,omitempty"`
}

// A result is what one run came to.
type result struct {
	Cell     string  `json:"cell"`
	Program  string  `json:"program"`
	Run      int     `json:"run"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"` // from the start of the sender to the exit of the last receiver
	Goodput  float64 `json:"mbit"`    // Mbit/s of the file to each receiver; 0 if not complete
	Complete bool    `json:"complete"`
	figures
	SenderCPU      float64     `json:"sender_cpu_s"`
	ReceiverCPU    []float64   `json:"receiver_cpu_s"`
	SenderPeak     float64     `json:"sender_peak_mib"`
	ReceiverPeak   []float64   `json:"receiver_peak_mib"`
	SenderStatus   int         `json:"sender_status"`
	ReceiverStatus []int       `json:"receiver_status"`
	Ports          []portCount `json:"ports,omitempty"`    // what the loss hooks saw
	Wire           int64       `json:"wire_bytes"`         // that the sender's device sent, frames included
	Reached        float64     `json:"reached_s"`          // from the first data until 90 % of the rate of the later half
	TCPFlow        float64     `json:"tcp_mbit,omitempty"` // of one of the flows that competed, on average
	Others         float64     `json:"others_s,omitempty"` // when all but the last receiver had the file, if its link is slow
	Problems       []string    `json:"problems,omitempty"`
}

// transfer is one run: a program sends the payload to the receivers of the
// rig. What a program does wrong is in the result; an error is one of the lab.
func (b *bench) transfer(ctx context.Context, r *rig, c Cell, prog program, number int) (res result, err error) {
	res = result{Cell: c.Name, Program: prog.name(), Run: number, Bytes: c.Size}
	dir := filepath.Join(b.scratch, "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	logs, err := b.logDir(dir, fmt.Sprintf("%s-%s-%d", c.Name, prog.name(), number))
	if err != nil {
		return res, err
	}
	if err := r.setLoss(c.Loss, c.Burst); err != nil {
		return res, err
	}
	if err := touchPages(ctx, dir, c.Size*int64(c.Receivers)); err != nil {
		return res, err
	}

	t := &transferRun{rig: r, cell: c, prog: prog, dir: dir, logs: logs, file: b.payload.path}
	defer t.stopAll()
	limited, cancel := context.WithTimeout(ctx, b.limit)
	defer cancel()
	if err := t.play(limited); err != nil {
		return res, err
	}
	t.stopAll()
	if err := ctx.Err(); err != nil {
		return res, err
	}
	if c.Loss > 0 {
		if res.Ports, err = r.lossCounts(); err != nil {
			return res, err
		}
	}
	for i := 1; i <= c.Receivers; i++ {
		wrong, err := b.payload.verify(ctx, filepath.Join(t.receiveDir(i), b.payload.name()))
		if err != nil {
			return res, err
		}
		if wrong != "" {
			t.problem("receiver %d: %s", i, wrong)
		}
	}
	t.fill(&res)
	return res, nil
}

// logDir makes the directory for the output of a run: under --logs, or beside
// the copies, where it goes with them.
func (b *bench) logDir(run, name string) (string, error) {
	dir := filepath.Join(run, "logs")
	if b.logs != "" {
		dir = filepath.Join(b.logs, name)
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// transferRun is a transfer in progress.
type transferRun struct {
	rig       *rig
	cell      Cell
	prog      program
	dir       string
	logs      string
	file      string
	sender    *process
	receivers []*process
	wire      *wireLog
	flows     *tcpFlows
	problems  []string
}

func (t *transferRun) receiveDir(i int) string { return filepath.Join(t.dir, fmt.Sprintf("r%d", i)) }

func (t *transferRun) problem(format string, args ...any) {
	t.problems = append(t.problems, fmt.Sprintf(format, args...))
}

// play starts everything and returns when it has ended or the context has.
func (t *transferRun) play(ctx context.Context) error {
	c := t.cell
	early := c.Receivers
	if c.Late > 0 {
		early--
	}
	for i := 1; i <= early; i++ {
		if err := t.startReceiver(i); err != nil {
			return err
		}
	}
	t.waitJoined(ctx)
	pause(ctx, t.prog.settle())
	if c.TCP > 0 {
		var err error
		if t.flows, err = startTCPFlows(ctx, t.rig, c.TCP, c.law(), t.logs); err != nil {
			return err
		}
	}
	sender, err := startProcess("sender", t.rig.hosts[0], filepath.Join(t.logs, "sender"), t.prog.sender(c, t.file))
	if err != nil {
		return err
	}
	t.sender = sender
	t.wire = watchWire(sender)
	if c.Late > 0 {
		pause(ctx, c.Late)
		if err := t.startReceiver(c.Receivers); err != nil {
			return err
		}
	}
	if c.Stop > 0 {
		t.stopAwhile(ctx, c.Receivers)
	}
	t.waitEnd(ctx)
	return nil
}

func (t *transferRun) startReceiver(i int) error {
	dir := t.receiveDir(i)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	role := fmt.Sprintf("receiver %d", i)
	p, err := startProcess(role, t.rig.hosts[i], filepath.Join(t.logs, fmt.Sprintf("receiver%d", i)), t.prog.receiver(t.cell, i, dir))
	if err != nil {
		return err
	}
	t.receivers = append(t.receivers, p)
	return nil
}

// waitJoined waits until every receiver started so far hears the group.
func (t *transferRun) waitJoined(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	for _, p := range t.receivers {
		if !p.waitJoined(ctx, t.prog.group()) {
			t.problem("%s did not join %s", p.role, t.prog.group())
		}
	}
}

// stopAwhile stops the last receiver in the middle of its transfer, and lets it
// go on later.
func (t *transferRun) stopAwhile(ctx context.Context, i int) {
	p := t.receivers[i-1]
	for !p.exited() && ctx.Err() == nil && !hasData(t.receiveDir(i)) {
		pause(ctx, 2*time.Millisecond)
	}
	pause(ctx, stopAfter)
	if p.exited() {
		t.problem("%s ended before it could be stopped", p.role)
		return
	}
	p.signal(syscall.SIGSTOP)
	pause(ctx, t.cell.Stop)
	p.signal(syscall.SIGCONT)
}

// hasData says whether a receiver has begun to fill a file.
func hasData(dir string) bool {
	found := false
	filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Blocks > 0 {
				found = true
				return filepath.SkipAll
			}
		}
		return nil
	})
	return found
}

// waitEnd waits until the transfer is over, or cannot get on any more.
func (t *transferRun) waitEnd(ctx context.Context) {
	if !t.prog.receiversExit() {
		if !t.sender.wait(ctx) {
			t.problem("sender did not end in time")
		}
		return
	}
	grace, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if t.sender.wait(grace) {
			pause(grace, lastGrace)
			cancel()
		}
	}()
	for _, p := range t.receivers {
		if !p.wait(grace) {
			t.problem("%s did not end in time", p.role)
		}
	}
	if stays, ok := t.prog.(stayer); ok && stays.senderStays() {
		t.sender.stop()
	}
	if !t.sender.wait(ctx) {
		t.problem("sender did not end in time")
	}
}

// stopAll ends whatever still runs.
func (t *transferRun) stopAll() {
	for _, p := range t.receivers {
		p.stop()
	}
	if t.sender != nil {
		t.sender.stop()
	}
	if t.flows != nil {
		t.flows.stop()
	}
}

// fill writes what was measured into the result.
func (t *transferRun) fill(res *result) {
	end := t.sender.ended
	if t.prog.receiversExit() {
		end = t.receivers[0].ended
		for _, p := range t.receivers {
			if p.ended.After(end) {
				end = p.ended
			}
		}
	}
	var outputs [][]byte
	for _, p := range t.receivers {
		res.ReceiverCPU = append(res.ReceiverCPU, p.cpu.Seconds())
		res.ReceiverPeak = append(res.ReceiverPeak, mebibytes(p.peak))
		res.ReceiverStatus = append(res.ReceiverStatus, p.status)
		if t.prog.receiversExit() && p.status != 0 {
			t.problem("%s: status %d: %s", p.role, p.status, p.lastWords())
		}
		outputs = append(outputs, p.output())
	}
	res.SenderCPU = t.sender.cpu.Seconds()
	res.SenderPeak = mebibytes(t.sender.peak)
	res.SenderStatus = t.sender.status
	if t.sender.status != 0 {
		t.problem("sender: status %d: %s", t.sender.status, t.sender.lastWords())
	}
	res.figures = t.prog.figures(t.sender.output(), outputs)
	res.Problems = t.problems
	res.Complete = len(t.problems) == 0
	res.Seconds = end.Sub(t.sender.started).Seconds()
	if res.Complete && res.Seconds > 0 {
		res.Goodput = float64(res.Bytes) * 8 / 1e6 / res.Seconds
	}
	res.Wire, res.Reached = t.wire.sum()
	if t.flows != nil {
		res.TCPFlow = t.flows.average(t.sender.started, end)
	}
	if t.cell.Slow != "" && t.prog.receiversExit() {
		for _, p := range t.receivers[:len(t.receivers)-1] {
			res.Others = max(res.Others, p.ended.Sub(t.sender.started).Seconds())
		}
	}
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
