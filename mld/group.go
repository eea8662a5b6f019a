package mld

import (
	"net/netip"
	"slices"
	"time"
)

// group is what a Router keeps for a group with listeners [7.2]. In INCLUDE mode the sources are the Include List. In EXCLUDE mode those whose
// timers run are the Requested List, X in the tables, and the others the Exclude List, Y.
type group struct {
	addr    netip.Addr
	exclude bool
	timer   time.Time        // Filter Timer, in EXCLUDE mode
	sources []source         // sorted by address
	older   [MLDv2]time.Time // Older Version Host Present timers, by version [8.3.2]

	repeat time.Time // when the next specific queries are sent
	left   int       // how many times more the group is queried
	told   Filter    // what Changed was last told

	slot appointment
}

// source is a source record.
type source struct {
	addr  netip.Addr
	timer time.Time // zero: has run out, in the Exclude List
	left  int       // Source Retransmission Counter [7.6.3.2]
}

// GroupState is what a group is to a router in RFC 2710 §6.
type GroupState uint8

// The states of a group.
const (
	NoListeners GroupState = iota
	ListenersPresent
	CheckingListeners
)

// String returns the state's name in the RFC.
func (s GroupState) String() string {
	return [...]string{"No Listeners Present", "Listeners Present", "Checking Listeners"}[s%3]
}

// State returns the state of a group as of now: it is being checked while its timer is as low as a query for it makes it.
func (r *Router) State(now time.Time, a netip.Addr) GroupState {
	g := r.groups[a]
	switch {
	case g == nil:
		return NoListeners
	case g.left > 0 || g.exclude && !g.timer.After(now.Add(r.lastTime())):
		return CheckingListeners
	}
	return ListenersPresent
}

// version returns the Multicast Address Compatibility Mode [8.3.2].
func (g *group) version() Version {
	for v, t := range g.older {
		if !t.IsZero() {
			return Version(v)
		}
	}
	return MLDv2
}

// filter returns what is to be forwarded: all of the Include List, or all but the Exclude List [7.3].
func (g *group) filter() Filter {
	f := Filter{Exclude: g.exclude}
	for _, s := range g.sources {
		if s.timer.IsZero() == g.exclude {
			f.Sources = append(f.Sources, s.addr)
		}
	}
	return f
}

// is reports whether filter() is f, without a list.
func (g *group) is(f Filter) bool {
	n := 0
	for _, s := range g.sources {
		if s.timer.IsZero() != g.exclude {
			continue
		}
		if n >= len(f.Sources) || f.Sources[n] != s.addr {
			return false
		}
		n++
	}
	return n == len(f.Sources) && f.Exclude == g.exclude
}

// forwards is filter().Accepts(a) without the list.
func (g *group) forwards(a netip.Addr) bool {
	s := g.source(a)
	if s == nil {
		return g.exclude
	}
	return !s.timer.IsZero()
}

func (g *group) source(a netip.Addr) *source {
	i, ok := slices.BinarySearchFunc(g.sources, a, func(s source, a netip.Addr) int { return s.addr.Compare(a) })
	if !ok {
		return nil
	}
	return &g.sources[i]
}

// walk changes the group's sources. keep, if set, is called for each and told whether it is in list, which is sorted; it may change the source and
// says whether it stays. Addresses that only the list has are added with the timer given. The group ends up with at most limit sources, those
// that it had first; walk returns how many were left out.
func (g *group) walk(list []netip.Addr, limit int, timer time.Time, keep func(s *source, listed bool) bool) (over uint64) {
	had := g.sources[:0]
	for i := range g.sources {
		if s := &g.sources[i]; keep == nil || keep(s, contains(list, s.addr)) {
			had = append(had, *s)
		}
	}
	g.sources = had
	room, added := max(0, limit-len(had)), 0
	for _, a := range list {
		switch {
		case g.source(a) != nil:
		case added == room:
			over++
		default:
			added++
		}
	}
	if added == 0 {
		return over
	}
	next := make([]source, 0, len(had)+added)
	for _, a := range list {
		for len(had) > 0 && had[0].addr.Less(a) {
			next, had = append(next, had[0]), had[1:]
		}
		if added > 0 && (len(had) == 0 || had[0].addr != a) {
			next = append(next, source{addr: a, timer: timer})
			added--
		}
	}
	g.sources = append(next, had...)
	return over
}

// next returns when one of the group's timers runs out.
func (g *group) next() time.Time {
	at := g.repeat
	if g.exclude {
		at = earliest(at, g.timer)
	}
	for _, s := range g.sources {
		at = earliest(at, s.timer)
	}
	for _, t := range g.older {
		at = earliest(at, t)
	}
	return at
}

// expire does what follows from timers that have run out [7.2.2], [7.3], [7.5], and reports whether the group still has listeners.
func (g *group) expire(now time.Time) bool {
	for v, t := range g.older {
		if due(t, now) {
			g.older[v] = time.Time{}
		}
	}
	// A source of the Requested List whose timer runs out is blocked from then on; one of the Include List is forgotten.
	for i := range g.sources {
		if due(g.sources[i].timer, now) {
			g.sources[i].timer, g.sources[i].left = time.Time{}, 0
		}
	}
	if g.exclude && due(g.timer, now) {
		// "Sources from the Requested List are moved in the Include List, while sources from the Exclude List are deleted" [7.5].
		g.exclude, g.timer, g.left = false, time.Time{}, 0
	}
	if !g.exclude {
		g.sources = slices.DeleteFunc(g.sources, func(s source) bool { return s.timer.IsZero() })
	}
	return g.exclude || len(g.sources) > 0
}
