//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// options is what the command line asked for, checked.
type options struct {
	cells     []Cell
	runs      int
	peers     []string
	peersOnly bool
	json      bool
	list      bool
	install   bool
	scratch   string
	logs      string
	bin       string
	limit     time.Duration
	timeout   time.Duration
	sendFlags []string
	recvFlags []string
}

// labFlags holds the values of flags that only shape the cells.
type labFlags struct {
	names     []string
	receivers int
	loss      float64
	uplink    string
	burst     int
	tcp       int
	law       string
	slow      string
	rate      string
	pgmRate   float64
	size      byteSize
	sparse    bool
	mtuFrames bool
}

// flagSet binds every flag to o and f.
func flagSet(o *options, f *labFlags) *pflag.FlagSet {
	fs := pflag.NewFlagSet("lab", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	fs.StringSliceVarP(&f.names, "cell", "c", nil, "run only these cells (`NAME,...`); --list shows them")
	fs.BoolVar(&o.list, "list", false, "print the cells that would run, and exit")
	fs.IntVarP(&o.runs, "runs", "k", 1, "runs of each cell; the table has their median and minimum")
	fs.StringVar(&f.rate, "rate", "", "pgmsend's --rate, a ceiling, in every cell, such as 490M or 4G; auto: none")
	fs.Var(&f.size, "size", "size of the file, such as 1GiB, 100MB or 20GB")
	fs.BoolVar(&f.sparse, "sparse", false, "send a file of holes, with some random blocks")
	fs.BoolVar(&f.mtuFrames, "mtu-frames", false, "switch GSO and GRO of the devices off also without loss")
	fs.IntVarP(&f.receivers, "receivers", "n", 1, "a cell of your own: how many receivers")
	fs.Float64Var(&f.loss, "loss", 0, "a cell of your own: loss on the way to each receiver, in percent")
	fs.StringVar(&f.uplink, "uplink", "", "a cell of your own: limit of the sender's uplink, such as 500mbit")
	fs.IntVar(&f.burst, "burst", 0, "losses come so many in a row")
	fs.IntVar(&f.tcp, "tcp", 0, "so many TCP flows (iperf3) compete on the sender's uplink")
	fs.StringVar(&f.law, "tcp-law", "", "congestion control of TCP flows that compete, in every cell, such as reno or bbr; default cubic")
	fs.StringVar(&f.slow, "slow", "", "limit of the last receiver's link, such as 50mbit")
	fs.Float64Var(&f.pgmRate, "openpgm-rate", 0, "OpenPGM's rate in every cell, in Mbit/s")
	fs.StringSliceVar(&o.peers, "peers", nil, "run these programs too (`uftp,udpcast,openpgm`), turn by turn, and print the ratio to the best")
	fs.BoolVar(&o.peersOnly, "peers-only", false, "run only the peers")
	fs.StringVar(&o.bin, "bin", "", "directory that holds pgmsend and pgmrecv; default: build them")
	fs.StringArrayVar(&o.sendFlags, "send-flag", nil, "one more argument for pgmsend; may be repeated")
	fs.StringArrayVar(&o.recvFlags, "recv-flag", nil, "one more argument for pgmrecv; may be repeated")
	fs.DurationVar(&o.timeout, "timeout", 60*time.Second, "--timeout of pgmsend and pgmrecv")
	fs.DurationVar(&o.limit, "limit", 2*time.Minute, "end a run that lasts longer, and count it as incomplete")
	fs.StringVar(&o.scratch, "scratch", "/dev/shm", "directory for the files; a tmpfs, unless the disk is to be measured")
	fs.StringVar(&o.logs, "logs", "", "keep what the programs print in this directory")
	fs.BoolVar(&o.install, "install", false, "install missing tools with apt-get")
	fs.BoolVar(&o.json, "json", false, "print JSON, one object a line, in place of the table")
	return fs
}

// usage is the text of --help.
func usage() string {
	return `Usage: lab [flags]

Lays out one sender and some receivers as network namespaces around a bridge,
sends a file from pgmsend to pgmrecv, verifies every copy, and prints what it
cost. Without flags it runs every cell once. It needs root.

` + flagSet(&options{}, &labFlags{}).FlagUsages() + `
Exit status: 0 every run complete, 1 failure or an incomplete run, 2 usage,
130 interrupted.
`
}

// parseOptions turns the command line into options, or says what is wrong with it.
func parseOptions(args []string) (*options, error) {
	var o options
	var f labFlags
	fs := flagSet(&o, &f)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.runs < 1:
		return nil, fmt.Errorf("--runs %d: must be at least 1", o.runs)
	case o.limit <= 0 || o.timeout <= 0:
		return nil, errors.New("--limit and --timeout must be above zero")
	case o.peersOnly && len(o.peers) == 0:
		return nil, errors.New("--peers-only needs --peers")
	case !filepath.IsAbs(o.scratch):
		return nil, fmt.Errorf("--scratch %s: must be an absolute path", o.scratch)
	}
	for _, p := range o.peers {
		if peerTools[p] == nil {
			return nil, fmt.Errorf("--peers %s: unknown; there are %s, %s and %s", p, uftpName, udpcastName, openpgmName)
		}
	}
	own := fs.Changed("receivers") || fs.Changed("loss") || fs.Changed("uplink")
	if own && len(f.names) > 0 {
		return nil, errors.New("--receivers, --loss and --uplink make a cell of their own: leave out --cell")
	}
	if !own && (f.burst > 0 || f.tcp > 0 || f.slow != "") {
		return nil, errors.New("--burst, --tcp and --slow are of a cell of your own: give --receivers, --loss or --uplink")
	}
	if f.burst < 0 || f.tcp < 0 || f.burst > 0 && f.loss == 0 {
		return nil, errors.New("--burst needs a --loss above zero; --tcp must not be below zero")
	}
	var err error
	if own {
		var c Cell
		c, err = customCell(f.receivers, f.loss, f.uplink)
		o.cells = []Cell{c}
	} else {
		o.cells, err = selectCells(f.names)
	}
	if err != nil {
		return nil, err
	}
	for i := range o.cells {
		c := &o.cells[i]
		if f.rate != "" {
			c.Rate = strings.TrimPrefix(f.rate, "auto")
		}
		if f.pgmRate > 0 {
			c.PGMRate = f.pgmRate
		}
		if own {
			c.Burst, c.TCP, c.Slow = f.burst, f.tcp, f.slow
		}
		c.Law = f.law
		if f.size > 0 {
			c.Size = int64(f.size)
		}
		c.Sparse = f.sparse
		c.MTUFrames = c.MTUFrames || f.mtuFrames
	}
	return &o, nil
}

// tools returns what the cells and peers need besides the rig's.
func (o *options) tools() []tool {
	var ts []tool
	for _, p := range o.peers {
		ts = append(ts, peerTools[p]...)
	}
	if slices.ContainsFunc(o.cells, func(c Cell) bool { return c.TCP > 0 }) {
		ts = append(ts, tcpTools...)
	}
	return ts
}

// programs returns what is to be measured, ours first, and builds ours.
func (o *options) programs(ctx context.Context, scratch string) ([]program, error) {
	var ps []program
	if !o.peersOnly {
		bin := o.bin
		if bin == "" {
			bin = filepath.Join(scratch, "bin")
			build := exec.CommandContext(ctx, "go", "build", "-o", bin+"/",
				"github.com/gopgm/gopgm/cmd/pgmsend", "github.com/gopgm/gopgm/cmd/pgmrecv")
			if out, err := build.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(out)))
			}
		}
		bin, err := filepath.Abs(bin)
		if err != nil {
			return nil, err
		}
		ps = append(ps, &gopgm{bin: bin, timeout: o.timeout, sendFlags: o.sendFlags, recvFlags: o.recvFlags})
	}
	for _, name := range o.peers {
		switch name {
		case uftpName:
			ps = append(ps, uftp{})
		case udpcastName:
			ps = append(ps, udpcast{})
		case openpgmName:
			peer, err := buildOpenPGM(ctx, scratch)
			if err != nil {
				return nil, fmt.Errorf("openpgm (Debian package libpgm-dev): %w", err)
			}
			ps = append(ps, peer)
		}
	}
	return ps, nil
}
