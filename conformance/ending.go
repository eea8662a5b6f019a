package conformance

import "github.com/gopgm/gopgm/pgm/packet"

// ending is how a session ends: by OPT_FIN [9.7] or OPT_RST [9.8].
type ending struct {
	fin, rst     bool
	finSQN       packet.SQN // SPM_SQN of the first SPM with OPT_FIN
	rstSQN       packet.SQN
	lead         packet.SQN // SPM_LEAD of the last of them
	finAt, rstAt int64
	rsts         int
	mute         bool // OPT_RST with the N bit
	parity       bool // OPT_PARITY_PRM was advertised
}

func (e *ending) name() string {
	switch {
	case e.rst:
		return "OPT_RST"
	case e.fin:
		return "OPT_FIN"
	}
	return ""
}

// inSequence reports whether p is an SPM newer than those before it.
func (p *sight) inSequence() bool {
	return !p.s.spms.any || p.spm.SQN.After(p.s.spms.sqn)
}

var endingRules = []*Rule{
	{
		Name: "syn-first", Clauses: []string{"9.6-01", "9.6.2-01"}, types: onData, Fires: "OPT_SYN on another data packet than the first",
		see: func(p *sight) {
			if !p.has(packet.OptSyn) || !p.s.hasData {
				return
			}
			for i := packet.SQN(1); i <= 4; i++ {
				if r := p.s.track.at(p.data.SQN - i); r != nil && r.sent != 0 {
					p.find("9.6-01", "OPT_SYN in %v %v, and ODATA %v was sent before", p.h.Type, p.data.SQN, r.sqn)
					return
				}
			}
			if p.data.Trail.Before(p.data.SQN) && !p.data.Trail.Before(p.s.trail) && p.s.inWindow(p.data.SQN-1) {
				p.find("9.6-01", "OPT_SYN in %v %v, and the window begins with %v", p.h.Type, p.data.SQN, p.data.Trail)
			}
		},
	},
	{
		Name: "fin-kept", Clauses: []string{"9.7-02", "9.7.2-04"}, types: onSPM, Fires: "an SPM without OPT_FIN after one with it",
		see: func(p *sight) {
			if e := &p.s.end; e.fin && !e.rst && p.spm.SQN.After(e.finSQN) && !p.has(packet.OptFin) && !p.has(packet.OptRst) && !p.has(packet.OptNbrUnreach) {
				p.find("9.7-02", "SPM %v without OPT_FIN, which SPM %v had", p.spm.SQN, e.finSQN)
			}
		},
	},
	{
		Name: "rst-kept", Clauses: []string{"9.8.2-01", "9.8-01"}, types: onSPM, Fires: "an SPM without OPT_RST after one with it",
		see: func(p *sight) {
			if e := &p.s.end; e.rst && p.spm.SQN.After(e.rstSQN) && !p.has(packet.OptRst) && !p.has(packet.OptNbrUnreach) {
				p.find("9.8.2-01", "SPM %v without OPT_RST, which SPM %v had", p.spm.SQN, e.rstSQN)
			}
		},
	},
	{
		Name: "end-lead", Clauses: []string{"9.7-03", "9.8-03"}, types: []packet.Type{packet.TypeSPM, packet.TypeODATA},
		Fires: "data newer than the SPM_LEAD that came with OPT_FIN or OPT_RST, or another SPM_LEAD with it",
		see: func(p *sight) {
			e := &p.s.end
			if !e.fin && !e.rst {
				return
			}
			clause := "9.7-03"
			if e.rst {
				clause = "9.8-03"
			}
			switch {
			case p.h.Type == packet.TypeODATA:
				if p.data.SQN.After(e.lead) {
					p.find(clause, "ODATA %v after %s with SPM_LEAD %v", p.data.SQN, e.name(), e.lead)
				}
			case p.inSequence() && !p.spm.NoWindow() && p.spm.Lead != e.lead:
				p.find(clause, "SPM_LEAD %v after %s with SPM_LEAD %v", p.spm.Lead, e.name(), e.lead)
			}
		},
	},
	{
		Name: "rst-mute", parity: true, Clauses: []string{"9.8.2-02"}, types: []packet.Type{packet.TypeNCF, packet.TypeRDATA},
		Fires: "an NCF or RDATA of a source whose OPT_RST says that it answers no NAKs",
		see: func(p *sight) {
			if e := &p.s.end; e.mute && p.at-e.rstAt > p.s.late() {
				p.find("9.8.2-02", "%v, %v after OPT_RST with the N bit", p.h.Type, duration(p.at-e.rstAt))
			}
		},
	},
	{
		Name: "linger", Clauses: []string{"9.7.2-03", "9.8.2-05"}, Fires: "a source that falls silent right after OPT_FIN or OPT_RST, while the capture goes on",
		end: func(s *session) {
			e := &s.end
			if !e.fin && !e.rst || s.missing > 0 && !s.c.Complete {
				return
			}
			clause, since := "9.7.2-03", e.finAt
			if e.rst {
				clause, since = "9.8.2-05", e.rstAt
			}
			if lingered := s.heard - since; lingered < int64(lingerLeast) && s.c.now-s.heard > 20*int64(lingerLeast) {
				s.c.doubt(s, ofSource, 0, s.c.time(s.heard), clause, "%v from the first %s to the last packet of the source, and the capture goes on for %v",
					duration(lingered), e.name(), duration(s.c.now-s.heard))
			}
		},
	},
}

// follow takes note of an SPM, before it becomes the last in sequence.
func (e *ending) follow(p *sight) {
	e.parity = e.parity || p.has(packet.OptParityPrm)
	fin := p.has(packet.OptFin)
	rst, isReset := p.option(packet.OptRst)
	if !fin && !isReset {
		return
	}
	if !p.spm.NoWindow() && p.inSequence() {
		e.lead = p.spm.Lead
	}
	if fin && !e.fin {
		e.fin, e.finSQN, e.finAt = true, p.spm.SQN, p.at
	}
	if isReset {
		if e.rsts++; !e.rst {
			e.rst, e.rstSQN, e.rstAt = true, p.spm.SQN, p.at
		}
		e.mute = e.mute || rst.octet[3]&0x40 != 0
	}
}

// lingerLeast is less than any TXW_SECS.
const lingerLeast = 100_000_000 // ns
