package conformance

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// record is what is remembered of one data packet. Times are as sight.at has them; 0 is never.
type record struct {
	sqn     packet.SQN
	used    bool
	naks    uint8  // since the last NCF, at different times
	ncfs    uint8  // since the last RDATA
	content uint64 // of ODATA or RDATA; 0: none came
	sent    int64  // when it was first seen as ODATA
	asked   int64  // when a NAK asked for it last
	since   int64  // when the first of naks came
	ncf     int64  // when it was confirmed last
	known   int64  // the same, while it was in the transmit window: NCFs for other packets mean nothing to a receiver
	ncfs0   int64  // when the first of ncfs came
	repair  int64  // when it came as RDATA last
	nnak    int64
}

// maxTrack is how many packets are remembered of one session, a power of two.
const maxTrack = 1 << 16

// track remembers the newest packets of a session. Packet n has its place by its lowest bits; it grows while what is in it is
// still of use, and there is room for it.
type track struct{ slots []record }

// at returns the record of n, nil if there is none.
func (t *track) at(n packet.SQN) *record {
	if len(t.slots) == 0 {
		return nil
	}
	if r := &t.slots[int(n)&(len(t.slots)-1)]; r.used && r.sqn == n {
		return r
	}
	return nil
}

// note returns the record of n, made if there is none; nil when a newer packet has its place.
func (s *session) note(n packet.SQN) *record {
	t := &s.track
	if len(t.slots) == 0 && !s.growTrack(64) {
		return nil
	}
	for {
		r := &t.slots[int(n)&(len(t.slots)-1)]
		switch {
		case !r.used:
			*r = record{sqn: n, used: true}
			return r
		case r.sqn == n:
			return r
		}
		if apart := r.sqn.Sub(n); max(apart, -apart) < maxTrack && len(t.slots) < maxTrack && s.growTrack(2*len(t.slots)) {
			continue
		}
		if r.sqn.After(n) {
			s.c.unjudged[unjudgedPackets]++
			return nil
		}
		*r = record{sqn: n, used: true}
		return r
	}
}

// growTrack makes room for size packets, if the limit allows it.
func (s *session) growTrack(size int) bool {
	old := s.track.slots
	if s.c.records+size-len(old) > s.c.Limits.Packets {
		return false
	}
	s.c.records += size - len(old)
	s.track.slots = make([]record, size)
	for i := range old {
		if old[i].used {
			s.track.slots[int(old[i].sqn)&(size-1)] = old[i]
		}
	}
	return true
}

// asker is one host that sends NAKs or SPMRs in a session.
type asker struct {
	asks  []ask // a table by the lowest bits of the SQN
	spmr  int64 // when it unicast an SPMR last
	group int64 // when it multicast one last

	least, most int64 // of the delays of its last NAKs behind their gaps
	drawn       int   // how many of them

	reply              poll.Reply // its last POLR
	replied            int64      // when it came; 0: there was none
	nodeBits, nodeMask uint32     // what its POLRs say of its RAND_NODE_ID: the bits of the mask
}

// ask is what a receiver asked for last.
type ask struct {
	sqn     packet.SQN
	retries uint16 // NAKs since the last NCF
	last    int64  // when; 0: the place is free
}

const maxAsks = 1 << 10

// receiver returns what is known of the receiver that sends from a, of which there may be several on a host; nil when there are too many.
func (c *Checker) receiver(s *session, a netip.AddrPort) *asker {
	r := s.receivers[a]
	if r == nil && c.receivers < c.Limits.Receivers {
		r = &asker{}
		s.receivers[a] = r
		c.receivers++
	}
	return r
}

// ask returns what r asked for last about n, made if there is nothing.
func (s *session) ask(r *asker, n packet.SQN) *ask {
	if len(r.asks) == 0 && !s.growAsks(r, 64) {
		return nil
	}
	for {
		a := &r.asks[int(n)&(len(r.asks)-1)]
		if a.last != 0 && a.sqn != n && len(r.asks) < maxAsks && s.growAsks(r, 2*len(r.asks)) {
			continue
		}
		if a.last == 0 || a.sqn != n {
			*a = ask{sqn: n}
		}
		return a
	}
}

func (s *session) growAsks(r *asker, size int) bool {
	if s.c.records+size-len(r.asks) > s.c.Limits.Packets {
		return false
	}
	s.c.records += size - len(r.asks)
	old := r.asks
	r.asks = make([]ask, size)
	for _, a := range old {
		if a.last != 0 {
			r.asks[int(a.sqn)&(size-1)] = a
		}
	}
	return true
}
