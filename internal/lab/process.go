//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

const (
	// peakInterval is how often the peak memory of a process is read.
	peakInterval = 50 * time.Millisecond
	// stopGrace is how long a process may take to end when it is asked to.
	stopGrace = 2 * time.Second
)

// A process is a measured program in the namespace of one host.
type process struct {
	role    string // "sender" or "receiver 2", for messages
	cmd     *exec.Cmd
	logs    string // path without ".out" and ".err"
	started time.Time
	done    chan struct{} // closed when the fields below are set

	ended  time.Time
	status int           // exit status; 128 + number of the signal that ended it
	cpu    time.Duration // user and system
	peak   int64         // peak resident memory, bytes
}

// startProcess starts argv on a host, with its output in files, so that
// reading it costs the measured time nothing.
func startProcess(role string, h *netns.Host, logs string, argv []string) (*process, error) {
	p := &process{role: role, logs: logs, done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the lab, which then stops its processes in order
	out, err := os.Create(logs + ".out")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	errOut, err := os.Create(logs + ".err")
	if err != nil {
		return nil, err
	}
	defer errOut.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, errOut
	p.started = time.Now()
	if err := h.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	inherited := peakMemory(os.Getpid())
	go p.reap(inherited)
	return p, nil
}

// reap waits for the process and notes what it used.
func (p *process) reap(inherited int64) {
	waited := make(chan error, 1)
	go func() { waited <- p.cmd.Wait() }()
	tick := time.NewTicker(peakInterval)
	defer tick.Stop()
	var sampled int64
	for {
		select {
		case <-tick.C:
			if m := peakMemory(p.cmd.Process.Pid); m > 0 {
				sampled = m
			}
			continue
		case <-waited:
		}
		break
	}
	p.ended = time.Now()
	state := p.cmd.ProcessState
	p.cpu = state.UserTime() + state.SystemTime()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		p.status = 128 + int(ws.Signal())
	} else {
		p.status = state.ExitCode()
	}
	var maxRSS int64
	if ru, ok := state.SysUsage().(*syscall.Rusage); ok {
		maxRSS = int64(ru.Maxrss) << 10
	}
	p.peak = peakOf(maxRSS, inherited, sampled)
	close(p.done)
}

// peakOf chooses between what wait4 says and the last sample. A process begins
// as a copy of the lab, and wait4's maximum includes that copy: it says nothing
// unless it is above what the lab itself had. The sample is of the program
// alone, but may be some milliseconds old.
func peakOf(maxRSS, inherited, sampled int64) int64 {
	if maxRSS > inherited || sampled == 0 {
		return maxRSS
	}
	return sampled
}

// peakMemory reads the peak resident memory of a living process; 0 if there is
// none.
func peakMemory(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	return parsePeakMemory(string(text))
}

// parsePeakMemory finds the line "VmHWM:  1234 kB".
func parsePeakMemory(status string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// exited says whether the process has ended.
func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// wait waits until the process ends; false if the context ends first.
func (p *process) wait(ctx context.Context) bool {
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
		return p.exited()
	}
}

// signal sends a signal, unless the process has ended.
func (p *process) signal(s syscall.Signal) {
	// An error says that the process is gone, and then nothing is to do.
	_ = p.cmd.Process.Signal(s)
}

// stop asks the process to end, then makes it, and waits until it has.
func (p *process) stop() {
	if p.exited() {
		return
	}
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
	select {
	case <-p.done:
		return
	case <-time.After(stopGrace):
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

// waitJoined waits until the process (or another in its namespace) is a member
// of the group, so that a sender started now is heard; false if the process or
// the context ended first.
func (p *process) waitJoined(ctx context.Context, group netip.Addr) bool {
	path := fmt.Sprintf("/proc/%d/net/igmp", p.cmd.Process.Pid)
	for !p.exited() && ctx.Err() == nil {
		if text, err := os.ReadFile(path); err == nil && hasGroup(string(text), group) {
			return true
		}
		pause(ctx, 5*time.Millisecond)
	}
	return false
}

// hasGroup looks for an IPv4 group in the text of /proc/net/igmp, which prints
// the address as a number in the order of the host.
func hasGroup(igmp string, group netip.Addr) bool {
	b := group.As4()
	want := fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b[:]))
	for line := range strings.Lines(igmp) {
		if f := strings.Fields(line); len(f) > 0 && f[0] == want {
			return true
		}
	}
	return false
}

// output is what the process wrote to its standard output.
func (p *process) output() []byte {
	text, _ := os.ReadFile(p.logs + ".out")
	return text
}

// lastWords are the last lines that the process wrote, for a report of failure.
func (p *process) lastWords() string {
	text, _ := os.ReadFile(p.logs + ".err")
	if len(text) == 0 {
		text = p.output()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}

// pause sleeps, but not longer than the context lasts.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
