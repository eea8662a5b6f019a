package check

import (
	"fmt"
	"slices"
)

// judge is the logs, read once.
type judge struct {
	c     Claims
	logs  []Log
	sent  map[Message]*sending
	views map[viewKey]*seen
	stays map[uint64][]*stay
	found []Violation
}

// sending is what the sender's log says of a message.
type sending struct {
	sum  uint64
	view ViewID
	deps map[uint64]uint64 // for each sender the newest message that came before, once known
}

// viewKey tells the views of different groups apart.
type viewKey struct {
	group uint64
	id    ViewID
}

// seen is a view as the first log that has it tells.
type seen struct {
	members []uint64
	by      []*stay
}

// stay is the time of one process in one view.
type stay struct {
	process  uint64
	key      viewKey
	members  []uint64
	together []uint64
	pred     *stay // nil: the process's first view
	next     *stay // nil: its log ends in this one
	at       int   // the place of the View in the log
	recv     []received
	index    map[Message]int
	out      bool // the process was out, or left, in this view
	crashed  bool // its log is cut off here
}

type received struct {
	message Message
	at      int
}

func newJudge(c Claims, logs []Log) *judge {
	j := &judge{c: c, logs: logs, sent: map[Message]*sending{}, views: map[viewKey]*seen{}, stays: map[uint64][]*stay{}}
	for _, l := range logs {
		j.read(l)
	}
	return j
}

// fail notes that a rule does not hold.
func (j *judge) fail(rule string, process uint64, event int, format string, args ...any) {
	if len(j.found) < maxViolations {
		j.found = append(j.found, Violation{rule, process, event, fmt.Sprintf(format, args...)})
	}
}

// read takes one log apart, and judges what concerns it alone: M1, M2, M3, D2, D9.
func (j *judge) read(l Log) {
	p := l.Process
	var now *stay
	blocked, over := false, false
	for i, e := range l.Events {
		if over {
			j.fail("M6", p, i, "%s behind the end of the log", e.Kind)
		}
		switch e.Kind {
		case View:
			if !slices.Contains(e.Members, p) {
				j.fail("M1", p, i, "view %v has not the process that installs it", e.View)
			}
			next := &stay{process: p, key: viewKey{e.Group, e.View}, members: e.Members, together: e.Together, pred: now, at: i, index: map[Message]int{}}
			if now != nil {
				if now.key.group != e.Group || !now.key.id.Less(e.View) {
					j.fail("M2", p, i, "view %v follows %v", e.View, now.key.id)
				}
				now.next = next
			}
			j.stays[p] = append(j.stays[p], next)
			now, blocked = next, false
		case Block:
			blocked = true
		case Send:
			if now == nil {
				j.fail("M3", p, i, "sends %v before its first view", e.Message)
				continue
			}
			view := now.key.id
			if e.View != (ViewID{}) {
				view = e.View
			} else if blocked {
				j.fail("D9", p, i, "sends %v while blocked", e.Message)
			}
			if e.Message.Sender != p || j.sent[e.Message] != nil {
				j.fail("D1", p, i, "sends %v, which is not a new message of its own", e.Message)
				continue
			}
			j.sent[e.Message] = &sending{sum: e.Sum, view: view}
		case Recv:
			if now == nil {
				j.fail("M3", p, i, "receives %v before its first view", e.Message)
				continue
			}
			for s := now; s != nil; s = s.pred {
				if _, again := s.index[e.Message]; again {
					j.fail("D2", p, i, "receives %v again", e.Message)
				}
			}
			now.index[e.Message] = len(now.recv)
			now.recv = append(now.recv, received{e.Message, i})
		case Out, Crash:
			if over = true; now != nil {
				now.out, now.crashed = e.Kind == Out, e.Kind == Crash
			}
		}
	}
}

// membership judges M4, M5 and M6.
func (j *judge) membership() {
	groups := map[uint64][]viewKey{}
	for _, l := range j.logs {
		for _, s := range j.stays[l.Process] {
			v := j.views[s.key]
			if v == nil {
				v = &seen{members: s.members}
				j.views[s.key] = v
				groups[s.key.group] = append(groups[s.key.group], s.key)
			}
			if !slices.Equal(v.members, s.members) {
				j.fail("M4", s.process, s.at, "view %v has members %x, elsewhere %x", s.key.id, s.members, v.members)
			}
			v.by = append(v.by, s)
		}
	}
	for _, keys := range groups {
		slices.SortFunc(keys, func(a, b viewKey) int {
			if a.id.Less(b.id) {
				return -1
			}
			return 1
		})
		j.chain(keys)
	}
}

// chain judges M5 and M6 for the views of one group, in their order.
func (j *judge) chain(keys []viewKey) {
	removed := map[uint64]ViewID{}
	for i, k := range keys {
		v := j.views[k]
		for _, p := range v.members {
			if w, was := removed[p]; was {
				j.fail("M6", p, -1, "is in view %v, after it was removed in %v", k.id, w)
			}
		}
		if i == 0 {
			continue
		}
		before := j.views[keys[i-1]]
		if keys[i-1].id.Counter == k.id.Counter {
			j.fail("M5", v.by[0].process, v.by[0].at, "views %v and %v have the same place", keys[i-1].id, k.id)
		}
		// Those who came may have crashed before they could log it: then who joined is the only witness.
		witnessed := slices.ContainsFunc(v.by, func(s *stay) bool { return s.pred != nil && s.pred.key == keys[i-1] })
		both := func(crashed bool) bool {
			return slices.ContainsFunc(before.by, func(s *stay) bool { return slices.Contains(v.members, s.process) && s.crashed == crashed })
		}
		if !witnessed && (both(false) || !both(true)) {
			j.fail("M5", v.by[0].process, v.by[0].at, "nobody comes to view %v from %v", k.id, keys[i-1].id)
		}
		for _, p := range before.members {
			if !slices.Contains(v.members, p) {
				removed[p] = k.id
			}
		}
	}
}

// messages judges D1, D3, D4 (with which D5 holds) and D8.
func (j *judge) messages() {
	for _, l := range j.logs {
		var now *stay
		stays := j.stays[l.Process]
		for i, e := range l.Events {
			switch {
			case e.Kind == View:
				now, stays = stays[0], stays[1:]
			case e.Kind == Recv && now != nil:
				s := j.sent[e.Message]
				switch {
				case s == nil:
					j.fail("D1", l.Process, i, "receives %v, which nobody sent", e.Message)
					continue
				case s.sum != e.Sum:
					j.fail("D3", l.Process, i, "receives %v with other octets than were sent", e.Message)
				case s.view != now.key.id:
					j.fail("D4", l.Process, i, "receives %v in view %v; it was sent in %v", e.Message, now.key.id, s.view)
				}
				if !slices.Contains(now.members, e.Message.Sender) {
					j.fail("D8", l.Process, i, "receives %v of a stranger to view %v", e.Message, now.key.id)
				}
			}
		}
	}
}

// synchrony judges D6, D7, D10 and M7.
func (j *judge) synchrony() {
	for k, v := range j.views {
		first := map[*seen]*stay{}
		for _, s := range v.by {
			if s.pred == nil {
				continue
			}
			from := j.views[s.pred.key]
			if other := first[from]; other == nil {
				first[from] = s
			} else {
				j.same(other.pred, s.pred)
			}
			for _, q := range from.by { // M7: who was in that view and comes here comes from it
				if q.next != nil && q.next.key != k && slices.Contains(v.members, q.process) && j.installed(q.process, k) {
					j.fail("M7", q.process, q.next.at, "goes from %v to %v, process %x to %v", q.key.id, q.next.key.id, s.process, k.id)
				}
			}
		}
		for _, s := range v.by {
			j.transitional(s, v)
		}
	}
	for _, l := range j.logs {
		for i, e := range l.Events {
			if e.Kind == Send {
				j.own(l.Process, i, e.Message)
			}
		}
	}
}

// own judges D10 for a message.
func (j *judge) own(p uint64, at int, m Message) {
	sent := j.sent[m]
	for _, s := range j.stays[p] {
		if sent == nil || s.key.id != sent.view || s.next == nil {
			continue
		}
		if _, ok := s.index[m]; !ok {
			j.fail("D10", p, at, "sends %v and does not receive it in view %v", m, sent.view)
		}
	}
}

// installed reports whether a process installs the view.
func (j *judge) installed(p uint64, k viewKey) bool {
	return slices.ContainsFunc(j.stays[p], func(s *stay) bool { return s.key == k })
}

// same judges D6 for two processes that go together from one view to the next.
func (j *judge) same(a, b *stay) {
	for _, pair := range [][2]*stay{{a, b}, {b, a}} {
		for _, r := range pair[0].recv {
			if _, ok := pair[1].index[r.message]; !ok {
				j.fail("D6", pair[1].process, pair[1].at, "has not %v in view %v; %x has, and both go to %v", r.message, a.key.id, pair[0].process, a.next.key.id)
				return
			}
		}
	}
}

// transitional judges D7: the set names those, and no others, that come from the same view.
func (j *judge) transitional(s *stay, v *seen) {
	if s.pred == nil {
		return
	}
	if !slices.Contains(s.together, s.process) {
		j.fail("D7", s.process, s.at, "is not in its own transitional set of %v", s.key.id)
	}
	for _, q := range s.together {
		if !slices.Contains(s.members, q) || !slices.Contains(s.pred.members, q) {
			j.fail("D7", s.process, s.at, "transitional set of %v has %x, which is not in both views", s.key.id, q)
		}
	}
	for _, q := range v.by {
		if named, came := slices.Contains(s.together, q.process), q.pred != nil && q.pred.key == s.pred.key; named != came {
			j.fail("D7", s.process, s.at, "transitional set of %v: %x is named %v, came %v", s.key.id, q.process, named, came)
		}
	}
}
