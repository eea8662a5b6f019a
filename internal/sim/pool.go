package sim

import (
	"fmt"

	"github.com/gopgm/gopgm/pgm/packet"
)

// shared is a packet on its way. It is stored once, and used again when no event refers to it any more.
type shared struct {
	data []byte
	from Host
	to   Host // or everyone
	typ  packet.Type
	sum  uint16 // of data, so that an engine that writes into it is found out
	refs int32
}

// pool holds the packets that are on their way.
type pool struct {
	all  []shared
	free []int32
}

func (p *pool) at(i int32) *shared { return &p.all[i] }

// add stores a copy of data, with one hold on it.
func (p *pool) add(from, to Host, data []byte) int32 {
	i := int32(len(p.all))
	if k := len(p.free); k > 0 {
		i = p.free[k-1]
		p.free = p.free[:k-1]
	} else {
		p.all = append(p.all, shared{})
	}
	s := &p.all[i]
	s.data = append(s.data[:0], data...)
	s.from, s.to, s.refs, s.sum, s.typ = from, to, 1, packet.Sum(data), packet.NoType
	if len(data) > 4 {
		s.typ = packet.Type(data[4] & 0x0f)
	}
	return i
}

func (p *pool) retain(i int32) { p.all[i].refs++ }

func (p *pool) release(i int32) {
	s := &p.all[i]
	if s.refs--; s.refs > 0 {
		return
	}
	if packet.Sum(s.data) != s.sum {
		panic(fmt.Sprintf("sim: an engine wrote into a %v that it was handed", s.typ))
	}
	p.free = append(p.free, i)
}
