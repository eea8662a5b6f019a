package poll

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// AppendUnreachable appends OPT_NBR_UNREACH: its sender cannot reach its children by multicast. On SPMs, whose window it makes
// void, and on NCFs [15.4.3-01].
func AppendUnreachable(b []byte) []byte { return packet.AppendOption(b, packet.OptNbrUnreach, 0) }

// AppendPath appends OPT_PATH_NLA: the address of the interface from which the sender of an NCF sends SPMs [15.4.4-01]. Zones are
// not sent; an address that is none is written as 0.0.0.0.
func AppendPath(b []byte, path netip.Addr) []byte {
	path = path.Unmap()
	if path.Is6() {
		ip := path.As16()
		return packet.AppendOption(b, packet.OptPathNLA, 0, ip[:]...)
	}
	var ip [4]byte
	if path.IsValid() {
		ip = path.As4()
	}
	return packet.AppendOption(b, packet.OptPathNLA, 0, ip[:]...)
}

// ParsePath reads OPT_PATH_NLA. It has no AFI: the family is that of its length.
func ParsePath(o packet.Option) (path netip.Addr, err error) {
	if n := len(o.Body); n != 4 && n != 16 {
		return path, &packet.Error{Type: packet.NoType, Field: "OPT_PATH_NLA length", Offset: 1, Err: packet.ErrOption}
	}
	path, _ = netip.AddrFromSlice(o.Body)
	return path.Unmap(), nil
}

// Silence is whether a child may send NAKs for a session, after its parent said that it cannot reach its children by multicast:
// no NCF would suppress them [15.3.2-10]. The zero Silence is off.
type Silence struct{ on bool }

// Active reports whether NAKs are to be withheld.
func (s *Silence) Active() bool { return s.on }

// NCF takes an NCF with OPT_NBR_UNREACH; path is its OPT_PATH_NLA, not valid if it has none, parent the Path NLA of the last
// regular SPM. It reports whether the option is honoured: one of another neighbour is not [15.3.2-13], and the whole NCF is to be
// ignored. If the NCF that is honoured came by unicast, a receiver multicasts a copy of it with TTL 1 [15.3.2-11].
func (s *Silence) NCF(path, parent netip.Addr) bool {
	if !isHost(path) || path != parent.WithZone("") {
		return false
	}
	s.on = true
	return true
}

// SPM takes an SPM with OPT_NBR_UNREACH: its SPM_SQN and SPM_PATH; last and parent are those of the last regular SPM. It reports
// whether the option is honoured [15.3.2-13]. Nothing else of such an SPM is used [15.3.2-12]: it bears the SPM_SQN of the last
// regular one [15.3.2-07], which otherwise would be reason to discard it, so only what is older is out of sequence.
func (s *Silence) SPM(sqn packet.SQN, path netip.Addr, last packet.SQN, parent netip.Addr) bool {
	if !isHost(path) || path != parent.WithZone("") || sqn.Before(last) {
		return false
	}
	s.on = true
	return true
}

// Regular ends the silence: a regular SPM came, in sequence [15.3.2-10].
func (s *Silence) Regular() { s.on = false }
