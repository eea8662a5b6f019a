package mld

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Router is the machine of a router on one interface [7]: it learns which groups and sources have listeners on the link, and while no other
// router has a lower address it is the querier, who asks. Before MLDv2, it is the machine of RFC 2710 §6.
type Router struct {
	config RouterConfig
	out    outbox
	stats  RouterStats

	groups map[netip.Addr]*group
	agenda agenda
	msg    Message
	limit  bucket // of specific queries that reports lead to

	querier    netip.Addr    // who is; our own address in Querier state
	other      time.Time     // Other Querier Present timer
	served     bool          // the other querier asked all nodes
	spoiled    bool          // the last other querier did not
	general    time.Time     // General Query timer, in Querier state
	startup    int           // general queries that are sent at [Startup Query Interval]
	robustness int           // [Robustness Variable] in use
	interval   time.Duration // [Query Interval] in use
}

// RouterStats counts what a Router did.
type RouterStats struct {
	Reports      uint64 // valid ones, Done included
	Queries      uint64 // valid ones of others
	Sent         uint64 // packets
	Elections    uint64 // changes between Querier and Non-Querier
	OlderQueries uint64 // general queries of an earlier version than ours: the routers of the link are not configured alike [8.3.1]
	LaterQueries uint64 // and of a later version
	Records      uint64 // records of reports that were about no group to report, or said nothing that their type can
	Unicast      uint64 // queries about a group that were not sent to it: its listeners did not hear them
	Useless      uint64 // queries from a lower address that asked nobody, and so neither elect nor keep a querier
	NoGroup      uint64 // records ignored because MaxGroups is reached
	NoSource     uint64 // sources ignored because MaxSources is reached
	Older        uint64 // reports of an earlier version ignored: IgnoreOlder, or about a source-specific group (RFC 4604)
	Deferred     uint64 // specific queries put off because of QueriesPerSecond
	Overflow     uint64 // packets dropped because too many waited
	Invalid      Causes // packets refused, by cause
}

// NewRouter returns a Router that does nothing yet: Start makes it a querier.
func NewRouter(c RouterConfig) (*Router, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Router{
		config:     c,
		out:        outbox{family: c.Family, src: c.Address, mtu: c.MTU, limit: 3*c.MaxGroups + 64},
		groups:     map[netip.Addr]*group{},
		limit:      bucket{interval: time.Second / time.Duration(c.QueriesPerSecond), burst: max(c.QueriesPerSecond, 1)},
		querier:    c.Address,
		robustness: c.Robustness,
		interval:   c.QueryInterval,
	}, nil
}

// Start makes the router a querier: "When a router starts operating on a subnet, by default it considers itself as being the Querier.
// Thus, it sends several General Queries separated by a small time interval" [7.6.2].
func (r *Router) Start(now time.Time) {
	r.querier, r.other = r.config.Address, time.Time{}
	r.startup = r.config.StartupCount
	r.general = now
}

// HandlePacket takes a packet that came to the interface. An error says why it was of no use; it changes nothing and is counted.
func (r *Router) HandlePacket(now time.Time, p *Packet) error {
	f := r.config.Family
	err := r.msg.Parse(f, p)
	if err == nil && r.msg.Kind != Query && !r.fromHere(p.Src) {
		// "A Report sent with the unspecified address is also discarded by the router" [5.2.13].
		err = &Error{f, "Source Address", -1, ErrSource}
	}
	if err != nil {
		r.stats.Invalid.count(err)
		return err
	}
	m := &r.msg
	if m.Kind == Query {
		if p.Src == r.config.Address {
			return nil // our own
		}
		r.stats.Queries++
		r.queried(now, m, p)
		return nil
	}
	r.stats.Reports++
	if m.Version >= MLDv2 {
		for i := range m.Records {
			r.record(now, &m.Records[i])
		}
		return nil
	}
	if r.config.IgnoreOlder && m.Version < r.config.Version || f.sourceSpecific(m.Group) {
		r.stats.Older++
		return nil
	}
	r.older(now, m)
	return nil
}

// fromHere reports whether a report's source is one of the link.
func (r *Router) fromHere(a netip.Addr) bool {
	if r.config.Family == MLD {
		return !a.IsUnspecified()
	}
	return a.IsUnspecified() || !r.config.Prefix.IsValid() || r.config.Prefix.Contains(a)
}

// record handles a record of a report of MLDv2 [7.4].
func (r *Router) record(now time.Time, rec *Record) {
	if !r.config.Family.Reportable(rec.Group) {
		r.stats.Records++
		return
	}
	sources := rec.Sources
	if slices.ContainsFunc(sources, func(a netip.Addr) bool { return !r.config.Family.unicast(a) }) {
		sources = slices.DeleteFunc(sources, func(a netip.Addr) bool { return !r.config.Family.unicast(a) })
		r.stats.Records++
	}
	slices.SortFunc(sources, netip.Addr.Compare)
	sources = slices.Compact(sources)
	// "BLOCK messages are ignored, as are source-lists in TO_EX() messages" while there are older listeners of the group [8.3.2].
	g := r.groups[rec.Group]
	if g != nil && g.version() < MLDv2 {
		switch rec.Type {
		case Block:
			return
		case ToEx:
			sources = nil
		}
	}
	r.apply(now, rec.Group, rec.Type, sources)
}

// older handles a report of an earlier version: "a router internally translates the following MLDv1 messages for that multicast address to
// their MLDv2 equivalents" [8.3.2]: Report to IS_EX( {} ), Done to TO_IN( {} ).
func (r *Router) older(now time.Time, m *Message) {
	if !r.config.Family.Reportable(m.Group) {
		r.stats.Records++
		return
	}
	g := r.groups[m.Group]
	switch {
	case m.Kind == Report:
		if g = r.apply(now, m.Group, IsEx, nil); g != nil {
			g.older[m.Version] = now.Add(r.listeningInterval()) // [9.13] is the same sum as [9.4]
			if r.config.Version < MLDv2 {
				g.left, g.repeat = 0, time.Time{} // "clear rxmt tmr": queries of MLDv1 have no S flag
			}
			r.settle(now, g)
		}
	case g == nil || g.version() == IGMPv1: // nobody leaves in IGMPv1, and who does not may still listen (RFC 3376 §7.3.2)
	case r.config.Version < MLDv2 && (!r.Querier() || r.State(now, m.Group) == CheckingListeners):
		// "Routers in Non-Querier state MUST ignore Done messages", and it is "significant only in the Listeners Present state" [6 of v1].
	default:
		r.apply(now, m.Group, ToIn, nil)
	}
}

// HandleTimeout does what is due.
func (r *Router) HandleTimeout(now time.Time) {
	r.elect(now)
	for a, ok := r.agenda.due(now); ok; a, ok = r.agenda.due(now) {
		g := r.groups[a]
		if due(g.repeat, now) {
			r.ask(now, g)
		}
		r.settle(now, g)
	}
}

// NextTimeout returns when HandleTimeout has something to do; zero: never.
func (r *Router) NextTimeout() time.Time {
	return earliest(earliest(r.general, r.other), r.agenda.next())
}

// PollTransmit returns the next packet to send. Its payload is the caller's.
func (r *Router) PollTransmit(time.Time) (Packet, bool) {
	p, ok := r.out.poll()
	if ok {
		r.stats.Sent++
	}
	return p, ok
}

// Querier reports whether the router is the querier of its link.
func (r *Router) Querier() bool { return r.querier == r.config.Address }

// QuerierAddress returns who is the querier of the link.
func (r *Router) QuerierAddress() netip.Addr { return r.querier }

// Filter returns what listeners want of a group [7.3]; ok is false, and the filter empty, if there are none.
func (r *Router) Filter(a netip.Addr) (_ Filter, ok bool) {
	g := r.groups[a]
	if g == nil {
		return Filter{}, false
	}
	return g.filter(), true
}

// Forward reports whether what source sends to a group has listeners: "Suggest to forward traffic from source" [7.3].
func (r *Router) Forward(a, source netip.Addr) bool {
	g := r.groups[a]
	return g != nil && g.forwards(source)
}

// Groups yields the groups with listeners, in the order of their addresses.
func (r *Router) Groups() iter.Seq2[netip.Addr, Filter] {
	return func(yield func(netip.Addr, Filter) bool) {
		for _, a := range slices.SortedFunc(maps.Keys(r.groups), netip.Addr.Compare) {
			if !yield(a, r.groups[a].filter()) {
				return
			}
		}
	}
}

// Stats returns the counters so far.
func (r *Router) Stats() RouterStats {
	s := r.stats
	s.Overflow = r.out.full
	return s
}

// listeningInterval is the Multicast Address Listening Interval: "([Robustness Variable] times [Query Interval]) plus [Query Response Interval]" [9.4].
func (r *Router) listeningInterval() time.Duration {
	return time.Duration(r.robustness)*r.interval + r.config.ResponseInterval
}

// lastTime is the Last Listener Query Time [9.10].
func (r *Router) lastTime() time.Duration {
	return time.Duration(r.config.LastCount) * r.config.LastInterval
}
