package conformance

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// session is what the capture has shown of one session so far. Each noun's rules keep what they alone need in a field of their own.
type session struct {
	c           *Checker
	tsi         packet.TSI
	source      netip.Addr // the network source of its data and SPMs
	group       netip.Addr
	first, last int64 // packets of any kind
	heard       int64 // the last packet of the source
	awake       int64 // since when none of its silences has been so long that the host may have been held up
	packets     [16]uint64
	receivers   map[netip.AddrPort]*asker
	beginning   bool
	doubts      []doubt

	missing  uint64 // packets of the source that the capture lacks
	unasked  uint64 // NCFs for which the capture has no NAK
	joined   bool   // RXW_TRAIL_INIT of a receiver that heard all this is known
	init     packet.SQN
	known    bool // lead and trail are known
	lead     packet.SQN
	leadAt   int64
	hasData  bool
	dataLead packet.SQN // of ODATA that was seen
	trail    packet.SQN
	trailAt  int64
	trails   trails
	track    track

	spms     spms
	paths    paths
	beat     heartbeat
	fragment fragments
	end      ending
	request  requests
	polls    polls
	advice   advice
	rate     bucket
	groups   groups
}

func (s *session) count() (n uint64) {
	for _, k := range s.packets {
		n += k
	}
	return n
}

// follow takes note of p, after the rules have seen it.
func (s *session) follow(p *sight) {
	s.last = p.at
	s.packets[p.h.Type]++
	if s.count() == 1 {
		s.beginning = s.c.Complete || p.has(packet.OptSyn) ||
			p.h.Type == packet.TypeSPM && !p.spm.NoWindow() && p.spm.Lead+1 == p.spm.Trail
	}
	if p.h.Type.IsUpstream() {
		if p.parity {
			s.followParity(p)
			return
		}
		s.followRequest(p)
		return
	}
	if p.at-s.heard > s.c.delay {
		s.awake = p.at
	}
	s.heard = p.at
	if p.h.Type != packet.TypeNCF && !s.source.IsValid() {
		s.source = p.Src.Addr().Unmap()
	}
	if p.multicast() && !s.group.IsValid() {
		s.group = p.Dst.Addr().Unmap()
	}
	if p.parity && p.h.Type != packet.TypeSPM {
		s.followParity(p)
		return
	}
	switch p.h.Type {
	case packet.TypeSPM:
		s.offer(p)
		s.followSPM(p)
	case packet.TypeODATA, packet.TypeRDATA:
		s.followData(p)
	case packet.TypePOLL:
		s.polls.follow(p)
	case packet.TypeNCF:
		s.advice.follow(p)
		if r := s.track.at(p.nak.SQN); r == nil || r.asked == 0 && r.nnak == 0 {
			s.unasked++
		}
		for n := range p.nak.All() {
			if r := s.note(n); r != nil {
				r.ncf, r.naks = p.at, 0
				if s.inWindow(n) {
					r.known = p.at
				}
				if r.ncfs == 0 {
					r.ncfs0 = p.at
				}
				r.ncfs = min(r.ncfs, 254) + 1
			}
		}
	}
}

// join takes note of where a receiver that hears this joins: at the first data, or behind the first SPM, or where OPT_JOIN lets it.
func (s *session) join(p *sight, first packet.SQN) {
	if o, ok := p.option(packet.OptJoin); ok {
		if n, err := packet.ParseJoin(packet.Option{Type: o.t, Body: o.octet[4:]}); err == nil && (!s.joined || n.Before(s.init)) {
			s.joined, s.init = true, n
		}
	}
	if !s.joined {
		s.joined, s.init = true, first
	}
}

func (s *session) followSPM(p *sight) {
	s.end.follow(p)
	s.advice.follow(p)
	s.spms.follow(s, p)
	s.paths.follow(p)
	if p.spm.NoWindow() || p.has(packet.OptNbrUnreach) {
		return
	}
	s.join(p, p.spm.Lead+1)
	if !s.known {
		s.known, s.lead, s.leadAt = true, p.spm.Lead, p.at
		s.setTrail(p.spm.Trail, p.at)
		return
	}
	if d := p.spm.Lead.Sub(s.lead); d > 0 {
		s.missing += uint64(d - s.groups.skipped(s.lead, p.spm.Lead)) // the data that it speaks of was not seen
		s.lead, s.leadAt = p.spm.Lead, p.at
	}
	s.advance(p.spm.Trail, p.at)
}

func (s *session) followData(p *sight) {
	n := p.data.SQN
	s.followGroup(p)
	s.join(p, n)
	if !s.known {
		s.known, s.lead, s.leadAt = true, n, p.at
		s.setTrail(p.data.Trail, p.at)
	}
	s.advance(p.data.Trail, p.at)
	r := s.note(n)
	if p.h.Type == packet.TypeRDATA {
		if r != nil {
			r.repair, r.ncfs, r.naks, r.nnak = p.at, 0, 0, 0
			if r.content == 0 {
				r.content = p.content()
			}
		}
		return
	}
	switch {
	case n.After(s.lead):
		s.missing += uint64(n.Sub(s.lead) - 1 - s.groups.skipped(s.lead, n))
		s.lead, s.leadAt = n, p.at
	case s.hasData && s.missing > 0 && (r == nil || r.sent == 0):
		s.missing-- // it was late
	}
	if !s.hasData || n.After(s.dataLead) {
		s.hasData, s.dataLead = true, n
	}
	if r != nil {
		if r.sent == 0 {
			r.sent = p.at
		}
		if r.content == 0 {
			r.content = p.content()
		}
	}
}

// followRequest takes note of a NAK, NNAK or SPMR.
func (s *session) followRequest(p *sight) {
	switch p.h.Type {
	case packet.TypeSPMR:
		s.request.follow(p)
	case packet.TypePOLR:
		s.polls.followReply(p)
	case packet.TypeNNAK:
		for n := range p.nak.All() {
			if r := s.note(n); r != nil {
				r.nnak = p.at
			}
		}
	case packet.TypeNAK:
		for n := range p.nak.All() {
			if p.r != nil {
				if a := s.ask(p.r, n); a != nil {
					a.last = p.at
				}
			}
			r := s.note(n)
			if r == nil {
				continue
			}
			if r.naks == 0 {
				r.since = p.at
			}
			if r.naks == 0 || p.at-r.asked > s.c.jitter {
				r.naks = min(r.naks, 254) + 1
			}
			r.asked = p.at
		}
	}
}

// late is how long an older packet of the source may come after a newer one.
func (s *session) late() int64 {
	if s.c.Complete {
		return 0
	}
	return s.c.delay
}

// busy returns for how long the source has been at work since it could first answer what came at the time since: a process that does
// not get its turn sends nothing at all.
func (s *session) busy(since, until int64) int64 {
	switch {
	case s.c.Complete:
		return until - since
	case until-s.heard > s.c.delay:
		return 0
	}
	return until - max(since, s.awake)
}

// inWindow reports whether n is in the transmit window as it was advertised last.
func (s *session) inWindow(n packet.SQN) bool { return s.known && n.InWindow(s.trail, s.lead) }

func (s *session) summary() Summary {
	m := Summary{
		TSI: s.tsi.String(), First: s.c.time(s.first), Last: s.c.time(s.last), Beginning: s.beginning,
		Missing: s.missing, Receivers: len(s.receivers), Packets: counted(&s.packets), Ending: s.end.name(),
	}
	if s.source.IsValid() {
		m.Source = s.source.String()
	}
	if s.group.IsValid() {
		m.Group = s.group.String()
	}
	return m
}

// trails remembers how the trailing edge moved, at some moments of the last while.
type trails struct {
	moves [16]struct {
		trail packet.SQN
		at    int64
	}
	n int // moves made; the last is moves[(n-1)%16]
}

func (s *session) setTrail(trail packet.SQN, at int64) {
	s.trail, s.trailAt = trail, at
	t := &s.trails
	t.moves[t.n%16].trail, t.moves[t.n%16].at = trail, at
	t.n++
}

// advance moves the trailing edge; so many moves are remembered that they reach back for twice the grace of a receiver.
func (s *session) advance(trail packet.SQN, at int64) {
	if !trail.After(s.trail) {
		return
	}
	if t := &s.trails; at-t.moves[(t.n-1)%16].at >= s.c.grace/8 {
		s.setTrail(trail, at)
		return
	}
	s.trail, s.trailAt = trail, at
}

// settled returns a trailing edge that was advertised at the time at, or before.
func (s *session) settled(at int64) (packet.SQN, bool) {
	if s.known && s.trailAt <= at {
		return s.trail, true
	}
	t := &s.trails
	for i := t.n - 1; i >= 0 && i >= t.n-16; i-- {
		if m := t.moves[i%16]; m.at <= at {
			return m.trail, true
		}
	}
	return 0, false
}

var sessionRules = []*Rule{
	{
		Name: "session-source", parity: true, Clauses: []string{"3.1-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA},
		Fires: "SPMs or ODATA of one TSI from two network sources",
		see: func(p *sight) {
			if a := p.Src.Addr().Unmap(); p.s.source.IsValid() && a != p.s.source {
				p.find("3.1-01", "%v from %v, and others of the session from %v", p.h.Type, a, p.s.source)
			}
		},
	},
	{
		Name: "session-address", Clauses: []string{"8.1-02", "8.2-02"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA},
		Fires: "SPMs or ODATA that are not multicast, or are from an address that is no host's",
		see: func(p *sight) {
			clause := "8.2-02"
			if p.h.Type == packet.TypeSPM {
				clause = "8.1-02"
			}
			switch {
			case !p.multicast():
				p.find(clause, "%v addressed to %v, which is no group", p.h.Type, p.Dst.Addr())
			case !host(p.Src.Addr()):
				p.find(clause, "%v from %v, which is no host's address", p.h.Type, p.Src.Addr())
			}
		},
	},
	{
		Name: "upstream-ports", Clauses: []string{"3.1-02", "8.3-02"}, types: []packet.Type{packet.TypeNAK, packet.TypeNNAK, packet.TypeSPMR},
		Fires: "an upstream packet with the ports in the order of downstream ones",
		see: func(p *sight) {
			if p.s.packets != [16]uint64{} {
				return
			}
			other := packet.TSI{GSI: p.h.GSI, Port: p.h.SourcePort}
			if o := p.c.sessions[other]; o != nil && o.source.IsValid() && other != p.s.tsi {
				p.find("8.3-02", "%v with Source Port %d, the Data-Source Port of session %v", p.h.Type, p.h.SourcePort, other)
			}
		},
	},
}

// host reports whether a can be the address of one host.
func host(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
