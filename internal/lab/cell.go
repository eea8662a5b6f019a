//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Cell is one row of the table: what the net is like, and what is sent over it.
type Cell struct {
	Name      string
	Receivers int
	Loss      float64 // on the way to each receiver, independently, in percent
	Uplink    string  // limit of the sender's uplink as tc writes it; "": none
	MTUFrames bool    // switch GSO and GRO of the devices off; loss does so always
	Size      int64   // bytes of the file
	Sparse    bool    // the file is made of holes
	Rate      string  // pgmsend's --rate; "": it finds its own
	UFTPRate  int     // uftp's -R in kbit/s; 0: -1, as fast as it can
	PGMRate   float64 // OpenPGM's rate in Mbit/s; 0: it does not run
	Goal      float64 // goodput to reach, in Mbit/s; 0: only complete

	Burst int    // losses come so many in a row; 0: each on its own
	TCP   int    // TCP flows that compete on the sender's uplink, all to the first receiver
	Law   string // their congestion control; "": CUBIC
	Slow  string // limit of the last receiver's link as tc writes it; "": none

	Rounds int // nobody answers: the sender sends all so often, with other parity each time; 0: receivers answer

	// What happens to the last receiver: it is started Late after the sender,
	// or stopped (SIGSTOP) for Stop in the middle of the transfer. Peers do
	// not run such cells.
	Late time.Duration
	Stop time.Duration
}

const (
	oneGiB        = 1 << 30
	halfGiB       = oneGiB / 2
	maxReceivers  = 64
	behaviourSize = 100e6
	payloadName   = "payload.bin"
)

// cells is the whole table. Our sender finds its rate; those of the peers were found by hand.
var cells = []Cell{
	{Name: "n1-loss0", Receivers: 1, Size: oneGiB, PGMRate: 2400, Goal: 4000},
	{Name: "n3-loss0", Receivers: 3, Size: oneGiB, PGMRate: 1130, Goal: 2000},
	{Name: "n1-loss1", Receivers: 1, Loss: 1, Size: oneGiB, PGMRate: 1600, Goal: 2000},
	{Name: "n3-loss1", Receivers: 3, Loss: 1, Size: oneGiB, PGMRate: 610, Goal: 1000},
	{Name: "n1-loss5", Receivers: 1, Loss: 5, Size: oneGiB, PGMRate: 1240, Goal: 1515},
	{Name: "n3-loss5", Receivers: 3, Loss: 5, Size: oneGiB, PGMRate: 400, Goal: 671},
	{Name: "n3-up500-loss0", Receivers: 3, Uplink: "500mbit", Size: oneGiB, UFTPRate: 480_000, PGMRate: 455, Goal: 465},
	{Name: "n3-up500-loss1", Receivers: 3, Loss: 1, Uplink: "500mbit", Size: oneGiB, UFTPRate: 480_000, PGMRate: 415, Goal: 445},
	{Name: "n1-mtu", Receivers: 1, MTUFrames: true, Size: oneGiB, PGMRate: 2400},
	{Name: "n3-mtu", Receivers: 3, MTUFrames: true, Size: oneGiB, PGMRate: 1130},
	{Name: "n3-loss01", Receivers: 3, Loss: 0.1, Size: oneGiB, PGMRate: 1100},
	{Name: "n3-burst1", Receivers: 3, Loss: 1, Burst: 20, Size: oneGiB, PGMRate: 600},
	{Name: "n10-loss0", Receivers: 10, Size: halfGiB, PGMRate: 400},
	{Name: "n10-loss1", Receivers: 10, Loss: 1, Size: halfGiB, PGMRate: 200},
	{Name: "n3-up100", Receivers: 3, Uplink: "100mbit", Size: behaviourSize, UFTPRate: 96_000, PGMRate: 95},
	{Name: "n3-up1000", Receivers: 3, Uplink: "1gbit", Size: oneGiB, UFTPRate: 960_000, PGMRate: 950},
	{Name: "n3-up100-tcp1", Receivers: 3, Uplink: "100mbit", TCP: 1, Size: behaviourSize},
	{Name: "n3-up100-tcp4", Receivers: 3, Uplink: "100mbit", TCP: 4, Size: behaviourSize / 2},
	{Name: "n3-up1000-tcp1", Receivers: 3, Uplink: "1gbit", TCP: 1, Size: oneGiB},
	{Name: "n3-up1000-tcp4", Receivers: 3, Uplink: "1gbit", TCP: 4, Size: halfGiB},
	{Name: "n1-up100-tcp1", Receivers: 1, Uplink: "100mbit", TCP: 1, Size: behaviourSize},
	{Name: "n1-up100-tcp4", Receivers: 1, Uplink: "100mbit", TCP: 4, Size: behaviourSize / 2},
	{Name: "n1-up1000-tcp1", Receivers: 1, Uplink: "1gbit", TCP: 1, Size: oneGiB},
	{Name: "n1-up1000-tcp4", Receivers: 1, Uplink: "1gbit", TCP: 4, Size: halfGiB},
	{Name: "n3-slow", Receivers: 3, Uplink: "500mbit", Slow: "50mbit", Size: behaviourSize * 2},
	{Name: "one-way5", Receivers: 3, Loss: 5, Size: oneGiB, Rate: "400M", Rounds: 2},
	{Name: "late", Receivers: 1, Size: behaviourSize, Rate: "400M", Late: time.Second},
	{Name: "stop", Receivers: 1, Size: behaviourSize, Rate: "400M", Stop: 2 * time.Second},
}

// selectCells returns the cells of these names, in the order of the table; all
// of them if no name is given.
func selectCells(names []string) ([]Cell, error) {
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	var found []Cell
	for _, c := range cells {
		if len(names) == 0 || wanted[c.Name] {
			found = append(found, c)
			delete(wanted, c.Name)
		}
	}
	for _, n := range names {
		if wanted[n] {
			return nil, fmt.Errorf("--cell %s: unknown; --list shows the cells", n)
		}
	}
	return found, nil
}

// customCell makes a cell that is not in the table.
func customCell(receivers int, loss float64, uplink string) (Cell, error) {
	c := Cell{Receivers: receivers, Loss: loss, Uplink: uplink, Size: oneGiB}
	if receivers < 1 || receivers > maxReceivers {
		return c, fmt.Errorf("--receivers %d: want 1 to %d", receivers, maxReceivers)
	}
	if !(loss >= 0 && loss < 100) {
		return c, fmt.Errorf("--loss %v: want a percentage from 0 to below 100", loss)
	}
	c.Name = fmt.Sprintf("n%d", receivers)
	if uplink != "" {
		bits, err := parseBitRate(uplink)
		if err != nil {
			return c, fmt.Errorf("--uplink: %w", err)
		}
		c.UFTPRate = int(bits / 1e3 * 0.96)
		c.Name += "-up" + uplink
	}
	c.Name += "-loss" + strconv.FormatFloat(loss, 'f', -1, 64)
	return c, nil
}

// superPackets says whether devices may pass on packets of up to 64 KiB. With
// loss they may not: the hook would drop 44 packets at once. Nor where flows
// compete: a full queue would do so too, to whoever sends in larger pieces.
func (c Cell) superPackets() bool {
	return !c.MTUFrames && c.Loss == 0 && c.Slow == "" && c.TCP == 0
}

// behaviour says that the cell is about how our programs treat others, or what a
// receiver does, not about speed: peers do not run it.
func (c Cell) behaviour() bool {
	return c.Late > 0 || c.Stop > 0 || c.TCP > 0 || c.Slow != "" || c.Rounds > 0
}

// law names the congestion control of the TCP flows. Which one a machine uses if
// it is not told is its own affair, and says nothing about any other machine.
func (c Cell) law() string {
	if c.Law == "" {
		return "cubic"
	}
	return c.Law
}

// frames names what is on the wire, for the table.
func (c Cell) frames() string {
	if c.superPackets() {
		return "gso"
	}
	return "mtu"
}

// printCells writes the list that --list shows.
func printCells(w io.Writer, cells []Cell) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "cell\treceivers\tloss %\tframes\tuplink\tfile\t--rate\tgoal Mbit/s\twhat happens")
	for _, c := range cells {
		what := []string{}
		if c.Late > 0 {
			what = append(what, fmt.Sprintf("last receiver starts %v late", c.Late))
		}
		if c.Stop > 0 {
			what = append(what, fmt.Sprintf("last receiver stopped for %v", c.Stop))
		}
		if c.Burst > 0 {
			what = append(what, fmt.Sprintf("%d losses in a row", c.Burst))
		}
		if c.Rounds > 0 {
			what = append(what, fmt.Sprintf("nobody answers: %d rounds", c.Rounds))
		}
		if c.TCP > 0 {
			what = append(what, fmt.Sprintf("%d TCP flows on the uplink (%s)", c.TCP, c.law()))
		}
		if c.Slow != "" {
			what = append(what, "last receiver's link limited to "+c.Slow)
		}
		fmt.Fprintf(t, "%s\t%d\t%v\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, c.Receivers, c.Loss, c.frames(),
			orDash(c.Uplink), formatSize(c.Size), orDash(c.Rate), orDash(goalText(c.Goal)), strings.Join(what, ", "))
	}
	t.Flush()
}

// bench runs cells: it holds what is the same for all of them.
type bench struct {
	scratch  string
	logs     string
	limit    time.Duration
	runs     int
	programs []program
	report   *report
	payload  *payload // of the last cell; made again when another one is needed
}

// cell builds the net of one cell, runs every program in it, turn by turn, and
// takes the net down again.
func (b *bench) cell(ctx context.Context, c Cell) error {
	var programs []program
	for _, p := range b.programs {
		if p.plays(c) {
			programs = append(programs, p)
		}
	}
	if len(programs) == 0 {
		return nil
	}
	if err := b.preparePayload(ctx, c); err != nil {
		return err
	}
	r, err := newRig(ctx, c.Receivers, c.superPackets())
	defer r.close()
	if err != nil {
		return err
	}
	switch {
	case c.Uplink != "" && c.TCP > 0:
		err = r.limitTrunk(c.Uplink, c.superPackets())
	case c.Uplink != "":
		err = r.limitUplink(c.Uplink)
	}
	if err != nil {
		return err
	}
	if c.Slow != "" {
		if err := r.limitReceiver(c.Receivers, c.Slow); err != nil {
			return err
		}
	}
	for k := range b.runs {
		for i := range programs {
			// Whoever goes first changes from run to run, so that none has
			// the machine in a better state each time.
			p := programs[(i+k)%len(programs)]
			res, err := b.transfer(ctx, r, c, p, k+1)
			if err != nil {
				return err
			}
			b.report.run(res)
		}
	}
	for _, p := range programs {
		b.report.cell(c, p.name())
	}
	return nil
}

// preparePayload makes the file of the cell, unless the last cell had the same.
func (b *bench) preparePayload(ctx context.Context, c Cell) error {
	if b.payload != nil && b.payload.size == c.Size && b.payload.sparse == c.Sparse {
		return nil
	}
	if b.payload != nil {
		if err := b.payload.remove(); err != nil {
			return err
		}
		b.payload = nil
	}
	b.report.say("making a file of %s", formatSize(c.Size))
	p, err := newPayload(ctx, filepath.Join(b.scratch, payloadName), c.Size, c.Sparse)
	if err != nil {
		return err
	}
	b.payload = p
	return nil
}
