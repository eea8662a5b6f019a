package check

import "slices"

// state judges X1, X2 and X3.
func (j *judge) state() {
	type gift struct {
		view viewKey
		from uint64
	}
	given := map[gift]uint64{}
	founded := map[uint64]uint64{} // the counter of the first view of each group
	for k := range j.views {
		if n, ok := founded[k.group]; !ok || k.id.Counter < n {
			founded[k.group] = k.id.Counter
		}
	}
	for _, l := range j.logs {
		var now *stay
		stays := j.stays[l.Process]
		for _, e := range l.Events {
			if e.Kind == View {
				now, stays = stays[0], stays[1:]
			} else if e.Kind == Give && now != nil {
				given[gift{now.key, l.Process}] = e.State
			}
		}
	}
	states := map[Message]uint64{}
	for _, l := range j.logs {
		var taken *Event
		stays := j.stays[l.Process]
		for i, e := range l.Events {
			switch e.Kind {
			case State:
				taken = &l.Events[i]
			case View:
				now := stays[0]
				stays = stays[1:]
				switch {
				case now.pred != nil:
				case taken == nil && now.key.id.Counter != founded[now.key.group]:
					j.fail("X3", l.Process, i, "joins in view %v without state", now.key.id)
				case taken != nil:
					if d, ok := given[gift{now.key, taken.From}]; !ok || d != taken.State {
						j.fail("X1", l.Process, i, "has not the state that %x gave for view %v", taken.From, now.key.id)
					}
				}
			case Recv:
				if e.State == 0 || j.c.Order != Total {
					continue
				}
				if was, ok := states[e.Message]; ok && was != e.State && j.goesOn(l.Process, i) {
					j.fail("X2", l.Process, i, "has another state behind %v than others", e.Message)
				} else if !ok && j.goesOn(l.Process, i) {
					states[e.Message] = e.State
				}
			}
		}
	}
}

// goesOn reports whether the order of others binds the process in the view in which its event i is.
func (j *judge) goesOn(p uint64, i int) bool {
	stays := j.stays[p]
	last := stays[len(stays)-1]
	return i < last.at || j.bound(last)
}

// liveness judges L1 to L4 and X4 for the stable processes, and L7.
func (j *judge) liveness() {
	j.blocks()
	var last *stay
	members := slices.Sorted(slices.Values(j.c.Stable))
	for _, p := range members {
		stays := j.stays[p]
		if len(stays) == 0 {
			j.fail("L1", p, -1, "never has a view (X4, if it waits for its state)")
			continue
		}
		s := stays[len(stays)-1]
		if !slices.Equal(slices.Sorted(slices.Values(s.members)), members) {
			j.fail("L1", p, s.at, "ends in view %v of %x; connected are %x", s.key.id, s.members, members)
		}
		if last == nil {
			last = s
		}
		if s.key != last.key {
			j.fail("L1", p, s.at, "ends in view %v, process %x in %v", s.key.id, last.process, last.key.id)
		}
	}
	for m, sent := range j.sent {
		for _, p := range members {
			stays := j.stays[p]
			if last == nil || sent.view != last.key.id || len(stays) == 0 || stays[len(stays)-1].key != last.key {
				continue
			}
			if _, ok := stays[len(stays)-1].index[m]; ok {
				continue
			}
			rule := "L2"
			if m.Sender == p {
				rule = "L3"
			} else if j.c.Safe {
				rule = "L4"
			}
			j.fail(rule, p, -1, "never receives %v, sent in its last view %v", m, sent.view)
		}
	}
}

func (j *judge) blocks() {
	if j.c.Block == 0 {
		return
	}
	for _, l := range j.logs {
		var blocked *Event
		for i, e := range l.Events {
			switch e.Kind {
			case Block:
				blocked = &l.Events[i]
			case View:
				if blocked != nil && e.At-blocked.At > j.c.Block {
					j.fail("L7", l.Process, i, "was blocked for %v before view %v", e.At-blocked.At, e.View)
				}
				blocked = nil
			}
		}
	}
}
