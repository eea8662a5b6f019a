//go:build linux

// Command lab measures pgmsend and pgmrecv on one machine: it lays out a
// sender and some receivers as network namespaces around a bridge, loses
// packets on the way to each receiver at random, sends a file, verifies every
// copy, and prints goodput, CPU time, memory, losses and repairs. It needs root
// and Linux. Nothing that it sends leaves its namespaces.
//
// docs/lab.md says how to run it and how to read what it prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"
)

// The exit statuses, as the usage text lists them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errIncomplete says that the lab itself worked, but some transfer did not end
// with every copy right.
var errIncomplete = errors.New("not every run was complete")

func main() {
	// SIGPIPE is among them because a pager that is closed early must not leave
	// files behind.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit status, and when it returns, every
// process, namespace and file that it made is gone.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage())
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "lab: %v\nTry 'lab --help'.\n", err)
		return exitUsage
	case opts.list:
		printCells(stdout, opts.cells)
		return exitOK
	}
	err = measure(ctx, opts, stdout, stderr)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "lab: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "lab: %v\n", err)
	return exitFailure
}

// measure prepares the machine, runs every cell, and reports also what was
// measured before a failure.
func measure(ctx context.Context, o *options, stdout, stderr io.Writer) (err error) {
	if err := checkTools(ctx, o.tools(), o.install, stderr); err != nil {
		return err
	}
	lock, err := acquireLock(lockPath)
	if err != nil {
		return err
	}
	defer lock.release()
	sweepLeftovers(o.scratch, stderr)

	scratch := filepath.Join(o.scratch, labName(os.Getpid()))
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()

	programs, err := o.programs(ctx, scratch)
	if err != nil {
		return err
	}
	b := &bench{
		scratch:  scratch,
		logs:     o.logs,
		limit:    o.limit,
		runs:     o.runs,
		programs: programs,
		report:   newReport(stdout, stderr, o.json),
	}
	b.report.machine()
	defer b.report.close()
	for _, c := range o.cells {
		if err := b.cell(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	if !b.report.allComplete() {
		return errIncomplete
	}
	return nil
}
