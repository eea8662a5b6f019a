package vsync

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A member in a process of its own is this test's own program, told by the environment to be one.
func TestMain(m *testing.M) {
	if ep := os.Getenv("VSYNC_GIVER"); ep != "" {
		if err := giver(ep); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// givenState is how long the state is that a giver writes: its ID, over and over.
const givenState = 24 << 20

// giver is a member that says who it is, and gives its state to who joins.
func giver(ep string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g, err := Join(ctx, quiet(givers(ep)))
	if err != nil {
		return err
	}
	defer g.Close()
	fmt.Println(g.ID())
	for e, err := range g.Events(ctx) {
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case *View:
			fmt.Println(len(e.Members))
		case *StateRequest:
			w := e.Writer(ctx)
			go func() {
				own := bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(g.ID())), 8<<10)
				for n := 0; n < givenState; n += len(own) {
					if _, err := w.Write(own); err != nil {
						return
					}
				}
				_ = w.Close()
			}()
		}
	}
	return nil
}

func givers(ep string) Config {
	return Config{Endpoint: ep, Group: "givers", Order: Total, State: true, Expect: 2, SuspectMin: 600 * time.Millisecond, SuspectMax: time.Second}
}

// Who joins while the process that gives it the state is killed is told so, and gets a whole state of another, with no octet of the first (X4).
func TestGiverIsKilled(t *testing.T) {
	ep := endpoint()
	processes := map[string]*exec.Cmd{} // by ID
	for range 2 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "VSYNC_GIVER="+ep)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
		lines := bufio.NewReader(out)
		id, err := lines.ReadString('\n')
		if err != nil {
			t.Skipf("no group on loopback: %v", err)
		}
		processes[strings.TrimSpace(id)] = c
		if len(processes) == 2 {
			if n, err := lines.ReadString('\n'); n != "2\n" {
				t.Fatalf("a view of %q members: %v", n, err)
			}
		}
	}
	g := join(t, givers(ep))
	var first, from ID
	var got []byte
	restarts := 0
	until(t, g, func(e Event) bool {
		switch e := e.(type) {
		case *State:
			if e.Restart {
				restarts++
				got, from = nil, e.From
			}
			if got = append(got, e.Data...); e.From != from {
				t.Errorf("a piece from %v, begun by %v", e.From, from)
				return true
			}
			if first == 0 && len(got) > givenState/8 {
				first = e.From
				_ = processes[first.String()].Process.Kill()
			}
		case *View:
			return true
		}
		return false
	})
	if first == 0 || from == first || restarts != 2 {
		t.Errorf("from %v, then %v; begun %d times, want 2", first, from, restarts)
	}
	if want := bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(from)), givenState/8); !bytes.Equal(got, want) {
		t.Errorf("%d octets of state, want %d of %v and no other", len(got), len(want), from)
	}
}
