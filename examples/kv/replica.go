package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gopgm/gopgm/vsync"
)

// command is what travels in the group: each replica does the same commands in the same order.
type command struct {
	N    uint64   // counts the commands of the replica that sent it
	Verb string   `json:",omitempty"`
	Args []string `json:",omitempty"`
}

// replica is one copy of the store. The events of the group change it, and nothing else.
type replica struct {
	config vsync.Config

	mu      sync.Mutex
	group   *vsync.Group // nil while it is not in one
	values  map[string]string
	members []string
	n       uint64
	waiting map[uint64]chan string // commands of ours that are on their way
}

// unknown is the answer to a command of which it is not known whether it was done.
const unknown = "unknown"

func newReplica(c vsync.Config) *replica {
	return &replica{config: c, values: map[string]string{}, waiting: map[uint64]chan string{}}
}

// run keeps the replica in the group until ctx is done: when it is out, because it was cut off for too long, it joins as a new member, and gets
// the state from the others.
func (r *replica) run(ctx context.Context) error {
	for {
		g, err := vsync.Join(ctx, r.config)
		if err != nil {
			return err
		}
		err = r.follow(ctx, g)
		r.forget()
		if ctx.Err() != nil {
			leave, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = g.Leave(leave)
			cancel()
		}
		g.Close()
		var out *vsync.OutError
		if !errors.As(err, &out) {
			return err
		}
		fmt.Fprintf(os.Stderr, "kv: %s: %v; joining again\n", r.config.Name, out)
	}
}

// follow takes the events of a group up to the one that ends it.
func (r *replica) follow(ctx context.Context, g *vsync.Group) error {
	var state []byte
	for e, err := range g.Events(ctx) {
		switch e := e.(type) {
		case *vsync.State:
			if e.Restart {
				state = nil
			}
			state = append(state, e.Data...)
		case *vsync.View:
			if err := r.view(g, e, state); err != nil {
				return err
			}
			state = nil
		case *vsync.StateRequest:
			r.give(ctx, e)
		case *vsync.Message:
			r.do(g, e)
		default:
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// view takes a view, and before the first the state that came.
func (r *replica) view(g *vsync.Group, v *vsync.View, state []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.group == nil {
		r.group, r.values = g, map[string]string{}
		if state != nil {
			if err := json.Unmarshal(state, &r.values); err != nil {
				return err
			}
		}
	}
	r.members = r.members[:0]
	for _, p := range v.Members {
		r.members = append(r.members, p.Name)
	}
	return nil
}

// give takes a copy of the state, as it is between two messages, and writes it to those who join in its own time.
func (r *replica) give(ctx context.Context, q *vsync.StateRequest) {
	r.mu.Lock()
	state, err := json.Marshal(r.values)
	r.mu.Unlock()
	if err != nil {
		panic(err) // strings always have a form in JSON
	}
	go func() {
		w := q.Writer(ctx)
		if _, err := w.Write(state); err == nil {
			_ = w.Close()
		}
	}()
}

// do does a command, and answers who waits for it here.
func (r *replica) do(g *vsync.Group, m *vsync.Message) {
	var c command
	if json.Unmarshal(m.Data, &c) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer := r.apply(c)
	if w := r.waiting[c.N]; m.From == g.ID() && w != nil {
		w <- answer
		delete(r.waiting, c.N)
	}
}

func (r *replica) apply(c command) string {
	switch value, ok := r.values[c.Args[0]]; {
	case c.Verb == "get" && ok:
		return "value " + value
	case c.Verb == "get":
		return "none"
	case c.Verb == "set":
		r.values[c.Args[0]] = c.Args[1]
		return "ok"
	case c.Verb == "cas" && (ok && value == c.Args[1] || !ok && c.Args[1] == "-"):
		r.values[c.Args[0]] = c.Args[2]
		return "ok"
	}
	return "no"
}

// forget answers all who wait that nobody knows: this replica will not hear what becomes of their commands.
func (r *replica) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.group = nil
	for n, w := range r.waiting {
		w <- unknown
		delete(r.waiting, n)
	}
}

// ask sends a command to the group and waits for its answer.
func (r *replica) ask(ctx context.Context, verb string, args []string) string {
	r.mu.Lock()
	g := r.group
	if g == nil {
		r.mu.Unlock()
		return "refused: not in the group now"
	}
	r.n++
	c := command{N: r.n, Verb: verb, Args: args}
	w := make(chan string, 1)
	r.waiting[c.N] = w
	r.mu.Unlock()
	p, err := json.Marshal(c)
	if err == nil {
		err = g.Send(ctx, p)
	}
	if err != nil {
		r.mu.Lock()
		delete(r.waiting, c.N)
		r.mu.Unlock()
		return "refused: " + err.Error()
	}
	return <-w // one comes, be it from forget
}

// answer is what a line gets.
func (r *replica) answer(ctx context.Context, line string) string {
	f := strings.Fields(line)
	want := map[string]int{"set": 3, "get": 2, "cas": 4, "members": 1}
	switch {
	case len(f) == 0 || want[f[0]] == 0:
		return "error: want set, get, cas or members"
	case len(f) != want[f[0]]:
		return fmt.Sprintf("error: %s takes %d words", f[0], want[f[0]]-1)
	case f[0] == "members":
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.group == nil {
			return "members"
		}
		return strings.TrimSpace("members " + strings.Join(r.members, " "))
	}
	return r.ask(ctx, f[0], f[1:])
}
