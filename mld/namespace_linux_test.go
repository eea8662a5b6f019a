package mld

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
)

// namespace is a host of its own.
type namespace struct {
	*netns.Host
	t *testing.T
}

// newNamespace makes a host that has only loopback, or skips the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	return &namespace{netns.Test(t, "bridge").Host(), t}
}

// cable joins two hosts: an interface of that name on each. A host is given the addresses 10.9.0.N, fe80::N and fd09::N; with N 0, none.
func cable(a *namespace, aName string, an int, b *namespace, bName string, bn int) {
	a.Cable(aName, b.Host, bName)
	a.up(aName, an)
	b.up(bName, bn)
}

// up brings an interface up, with those addresses.
func (n *namespace) up(name string, number int) {
	if number == 0 {
		n.Up(name)
		return
	}
	n.Up(name, fmt.Sprintf("10.9.0.%d/24", number), fmt.Sprintf("fe80::%d/64", number), fmt.Sprintf("fd09::%d/64", number))
}

// link returns an interface of the host.
func (n *namespace) link(name string) *net.Interface {
	n.t.Helper()
	var ifi *net.Interface
	var err error
	n.Do(func() { ifi, err = net.InterfaceByName(name) })
	if err != nil {
		n.t.Fatal(err)
	}
	return ifi
}

// querier runs a Querier on the host until the test ends.
func (n *namespace) querier(ifi string, c RouterConfig) *Querier {
	n.t.Helper()
	link := n.link(ifi)
	var q *Querier
	var err error
	n.Do(func() { q, err = OpenQuerier(link, c) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { q.Close() })
	return q
}

// eventually waits for something to become so.
func eventually(t *testing.T, d time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("after %v: not so: %s", d, what)
}
