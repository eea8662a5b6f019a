// Package netns makes hosts of network namespaces, for tests and labs: a host is a thread in a namespace that it shares with nobody but
// the programs that are started on it. Nothing there has a name on the machine, so that two tests are never in each other's way, and when
// the process ends, however that happens, the kernel ends the programs and takes the namespaces down with all that is in them.
//
// It needs Linux, root, and the command ip of iproute2. Elsewhere it compiles, and says so when a host is wanted.
package netns

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// Net is hosts and the cables between them. What goes wrong while it is made is kept: nothing more is done then, and Err says what it was.
// One goroutine makes a net; what is on its hosts may be used by any.
type Net struct {
	ctx   context.Context
	fail  func(error) // told of the first error; nil: Err will be asked
	err   error
	hosts []*Host
}

// New returns a net without hosts, to be closed in any case. Commands on its hosts end with the context.
func New(ctx context.Context) *Net { return &Net{ctx: ctx} }

// Need skips a test with the reason if a tool is missing.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs the command %s", tool)
		}
	}
}

// Test returns a net that is closed with the test. It skips the test with the reason if ip or another tool is missing, or, as soon as that
// shows, something else that the machine would have to have: who is not root is told so by the first host. Whatever else goes wrong fails the
// test.
func Test(t testing.TB, tools ...string) *Net {
	t.Helper()
	Need(t, append([]string{"ip"}, tools...)...)
	n := New(context.Background())
	n.fail = func(err error) {
		t.Helper()
		if lacks(err) {
			t.Skipf("cannot set up the network: %v", err)
		}
		t.Fatalf("setting up the network: %v", err)
	}
	t.Cleanup(n.Close)
	return n
}

// Err returns the first error, if there is one.
func (n *Net) Err() error { return n.err }

// failed keeps an error unless it is nil, and reports whether there has been one.
func (n *Net) failed(err error) bool {
	if n.err == nil && err != nil {
		if n.err = err; n.fail != nil {
			n.fail(err)
		}
	}
	return n.err != nil
}

// Close ends the programs that run on the hosts, by force, and takes the hosts down.
func (n *Net) Close() {
	for _, h := range n.hosts {
		close(h.quit)
		<-h.ended
	}
	n.hosts = nil
}

// Host is a host of a net, with a network of its own.
type Host struct {
	net   *Net
	tid   int // of the thread that is there, by which the namespace is known
	work  chan func()
	quit  chan struct{}
	ended chan struct{}
}

// Host adds a host that has only loopback.
func (n *Net) Host() *Host {
	h := &Host{net: n, work: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(h.ended)
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := isolate()
		h.tid = threadID()
		if ready <- err; err != nil {
			return // and nothing is done on the machine itself instead
		}
		for {
			select {
			case f := <-h.work:
				f()
			case <-h.quit:
				return
			}
		}
	}()
	n.hosts = append(n.hosts, h)
	if err := <-ready; err != nil {
		n.failed(fmt.Errorf("network namespaces need root, and Linux: %w", err))
	}
	h.Run("ip link set lo up")
	return h
}

// Do calls f on the host and waits for it: sockets that f opens are there, and so are the programs that it starts, but not the goroutines.
// One function runs on a host at a time, and it must not end its goroutine, as t.FailNow does.
func (h *Host) Do(f func()) {
	done := make(chan struct{})
	select {
	case h.work <- func() {
		defer close(done)
		f()
	}:
		<-done
	case <-h.ended:
		panic("netns: the host is down")
	}
}

// Start starts a program on the host. It is killed when the net is closed.
func (h *Host) Start(c *exec.Cmd) (err error) {
	endWithThread(c)
	h.Do(func() { err = c.Start() })
	return err
}

// Try runs a command on the host, given as words with spaces between, and returns what it wrote to its standard output. The error has
// what it wrote to standard error.
func (h *Host) Try(command string) (string, error) { return h.feed(command, "") }

// feed is Try with a standard input.
func (h *Host) feed(command, input string) (string, error) {
	words := strings.Fields(command)
	c := exec.CommandContext(h.net.ctx, words[0], words[1:]...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(input), &out, &errs
	err := h.Start(c)
	if err == nil {
		err = c.Wait()
	}
	if ended := h.net.ctx.Err(); err != nil && ended != nil {
		err = ended // which killed it
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.String(), nil
}

// Run runs commands, one a line, to set the host up.
func (h *Host) Run(commands string) {
	for line := range strings.Lines(commands) {
		if strings.TrimSpace(line) == "" || h.net.failed(nil) {
			continue
		}
		_, err := h.Try(strings.TrimSpace(line))
		h.net.failed(err)
	}
}

// Set changes a setting of the host's network: a name below /proc/sys/net.
func (h *Host) Set(name, value string) {
	if h.net.failed(nil) {
		return
	}
	var err error
	h.Do(func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	h.net.failed(err)
}
