package main

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/mroute"
)

// fakeTable is a kernel that takes every entry, and counts what it is told to.
type fakeTable struct {
	entries map[netip.Addr]mroute.Entry
	counts  map[netip.Addr]mroute.Count
	sets    int
	full    bool
}

func (f *fakeTable) Set(e mroute.Entry) error {
	if f.full {
		return errors.New("no memory")
	}
	f.sets++
	f.entries[e.Source] = e
	return nil
}

func (f *fakeTable) Delete(source, _ netip.Addr) error {
	delete(f.entries, source)
	return nil
}

func (f *fakeTable) Count(source, _ netip.Addr) (mroute.Count, error) { return f.counts[source], nil }

var (
	flowStart = time.Unix(1000, 0)
	flowGroup = netip.MustParseAddr("239.192.77.71")
	near      = netip.MustParseAddr("10.0.0.9") // its way is link 0
	far       = netip.MustParseAddr("10.9.0.9") // its way is link 1
	lost      = netip.MustParseAddr("172.16.0.1")
	oneself   = netip.MustParseAddr("10.0.0.1")
)

// newFakeFlows returns flows of a router with the links 0 to 2, on all of which somebody listens to everything.
func newFakeFlows() (*flows, *fakeTable, *uint32) {
	table := &fakeTable{entries: map[netip.Addr]mroute.Entry{}, counts: map[netip.Addr]mroute.Count{}}
	listeners := uint32(7)
	f := newFlows(flowGroup, netip.Addr{})
	f.table = table
	f.counted = flowStart
	f.own = func(a netip.Addr) bool { return a == oneself }
	f.toward = func(a netip.Addr) int {
		switch {
		case a == far:
			return 1
		case a == lost:
			return -1
		}
		return 0
	}
	f.wants = func(sources []netip.Addr, out []uint32) {
		for i := range sources {
			out[i] = listeners
		}
	}
	return f, table, &listeners
}

// A source's packets are to come by the link that leads to it and go to the other links where somebody listens; what nothing leads to, what the router
// sends and what nobody asked for is dropped.
func TestEntriesFollowWaysAndListeners(t *testing.T) {
	f, table, listeners := newFakeFlows()
	check := func(when string, source netip.Addr, in int, out uint32) {
		t.Helper()
		if e, ok := table.entries[source]; !ok || e.In != in || e.Out != out || e.Group != flowGroup {
			t.Errorf("%s: %v has %+v, %v; want link %d to %b", when, source, e, ok, in, out)
		}
	}
	for _, s := range []netip.Addr{near, far, lost, oneself} {
		f.add(flowStart, s, 2)
	}
	check("at first", near, 0, 6)
	check("at first", far, 1, 5)
	check("at first", lost, 2, 0)
	check("at first", oneself, 2, 0)
	sets := table.sets
	f.refresh(flowStart)
	if table.sets != sets {
		t.Errorf("nothing has changed, and the kernel was told %d times", table.sets-sets)
	}
	*listeners = 5
	f.refresh(flowStart)
	check("when one has left", near, 0, 4)
	f.toward = func(netip.Addr) int { return 2 }
	f.refresh(flowStart)
	check("when the way has changed", near, 2, 1)
	f.only = far
	f.refresh(flowStart)
	check("when another is wanted", near, 2, 0)
	check("when it is wanted alone", far, 2, 1)
}

// A source whose SPMs come has an entry before its data does, unless they come by a way that does not lead to it.
func TestHeardSourceHasAnEntry(t *testing.T) {
	f, table, _ := newFakeFlows()
	f.heard(flowStart, near, 0)
	f.heard(flowStart, far, 0)
	if len(table.entries) != 1 || table.entries[near].Out != 6 {
		t.Errorf("entries: %+v", table.entries)
	}
}

// What the kernel does not take is tried again.
func TestRefusedEntryIsTriedAgain(t *testing.T) {
	f, table, _ := newFakeFlows()
	table.full = true
	f.add(flowStart, near, 0)
	if out := f.paths[near].entry.Out; out != 0 {
		t.Errorf("it is said to go to %b", out)
	}
	table.full = false
	f.refresh(flowStart)
	if table.entries[near].Out != 6 || f.failed != 1 {
		t.Errorf("%+v, %d failed", table.entries, f.failed)
	}
}

// An entry is there as long as data or SPMs come, and not much longer.
func TestSilentSourceLosesItsEntry(t *testing.T) {
	f, table, _ := newFakeFlows()
	now := flowStart
	for _, s := range []netip.Addr{near, far, lost} {
		f.add(now, s, 0)
	}
	for range 100 {
		now = now.Add(time.Second)
		table.counts[near] = mroute.Count{Packets: uint64(now.Unix())}
		f.heard(now, far, 1)
		f.refresh(now)
	}
	if len(table.entries) != 2 || table.entries[near].Out == 0 || table.entries[far].Out == 0 || len(f.paths) != 2 {
		t.Errorf("entries: %+v", table.entries)
	}
}

// Whoever sends under many addresses costs a bounded number of entries, and none of a source that is in use.
func TestEntriesAreBounded(t *testing.T) {
	f, table, _ := newFakeFlows()
	f.add(flowStart, near, 0)
	now := flowStart
	for i := range 100_000 {
		now = now.Add(time.Millisecond)
		table.counts[near] = mroute.Count{Packets: uint64(i)}
		f.add(now, netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), 0)
		if len(f.paths) > maxFlows || len(table.entries) > maxFlows {
			t.Fatalf("%d entries", len(table.entries))
		}
	}
	if f.paths[near] == nil || f.refused == 0 {
		t.Errorf("%d refused; the source that is in use has %+v", f.refused, f.paths[near])
	}
	if len(f.paths) < 2 {
		t.Error("nobody else gets an entry any more")
	}
}
