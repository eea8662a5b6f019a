package mld

import (
	"container/heap"
	"net/netip"
	"time"
)

// appointment is when a group has something to do. It lies in the group's state and, unless at is zero, in an agenda.
type appointment struct {
	group netip.Addr
	at    time.Time
	place int // in the agenda, from 1; 0: not in it
}

// agenda orders the appointments of groups by time, so that the next costs nothing to find however many groups there are.
type agenda struct{ heap appointments }

// set moves a to a time; a zero one takes it off the agenda.
func (g *agenda) set(a *appointment, at time.Time) {
	was := a.place
	a.at = at
	switch {
	case was == 0 && !at.IsZero():
		heap.Push(&g.heap, a)
	case was != 0 && at.IsZero():
		heap.Remove(&g.heap, was-1)
	case was != 0:
		heap.Fix(&g.heap, was-1)
	}
}

// next returns the time of the earliest appointment, zero if there is none.
func (g *agenda) next() time.Time {
	if len(g.heap) == 0 {
		return time.Time{}
	}
	return g.heap[0].at
}

// due takes off and returns the group of the earliest appointment that is not after now.
func (g *agenda) due(now time.Time) (group netip.Addr, ok bool) {
	if len(g.heap) == 0 || g.heap[0].at.After(now) {
		return group, false
	}
	a := g.heap[0]
	g.set(a, time.Time{})
	return a.group, true
}

// appointments is the agenda's heap. Times that are equal are ordered by group, so that nothing depends on what came first.
type appointments []*appointment

func (h appointments) Len() int { return len(h) }

func (h appointments) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].group.Less(h[j].group)
}

func (h appointments) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *appointments) Push(x any) {
	a := x.(*appointment)
	*h = append(*h, a)
	a.place = len(*h)
}

func (h *appointments) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = 0
	return a
}

// earliest returns the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// due reports whether a timer has run out; one that is zero does not run.
func due(timer, now time.Time) bool { return !timer.IsZero() && !timer.After(now) }
