package mld

import (
	"net/netip"
	"time"
)

// outbox holds the packets that an engine wants sent, in order, until PollTransmit takes them.
type outbox struct {
	family Family
	src    netip.Addr
	mtu    int
	queue  []Packet
	limit  int    // packets; what does not fit is dropped
	full   uint64 // packets dropped
}

// send appends m to the queue.
func (o *outbox) send(m *Message, dst netip.Addr) {
	if len(o.queue) >= o.limit {
		o.full++
		return
	}
	o.queue = append(o.queue, Packet{Src: o.src, Dst: dst, HopLimit: 1, Alert: true, Payload: m.Append(nil, o.family, o.src, dst)})
}

// poll takes the first packet.
func (o *outbox) poll() (Packet, bool) {
	if len(o.queue) == 0 {
		return Packet{}, false
	}
	p := o.queue[0]
	if o.queue = o.queue[1:]; len(o.queue) == 0 {
		o.queue = nil
	}
	return p, true
}

// report sends records in as few reports as there can be [5.2.15]. A record with more sources than a report holds is cut: "if its Type is not
// IS_EX or TO_EX, it is split into multiple Multicast Address Records; each [...] is sent in a separate Report"; of IS_EX and TO_EX
// as many sources are sent as fit, because the rest of one would say that all others are wanted.
func (o *outbox) report(records []Record) {
	alen := o.family.addrLen()
	room := o.mtu - o.family.headers() - 8
	m := Message{Kind: Report, Version: MLDv2}
	used := 0
	flush := func() {
		if len(m.Records) > 0 {
			o.send(&m, o.family.ReportAddress())
			m.Records, used = m.Records[:0], 0
		}
	}
	most := (room - 4 - alen) / alen
	for _, r := range records {
		for len(r.Sources) > most {
			if r.Type == IsEx || r.Type == ToEx {
				r.Sources = r.Sources[:most]
				break
			}
			flush()
			m.Records = append(m.Records, Record{r.Type, r.Group, r.Sources[:most]})
			flush()
			r.Sources = r.Sources[most:]
		}
		size := 4 + alen + len(r.Sources)*alen
		if used+size > room {
			flush()
		}
		m.Records = append(m.Records, r)
		used += size
	}
	flush()
}

// query sends q to the group that it asks for, or to all nodes [5.1.15], in several queries if its sources are more than a packet of the link
// holds [5.1.10].
func (o *outbox) query(q Message) {
	q.Kind = Query
	dst := q.Group
	if q.General() {
		dst = o.family.AllNodes()
	}
	most := (o.mtu - o.family.headers() - o.family.queryLen()) / o.family.addrLen()
	sources := q.Sources
	for len(sources) > most {
		q.Sources = sources[:most]
		o.send(&q, dst)
		sources = sources[most:]
	}
	q.Sources = sources
	o.send(&q, dst)
}

// queryLen returns the length of a query of MLDv2 or IGMPv3 without sources.
func (f Family) queryLen() int {
	if f == IGMP {
		return 12
	}
	return lenQueryV2
}

// bucket lets events happen at a rate, and some at once.
type bucket struct {
	interval time.Duration // of one event
	burst    int
	free     time.Time // when the bucket is full again
}

// take reports whether an event may happen now, and counts it then.
func (b *bucket) take(now time.Time) bool {
	if b.reserveAt(now).After(now) {
		return false
	}
	b.reserve(now)
	return true
}

// reserve counts an event and returns when it may happen, now or later.
func (b *bucket) reserve(now time.Time) time.Time {
	at := b.reserveAt(now)
	if b.free.Before(now) {
		b.free = now
	}
	b.free = b.free.Add(b.interval)
	return at
}

// reserveAt returns when the next event may happen.
func (b *bucket) reserveAt(now time.Time) time.Time {
	if at := b.free.Add(-time.Duration(b.burst-1) * b.interval); at.After(now) {
		return at
	}
	return now
}
