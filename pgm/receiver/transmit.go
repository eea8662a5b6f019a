package receiver

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// maxUpstream is more than a NAK with a full list over IPv6 needs.
const maxUpstream = 512

func (s *Session) pollTransmit(now time.Time, b *packet.Batch) {
	s.sendReports(b)
	s.acknowledge(now, b)
	if !s.active() || s.silent {
		return
	}
	s.copyNCF(b)
	s.reply(now, b)
	if s.solicitor.Due(now) && b.Room() >= 3*maxUpstream {
		s.solicit(now, b)
	}
	if !s.mayNAK() {
		return
	}
	for b.Room() >= 3*maxUpstream {
		h := packet.Upstream(packet.TypeNAK, s.tsi, s.r.c.Dest)
		due := s.recovery.Due(now, s.r.due[:0])
		if len(due) == 0 && s.parity != nil {
			if due = s.parity.recovery.Due(now, s.r.due[:0]); len(due) > 0 {
				h.Options |= packet.FlagParity // [11.2-08]; a list is of one kind [9.3-04]
				if due = s.parity.dueGroups(now, due); len(due) == 0 {
					continue
				}
				s.stats.ParityNAKs++
			}
		}
		if len(due) == 0 {
			return
		}
		p := nak.Packet{SQN: due[0], Source: s.from.Addr().WithZone(""), Group: s.r.c.Group.Addr().WithZone(""), List: due[1:]}
		p.Extra = s.appendFeedback(now, s.r.extra[:0])
		out := nak.Append(s.r.scratch[:0], h, &p)
		s.send(b, out, s.target(now, h.Options&packet.FlagParity != 0))
		if s.r.c.MulticastNAKs {
			b.Append(s.r.c.Group, 1, out)
		}
		s.stats.NAKs++
	}
}

// send addresses p to an upstream NLA at the group's UDP port, which is where every stack in the field listens, or not at all [wire
// formats: UDP encapsulation]. A source that could not have that port to itself, because another one on its host has it, listens at
// the port that its SPMs come from: when that is another, it gets p too. NLAs travel without zones: a link-local one is on the link
// that the session is heard on.
func (s *Session) send(b *packet.Batch, p []byte, upstream netip.Addr) {
	if upstream.Is6() && upstream.IsLinkLocalUnicast() {
		upstream = upstream.WithZone(s.from.Addr().Zone())
	}
	port := s.r.c.Group.Port()
	b.Append(netip.AddrPortFrom(upstream, port), 0, p)
	if s.from.Port() != port && s.from.Port() != 0 && upstream == s.from.Addr() {
		b.Append(netip.AddrPortFrom(upstream, s.from.Port()), 0, p)
	}
}

// solicit asks for an SPM: first by multicast to the neighbourhood, so that others need not, then at the source [13.5-02].
func (s *Session) solicit(now time.Time, b *packet.Batch) {
	p := spm.AppendRequest(s.r.scratch[:0], s.tsi, s.r.c.Dest)
	b.Append(s.r.c.Group, 1, p)
	s.send(b, p, s.from.Addr())
	s.solicitor.Sent(now, s.r.c.Rand)
	s.stats.SPMRs++
}

func (s *Session) sendReports(b *packet.Batch) {
	n := 0
	for _, body := range s.reports {
		if b.Room() < 2*(packet.HeaderLen+len(body)) {
			break
		}
		p := packet.Upstream(packet.TypeReport, s.tsi, s.r.c.Dest).Append(s.r.scratch[:0])
		p = append(p, body...)
		packet.Seal(p)
		s.send(b, p, s.from.Addr())
		s.stats.Reports++
		n++
	}
	s.reports = append(s.reports[:0], s.reports[n:]...)
}
