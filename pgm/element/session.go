package element

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// session is source path state [7.1], and the repair state of the TSI.
type session struct {
	tsi     packet.TSI
	dest    uint16
	source  netip.Addr // the network source of its packets
	in      int        // the interface towards it
	heard   time.Time
	path    spm.Path
	silence poll.Silence // the parent cannot reach its children by multicast [15.3.2-05]

	trail, lead packet.SQN // the window as far as it is known
	started     bool
	group       fec.Size // PARITY_PRM_TGS; 0: the source offers no parity
	offset      int      // by how much the groups are shorter of late [11.6-14]

	repairs  *nak.Forwarder
	naks     *congestion.TokenBucket
	worst    congestion.Worst
	child    poll.Child
	tuning   []tuning // by interface
	redirect redirection
}

// tuning is what an element knows of the children of a session on an interface, and tells them.
type tuning struct {
	tuner      *poll.Tuner // nil before the first NAK
	advertised bool        // they may use another NAK_BO_IVL than their default
	poller     *poll.Poller
}

// find returns the session tsi, nil if it is not known.
func (e *Element) find(tsi packet.TSI) *session {
	if e.last != nil && e.last.tsi == tsi {
		return e.last
	}
	s := e.sessions[tsi]
	if s != nil {
		e.last = s
	}
	return s
}

// open makes the session of an SPM known; nil when there are too many. None that is in use makes room.
func (e *Element) open(now time.Time, tsi packet.TSI, dest uint16, source netip.Addr, in int) *session {
	if len(e.sessions) >= e.c.MaxSessions {
		return nil
	}
	s := &session{
		tsi: tsi, dest: dest, source: source, in: in, heard: now,
		repairs: nak.NewForwarder(e.c.Repairs, now),
		naks:    congestion.NewTokenBucket(e.c.NAKRate, max(e.c.NAKRate/16, 64)),
		child:   poll.Child{NodeID: e.node},
		tuning:  make([]tuning, len(e.ports)),
	}
	e.sessions[tsi] = s
	e.order = append(e.order, s)
	e.stats.Sessions++
	return s
}

func (e *Element) forget(i int) {
	s := e.order[i]
	delete(e.sessions, s.tsi)
	e.order = append(e.order[:i], e.order[i+1:]...)
	if e.last == s {
		e.last = nil
	}
	e.stats.Expired++
}

// from reports whether what came so is from the session's source, by the way that leads there.
func (s *session) from(a Arrival) bool {
	return a.Interface == s.in && !a.Unicast && nla(a.From.Addr()) == s.source
}

// upstream returns where NAKs go [7.3-05].
func (s *session) upstream() netip.Addr {
	if u := s.path.Upstream(); u.IsValid() {
		return nla(u)
	}
	return s.source
}

// saw takes the window that a packet tells.
func (s *session) saw(trail, lead packet.SQN) {
	if uint32(lead-trail)+1 > packet.MaxWindow {
		return
	}
	if !s.started {
		s.trail, s.lead, s.started = trail, lead, true
		return
	}
	if trail.After(s.trail) {
		s.trail = trail
	}
	if lead.After(s.lead) {
		s.lead = lead
	}
}

// next returns when there is something to do about the session.
func (s *session) next(e *Element) time.Time {
	next := s.heard.Add(e.c.Expiry)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	earlier(s.repairs.NextTimeout())
	earlier(s.child.Next())
	for i := range s.tuning {
		if p := s.tuning[i].poller; p != nil {
			earlier(p.Next())
		}
	}
	return next
}

// timeout does what time demands about the session.
func (e *Element) timeout(now time.Time, s *session) {
	s.repairs.HandleTimeout(now, func(k nak.Key) { e.unanswered(now, s, k) })
	e.repeat(now, s, nak.Upstream)
	e.repeat(now, s, nak.Repairer)
	e.reply(now, s)
	e.polls(now, s)
}
