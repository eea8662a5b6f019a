package fec

import (
	"encoding/binary"
	"errors"

	"github.com/gopgm/gopgm/pgm/packet"
)

// What is wrong with a group that cannot be decoded.
var (
	ErrDisagree = errors.New("fec: the packets of a group disagree")             // in their lengths or options
	ErrNonsense = errors.New("fec: what was decoded is no packet")               // a length, padding or option that cannot be
	ErrLoad     = errors.New("fec: a packet of the group is not there any more") // so that the rest cannot be computed
)

// Original is what a data packet carries that parity brings back: the payload and the one option that is bound to it [9-11].
type Original struct {
	TSDU     []byte
	Fragment packet.Fragment // OPT_FRAGMENT; none when its Length is 0
}

const (
	// lengthLen is the length of an encoded TSDU length.
	lengthLen = 2
	// encodedLen is what of OPT_FRAGMENT is encoded: all but its first three octets [11.2-24].
	encodedLen = packet.FragmentLen - 3
	// encodedNull is OP_ENCODED_NULL in the first of these: the packet has no such option [11.2-25].
	encodedNull = 0x80
)

// shape says how the packets of a group are laid out to be encoded, as blocks of one size: the payload, padded with zeros to that of
// the longest packet [11.2-17], with the length behind it if they vary [11.2-19]; then, where a new unit of alignment begins, the
// encoded part of OPT_FRAGMENT if any packet has it [11.2-23]. Both parts are encoded with the same coefficients, so that one pass
// computes them.
type shape struct {
	length   int  // of the TSDU of each parity packet: that of the longest TSDU, and the encoded length if they vary
	variable bool // OPT_VAR_PKTLEN
	fragment bool // OPT_FRAGMENT is encoded
}

// longest returns the length of the longest TSDU.
func (s shape) longest() int {
	if s.variable {
		return s.length - lengthLen
	}
	return s.length
}

// option is where the encoded part of OPT_FRAGMENT begins in a block.
func (s shape) option() int { return align(s.length) }

// width is the length of a block, a multiple of alignment.
func (s shape) width() int {
	if s.fragment {
		return s.option() + alignment
	}
	return max(s.option(), alignment)
}

// fits reports whether o can be a packet of the group.
func (s shape) fits(o Original) bool {
	if s.variable {
		return len(o.TSDU) <= s.longest() && (s.fragment || o.Fragment.Length == 0)
	}
	return len(o.TSDU) == s.length && (s.fragment || o.Fragment.Length == 0)
}

// plain reports whether the block of o begins with its TSDU and has nothing else that matters: octets that are behind it in all
// packets of a group are computed for nothing, and not looked at.
func (s shape) plain() bool { return !s.variable && !s.fragment }

// complete makes the block of a packet whose TSDU, o's, lies at its front.
func (s shape) complete(block []byte, o Original) {
	clear(block[len(o.TSDU):s.width()])
	if s.variable {
		binary.BigEndian.PutUint16(block[s.longest():], uint16(len(o.TSDU)))
	}
	if !s.fragment {
		return
	}
	b := block[s.option():]
	if o.Fragment.Length == 0 {
		b[0] = encodedNull
		return
	}
	binary.BigEndian.PutUint32(b[1:], uint32(o.Fragment.First))
	binary.BigEndian.PutUint32(b[5:], o.Fragment.Offset)
	binary.BigEndian.PutUint32(b[9:], o.Fragment.Length)
}

// open returns what the block of the data packet sqn says that it is. It has been computed, from packets that may not belong together:
// nothing is taken for granted. Octets that the source wrote as zeros must be zeros.
func (s shape) open(block []byte, sqn packet.SQN) (o Original, err error) {
	n := s.length
	if s.variable {
		if n = int(binary.BigEndian.Uint16(block[s.longest():])); n > s.longest() || !zeros(block[n:s.longest()]) {
			return Original{}, ErrNonsense
		}
	}
	o.TSDU = block[:n:n]
	if !s.fragment {
		return o, nil
	}
	b := block[s.option():][:encodedLen]
	if b[0]&encodedNull != 0 {
		if b[0] != encodedNull || !zeros(b[1:]) {
			return Original{}, ErrNonsense
		}
		return o, nil
	}
	o.Fragment, err = packet.ParseFragment(packet.Option{Type: packet.OptFragment, Flags: b[0], Body: b[1:]}, sqn, n)
	if err != nil || b[0] != 0 {
		return Original{}, ErrNonsense
	}
	return o, nil
}

func zeros(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
