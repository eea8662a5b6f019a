package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
)

// selection is what of a capture is wanted: what belongs to the sessions of one endpoint.
type selection struct {
	group    netip.AddrPort
	source   netip.Addr // invalid: any
	sessions map[packet.TSI]struct{}
	taken    bool
	others   []netip.AddrPort // groups that the capture has besides: a few, to name them
}

const (
	maxSelected = 1 << 14 // sessions; of further ones, what receivers send is not recognised
	maxOthers   = 4
)

func newSelection(e pgm.Endpoint) *selection {
	return &selection{
		group: netip.AddrPortFrom(e.Group.Addr().Unmap().WithZone(""), e.Group.Port()), source: e.Source.Unmap().WithZone(""),
		sessions: map[packet.TSI]struct{}{},
	}
}

// wants reports whether p is of one of the sessions: it is sent to the group and port, by the source if there is one; or it is of a session of
// which such a packet came before.
func (s *selection) wants(p *pcap.Packet) bool {
	if len(p.Data) < packet.HeaderLen {
		return false
	}
	h := packet.Header{
		SourcePort: binary.BigEndian.Uint16(p.Data), DestPort: binary.BigEndian.Uint16(p.Data[2:]),
		Type: packet.Type(p.Data[4] & 0x0f), GSI: packet.GSI(p.Data[8:14]),
	}
	tsi := h.TSI()
	if to := p.Dst.Addr().Unmap().WithZone(""); !h.Type.IsUpstream() && to.IsMulticast() {
		group := netip.AddrPortFrom(to, h.DestPort)
		if group != s.group || s.source.IsValid() && p.Src.Addr().Unmap().WithZone("") != s.source {
			if len(s.others) < maxOthers && !slices.Contains(s.others, group) {
				s.others = append(s.others, group)
			}
			return false
		}
		s.taken = true
		if len(s.sessions) < maxSelected {
			s.sessions[tsi] = struct{}{}
		}
		return true
	}
	_, ok := s.sessions[tsi]
	return ok
}

// missing says what the capture has instead.
func (s *selection) missing() string {
	text := fmt.Sprintf("no session to %v", s.group)
	if s.source.IsValid() {
		text += fmt.Sprintf(" from %v", s.source)
	}
	if len(s.others) == 0 {
		return text
	}
	var have []string
	for _, g := range s.others {
		have = append(have, g.String())
	}
	return text + "; there are some to " + strings.Join(have, ", ")
}
