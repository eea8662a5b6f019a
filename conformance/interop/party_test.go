package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// party is a program that takes part in a lab. All speak the language of messages.h: a peer and the roles of this test's own
// program do so themselves, for a program that does not, a goroutine here does.
type party struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	events chan string
	done   chan struct{} // closed when the program has ended
	status error
	ends   bool // with its input, and not only when it is interrupted
	tell   func(order string) error

	mu   sync.Mutex
	said bytes.Buffer // on standard error
}

// start starts a program on a host. How it is listened to is the caller's affair: out is its standard output.
func start(ctx context.Context, h *netns.Host, name string, env []string, argv []string) (p *party, out io.Reader, err error) {
	p = &party{name: name, events: make(chan string, 64), done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.WaitDelay = time.Second // for output that nobody reads any more
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, p
	if err := h.Start(p.cmd); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.status = p.cmd.Wait()
		w.Close()
		close(p.done)
	}()
	return p, r, nil
}

// Write keeps what the program says on standard error.
func (p *party) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.Len() < 1<<16 {
		p.said.Write(b)
	}
	return len(b), nil
}

func (p *party) lastWords() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.TrimSpace(p.said.String())
}

// startSpeaker starts a program that speaks the language.
func startSpeaker(ctx context.Context, h *netns.Host, name string, env []string, argv ...string) (*party, error) {
	p, out, err := start(ctx, h, name, env, argv)
	if err != nil {
		return nil, err
	}
	p.ends = true
	p.tell = func(order string) error {
		_, err := io.WriteString(p.in, order+"\n")
		return err
	}
	go func() {
		defer close(p.events)
		for s := bufio.NewScanner(out); s.Scan(); {
			if strings.HasPrefix(s.Text(), "wrong") {
				p.Write(s.Bytes())
			}
			p.events <- s.Text()
		}
	}()
	return p, nil
}

// startWriter starts a program that sends each line of its standard input as a message.
func startWriter(ctx context.Context, h *netns.Host, name string, m plan, source uint32, argv ...string) (*party, error) {
	p, out, err := start(ctx, h, name, nil, argv)
	if err != nil {
		return nil, err
	}
	go io.Copy(io.Discard, out)
	p.ends = true
	p.events <- "ready"
	p.tell = func(order string) error {
		if order == "close" {
			go func() {
				p.in.Close()
				<-p.done
				p.events <- "closed"
			}()
			return nil
		}
		go func() {
			octets := 0
			for i := range m.Count {
				b := m.message(nil, source, uint32(i))
				octets += len(b)
				if _, err := p.in.Write(append(b, '\n')); err != nil {
					p.events <- "wrong: " + err.Error()
					return
				}
			}
			p.events <- fmt.Sprintf("sent %d %d", m.Count, octets)
		}()
		return nil
	}
	return p, nil
}

// joinTime is what a program needs to read what it has joined.
const joinTime = 100 * time.Millisecond

// startReader starts a program that writes what it receives to its standard output: messages as lines, or one stream of octets.
func startReader(ctx context.Context, h *netns.Host, name string, m plan, lines bool, argv ...string) (*party, error) {
	p, out, err := start(ctx, h, name, nil, argv)
	if err != nil {
		return nil, err
	}
	p.tell = func(string) error { return nil }
	go func() {
		p.events <- "ready" // it is when it has joined
		defer close(p.events)
		heard := map[uint32]*hearing{}
		in := bufio.NewReaderSize(out, 1<<17)
		if !lines {
			heard[0] = &hearing{plan: m}
		}
		buf := make([]byte, 1<<16)
		for {
			h := heard[0]
			var err error
			if lines {
				var line []byte
				if line, err = in.ReadSlice('\n'); err != nil {
					return
				}
				line = line[:len(line)-1]
				var source uint32
				if source, _, _, err = fields(line); err == nil {
					if h = heard[source]; h == nil {
						h = &hearing{plan: m}
						heard[source] = h
					}
					err = h.take(line)
				}
			} else {
				var n int
				if n, err = in.Read(buf); err != nil {
					if h.complete() {
						p.events <- fmt.Sprintf("end %d", h.Source)
					}
					return
				}
				err = h.stream(buf[:n])
			}
			if err != nil {
				p.events <- "wrong: " + err.Error()
				return
			}
			if h.complete() {
				p.events <- h.event()
			}
		}
	}()
	return p, nil
}

// waitJoined waits until a program on the host of the party is a member of the group.
func (p *party) waitJoined(ctx context.Context, group netip.Addr) bool {
	file := fmt.Sprintf("/proc/%d/net/igmp", p.cmd.Process.Pid)
	a := group.AsSlice()
	if group.Is4() { // /proc/net/igmp has the address as a number in the order of the host
		a = []byte{a[3], a[2], a[1], a[0]}
	} else {
		file += "6"
	}
	want := hex.EncodeToString(a)
	for {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(strings.ToLower(string(text)), want) {
			return true
		}
		select {
		case <-p.done:
			return false
		default:
			if !pause(ctx, 5*time.Millisecond) {
				return false
			}
		}
	}
}

// wait waits for an event that begins with a word and returns it; any other that comes before but "complete", which may come when it
// wants, is an error.
func (p *party) wait(ctx context.Context, word string) (string, error) {
	for {
		select {
		case e, ok := <-p.events:
			if first, _, _ := strings.Cut(e, " "); ok && first == word {
				return e, nil
			}
			if !ok {
				<-p.done
				return "", fmt.Errorf("%s ended (%v) where %q is due: %s", p.name, p.status, word, p.lastWords())
			}
			if strings.HasPrefix(e, "wrong") {
				return "", fmt.Errorf("%s: %s", p.name, e)
			}
		case <-ctx.Done():
			return "", fmt.Errorf("%s: no %q: %w: %s", p.name, word, context.Cause(ctx), p.lastWords())
		}
	}
}

// patience is what a program may take to end.
const patience = 5 * time.Second

// stop ends the program, if it has not ended: by the end of its input, or an interrupt, and then by force.
func (p *party) stop() error {
	p.in.Close()
	if !p.ends {
		p.cmd.Process.Signal(os.Interrupt)
	}
	select {
	case <-p.done:
		if p.ends {
			return p.status
		}
		return nil
	case <-time.After(patience):
		p.cmd.Process.Kill()
		<-p.done
		return errors.New("it did not end when it was asked to")
	}
}
