package mld

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// membership is what a Listener keeps for a group: what is wanted, and which reports are due.
type membership struct {
	group   netip.Addr
	sockets map[int]Filter // per-socket state [4.1]
	filter  Filter         // per-interface state [4.2]

	answer   time.Time    // Multicast Address Timer; before MLDv2, the report delay timer; zero: does not run
	answered time.Time    // when a specific query was last answered
	queried  []netip.Addr // that the answer is to be about; none: all

	repeat   time.Time  // Retransmission Timer
	modeLeft int        // Filter Mode Retransmission Counter
	sources  []repeated // Retransmission List, sorted by address

	last bool // before MLDv2: we were the last to report ("set flag", [5 of v1])

	slot appointment
}

// repeated is a source with its Source Retransmission Counter [6.1].
type repeated struct {
	addr netip.Addr
	left int
}

// set notes what a socket wants.
func (m *membership) set(socket int, f Filter) {
	if f.Empty() {
		delete(m.sockets, socket)
	} else {
		m.sockets[socket] = Filter{f.Exclude, set(f.Sources)}
	}
}

// merged returns what the sockets want together.
func (m *membership) merged() Filter { return Merge(slices.Collect(maps.Values(m.sockets))...) }

// change takes note of what differs from the filter was, to be reported robustness times [6.1]:
//
//	Old State         New State         State Change Record Sent
//	INCLUDE (A)       INCLUDE (B)       ALLOW (B-A), BLOCK (A-B)
//	EXCLUDE (A)       EXCLUDE (B)       ALLOW (A-B), BLOCK (B-A)
//	INCLUDE (A)       EXCLUDE (B)       TO_EX (B)
//	EXCLUDE (A)       INCLUDE (B)       TO_IN (B)
func (m *membership) change(was Filter, robustness int) {
	if was.Exclude != m.filter.Exclude {
		m.modeLeft = robustness
		return
	}
	for _, a := range union(minus(m.filter.Sources, was.Sources), minus(was.Sources, m.filter.Sources)) {
		i := 0
		for i < len(m.sources) && m.sources[i].addr.Less(a) {
			i++
		}
		if i == len(m.sources) || m.sources[i].addr != a {
			m.sources = append(m.sources, repeated{})
			copy(m.sources[i+1:], m.sources[i:])
		}
		m.sources[i] = repeated{a, robustness}
	}
}

// changing reports whether State Change Reports are still to be sent.
func (m *membership) changing() bool { return m.modeLeft > 0 || len(m.sources) > 0 }

// stateChange returns the records of the next State Change Report and counts it [6.1], [6.3]:
//
//	Record   Sources included
//	TO_IN    All in the current per-interface state that must be forwarded
//	TO_EX    All in the current per-interface state that must be blocked
//	ALLOW    All with retransmission state that must be forwarded
//	BLOCK    All with retransmission state that must be blocked
//
// Section 6.1 counts a source down with each report, section 6.3 with each that includes it: we do the latter, so each change of a source
// is told often enough whatever happens to the mode.
func (m *membership) stateChange() []Record {
	if m.modeLeft > 0 {
		m.modeLeft--
		t := ToIn
		if m.filter.Exclude {
			t = ToEx
		}
		return []Record{{t, m.group, m.filter.Sources}}
	}
	var allow, block []netip.Addr
	kept := m.sources[:0]
	for _, s := range m.sources {
		if m.filter.Accepts(s.addr) {
			allow = append(allow, s.addr)
		} else {
			block = append(block, s.addr)
		}
		if s.left--; s.left > 0 {
			kept = append(kept, s)
		}
	}
	m.sources = kept
	var records []Record
	if len(allow) > 0 {
		records = append(records, Record{Allow, m.group, allow})
	}
	if len(block) > 0 {
		records = append(records, Record{Block, m.group, block})
	}
	return records
}

// state returns the Current State Record.
func (m *membership) state() Record {
	if m.filter.Exclude {
		return Record{IsEx, m.group, m.filter.Sources}
	}
	return Record{IsIn, m.group, m.filter.Sources}
}

// reply returns the Current State Record that answers what was asked [6.3]; ok is false if it would say nothing:
//
//	                     set of sources in the
//	per-interface state  pending response record  Current State Record
//	 INCLUDE (A)                   B                IS_IN (A*B)
//	 EXCLUDE (A)                   B                IS_IN (B-A)
func (m *membership) reply() (_ Record, ok bool) {
	asked := m.queried
	m.queried = nil
	var r Record
	switch {
	case m.filter.Empty():
		return r, false
	case len(asked) == 0:
		return m.state(), true
	case m.filter.Exclude:
		r = Record{IsIn, m.group, minus(asked, m.filter.Sources)}
	default:
		r = Record{IsIn, m.group, intersection(m.filter.Sources, asked)}
	}
	return r, len(r.Sources) > 0
}

// forget ends all that is pending.
func (m *membership) forget() {
	m.answer, m.queried = time.Time{}, nil
	m.repeat, m.modeLeft, m.sources = time.Time{}, 0, nil
}
