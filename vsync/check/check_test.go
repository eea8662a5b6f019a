package check

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// The story that is right: 1 founds view 1 with 2 and 3, all send, 3 crashes, 1 and 2 go on to view 2, and 4 joins in view 3.
func good() []Log {
	view := func(n uint64, together []uint64, members ...uint64) Event {
		return Event{Kind: View, Group: 9, View: ViewID{n, 1}, Members: members, Together: together}
	}
	send := func(p, n uint64) Event { return Event{Kind: Send, Message: Message{p, n}, Sum: 10*p + n} }
	recv := func(p, n uint64) Event {
		return Event{Kind: Recv, Message: Message{p, n}, Sum: 10*p + n, State: 100*p + n}
	}
	two, all := []uint64{1, 2}, []uint64{1, 2, 4}
	return []Log{
		{1, []Event{
			view(1, nil, 1, 2, 3), send(1, 1), recv(1, 1), recv(2, 1), recv(3, 1), {Kind: Block, At: 5}, func() Event { v := view(2, two, 1, 2); v.At = 9; return v }(),
			send(1, 2), recv(1, 2), recv(2, 2), view(3, two, all...), {Kind: Give, State: 77}, send(1, 3), recv(1, 3), recv(4, 1),
		}},
		{2, []Event{
			view(1, nil, 1, 2, 3), recv(1, 1), send(2, 1), recv(2, 1), recv(3, 1), view(2, two, 1, 2),
			recv(1, 2), send(2, 2), recv(2, 2), view(3, two, all...), recv(1, 3), recv(4, 1),
		}},
		{3, []Event{view(1, nil, 1, 2, 3), recv(1, 1), send(3, 1), {Kind: Crash}}},
		{4, []Event{{Kind: State, State: 77, From: 1}, view(3, nil, all...), send(4, 1), recv(1, 3), recv(4, 1)}},
	}
}

var claims = Claims{Order: Total, Safe: true, State: true, Stable: []uint64{1, 2, 4}, Block: 10}

func TestWhatIsRightPasses(t *testing.T) {
	if found := Check(claims, good()); len(found) > 0 {
		t.Errorf("found %v in a story that is right", found)
	}
}

// Each property fails on the logs that break it, and is named.
func TestEachPropertyIsDecided(t *testing.T) {
	remove := func(l *Log, i, n int) { l.Events = slices.Delete(l.Events, i, i+n) }
	insert := func(l *Log, i int, e ...Event) { l.Events = slices.Insert(l.Events, i, e...) }
	swap := func(l *Log, i, k int) { l.Events[i], l.Events[k] = l.Events[k], l.Events[i] }
	for _, c := range []struct {
		rule, story string
		spoil       func(l []Log)
	}{
		{"M1", "a view without the process that installs it", func(l []Log) { l[2].Events[0].Members = []uint64{1, 2} }},
		{"M2", "a view again", func(l []Log) { insert(&l[0], 1, l[0].Events[0]) }},
		{"M2", "an older view", func(l []Log) { l[0].Events[10].View.Counter = 1 }},
		{"M3", "received before the first view", func(l []Log) { swap(&l[1], 0, 1) }},
		{"M3", "sent before the first view", func(l []Log) { swap(&l[0], 0, 1) }},
		{"M4", "one view with two lists of members", func(l []Log) { l[1].Events[5].Members = []uint64{2, 1} }},
		{"M5", "two views in one place", func(l []Log) { l[1].Events[5].View.Coordinator = 2 }},
		{"M5", "a view to which nobody comes from the one before", func(l []Log) {
			remove(&l[0], 5, 5)
			remove(&l[1], 5, 4)
			l[2].Events[3] = l[0].Events[5]
			l[2].Events[3].View.Counter, l[2].Events[3].Members, l[2].Events[3].Together = 2, []uint64{3}, []uint64{3}
		}},
		{"M6", "a member that was removed is back", func(l []Log) {
			for _, i := range []int{0, 1} {
				e := l[i].Events
				at := slices.IndexFunc(e, func(e Event) bool { return e.View.Counter == 3 })
				e[at].Members = []uint64{1, 2, 4, 3}
			}
			l[3].Events[1].Members = []uint64{1, 2, 4, 3}
		}},
		{"M6", "something behind the end", func(l []Log) { insert(&l[2], 4, l[2].Events[1]) }},
		{"M7", "one leaves out a view of which it was a member", func(l []Log) {
			insert(&l[2], 3, l[0].Events[10])
			l[2].Events[3].Together = []uint64{3}
			for i, n := range []int{10, 9} {
				l[i].Events[n].Members = []uint64{1, 2, 3, 4}
			}
			for i, n := range []int{6, 5} {
				l[i].Events[n].Members = []uint64{1, 2, 3}
			}
			l[2].Events[3].Members, l[3].Events[1].Members = []uint64{1, 2, 3, 4}, []uint64{1, 2, 3, 4}
		}},
		{"D1", "a message that nobody sent", func(l []Log) { remove(&l[2], 2, 1) }},
		{"D1", "a message sent twice", func(l []Log) { insert(&l[0], 2, l[0].Events[1]) }},
		{"D2", "a message received twice", func(l []Log) { insert(&l[0], 3, l[0].Events[2]) }},
		{"D2", "a message received again in the next view", func(l []Log) { insert(&l[0], 7, l[0].Events[2]) }},
		{"D3", "other octets", func(l []Log) { l[1].Events[1].Sum++ }},
		{"D4", "received in the view after", func(l []Log) { e := l[1].Events[4]; remove(&l[1], 4, 1); insert(&l[1], 5, e) }},
		{"D6", "two go on, of whom one has less", func(l []Log) { remove(&l[1], 4, 1) }},
		{"D7", "the transitional set names who did not come", func(l []Log) { l[0].Events[10].Together = []uint64{1, 2, 4} }},
		{"D7", "the transitional set is short", func(l []Log) { l[0].Events[10].Together = []uint64{1} }},
		{"D8", "a message of a stranger", func(l []Log) {
			insert(&l[2], 3, Event{Kind: View, Group: 8, View: ViewID{2, 1}, Members: []uint64{3}}, Event{Kind: Send, Message: Message{3, 2}})
			insert(&l[0], 8, Event{Kind: Recv, Message: Message{3, 2}})
		}},
		{"D9", "sent while blocked", func(l []Log) {
			insert(&l[0], 6, Event{Kind: Send, Message: Message{1, 9}})
		}},
		{"D10", "its own message not received", func(l []Log) { remove(&l[0], 2, 1) }},
		{"O1", "two of one sender the wrong way round", func(l []Log) { twice(l, true) }},
		{"O2", "the first of two missing", func(l []Log) { twice(l, false) }},
		{"O4", "an answer before the question", func(l []Log) { swap(&l[0], 8, 9) }},
		{"O5", "who ended had another order", func(l []Log) {
			insert(&l[2], 3, l[0].Events[4], l[0].Events[3])
		}},
		{"O6", "two orders", func(l []Log) { swap(&l[0], 3, 4) }},
		{"O7", "a hole", func(l []Log) { remove(&l[1], 10, 1) }},
		{"S1", "safe at one that ended, and nowhere else", func(l []Log) {
			insert(&l[2], 3, Event{Kind: Send, Message: Message{3, 2}}, Event{Kind: Recv, Message: Message{3, 2}})
		}},
		{"X1", "another state than was given", func(l []Log) { l[3].Events[0].State++ }},
		{"X2", "another state behind the same message", func(l []Log) { l[3].Events[3].State++ }},
		{"X3", "a member without state", func(l []Log) { remove(&l[3], 0, 1) }},
		{"L1", "one is not in the last view", func(l []Log) { remove(&l[1], 9, 3) }},
		{"L1", "one has no view", func(l []Log) { remove(&l[3], 1, 4) }},
		{"L2", "a message that never comes", func(l []Log) { remove(&l[1], 11, 1) }},
		{"L3", "its own message never comes", func(l []Log) { remove(&l[3], 4, 1) }},
		{"L7", "blocked too long", func(l []Log) { l[0].Events[6].At = 20 }},
	} {
		t.Run(c.rule+" "+c.story, func(t *testing.T) {
			logs, claims := good(), claims
			c.spoil(logs)
			if c.rule == "L2" {
				claims.Safe = false // with it, the rule is L4
			}
			found := Check(claims, logs)
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == c.rule }) {
				t.Errorf("found %v, want %s", found, c.rule)
			}
			for _, v := range found {
				if v.String() == "" || v.Text == "" {
					t.Errorf("a violation that says nothing: %#v", v)
				}
			}
			if c.rule == "L2" {
				claims.Safe = true
				if !slices.ContainsFunc(Check(claims, logs), func(v Violation) bool { return v.Rule == "L4" }) {
					t.Error("want L4 where delivery is safe")
				}
			}
		})
	}
}

// twice has process 1 send another message in view 2, which process 2 receives alone, or before the first.
func twice(l []Log, both bool) {
	again := Event{Kind: Send, Message: Message{1, 3}}
	l[0].Events[12].Message.N, l[0].Events[13].Message.N = 4, 4
	l[1].Events[10].Message.N, l[3].Events[3].Message.N = 4, 4
	for _, e := range []*Event{&l[0].Events[12], &l[0].Events[13], &l[1].Events[10], &l[3].Events[3]} {
		e.Sum = 14
	}
	l[0].Events = slices.Insert(l[0].Events, 8, again)
	again.Kind = Recv
	l[0].Events = slices.Insert(l[0].Events, 11, again)
	if both {
		l[1].Events = slices.Insert(l[1].Events, 6, again)
	} else {
		l[1].Events[6] = again
	}
}

// Without safe delivery, the order of who ended in a view that others left binds nobody.
func TestOrderBindsThoseWhoGoOn(t *testing.T) {
	logs := good()
	logs[2].Events = slices.Insert(logs[2].Events, 3, logs[0].Events[4], logs[0].Events[3])
	c := claims
	c.Safe = false
	if found := Check(c, logs); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestLogsSurviveTheirFile(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, l := range good() {
		for _, e := range l.Events {
			e.At = time.Second
			if err := w.Write(l.Process, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.WriteString(`{"process":1,"ki`) // the process was killed
	logs, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	want := good()
	for i := range want {
		for k := range want[i].Events {
			want[i].Events[k].At = time.Second
		}
	}
	if !reflect.DeepEqual(logs, want) {
		t.Errorf("read %v, want %v", logs, want)
	}
	if _, err := Read(strings.NewReader("{}\nno\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}
