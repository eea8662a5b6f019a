package mld

import "time"

// elect does what the timers of the election and of General Queries ask for [7.6.2], [6 of v1].
func (r *Router) elect(now time.Time) {
	if due(r.other, now) { // "After the Other Querier Present timer expires, it should re-enter the Querier state"
		r.other, r.querier = time.Time{}, r.config.Address
		r.spoiled = !r.served
		r.robustness, r.interval = r.config.Robustness, r.config.QueryInterval
		r.stats.Elections++
		r.general = now
	}
	if !due(r.general, now) {
		return
	}
	r.out.query(Message{
		Version:    r.config.Version,
		Group:      r.config.Family.Unspecified(),
		MaxDelay:   r.config.ResponseInterval,
		Robustness: r.robustness,
		Interval:   r.interval,
	})
	wait := r.interval
	if r.startup > 1 {
		wait = r.config.StartupInterval
	}
	r.startup = max(0, r.startup-1)
	r.general = now.Add(wait)
}

// queried handles the Query of another router [7.6].
func (r *Router) queried(now time.Time, q *Message, p *Packet) {
	if q.General() && q.Version != r.config.Version {
		if q.Version < r.config.Version {
			r.stats.OlderQueries++
		} else {
			r.stats.LaterQueries++
		}
	}
	// Switches that only snoop send queries of IGMP from 0.0.0.0, to be elected by nobody (RFC 4541 §2.1.1).
	if !p.Src.IsUnspecified() && r.config.Family.lower(p.Src, r.querier) || p.Src == r.querier {
		r.yield(now, q, p)
	}
	if r.Querier() || p.Src != r.querier || q.General() || q.Suppress {
		return
	}
	if p.Dst != q.Group { // listeners did not hear it, so their silence means nothing
		r.stats.Unicast++
		return
	}
	r.lowered(now, q)
}

// yield makes, or keeps, the sender of q the querier. "When a router receives a query with a lower IPv6 address than its own, it sets the Other
// Querier Present timer to Other Querier Present Timeout; if it was previously in Querier state, it switches to Non-Querier state and ceases
// to send queries on the link" [7.6.2].
//
// Whoever sends such queries but does not ask all nodes would leave the link without reports, and one whose query says that the next will come in
// nine hours would for two days. So what one query says silences us for MaxSilence at most; only general queries to all nodes, with a delay that
// lets the answers come in time, prolong that; and after a querier that did not send one, only they elect another.
func (r *Router) yield(now time.Time, q *Message, p *Packet) {
	serves := q.General() && p.Dst == r.config.Family.AllNodes() && q.MaxDelay <= r.config.QueryInterval
	if !serves && (r.spoiled || !r.Querier()) {
		if p.Src != r.querier || q.General() {
			r.stats.Useless++
		}
		return
	}
	if r.Querier() {
		r.stats.Elections++
		r.served = false
	}
	r.querier, r.general, r.startup = p.Src, time.Time{}, 0
	r.robustness, r.interval = r.config.Robustness, r.config.QueryInterval
	if serves {
		r.served, r.spoiled = true, false
		if q.Version >= MLDv2 {
			// "Routers adopt the QRV value from the most recently received Query as their own [Robustness Variable] value" [5.1.8], and "routers
			// that are not the current Querier adopt the QQI value" [5.1.9].
			r.robustness = or(q.Robustness, r.config.Robustness)
			r.interval = min(or(q.Interval, r.config.QueryInterval), r.config.MaxSilence)
		}
	}
	// "([Robustness Variable] times ([Query Interval]) plus (one half of [Query Response Interval])" [9.5].
	r.other = now.Add(min(time.Duration(r.robustness)*r.interval+r.config.ResponseInterval/2, r.config.MaxSilence))
}
