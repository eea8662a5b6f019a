package packet

import (
	"encoding/binary"
	"math/bits"
)

// Sum returns the one's-complement sum of the 16-bit words of b, an odd octet at the end padded with zero, folded to 16 bits.
// A packet with its checksum in place sums to 0xffff [8-10]. The sum of two pieces, the first of even length, is Add of
// their sums: that of a payload can be kept for its repairs.
//
// The sum does not depend on the byte order in which words are added, but for a swap of the result (RFC 1071 §2), so eight
// octets are added at a time, least significant octet first.
func Sum(b []byte) uint16 {
	var s, c uint64
	for len(b) >= 64 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[32:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[40:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[48:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[56:]), c)
		b = b[64:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(tail[:]), c)
	}
	s += c // which does not carry again: a sum of all ones that carries has no operands
	s = s>>32 + s&0xffff_ffff
	s = s>>32 + s&0xffff_ffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return bits.ReverseBytes16(uint16(s))
}

// Add returns the one's-complement sum of two sums.
func Add(a, b uint16) uint16 {
	s := uint32(a) + uint32(b)
	return uint16(s>>16 + s&0xffff)
}

// Finish turns the sum over a packet whose checksum field is zero into the checksum: its complement, with 0xffff in the place
// of zero, which would mean that there is none [8-11].
func Finish(sum uint16) uint16 {
	if sum == 0xffff {
		return 0xffff
	}
	return ^sum
}
