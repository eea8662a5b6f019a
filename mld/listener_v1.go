package mld

import (
	"net/netip"
	"time"
)

// ListenerState is what a group is to a host in RFC 2710 §5.
type ListenerState uint8

// The states of a listener.
const (
	NonListener ListenerState = iota
	DelayingListener
	IdleListener
)

// String returns the state's name in the RFC.
func (s ListenerState) String() string {
	return [...]string{"Non-Listener", "Delaying Listener", "Idle Listener"}[s%3]
}

// State returns the state of a group: of version 1, and by its timer that of later ones too.
func (l *Listener) State(group netip.Addr) ListenerState {
	switch m := l.groups[group]; {
	case m == nil || m.filter.Empty():
		return NonListener
	case m.answer.IsZero():
		return IdleListener
	}
	return DelayingListener
}

// olderQuerier takes note of a query of an earlier version [8.2.1]: "The Host Compatibility Mode of an interface is set to MLDv1 whenever an
// MLDv1 Multicast Address Listener Query is received on that interface. At the same time, the Older Version Querier Present timer for the
// interface is set to Older Version Querier Present Timeout". That is "([Robustness Variable] times (the [Query Interval] in the last
// Query received)) plus ([Query Response Interval])" [9.12]; a query of version 1 has no interval, so the last that was said counts.
func (l *Listener) olderQuerier(now time.Time, q *Message) {
	was := l.Version()
	l.older[q.Version] = now.Add(time.Duration(l.robustness)*l.interval + q.MaxDelay)
	l.switched(was)
}

// olderGone ends what queries of earlier versions have begun.
func (l *Listener) olderGone(now time.Time) {
	was := l.Version()
	for v, t := range l.older {
		if due(t, now) {
			l.older[v] = time.Time{}
		}
	}
	l.switched(was)
}

// switched does what goes with a change of the version: "Whenever a host changes its compatibility mode, it cancels all its pending
// responses and retransmission timers" [8.2.1].
func (l *Listener) switched(was Version) {
	if l.Version() == was {
		return
	}
	l.answer = time.Time{}
	for _, group := range l.sorted() {
		m := l.groups[group]
		m.forget()
		m.last = true // as far as we know; a Done too many does no harm
		l.settle(m)
	}
}

// olderChange is "start listening" and "stop listening" [5 of v1]. Other changes mean nothing before MLDv2.
func (l *Listener) olderChange(now time.Time, m *membership, was Filter) {
	switch {
	case was.Empty():
		l.olderReport(m)
		// "act as if a Multicast-Address-Specific Query was received for that address, and set a timer appropriately" [4 of v1]
		m.answer = now.Add(l.delay(l.config.OlderReportInterval))
	case m.filter.Empty():
		m.answer = time.Time{}
		if (m.last || l.config.AlwaysDone) && l.Version() > IGMPv1 {
			l.out.send(&Message{Kind: Done, Version: MLDv1, Group: m.group}, l.config.Family.AllRouters())
		}
	}
}

// olderQueried is "query received" [5 of v1]: "a General Query applies to all multicast addresses on the interface".
func (l *Listener) olderQueried(now time.Time, q *Message) {
	if !q.General() {
		if m := l.groups[q.Group]; m != nil {
			l.olderAsked(now, m, q.MaxDelay)
		}
		return
	}
	for _, group := range l.sorted() {
		l.olderAsked(now, l.groups[group], q.MaxDelay)
	}
}

// olderAsked starts the report delay timer: "If a timer for any address is already running, it is reset to the new random value only if the
// requested Maximum Response Delay is less than the remaining value of the running timer" [4 of v1].
func (l *Listener) olderAsked(now time.Time, m *membership, d time.Duration) {
	if m.filter.Empty() {
		return
	}
	if m.answer.IsZero() || d < m.answer.Sub(now) {
		m.answer = l.paused(m.answered, now.Add(l.delay(d)))
		l.settle(m)
	}
}

// olderExpired is "timer expired" [5 of v1].
func (l *Listener) olderExpired(now time.Time, m *membership) {
	if due(m.answer, now) {
		m.answer, m.answered = time.Time{}, now
		l.olderReport(m)
	}
}

// olderReport sends a report "to that address" [4 of v1] and sets the flag that we were the last.
func (l *Listener) olderReport(m *membership) {
	m.last = true
	l.out.send(&Message{Kind: Report, Version: l.Version(), Group: m.group}, m.group)
}

// overheard is "report received" [5 of v1]: "It is ignored in the Non-Listener or Idle Listener state." In MLDv2 it is too: "A host MAY
// allow its MLDv2 Multicast Listener Report to be suppressed" [8.2.2], and a switch would not know of us then.
func (l *Listener) overheard(group netip.Addr) {
	m := l.groups[group]
	if m == nil || m.filter.Empty() {
		return
	}
	l.stats.Reports++
	if l.Version() >= MLDv2 || m.answer.IsZero() {
		return
	}
	m.answer, m.last = time.Time{}, false
	l.stats.Suppressed++
	l.settle(m)
}
