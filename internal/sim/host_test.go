package sim

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// broken is an engine with a fault that the net is to find.
type broken struct {
	probe
	next time.Time
}

func (b *broken) NextTimeout() time.Time { return b.next }

func TestFaultyEnginesAreFoundOut(t *testing.T) {
	expect := func(what string, f func()) {
		t.Helper()
		defer func() {
			if r := fmt.Sprint(recover()); !strings.Contains(r, what) {
				t.Errorf("panic: %v, want one with %q", r, what)
			}
		}()
		f()
	}
	expect("spins", func() {
		n := New(Rand(t))
		h := n.Host(Root, &Link{}, &Link{})
		n.Start(h, &broken{next: epoch})
		n.Run(time.Second)
	})
	expect("wrote into", func() {
		n, from, out, in := pair(t, &Link{})
		in.fail = func(p []byte) { p[20]++ }
		burst(n, from, out, 1, 60, time.Millisecond)
	})
}

// restless is an engine whose one timer is put off by each packet.
type restless struct {
	probe
	idle  time.Time
	fired int
}

func (r *restless) HandlePacket(now time.Time, _ netip.AddrPort, _ []byte) error {
	r.idle = now.Add(time.Second)
	return nil
}

func (r *restless) HandleTimeout(now time.Time) {
	if !r.idle.IsZero() && !now.Before(r.idle) {
		r.fired++
		r.idle = time.Time{}
	}
}

func (r *restless) NextTimeout() time.Time { return r.idle }

func TestTimersThatMoveCostNothing(t *testing.T) {
	n := New(Rand(t))
	from, out := addProbe(n, Root, &Link{}, &Link{})
	r := &restless{}
	n.Start(n.Host(Root, &Link{}, &Link{}), r)
	longest := 0
	n.Observe = func(Event) { longest = max(longest, n.queue.len()) }
	for i := range 10000 {
		n.Run(time.Millisecond)
		out.out = append(out.out, parcel{Group, 0, numbered(i, 60)})
		n.Wake(from)
	}
	if r.fired != 0 || longest > 4 {
		t.Errorf("the timer fired %d times; %d events waited; want 0, and no more than 4", r.fired, longest)
	}
	n.Run(999 * time.Millisecond)
	if r.fired != 0 {
		t.Error("the timer fired too early")
	}
	n.Run(time.Millisecond)
	if r.fired != 1 {
		t.Error("the timer did not fire when it was due")
	}
	if len(n.packets.all) > 4 {
		t.Errorf("room for %d packets was needed, want no more than are on their way at once", len(n.packets.all))
	}
}
