package mld

import (
	"net/netip"
	"time"
)

// apply handles a record about a group: the tables of [7.4.1] and [7.4.2]. It returns the group, nil if it has no listeners. The list is sorted.
//
//	Router State   Report Received  New Router State     Actions
//	INCLUDE (A)       IS_IN (B)     INCLUDE (A+B)        (B)=MALI
//	INCLUDE (A)       IS_EX (B)     EXCLUDE (A*B, B-A)   (B-A)=0, Delete (A-B), Filter Timer=MALI
//	EXCLUDE (X,Y)     IS_IN (A)     EXCLUDE (X+A, Y-A)   (A)=MALI
//	EXCLUDE (X,Y)     IS_EX (A)     EXCLUDE (A-Y, Y*A)   (A-X-Y)=MALI, Delete (X-A), Delete (Y-A), Filter Timer=MALI
//	INCLUDE (A)       ALLOW (B)     INCLUDE (A+B)        (B)=MALI
//	INCLUDE (A)       BLOCK (B)     INCLUDE (A)          Send Q(MA,A*B)
//	INCLUDE (A)       TO_EX (B)     EXCLUDE (A*B, B-A)   (B-A)=0, Delete (A-B), Send Q(MA,A*B), Filter Timer=MALI
//	INCLUDE (A)       TO_IN (B)     INCLUDE (A+B)        (B)=MALI, Send Q(MA,A-B)
//	EXCLUDE (X,Y)     ALLOW (A)     EXCLUDE (X+A, Y-A)   (A)=MALI
//	EXCLUDE (X,Y)     BLOCK (A)     EXCLUDE (X+(A-Y), Y) (A-X-Y)=Filter Timer, Send Q(MA,A-Y)
//	EXCLUDE (X,Y)     TO_EX (A)     EXCLUDE (A-Y, Y*A)   (A-X-Y)=Filter Timer, Delete (X-A), Delete (Y-A), Send Q(MA,A-Y), Filter Timer=MALI
//	EXCLUDE (X,Y)     TO_IN (A)     EXCLUDE (X+A, Y-A)   (A)=MALI, Send Q(MA,X-A), Send Q(MA)
func (r *Router) apply(now time.Time, addr netip.Addr, t RecordType, list []netip.Addr) *group {
	g := r.groups[addr]
	if g == nil {
		switch t {
		case Block:
			return nil
		case IsIn, ToIn, Allow:
			if len(list) == 0 {
				return nil // INCLUDE () stays what it is
			}
		}
		if len(r.groups) >= r.config.MaxGroups {
			r.stats.NoGroup++
			return nil
		}
		g = &group{addr: addr, slot: appointment{group: addr}}
		r.groups[addr] = g
	}
	var asked []netip.Addr // the sources of Q(MA,...)
	all := false           // Q(MA)
	mali := now.Add(r.listeningInterval())
	change := func(timer time.Time, keep func(s *source, listed bool) bool) {
		r.stats.NoSource += g.walk(list, r.config.MaxSources, timer, keep)
	}
	refresh := func(s *source, listed bool) bool { // (B)=MALI
		if listed {
			s.timer = mali
		}
		return true
	}
	listed := func(_ *source, listed bool) bool { return listed } // Delete (A-B)
	if t == Allow {
		t = IsIn // the same in both tables
	}
	switch {
	case !g.exclude && t == IsIn:
		change(mali, refresh)
	case !g.exclude && t == ToIn:
		change(mali, func(s *source, listed bool) bool {
			if !listed {
				asked = append(asked, s.addr) // A-B
			}
			return refresh(s, listed)
		})
	case !g.exclude && t == Block:
		asked = g.among(list) // A*B
	case !g.exclude: // IS_EX, TO_EX
		if t == ToEx {
			asked = g.among(list) // A*B
		}
		change(time.Time{}, listed)
		g.exclude, g.timer = true, mali
	case t == IsIn:
		change(mali, refresh)
	case t == ToIn:
		change(mali, func(s *source, listed bool) bool {
			if !listed && !s.timer.IsZero() {
				asked = append(asked, s.addr) // X-A
			}
			return refresh(s, listed)
		})
		all = true
	case t == Block:
		change(g.timer, nil)
		asked = g.among(list) // A-Y: what was in X, and what has come to it
	default: // IS_EX, TO_EX
		timer := mali
		if t == ToEx {
			timer = g.timer
		}
		change(timer, listed)
		if t == ToEx {
			asked = g.among(list) // A-Y
		}
		g.timer = mali
	}
	if all || len(asked) > 0 {
		r.check(now, g, all, asked)
	}
	r.settle(now, g)
	return r.groups[addr]
}

// among returns those of the list whose timers run: the Include List or the Requested List.
func (g *group) among(list []netip.Addr) (in []netip.Addr) {
	for _, a := range list {
		if s := g.source(a); s != nil && !s.timer.IsZero() {
			in = append(in, a)
		}
	}
	return in
}

// settle does what timers that have run out ask for, tells of what changed, and puts the next timer on the agenda.
func (r *Router) settle(now time.Time, g *group) {
	alive := g.expire(now)
	if !alive {
		delete(r.groups, g.addr)
		r.agenda.set(&g.slot, time.Time{})
	} else {
		r.agenda.set(&g.slot, g.next())
	}
	if r.config.Changed != nil && !g.is(g.told) {
		g.told = g.filter()
		r.config.Changed(now, g.addr, g.told)
	}
}
