package transfer

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/gopgm/gopgm/internal/window"
	"github.com/gopgm/gopgm/pgm/packet"
)

// blockSet is which blocks of an object are there. One of up to 64 blocks fits into the value, so that a small file costs no more;
// a larger one is a bitmap whose full pages take no memory.
type blockSet struct {
	n     uint32 // blocks of the object
	small uint64
	big   *window.Bitmap // by block number, nil if n <= 64
}

func newBlockSet(n uint32) blockSet {
	s := blockSet{n: n}
	if n > 64 {
		s.big = window.NewBitmap(0, int(n))
	}
	return s
}

// add puts block i in, and reports whether it was not.
func (s *blockSet) add(i uint32) bool {
	if s.big != nil {
		return s.big.Add(packet.SQN(i))
	}
	if i >= s.n || s.small>>i&1 != 0 {
		return false
	}
	s.small |= 1 << i
	return true
}

// has reports whether block i is in.
func (s *blockSet) has(i uint32) bool {
	if s.big != nil {
		return s.big.Has(packet.SQN(i))
	}
	return i < s.n && s.small>>i&1 != 0
}

// len returns how many blocks are in.
func (s *blockSet) len() uint32 {
	if s.big != nil {
		return uint32(s.big.Len())
	}
	return uint32(bits.OnesCount64(s.small))
}

// full reports whether all blocks are in.
func (s *blockSet) full() bool { return s.len() == s.n }

// contiguous returns the first block that is not in; n if all are.
func (s *blockSet) contiguous() uint32 {
	if s.big != nil {
		return uint32(s.big.Contiguous())
	}
	return uint32(bits.TrailingZeros64(^s.small))
}

// runs calls f for each run of blocks that are in, first and last included.
func (s *blockSet) runs(f func(first, last uint32)) {
	if s.big == nil {
		for i := uint32(0); i < s.n; {
			i += uint32(bits.TrailingZeros64(s.small >> i))
			if i >= s.n {
				return
			}
			n := uint32(bits.TrailingZeros64(^(s.small >> i)))
			f(i, i+n-1)
			i += n
		}
		return
	}
	end := packet.SQN(s.n)
	for i := packet.SQN(0); i != end; {
		first, ok := s.big.NextPresent(i, end-1)
		if !ok {
			return
		}
		if i, ok = s.big.NextMissing(first, end-1); !ok {
			i = end
		}
		f(uint32(first), uint32(i-1))
	}
}

// octets returns how much content the blocks that are in hold.
func (s *blockSet) octets(size int64, block int) int64 {
	if s.n == 0 {
		return 0
	}
	n := int64(s.len()) * int64(block)
	if s.has(s.n - 1) {
		n += size - int64(s.n)*int64(block) // the last is short
	}
	return n
}

func (s *blockSet) append(b []byte) []byte {
	if s.big == nil {
		return binary.BigEndian.AppendUint64(b, s.small)
	}
	b, _ = s.big.AppendBinary(b) // it never fails
	return b
}

var errBlockSet = errors.New("malformed set of blocks")

// parse reads what append wrote of a set for as many blocks. On an error the set is empty.
func (s *blockSet) parse(b []byte) error {
	if s.big == nil {
		if len(b) != 8 {
			return errBlockSet
		}
		v := binary.BigEndian.Uint64(b)
		if s.n < 64 && v>>s.n != 0 {
			return errBlockSet
		}
		s.small = v
		return nil
	}
	err := s.big.UnmarshalBinary(b)
	if err == nil && s.big.Trail() != 0 {
		err = errBlockSet
	}
	if err != nil {
		*s = newBlockSet(s.n)
	}
	return err
}
