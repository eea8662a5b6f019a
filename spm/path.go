package spm

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Path is what a receiver learns from the SPMs of one session [6.2]: which came last, and where NAKs go. The zero Path has
// heard none.
type Path struct {
	known    bool
	last     packet.SQN
	upstream netip.Addr
}

// Accept reports whether the SPM s is in sequence, and if so remembers its SQN and Path NLA [6.2-02]. The first SPM of a session
// is in sequence whatever its SQN; one that is not is to be discarded whole [6.2-03].
func (p *Path) Accept(s *Packet) bool {
	if p.known && !s.SQN.After(p.last) {
		return false
	}
	p.known, p.last, p.upstream = true, s.SQN, netip.Addr{}
	if a := s.Path; a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != broadcast {
		p.upstream = a
	}
	return true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Known reports whether an SPM has been accepted; before, no NAK is sent [6.2-05].
func (p *Path) Known() bool { return p.known }

// Last returns the SQN of the last SPM that was accepted.
func (p *Path) Last() packet.SQN { return p.last }

// Upstream returns the Path NLA of the last SPM that was accepted: where NAKs go [6.2-04]. It is not valid when that SPM named an
// address that no host has (0.0.0.0, a group, broadcast): then the SPM's network source is all there is to go by.
func (p *Path) Upstream() netip.Addr { return p.upstream }
