package transfer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// ledger is what the receivers of a session have stated. It is safe for concurrent use.
type ledger struct {
	session SessionID
	objects []Object
	expect  int
	names   []string // that must finish

	mu        sync.Mutex
	receivers map[uint64]*entry
	latest    map[host]*entry // who began last under a name and address
	dropped   []netip.Addr    // that are waited for no more
	spoken    time.Time       // when one was heard last
}

// entry is one receiver.
type entry struct {
	statement
	addr  netip.AddrPort
	since time.Time // when it was heard first, and last
	heard time.Time
	after *entry // who has begun since on the same host, by the same name
}

// host is where a receiver is, and what it calls itself.
type host struct {
	name string
	addr netip.Addr
}

// goneAfter is how long a receiver is silent that has been killed, at least, if another has begun in its place: a live one states something
// every reportAlive.
const goneAfter = 3 * reportAlive

// maxReceivers bounds how many receivers are kept: more of them go unnoticed.
const maxReceivers = 1 << 16

func newLedger(p *plan, expect int, names []string) *ledger {
	return &ledger{session: p.session, objects: p.objects, expect: expect, names: names, receivers: make(map[uint64]*entry), latest: make(map[host]*entry)}
}

// take takes a report. It returns the acknowledgement to send, nil if it was none, and what there is to tell if it was news: that the
// receiver has begun, finished, or failed with something.
func (l *ledger) take(now time.Time, from netip.AddrPort, body []byte) (acknowledge []byte, news *ReceiverSummary) {
	s, kind, err := parseReceipt(body)
	if err != nil || kind != kindStatement || s.Session != l.session {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.receivers[s.Receiver]
	known := e != nil
	if !known {
		if len(l.receivers) >= maxReceivers {
			return nil, nil
		}
		e = &entry{since: now}
		l.receivers[s.Receiver] = e
		h := host{s.Name, from.Addr()}
		if before := l.latest[h]; before != nil {
			before.after = e
		}
		l.latest[h] = e
	}
	e.heard, e.addr, l.spoken = now, from, now
	if !known || s.Sequence > e.Sequence {
		fresh := !known || s.Finished && !e.Finished || s.Failed > e.Failed || s.Objects > e.Objects
		e.statement = s
		if fresh {
			r := l.summary(e)
			news = &r
		}
	}
	return appendAcknowledge(nil, &s), news
}

// address writes where a receiver is. Without UDP there is no port.
func address(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

func (l *ledger) summary(e *entry) ReceiverSummary {
	r := ReceiverSummary{
		Name: e.Name, Addr: address(e.addr), Finished: e.Finished, Objects: int(e.Objects), Failed: int(e.Failed), Bytes: int64(e.Bytes),
		Lost: e.Lost, Repaired: e.Repaired, Duration: e.Elapsed, Shed: !e.Finished && l.isShed(e),
	}
	for _, p := range e.Problems {
		name := ""
		if int64(p.Object) < int64(len(l.objects)) {
			name = l.objects[p.Object].Name
		}
		r.Problems = append(r.Problems, Problem{name, errors.New(p.Reason)})
	}
	return r
}

// whole reports whether the receiver has finished and has everything.
func (l *ledger) whole(e *entry) bool { return e.Finished && e.Failed == 0 }

// replaced reports whether a receiver had ended, without everything, when another was started in its place, which speaks for that host now. It
// is to be called with the lock.
func (l *ledger) replaced(now time.Time, e *entry) bool {
	return e.after != nil && e.after.since.After(e.heard) && !l.whole(e) && (e.Finished || now.Sub(e.heard) > goneAfter)
}

// count returns how many receivers have begun, and how many of them have finished.
func (l *ledger) count() (begun, finished int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.receivers {
		if e.Finished {
			finished++
		}
	}
	return len(l.receivers), finished
}

// missing returns whom the expected are short of: those that have not begun, or, at the end, those that do not have everything. It is
// empty if they are all there.
func (l *ledger) missing(end bool) (who []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	there := make(map[string]bool)
	for _, e := range l.receivers {
		if !end || l.whole(e) {
			n++
			there[e.Name] = true
		}
	}
	for _, name := range l.names {
		if !there[name] && !slices.Contains(who, name) {
			who = append(who, name)
		}
	}
	if more := l.expect - n - len(who); more > 0 {
		who = append(who, fmt.Sprintf("%d more", more))
	}
	return who
}

// waiting reports whether a receiver that has begun may still finish: it was heard within the patience. Who was replaced is forgotten.
func (l *ledger) waiting(now time.Time, patience time.Duration) (may bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.receivers {
		if l.replaced(now, e) {
			delete(l.receivers, id)
			continue
		}
		may = may || !e.Finished && now.Sub(e.heard) < patience && !l.isShed(e)
	}
	return may
}

// failed reports whether a receiver has said that it could not take something.
func (l *ledger) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.receivers {
		if e.Failed > 0 {
			return true
		}
	}
	return false
}

// summaries returns what each receiver has stated, by name.
func (l *ledger) summaries() (all []ReceiverSummary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.receivers {
		all = append(all, l.summary(e))
	}
	slices.SortFunc(all, func(a, b ReceiverSummary) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Addr, b.Addr)
	})
	return all
}
