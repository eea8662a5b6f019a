package mld

import (
	"net/netip"
	"time"
)

// check makes sure that somebody still listens to what a record says its sender does not: "Send Q(MA)", if all is set, and "Send Q(MA,X)" with X
// the sources asked for [7.6.3]. Only the querier does; others wait for its query [7.4.2].
//
// A storm of such records does not become one of queries: those that QueriesPerSecond leaves no room for wait, and until they are asked the
// timers stay as they are.
func (r *Router) check(now time.Time, g *group, all bool, asked []netip.Addr) {
	switch {
	case !r.Querier():
		return
	case r.config.FastLeave: // nobody is asked: what is not wanted ends now
		if all {
			g.timer = now
		}
		for _, a := range asked {
			g.source(a).timer = now
		}
		return
	}
	if all {
		g.left = r.config.LastCount
	}
	// "for each of the sources in X that send to multicast address MA, with source timer larger than LLQT: Lower source timer to LLQT; Add
	// the sources to the Retransmission List; Set the Source Retransmission Counter for each source to [Last Listener Query Count]".
	late := now.Add(r.lastTime())
	for _, a := range asked {
		if s := g.source(a); s.timer.After(late) {
			s.left = r.config.LastCount
		}
	}
	switch {
	case !g.asking():
	case r.limit.take(now):
		r.ask(now, g)
	case g.repeat.IsZero():
		g.repeat = r.limit.reserve(now)
		r.stats.Deferred++
	}
}

// asking reports whether specific queries about g are still to be sent.
func (g *group) asking() bool {
	if g.left > 0 {
		return true
	}
	for i := range g.sources {
		if g.sources[i].left > 0 {
			return true
		}
	}
	return false
}

// ask sends the specific queries about g that are due, and schedules their repetition "every [Last Listener Query Interval], over [Last Listener
// Query Time]" [7.6.3].
func (r *Router) ask(now time.Time, g *group) {
	g.repeat = time.Time{}
	if !r.Querier() && r.config.Version >= MLDv2 {
		// "it switches to Non-Querier state and ceases to send queries on the link" [7.6.2]. In MLDv1, a group that is being checked "continues
		// with the same state transition diagram" [6 of v1].
		g.left = 0
		for i := range g.sources {
			g.sources[i].left = 0
		}
		return
	}
	late := now.Add(r.lastTime())
	q := Message{
		Version:    r.config.Version,
		Group:      g.addr,
		MaxDelay:   r.config.LastInterval,
		Robustness: r.robustness,
		Interval:   r.interval,
	}
	all := g.left > 0
	if all {
		if g.left == r.config.LastCount && g.timer.After(late) { // "the Filter Timer must be lowered to LLQT"
			g.timer = late
		}
		g.left--
		q.Suppress = g.timer.After(late) // "if the Filter Timer is larger than LLQT, the [S] bit is set" [7.6.3.1]
		r.out.query(q)
	}
	if q.Version >= MLDv2 { // before, nobody understands a query about sources
		// "The first one has the [S] bit set and contains all the sources with retransmission state [...] and timers greater than LLQT. The
		// second has the [S] bit clear and contains all the sources with retransmission state and timers lower or equal to LLQT." The first is
		// suppressed when the group is queried at the same time [7.6.3.2].
		var fresh, stale []netip.Addr
		for i := range g.sources {
			s := &g.sources[i]
			if s.left == 0 {
				continue
			}
			if s.left == r.config.LastCount && s.timer.After(late) {
				s.timer = late
			}
			s.left--
			if s.timer.After(late) {
				fresh = append(fresh, s.addr)
			} else {
				stale = append(stale, s.addr)
			}
		}
		if q.Suppress = true; len(fresh) > 0 && !all {
			q.Sources = fresh
			r.out.query(q)
		}
		if q.Suppress = false; len(stale) > 0 {
			q.Sources = stale
			r.out.query(q)
		}
	}
	if g.asking() {
		g.repeat = now.Add(r.config.LastInterval)
		if at := r.limit.reserve(now); at.After(g.repeat) {
			g.repeat = at
		}
	}
}

// lowered handles the specific query of the querier in Non-Querier state [7.6.1]:
//
//	Query       Action
//	Q(MA,A)     Source Timers for sources in A are lowered to LLQT
//	Q(MA)       Filter Timer is lowered to LLQT
//
// For a query of MLDv1, that is the delay in the query times [Last Listener Query Count] [6 of v1].
func (r *Router) lowered(now time.Time, q *Message) {
	g := r.groups[q.Group]
	if g == nil {
		return
	}
	last := r.lastTime()
	if q.Version < MLDv2 {
		last = q.MaxDelay * time.Duration(r.config.LastCount)
	}
	deadline := now.Add(last)
	if len(q.Sources) == 0 && g.exclude && g.timer.After(deadline) {
		g.timer = deadline
	}
	for _, a := range q.Sources {
		if s := g.source(a); s != nil && s.timer.After(deadline) {
			s.timer = deadline
		}
	}
	r.settle(now, g)
}
