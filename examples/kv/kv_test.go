package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// What is set at one replica is got at another, also at one that comes later, and after the first has died.
func TestReplicasAgree(t *testing.T) {
	c := newCluster(t, 3, nil)
	var k [3]client
	for i := range 3 {
		defer k[i].close()
		c.await(i, 3)
	}
	tell := func(i int, line, want string) {
		t.Helper()
		if got := k[i].ask(c.socket(i), line); got != want {
			t.Errorf("r%d: %s: %q, want %q", i, line, got, want)
		}
	}
	tell(0, "set colour blue", "ok")
	tell(1, "get colour", "value blue")
	tell(2, "cas colour blue red", "ok")
	tell(0, "cas colour blue green", "no")
	tell(0, "get shape", "none")
	tell(0, "paint it", "error: want set, get, cas or members")
	c.kill(0)
	k[0].close()
	begin := time.Now()
	c.await(1, 2)
	t.Logf("a killed replica was out after %v", time.Since(begin))
	tell(1, "get colour", "value red")
	c.start(0)
	c.await(0, 3)
	tell(0, "get colour", "value red")
}

// duration is how long histories are made for: a few seconds, or what KV_TIME says.
func duration(t *testing.T) time.Duration {
	if d, err := time.ParseDuration(os.Getenv("KV_TIME")); err == nil {
		return d
	}
	if testing.Short() {
		return time.Second
	}
	return 4 * time.Second
}

// in and out are what porcupine sees of an operation.
type in struct{ verb, key, old, value string }

type out struct {
	answer  string
	unknown bool
}

// register is one key of the store: what it holds is its state, "-" for nothing.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(in).key
			keys[k] = append(keys[k], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range keys {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return "-" },
	Step: func(state, input, output any) (bool, any) {
		s, i, o := state.(string), input.(in), output.(out)
		switch i.verb {
		case "get":
			return o.unknown || o.answer == "none" && s == "-" || o.answer == "value "+s, s
		case "set":
			return o.unknown || o.answer == "ok", i.value
		default:
			if s == i.old {
				return o.unknown || o.answer == "ok", i.value
			}
			return o.unknown || o.answer == "no", s
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v %v", input, output) },
}

// history makes operations at all replicas while trouble lasts, and fails the test if what was answered could not have come of one store.
func history(t *testing.T, c *cluster, n int, trouble func(end time.Time)) {
	end := time.Now().Add(duration(t))
	var mu sync.Mutex
	var ops []porcupine.Operation
	begin := time.Now()
	var clients sync.WaitGroup
	for id := range 2 * n {
		clients.Go(func() {
			var k client
			defer k.close()
			rng := rand.New(rand.NewPCG(uint64(id), 1))
			for i := 0; time.Now().Before(end); i++ {
				op := in{verb: []string{"get", "set", "cas"}[rng.IntN(3)], key: fmt.Sprintf("k%d", rng.IntN(6)+6*(i/200))}
				line := op.verb + " " + op.key
				if op.verb != "get" {
					op.value = fmt.Sprintf("%d.%d", id, i)
				}
				if op.verb == "cas" {
					if op.old = "-"; rng.IntN(2) == 0 {
						op.old = strings.TrimPrefix(k.ask(c.socket(id%n), "get "+op.key), "value ")
						if op.old == unknown || strings.HasPrefix(op.old, "refused") || op.old == "none" {
							op.old = "-"
						}
					}
					line += " " + op.old
				}
				call := time.Since(begin)
				answer := k.ask(c.socket(id%n), strings.TrimSpace(line+" "+op.value))
				o := porcupine.Operation{ClientId: id, Input: op, Call: int64(call), Output: out{answer: answer}, Return: int64(time.Since(begin))}
				switch {
				case strings.HasPrefix(answer, "refused"): // it was not done
					time.Sleep(10 * time.Millisecond)
					continue
				case answer == unknown && op.verb == "get":
					continue
				case answer == unknown: // it may yet be done
					o.Output, o.Return = out{unknown: true}, int64(time.Hour)
				}
				mu.Lock()
				ops = append(ops, o)
				mu.Unlock()
			}
		})
	}
	trouble(end)
	clients.Wait()
	unknowns := 0
	for i := range ops { // who gives up asks as another
		if ops[i].Output.(out).unknown {
			unknowns++
			ops[i].ClientId = 1000 + i
		}
	}
	switch result, _ := porcupine.CheckOperationsVerbose(register, ops, time.Minute); result {
	case porcupine.Illegal:
		t.Errorf("%d operations are not linearizable", len(ops))
	case porcupine.Unknown:
		t.Logf("%d operations: porcupine came to no end", len(ops))
	default:
		t.Logf("%d operations are linearizable, %d of them with unknown results", len(ops), unknowns)
	}
	if len(ops) < 20 {
		t.Errorf("only %d operations were answered", len(ops))
	}
}

// Histories are linearizable while replicas are killed and stopped, one after the other.
func TestLinearizable(t *testing.T) {
	const n = 3
	c := newCluster(t, n, nil)
	for i := range n {
		c.await(i, n)
	}
	history(t, c, n, func(end time.Time) {
		for round := 0; time.Until(end) > time.Second; round++ {
			time.Sleep(300 * time.Millisecond)
			i := rand.IntN(n)
			c.harm(i, round%2 == 0)
			for i := range n {
				c.await(i, n)
			}
		}
	})
	if t.Failed() {
		return
	}
	var k client
	defer k.close()
	if got := strings.Fields(k.ask(c.socket(0), "members")); len(got) != n+1 || !slices.Contains(got, "r0") {
		t.Errorf("in the end there are %q", got)
	}
}
