package source

import (
	"encoding/binary"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The checksum of a data packet is put together from sums of its parts: whatever carries there are, it is right [8-10], and never zero [8-11].
func TestChecksumCarries(t *testing.T) {
	s := newSource(t, testConfig(&fake{first: 1, trail: 1, next: 1}))
	wire := make([]byte, s.stride())
	for _, u := range []TSDU{
		{Data: []byte{0xff, 0xff, 0xff, 0xff, 0xff}},
		{Data: []byte{0xff, 0xff, 0xff, 0xfe, 1}, Fragment: packet.Fragment{First: 0xffff_fff0, Offset: 0xffff_0000, Length: 0xffff_0005}, Syn: true},
	} {
		for n := range 1 << 16 { // every sum
			s.trail = 0xffff_0000 | packet.SQN(n)
			size := s.complete(wire, packet.TypeODATA, 0xffff_ffff, &u)
			var h packet.Header
			if _, err := h.Parse(wire[:size]); err != nil {
				t.Fatalf("trail %x, checksum %x: %v", uint32(s.trail), binary.BigEndian.Uint16(wire[6:]), err)
			}
		}
	}
}
