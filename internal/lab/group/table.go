//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// better says which of two figures is.
type better bool

const (
	higher better = true
	lower  better = false
)

// table collects figures, and prints their medians with a column for each system.
type table struct {
	stdout, stderr io.Writer
	json           bool
	systems        []string
	rows           []*row
}

type row struct {
	what, unit string
	better     better
	values     map[string][]float64 // of each system, in turn
}

func newTable(stdout, stderr io.Writer, o options) *table {
	t := &table{stdout: stdout, stderr: stderr, json: o.json}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	loads, _ := os.ReadFile("/proc/loadavg")
	now, _, _ := strings.Cut(string(loads), " ")
	order := o.order.String() + " order"
	if t.json {
		t.line(map[string]any{"event": "machine", "kernel": strings.TrimSpace(string(kernel)), "cpus": runtime.NumCPU(), "go": runtime.Version(),
			"time": time.Now().UTC().Format(time.RFC3339), "load": now, "order": order, "members": o.members, "loss_percent": o.loss})
		return t
	}
	fmt.Fprintf(stdout, "Linux %s, %d CPUs, %s, %s, load %s\n%d members, all sending, %s, %v %% loss; medians (least to most)\n\n",
		strings.TrimSpace(string(kernel)), runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.RFC3339), now, o.members, order, o.loss)
	return t
}

// say prints a line of progress.
func (t *table) say(format string, args ...any) {
	fmt.Fprintf(t.stderr, "group: "+format+"\n", args...)
}

func (t *table) line(x any) { _ = json.NewEncoder(t.stdout).Encode(x) }

// add notes a figure.
func (t *table) add(system, what, unit string, b better, value float64) {
	if !slices.Contains(t.systems, system) {
		t.systems = append(t.systems, system)
	}
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.what == what && r.unit == unit })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, &row{what, unit, b, map[string][]float64{}})
	}
	t.rows[i].values[system] = append(t.rows[i].values[system], value)
	t.say("%s: %s: %s %s", system, what, number(value), unit)
	if t.json {
		t.line(map[string]any{"event": "figure", "system": system, "what": what, "unit": unit, "value": value})
	}
}

// ratio returns how many times as good the first system is as the second; NaN if one has no figure.
func (r *row) ratio(a, b string) float64 {
	x, y := median(r.values[a]), median(r.values[b])
	if r.better == lower {
		x, y = y, x
	}
	return x / y
}

// print writes the table: behind each other system, how many times as good the first one is.
func (t *table) print() {
	if t.json {
		for _, r := range t.rows {
			medians, ratios := map[string]float64{}, map[string]float64{}
			for i, s := range t.systems {
				if m := median(r.values[s]); !math.IsNaN(m) {
					medians[s] = m
				}
				if q := r.ratio(t.systems[0], s); i > 0 && !math.IsNaN(q) && !math.IsInf(q, 0) {
					ratios[s] = q
				}
			}
			t.line(map[string]any{"event": "row", "what": r.what, "unit": r.unit, "medians": medians, "times_as_good": ratios})
		}
		return
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\t")
	for i, s := range t.systems {
		if fmt.Fprintf(w, "\t%s", s); i > 0 {
			fmt.Fprint(w, "\ttimes as good")
		}
	}
	fmt.Fprintln(w)
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s", r.what, r.unit)
		for i, s := range t.systems {
			v := r.values[s]
			switch {
			case len(v) == 0:
				fmt.Fprint(w, "\t-")
			case slices.Min(v) == slices.Max(v):
				fmt.Fprintf(w, "\t%s", number(median(v)))
			default:
				fmt.Fprintf(w, "\t%s (%s to %s)", number(median(v)), number(slices.Min(v)), number(slices.Max(v)))
			}
			if i == 0 {
				continue
			}
			if q := r.ratio(t.systems[0], s); math.IsNaN(q) || math.IsInf(q, 0) {
				fmt.Fprint(w, "\t-")
			} else {
				fmt.Fprintf(w, "\t%.1f", q)
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

// number writes a figure as exactly as it is worth.
func number(v float64) string {
	if v >= 100 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
