//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// busyLoad is the load average above which others disturb the measurement.
const busyLoad = 0.7

// A report collects results and prints them: progress to stderr, the table or
// JSON to stdout.
type report struct {
	stdout, stderr io.Writer
	json           bool
	runs           []result
	rows           []summary
	closed         bool
}

// A summary is one row of the table: the runs of one program in one cell.
// Figures are medians over the runs.
type summary struct {
	Cell         string   `json:"cell"`
	Program      string   `json:"program"`
	Receivers    int      `json:"receivers"`
	Loss         float64  `json:"loss_percent"`
	Frames       string   `json:"frames"`
	Uplink       string   `json:"uplink,omitempty"`
	Rate         string   `json:"rate,omitempty"`
	Bytes        int64    `json:"bytes"`
	Runs         int      `json:"runs"`
	Complete     int      `json:"complete"`
	Seconds      float64  `json:"seconds"`
	Goodput      float64  `json:"mbit"` // a run that is not complete counts as 0
	GoodputMin   float64  `json:"mbit_min"`
	Goal         float64  `json:"mbit_goal,omitempty"`
	SenderCPU    float64  `json:"sender_cpu_s_per_gb"`
	ReceiverCPU  float64  `json:"receiver_cpu_s_per_gb"` // mean of the receivers
	SenderPeak   float64  `json:"sender_peak_mib"`
	ReceiverPeak float64  `json:"receiver_peak_mib"` // of the largest receiver
	Seen         int64    `json:"seen"`              // packets that met a loss hook, over all receivers
	Dropped      int64    `json:"dropped"`           // those that it dropped
	Sent         *int64   `json:"odata,omitempty"`
	Repairs      *int64   `json:"rdata,omitempty"`
	NAKs         *int64   `json:"naks,omitempty"`
	KernelDrops  *int64   `json:"kernel_drops,omitempty"`
	Statuses     string   `json:"statuses"`
	Overhead     *float64 `json:"overhead_percent,omitempty"` // of what the sender's device sent, frames included, over the file
	Reached      float64  `json:"reached_s,omitempty"`
	TCPFlow      float64  `json:"tcp_mbit,omitempty"`
	Others       float64  `json:"others_s,omitempty"`
	PeerRatio    *float64 `json:"peer_ratio,omitempty"` // median goodput over the best peer's
}

func newReport(stdout, stderr io.Writer, asJSON bool) *report {
	return &report{stdout: stdout, stderr: stderr, json: asJSON}
}

// say prints a line of progress.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(r.stderr, "lab: "+format+"\n", args...)
}

// line prints an event as JSON, if that is wanted.
func (r *report) line(event string, v any) {
	if !r.json {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("lab: %s: %v", event, err)) // only plain values are in there
	}
	rest := strings.TrimPrefix(string(text), "{")
	fmt.Fprintf(r.stdout, "{\"event\":%q,%s\n", event, rest)
}

// machine says what the figures were measured on.
func (r *report) machine() {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	loads, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(loads), " ") // of the last minute
	m := struct {
		Kernel string `json:"kernel"`
		CPUs   int    `json:"cpus"`
		Go     string `json:"go"`
		Time   string `json:"time"`
		Load   string `json:"load"`
	}{strings.TrimSpace(string(kernel)), runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.RFC3339), load}
	r.line("machine", m)
	if !r.json {
		fmt.Fprintf(r.stdout, "Linux %s, %d CPUs, %s, %s, load %s\n", m.Kernel, m.CPUs, m.Go, m.Time, m.Load)
	}
	if l, err := strconv.ParseFloat(load, 64); err == nil && l > busyLoad {
		r.say("the machine is busy (load %s): goodput will be too low, CPU time too high", load)
	}
}

// run notes one result and says how it went.
func (r *report) run(res result) {
	r.runs = append(r.runs, res)
	r.line("run", res)
	if res.Complete {
		r.say("%s %s, run %d: %.0f Mbit/s", res.Cell, res.Program, res.Run, res.Goodput)
		return
	}
	r.say("%s %s, run %d: NOT COMPLETE", res.Cell, res.Program, res.Run)
	for _, p := range res.Problems {
		r.say("  %s", strings.ReplaceAll(p, "\n", "\n       "))
	}
}

// cell sums up the runs of one program in one cell.
func (r *report) cell(c Cell, program string) {
	var runs []result
	for _, res := range r.runs {
		if res.Cell == c.Name && res.Program == program {
			runs = append(runs, res)
		}
	}
	r.rows = append(r.rows, summarise(c, program, runs))
}

// allComplete says whether there was no run without all its copies.
func (r *report) allComplete() bool {
	return !slices.ContainsFunc(r.runs, func(res result) bool { return !res.Complete })
}

// close prints the rows, once.
func (r *report) close() {
	if r.closed {
		return
	}
	r.closed = true
	compareWithPeer(r.rows)
	for _, row := range r.rows {
		r.line("cell", row)
	}
	if !r.json && len(r.rows) > 0 {
		writeTable(r.stdout, r.rows)
	}
}

// summarise makes a row of runs, of which there is at least one.
func summarise(c Cell, program string, runs []result) summary {
	s := summary{
		Cell: c.Name, Program: program, Receivers: c.Receivers, Loss: c.Loss, Frames: c.frames(),
		Uplink: c.Uplink, Bytes: c.Size, Runs: len(runs),
	}
	if program == gopgmName {
		s.Rate, s.Goal = c.Rate, c.Goal
	}
	gigabytes := float64(c.Size) / 1e9
	over := func(f func(result) float64) float64 { return median(mapped(runs, f)) }
	s.Goodput = over(func(x result) float64 { return x.Goodput })
	s.GoodputMin = slices.Min(mapped(runs, func(x result) float64 { return x.Goodput }))
	s.Seconds = over(func(x result) float64 { return x.Seconds })
	s.SenderCPU = over(func(x result) float64 { return x.SenderCPU / gigabytes })
	s.ReceiverCPU = over(func(x result) float64 { return mean(x.ReceiverCPU) / gigabytes })
	s.SenderPeak = over(func(x result) float64 { return x.SenderPeak })
	s.ReceiverPeak = over(func(x result) float64 { return slices.Max(x.ReceiverPeak) })
	s.Seen = int64(over(func(x result) float64 { return float64(x.ports().Seen) }))
	s.Dropped = int64(over(func(x result) float64 { return float64(x.ports().Dropped) }))
	s.Sent = medianCount(runs, func(x result) *int64 { return x.Sent })
	s.Repairs = medianCount(runs, func(x result) *int64 { return x.Repairs })
	s.NAKs = medianCount(runs, func(x result) *int64 { return x.NAKs })
	s.KernelDrops = medianCount(runs, func(x result) *int64 { return x.KernelDrops })
	s.Reached = over(func(x result) float64 { return x.Reached })
	s.TCPFlow = over(func(x result) float64 { return x.TCPFlow })
	s.Others = over(func(x result) float64 { return x.Others })
	// A device that takes packets of 64 KiB counts their headers once, and one that others use counts theirs too.
	if !c.superPackets() && c.TCP == 0 {
		o := over(func(x result) float64 { return 100 * (float64(x.Wire)/float64(x.Bytes) - 1) })
		s.Overhead = &o
	}
	var statuses []string
	for _, x := range runs {
		if x.Complete {
			s.Complete++
		}
		if t := x.statuses(); !slices.Contains(statuses, t) {
			statuses = append(statuses, t)
		}
	}
	s.Statuses = strings.Join(statuses, " ")
	return s
}

// ports sums the loss hooks of all receivers.
func (x result) ports() (sum portCount) {
	for _, p := range x.Ports {
		sum.Seen += p.Seen
		sum.Dropped += p.Dropped
	}
	return sum
}

// statuses writes the exit statuses as sender/receiver,receiver.
func (x result) statuses() string {
	var rs []string
	for _, st := range x.ReceiverStatus {
		rs = append(rs, strconv.Itoa(st))
	}
	return strconv.Itoa(x.SenderStatus) + "/" + strings.Join(rs, ",")
}

// compareWithPeer fills in how many times the best peer's goodput ours is.
func compareWithPeer(rows []summary) {
	for i := range rows {
		if rows[i].Program != gopgmName {
			continue
		}
		for _, p := range rows {
			if p.Program != gopgmName && p.Cell == rows[i].Cell && p.Goodput > 0 {
				ratio := rows[i].Goodput / p.Goodput
				if rows[i].PeerRatio == nil || ratio < *rows[i].PeerRatio {
					rows[i].PeerRatio = &ratio
				}
			}
		}
	}
}

// writeTable prints the rows for people.
func writeTable(w io.Writer, rows []summary) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "cell\tprogram\tframes\t--rate\tcomplete\tMbit/s\tmin\tgoal\tx peer\tCPU s/GB send\trecv\tpeak MiB send\trecv\tdropped\t%\trepairs\tNAKs\tkernel drops\twire +%\t90 % s\tTCP Mbit/s\tothers s\texit s/r\t")
	for _, s := range rows {
		goal := goalText(s.Goal)
		if s.Goal > 0 && s.Goodput < s.Goal {
			goal += "!"
		}
		ratio, percent := "", ""
		if s.PeerRatio != nil {
			ratio = fmt.Sprintf("%.2f", *s.PeerRatio)
		}
		overhead := "-"
		if s.Overhead != nil {
			overhead = fmt.Sprintf("%.1f", *s.Overhead)
		}
		if s.Seen > 0 {
			percent = fmt.Sprintf("%.2f", 100*float64(s.Dropped)/float64(s.Seen))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d/%d\t%.0f\t%.0f\t%s\t%s\t%.2f\t%.2f\t%.1f\t%.1f\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n",
			s.Cell, s.Program, s.Frames, orDash(s.Rate), s.Complete, s.Runs, s.Goodput, s.GoodputMin, orDash(goal), orDash(ratio),
			s.SenderCPU, s.ReceiverCPU, s.SenderPeak, s.ReceiverPeak, s.Dropped, orDash(percent),
			countText(s.Repairs), countText(s.NAKs), countText(s.KernelDrops),
			overhead, figureText(s.Reached), figureText(s.TCPFlow), figureText(s.Others), s.Statuses)
	}
	t.Flush()
}

func goalText(goal float64) string {
	if goal == 0 {
		return ""
	}
	return strconv.FormatFloat(goal, 'f', 0, 64)
}

// figureText writes a figure that is zero when there is none.
func figureText(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", x)
}

func countText(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
