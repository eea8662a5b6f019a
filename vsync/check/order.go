package check

import "slices"

// fifo judges O1 and O2: what a process receives of one sender in one view is what was sent first there, without a gap.
func (j *judge) fifo() {
	first := j.firsts()
	for _, l := range j.logs {
		for _, s := range j.stays[l.Process] {
			last := map[uint64]uint64{}
			for _, r := range s.recv {
				m := r.message
				want := last[m.Sender] + 1
				if last[m.Sender] == 0 {
					want = first[sendingView{m.Sender, s.key.id}]
				}
				switch {
				case m.N < want:
					j.fail("O1", l.Process, r.at, "receives %v behind a later message of the same sender", m)
				case m.N > want:
					j.fail("O2", l.Process, r.at, "receives %v and not %x/%d before it", m, m.Sender, want)
				}
				last[m.Sender] = max(last[m.Sender], m.N)
			}
		}
	}
}

type sendingView struct {
	sender uint64
	view   ViewID
}

// firsts returns the first message that each process sent in each view.
func (j *judge) firsts() map[sendingView]uint64 {
	first := map[sendingView]uint64{}
	for m, s := range j.sent {
		k := sendingView{m.Sender, s.view}
		if n, ok := first[k]; !ok || m.N < n {
			first[k] = m.N
		}
	}
	return first
}

// causal judges O4, and with it O3: who receives a message has received before it what its sender had sent or received before,
// in the same view. What came before a message is computed from the logs alone.
func (j *judge) causal() {
	j.dependencies()
	first := j.firsts()
	for _, l := range j.logs {
		for _, s := range j.stays[l.Process] {
			last := map[uint64]uint64{}
			for _, r := range s.recv {
				sent := j.sent[r.message]
				if sent == nil {
					continue
				}
				for sender, n := range sent.deps {
					from, ok := first[sendingView{sender, s.key.id}]
					if ok && n >= from && last[sender] < n && sender != r.message.Sender {
						j.fail("O4", l.Process, r.at, "receives %v and not %x/%d before it", r.message, sender, n)
					}
				}
				last[r.message.Sender] = r.message.N
			}
		}
	}
}

// dependencies follows all logs at once, each as far as what it receives has been sent in another.
func (j *judge) dependencies() {
	at := make([]int, len(j.logs))
	clock := make([]map[uint64]uint64, len(j.logs))
	for i := range clock {
		clock[i] = map[uint64]uint64{}
	}
	for moved := true; moved; {
		moved = false
		for i, l := range j.logs {
			for at[i] < len(l.Events) {
				e := l.Events[at[i]]
				if s := j.sent[e.Message]; e.Kind == Recv && s != nil {
					if s.deps == nil {
						break // until its sender's log has come to it
					}
					for sender, n := range s.deps {
						clock[i][sender] = max(clock[i][sender], n)
					}
					clock[i][e.Message.Sender] = max(clock[i][e.Message.Sender], e.Message.N)
				} else if e.Kind == Send && s != nil {
					s.deps = make(map[uint64]uint64, len(clock[i]))
					for sender, n := range clock[i] {
						s.deps[sender] = n
					}
					clock[i][l.Process] = max(clock[i][l.Process], e.Message.N)
				}
				at[i]++
				moved = true
			}
		}
	}
}

// total judges O6, O7 and O9: those who go together from a view received the same sequence there; where nobody goes on, each received
// a beginning of one sequence. With safe delivery this is so for all who were in the view, and O5 then holds.
func (j *judge) total() {
	for _, v := range j.views {
		var longest *stay
		for _, s := range v.by {
			if j.bound(s) && (longest == nil || len(s.recv) > len(longest.recv)) {
				longest = s
			}
		}
		for _, s := range v.by {
			if !j.bound(s) {
				continue
			}
			for i, r := range s.recv {
				w := longest.recv[i].message
				if w == r.message {
					continue
				}
				rule := "O6"
				if _, has := s.index[w]; !has {
					rule = "O7"
				} else if s.next == nil || longest.next == nil {
					rule = "O5"
				}
				j.fail(rule, s.process, r.at, "receives %v in view %v where %x has %v", r.message, s.key.id, longest.process, w)
				break
			}
		}
	}
}

// bound reports whether the order of others binds a process in its view: not, unless delivery is safe, if it is out, or others go on
// and it does not.
func (j *judge) bound(s *stay) bool {
	if j.c.Safe || s.next != nil {
		return true
	}
	return !s.out && !slices.ContainsFunc(j.views[s.key].by, func(o *stay) bool { return o.next != nil || o.out })
}

// safe judges S1 and S2: what one process received safe in a view, every member receives that goes on to the next.
func (j *judge) safe() {
	for _, v := range j.views {
		i := slices.IndexFunc(v.by, func(s *stay) bool { return s.next != nil })
		if i < 0 {
			continue
		}
		next := v.by[i]
		for _, s := range v.by {
			for _, r := range s.recv {
				if _, ok := next.index[r.message]; !ok {
					j.fail("S1", s.process, r.at, "receives %v as safe; %x goes on from view %v without it", r.message, next.process, s.key.id)
					break
				}
			}
		}
	}
}
