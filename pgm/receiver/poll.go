package receiver

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// replyInterval is the least time between two POLRs of a session. A parent that polls waits longer than that between two rounds, to
// collect the replies; who sends POLLs faster draws no more POLRs for it, from any number of receivers.
const replyInterval = 10 * time.Millisecond

// handlePOLL takes a POLL for a session that is being received: children of another are none of ours. It makes no session known, so
// strangers' POLLs cost no memory.
func (r *Receiver) handlePOLL(now time.Time, h *packet.Header, body []byte) error {
	var p poll.Packet
	var a advice
	opts, err := p.Parse(h, body)
	if err == nil {
		err = a.readAll(h.Type, opts)
	}
	if err != nil {
		return r.stats.malformed(err)
	}
	s := r.sessions[h.TSI()]
	if s == nil || !s.active() {
		r.stats.Strangers++
		return nil
	}
	r.stats.POLLs++
	s.parent.backOff.Polled(&p)
	if a.hasInterval {
		s.parent.backOff.Advertised(a.interval)
	}
	s.heed(now)
	s.parent.child.NodeID = r.nodeID()
	s.parent.child.Heard(now, &p, r.c.Rand)
	return nil
}

// nodeID returns RAND_NODE_ID. It is drawn when the first POLL asks for it, which nobody can tell from the start of the program
// [14.5-01].
func (r *Receiver) nodeID() uint32 {
	if !r.hasNode {
		r.node, r.hasNode = r.c.Rand.Uint32(), true
	}
	return r.node
}

// reply sends the POLRs that are due, each to the POLL_PATH of its POLL [14.5-07]. A POLL_PATH that is neither the upstream neighbour's
// address nor the source's belongs to no parent of ours, and gets none: a POLL with a false one would have all receivers send to
// whom it names. It is looked at now, because the SPM that makes a new parent known may come shortly after that parent's POLL.
func (s *Session) reply(now time.Time, b *packet.Batch) {
	for !now.Before(s.parent.replyAt) && b.Room() >= 2*maxUpstream {
		r, to, ok := s.parent.child.Due(now)
		if !ok {
			return
		}
		if to = to.WithZone(""); to != s.upstream() && to != s.from.Addr().WithZone("") {
			s.stats.FalsePaths++
			continue
		}
		s.send(b, poll.AppendReply(s.r.scratch[:0], s.tsi, s.r.c.Dest, r), to)
		s.parent.replyAt = now.Add(replyInterval)
		s.stats.POLRs++
	}
}

// nextReply returns when reply has something to do; zero: not before another POLL.
func (s *Session) nextReply() time.Time {
	t := s.parent.child.Next()
	if !t.IsZero() && t.Before(s.parent.replyAt) {
		return s.parent.replyAt
	}
	return t
}
