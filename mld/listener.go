package mld

import (
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Listener is the machine of a host on one interface [6]: it tells routers and switches what the host listens to, when that changes
// and when they ask. With a querier of MLDv1 on the link it is the machine of RFC 2710 §5.
type Listener struct {
	config ListenerConfig
	rng    *rand.Rand
	out    outbox
	stats  ListenerStats

	groups map[netip.Addr]*membership
	agenda agenda
	msg    Message

	robustness int              // [Robustness Variable]
	interval   time.Duration    // [Query Interval] of the last query that said one
	answer     time.Time        // Interface Timer: when the answer to a General Query is due; zero: none is
	answered   time.Time        // when the last one was
	older      [MLDv2]time.Time // Older Version Querier Present timers, by version
}

// ListenerStats counts what a Listener did.
type ListenerStats struct {
	Queries    uint64 // valid ones
	Reports    uint64 // of others, before MLDv2, that were about a group listened to
	Sent       uint64 // packets
	Suppressed uint64 // reports not sent because another's was heard [4 of v1]
	Ignored    uint64 // queries of an earlier version, with IgnoreOlder
	Unlisted   uint64 // sources of queries beyond MaxSources: the answer says all that is listened to
	Delayed    uint64 // answers put off because the last one was just sent
	Overflow   uint64 // packets dropped because too many waited
	Invalid    Causes // packets refused, by cause
}

// NewListener returns a Listener that listens to nothing. rng draws the delays.
func NewListener(c ListenerConfig, rng *rand.Rand) (*Listener, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Listener{
		config:     c,
		rng:        rng,
		out:        outbox{family: c.Family, src: c.Address, mtu: c.MTU, limit: 2*c.MaxGroups + 64},
		groups:     map[netip.Addr]*membership{},
		robustness: c.Robustness,
		interval:   defaultQueryInterval,
	}, nil
}

// Listen says what one of the host's sockets wants to hear of a group: IPv6MulticastListen of [3]. It replaces what the socket wanted before;
// the zero Filter ends it. The error is that of a group that nobody reports, or ErrFull.
func (l *Listener) Listen(now time.Time, socket int, group netip.Addr, f Filter) error {
	if !l.config.Family.Reportable(group) {
		return &Error{l.config.Family, "Multicast Address", -1, ErrGroup}
	}
	m := l.groups[group]
	switch {
	case len(f.Sources) > l.config.MaxSources:
		return &Error{l.config.Family, "Source Address", -1, ErrFull}
	case m == nil && f.Empty():
		return nil
	case m == nil && len(l.groups) >= l.config.MaxGroups:
		return &Error{l.config.Family, "Multicast Address", -1, ErrFull}
	case m == nil:
		m = &membership{group: group, sockets: map[int]Filter{}, slot: appointment{group: group}}
		l.groups[group] = m
	}
	was, wanted := m.filter, m.sockets[socket]
	m.set(socket, f)
	if m.filter = m.merged(); len(m.filter.Sources) > l.config.MaxSources {
		// "If system resource limits are reached when a per-interface state source list is calculated, an error MUST be returned to the
		// application which requested the operation" [4.2].
		m.set(socket, wanted)
		m.filter = was
		l.settle(m)
		return &Error{l.config.Family, "Source Address", -1, ErrFull}
	}
	switch {
	case m.filter.Equal(was):
	case l.Version() >= MLDv2:
		m.change(was, l.robustness)
		l.changed(now, m)
	default:
		l.olderChange(now, m, was)
	}
	l.settle(m)
	return nil
}

// HandlePacket takes a packet that came to the interface. An error says why it was of no use; it changes nothing and is counted.
func (l *Listener) HandlePacket(now time.Time, p *Packet) error {
	if err := l.msg.Parse(l.config.Family, p); err != nil {
		l.stats.Invalid.count(err)
		return err
	}
	m := &l.msg
	switch {
	case m.Kind == Report && m.Version < MLDv2:
		l.overheard(m.Group)
	case m.Kind == Query && m.Version < l.config.Version && l.config.IgnoreOlder:
		l.stats.Ignored++
	case m.Kind == Query:
		l.stats.Queries++
		l.queried(now, m)
	}
	return nil
}

// queried handles a Query [6.2].
func (l *Listener) queried(now time.Time, q *Message) {
	if q.Version >= MLDv2 {
		if q.Robustness > 0 {
			l.robustness = q.Robustness
		} else {
			l.robustness = l.config.Robustness
		}
		l.interval = or(q.Interval, defaultQueryInterval)
	} else if q.Version < l.config.Version {
		l.olderQuerier(now, q)
	}
	if l.Version() < MLDv2 {
		l.olderQueried(now, q)
		return
	}
	at := now.Add(l.delay(q.MaxDelay))
	switch {
	case !l.answer.IsZero() && l.answer.Before(at): // rule 1: the answer to a General Query is scheduled, and sooner
	case q.General(): // rule 2
		if len(l.groups) > 0 {
			l.answer = l.paused(l.answered, at)
		}
	default:
		if m := l.groups[q.Group]; m != nil && !m.filter.Empty() {
			l.asked(m, q, at)
			l.settle(m)
		}
	}
}

// asked schedules the answer to a query about one group [6.2].
func (l *Listener) asked(m *membership, q *Message, at time.Time) {
	at = l.paused(m.answered, at)
	switch {
	case m.answer.IsZero(): // rule 3
		m.answer = at
		m.queried = set(q.Sources)
	case len(q.Sources) == 0 || len(m.queried) == 0: // rule 4
		m.queried = nil
		m.answer = earliest(m.answer, at)
	default: // rule 5
		m.queried = union(m.queried, q.Sources)
		m.answer = earliest(m.answer, at)
	}
	if len(m.queried) > l.config.MaxSources { // "record only a limited number of sources" [10.1]
		l.stats.Unlisted += uint64(len(m.queried))
		m.queried = nil
	}
}

// delay draws a delay of at most d.
func (l *Listener) delay(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(l.rng.Int64N(int64(d) + 1))
}

// paused returns at, or, if that is too soon after the last answer, when it is no longer.
func (l *Listener) paused(last, at time.Time) time.Time {
	if earliest := last.Add(minPause); !last.IsZero() && at.Before(earliest) {
		l.stats.Delayed++
		return earliest
	}
	return at
}

// HandleTimeout does what is due [6.3].
func (l *Listener) HandleTimeout(now time.Time) {
	l.olderGone(now)
	if due(l.answer, now) {
		l.answer, l.answered = time.Time{}, now
		var records []Record
		for _, group := range l.sorted() {
			if m := l.groups[group]; !m.filter.Empty() {
				records = append(records, m.state())
			}
		}
		l.out.report(records)
	}
	for group, ok := l.agenda.due(now); ok; group, ok = l.agenda.due(now) {
		m := l.groups[group]
		switch {
		case l.Version() < MLDv2:
			l.olderExpired(now, m)
		case due(m.answer, now):
			if r, ok := m.reply(); ok {
				l.out.report([]Record{r})
			}
			m.answer, m.answered = time.Time{}, now
		}
		if due(m.repeat, now) {
			l.changed(now, m)
		}
		l.settle(m)
	}
}

// changed sends a State Change Report about m, and schedules the next [6.1], [6.3]: "at intervals chosen at random from the range (0,
// [Unsolicited Report Interval])".
func (l *Listener) changed(now time.Time, m *membership) {
	l.out.report(m.stateChange())
	m.repeat = time.Time{}
	if m.changing() {
		m.repeat = now.Add(max(1, l.delay(l.config.UnsolicitedReportInterval)))
	}
}

// settle puts m's next timer on the agenda, or forgets m if there is nothing to keep.
func (l *Listener) settle(m *membership) {
	at := earliest(m.answer, m.repeat)
	l.agenda.set(&m.slot, at)
	if m.filter.Empty() && at.IsZero() {
		delete(l.groups, m.group)
	}
}

// NextTimeout returns when HandleTimeout has something to do; zero: never.
func (l *Listener) NextTimeout() time.Time {
	at := earliest(l.answer, l.agenda.next())
	for _, t := range l.older {
		at = earliest(at, t)
	}
	return at
}

// PollTransmit returns the next packet to send. Its payload is the caller's.
func (l *Listener) PollTransmit(time.Time) (Packet, bool) {
	p, ok := l.out.poll()
	if ok {
		l.stats.Sent++
	}
	return p, ok
}

// SetAddress says that the interface's own address changed. "Once a valid link-local address is available, a node SHOULD generate new
// MLDv2 Report messages for all multicast addresses joined on the interface" [5.2.13].
func (l *Listener) SetAddress(now time.Time, a netip.Addr) error {
	a = addressOr(a, l.config.Family)
	if !l.config.Family.own(a) {
		return &Error{l.config.Family, "Source Address", -1, ErrSource}
	}
	first := l.out.src.IsUnspecified() && !a.IsUnspecified()
	l.out.src = a
	if !first {
		return nil
	}
	for _, group := range l.sorted() {
		m := l.groups[group]
		switch {
		case m.filter.Empty():
		case l.Version() >= MLDv2:
			l.out.report([]Record{m.state()})
		default:
			l.olderReport(m)
		}
	}
	return nil
}

// Version returns the version that is spoken: Host Compatibility Mode [8.2.1].
func (l *Listener) Version() Version {
	for v, t := range l.older {
		if !t.IsZero() {
			return Version(v)
		}
	}
	return l.config.Version
}

// Stats returns the counters so far.
func (l *Listener) Stats() ListenerStats {
	s := l.stats
	s.Overflow = l.out.full
	return s
}

// Groups yields what is listened to, in the order of the addresses.
func (l *Listener) Groups() iter.Seq2[netip.Addr, Filter] {
	return func(yield func(netip.Addr, Filter) bool) {
		for _, group := range l.sorted() {
			if m := l.groups[group]; !m.filter.Empty() && !yield(group, m.filter) {
				return
			}
		}
	}
}

// sorted returns the groups in order, so that what is sent does not depend on the map.
func (l *Listener) sorted() []netip.Addr {
	return slices.SortedFunc(maps.Keys(l.groups), netip.Addr.Compare)
}
