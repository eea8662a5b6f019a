package pcap

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// maxKnown bounds what a finder remembers of each kind. Beyond, PGM is still found, but each packet has to prove itself.
const maxKnown = 1 << 14

// finder tells which UDP datagrams hold PGM.
//
// A datagram proves that it does by being a flawless PGM packet: a type and flags that exist, fields, options and lengths that
// account for every octet, and a checksum that is right. Random octets do so once in some 10^11 datagrams. From then on
// whatever goes to the same address and port is taken for PGM, so that packets with flaws are seen too. What has too little
// structure for a proof, a report say, is recognised by a session that is known.
type finder struct {
	ports    []uint16 // when there are any: these are PGM, and no others
	flows    map[netip.AddrPort]struct{}
	sessions map[packet.TSI]struct{}
	suspects map[netip.AddrPort]packet.TSI // where a packet was cut before it could be proven
	refused  uint64                        // what was not remembered, because there was no room

	lastFlow    netip.AddrPort
	lastSession packet.TSI
	nak         nak.Packet
}

func newFinder(ports []uint16) *finder {
	return &finder{
		ports:    ports,
		flows:    map[netip.AddrPort]struct{}{},
		sessions: map[packet.TSI]struct{}{},
		suspects: map[netip.AddrPort]packet.TSI{},
	}
}

// isPGM judges a UDP datagram: b is what was captured of length octets.
func (f *finder) isPGM(src, dst netip.AddrPort, b []byte, length int) bool {
	if len(f.ports) > 0 {
		for _, p := range f.ports {
			if p == src.Port() || p == dst.Port() {
				return true
			}
		}
		return false
	}
	known := dst == f.lastFlow
	if !known {
		_, known = f.flows[dst]
	}
	if known {
		f.lastFlow = dst
	}
	tsi, ok := session(b)
	if !ok {
		return known
	}
	if known && tsi == f.lastSession {
		return true
	}
	size, ok := measure(b, length)
	switch {
	case !ok:
		return known
	case size > len(b):
		return known || f.suspect(dst, tsi, b)
	case size < length && !sameSession(b, size, len(b) < length):
		return known
	}
	proven := f.flawless(b[:size])
	if !proven {
		_, member := f.sessions[tsi]
		if !known && !(member && checksumAllows(b[:size])) {
			return false
		}
	}
	if proven {
		f.lastSession = tsi
		remember(f, f.sessions, tsi)
	}
	remember(f, f.flows, dst)
	return true
}

func remember[K comparable](f *finder, m map[K]struct{}, k K) {
	if _, ok := m[k]; ok {
		return
	}
	if len(m) >= maxKnown {
		f.refused++
		return
	}
	m[k] = struct{}{}
}

// suspect takes a packet that was cut, so that its checksum proves nothing. The second of one session is believed.
func (f *finder) suspect(dst netip.AddrPort, tsi packet.TSI, b []byte) bool {
	if t := packet.Type(b[4]); !t.IsData() || len(b) < packet.DataHeaderLen || binary.BigEndian.Uint16(b[6:]) == 0 ||
		binary.BigEndian.Uint32(b[16:])-binary.BigEndian.Uint32(b[20:]) >= packet.MaxWindow {
		return false
	}
	if f.suspects[dst] == tsi {
		delete(f.suspects, dst)
		remember(f, f.flows, dst)
		return true
	}
	if len(f.suspects) < maxKnown {
		f.suspects[dst] = tsi
	}
	return false
}

// session returns the session of the packet at the front of b, if its first octets can be a PGM header.
func session(b []byte) (tsi packet.TSI, ok bool) {
	// Version and reserved bits of the type are zero, and so are the bits of the flags without meaning.
	if len(b) < packet.HeaderLen || b[4]&0xf0 != 0 || b[5]&0x3c != 0 {
		return tsi, false
	}
	h := packet.Header{
		SourcePort: binary.BigEndian.Uint16(b),
		DestPort:   binary.BigEndian.Uint16(b[2:]),
		Type:       packet.Type(b[4]),
		GSI:        packet.GSI(b[8:14]),
	}
	return h.TSI(), true
}

// measure returns how long the PGM packet at the front of b is by its own account; length is how long the datagram is, which a
// type without structure fills. It returns false if b says nothing sensible.
func measure(b []byte, length int) (size int, ok bool) {
	nla := func(at int) int { // the length of an NLA, or one that leads beyond b
		if len(b) >= at+2 {
			switch binary.BigEndian.Uint16(b[at:]) {
			case packet.AFIv4:
				return 8
			case packet.AFIv6:
				return 20
			}
		}
		return 1 << 20
	}
	t := packet.Type(b[4])
	switch t {
	case packet.TypeODATA, packet.TypeRDATA, packet.TypePOLR, TypeACK, TypeOldACK:
		size = packet.HeaderLen + 8
	case packet.TypeSPM:
		size = packet.HeaderLen + 12 + nla(packet.HeaderLen+12)
	case packet.TypePOLL:
		size = packet.HeaderLen + 20 + nla(packet.HeaderLen+8)
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
		size = packet.HeaderLen + 4 + nla(packet.HeaderLen+4)
		size += nla(size)
	case packet.TypeSPMR:
		size = packet.HeaderLen
	case packet.TypeReport:
		return length, true
	default:
		return 0, false
	}
	if packet.Flags(b[5])&packet.FlagOptions != 0 {
		if len(b) < size+4 || b[size] != byte(packet.OptLength) || b[size+1] != 4 {
			return 0, false
		}
		size += int(binary.BigEndian.Uint16(b[size+2:]))
	}
	if t.IsData() {
		size += int(binary.BigEndian.Uint16(b[14:]))
	}
	return size, size <= length
}

// sameSession reports whether packets of one session follow each other in b, each of size octets but for the last: one datagram
// that the network card was to cut into many, or has put together from many. If b was cut, the last may lack its header.
func sameSession(b []byte, size int, cut bool) bool {
	for at := size; at < len(b); at += size {
		next := b[at:]
		if len(next) < packet.HeaderLen {
			return cut
		}
		if next[4]&0xf0 != 0 || [4]byte(next) != [4]byte(b) || [6]byte(next[8:]) != [6]byte(b[8:]) {
			return false
		}
	}
	return true
}

// flawless reports whether b is a PGM packet of RFC 3208, with a checksum, and nothing else.
func (f *finder) flawless(b []byte) bool {
	var h packet.Header
	body, err := h.Parse(b)
	if err != nil || h.Checksum == 0 {
		return false
	}
	switch h.Type {
	case packet.TypeODATA, packet.TypeRDATA:
		err = new(packet.Data).Parse(&h, body)
	case packet.TypeSPM:
		_, err = new(spm.Packet).Parse(&h, body)
	case packet.TypePOLL:
		_, err = new(PollRequest).Parse(&h, body)
	case packet.TypePOLR:
		_, err = new(PollResponse).Parse(&h, body)
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
		_, err = f.nak.Parse(&h, body)
	case packet.TypeSPMR:
		_, err = spm.ParseRequest(&h, body)
	case TypeACK, TypeOldACK:
		_, err = new(Acknowledgement).Parse(&h, body)
	default:
		return false
	}
	return err == nil
}

// checksumAllows reports whether nothing is wrong with the checksum of b, which may have none.
func checksumAllows(b []byte) bool {
	return binary.BigEndian.Uint16(b[6:]) == 0 || packet.Sum(b) == 0xffff
}
