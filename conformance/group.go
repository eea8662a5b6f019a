package conformance

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// groups is what is known of the transmission groups of a session that offers parity [11].
type groups struct {
	k        fec.Size // PARITY_PRM_TGS; 0: none was advertised that can be followed
	pro, ond bool     // were offered, at some time
	ondAt    int64    // since when ond is
	ondSPMs  int      // that bore it
	slots    []tgroup // by the lowest bits of a group's number
	parity   bool     // parity came, and
	newest   packet.SQN
	highest  int // number of a parity packet, of any group
}

// tgroup is what is known of one transmission group. Times are as sight.at has them; 0 is never.
type tgroup struct {
	tg      packet.SQN
	used    bool
	size    int       // with so many packets it was ended early; 0: it was not, as far as was heard
	full    int64     // when its last packet, or a later one, was seen
	early   int64     // when parity came before its last packet
	numbers [4]uint64 // a bit for each parity packet that came
	last    int64     // when one came last
	before  int       // how many had come in time for a receiver to count them, when that was
	repairs int       // parity as RDATA
	repair  int64
	shape   fec.Parity // of the first parity packet, without what is in it
	asked   [2]uint64  // a bit for each count that NAKs asked for, less one
	nak     int64      // the last of them
	naks    uint8      // since the last NCF, at different times
	since   int64      // when the first of these came
	ncf     int64
	ncfs    uint8 // since the last parity RDATA
	ncfs0   int64 // when the first of these came
	data    []fec.Original
	held    int // packets in data
	octets  int
	odd     bool // its data cannot be what parity is made of
}

// The bounds of what is remembered for parity.
const (
	maxGroups = 128      // of a session, a power of two
	dataOf    = 32       // newest groups of a session, whose data is held
	maxData   = 32 << 20 // octets, of all sessions

	originalLen = 64 // octets that a packet costs besides its data, about
)

// at returns what is known of the group of n; nil if nothing is.
func (o *groups) at(n packet.SQN) *tgroup {
	if len(o.slots) == 0 {
		return nil
	}
	tg := o.k.Group(n)
	if g := &o.slots[o.place(tg)]; g.used && g.tg == tg {
		return g
	}
	return nil
}

func (o *groups) place(tg packet.SQN) int { return int(uint32(tg)/uint32(o.k)) % maxGroups }

// noteGroup returns what is known of the group of n, made if there is nothing; nil when a newer one has its place.
func (s *session) noteGroup(n packet.SQN) *tgroup {
	o := &s.groups
	if len(o.slots) == 0 {
		return nil
	}
	tg := o.k.Group(n)
	g := &o.slots[o.place(tg)]
	switch {
	case g.used && g.tg == tg:
		return g
	case g.used && g.tg.After(tg):
		return nil
	}
	s.forget(g)
	*g = tgroup{tg: tg, used: true}
	if old := o.at(tg - dataOf*packet.SQN(o.k)); old != nil {
		s.forget(old)
	}
	return g
}

// forget lets go of the data of g.
func (s *session) forget(g *tgroup) {
	s.c.dataHeld -= g.octets
	g.data, g.octets, g.held = nil, 0, 0
	if s.c.encoded == g {
		s.c.encoded = nil
	}
}

// last returns the last data packet of g, as far as is known.
func (o *groups) last(g *tgroup) packet.SQN {
	if g.size > 0 {
		return g.tg + packet.SQN(g.size) - 1
	}
	return g.tg + packet.SQN(o.k) - 1
}

// sizeOf returns how many data packets g has, as far as is known.
func (o *groups) sizeOf(g *tgroup) int { return int(o.last(g)-g.tg) + 1 }

// skipped returns how many numbers between data packets a and b, the newer, are known not to exist, a being the last of its group.
func (o *groups) skipped(a, b packet.SQN) int {
	if g := o.at(a); g != nil && g.size > 0 && o.last(g) == a && !b.Before(o.k.Next(a)) {
		return o.k.Next(a).Sub(a) - 1
	}
	return 0
}

// offer takes note of OPT_PARITY_PRM, and of OPT_CURR_TGSIZE, of an SPM.
func (s *session) offer(p *sight) {
	o := &s.groups
	if x, ok := p.option(packet.OptParityPrm); ok && len(x.octet) == 8 {
		k := fec.Size(binary.BigEndian.Uint32(x.octet[4:]))
		if o.k == 0 && k.Valid() && s.c.records+2*maxGroups <= s.c.Limits.Packets {
			o.k = k
			o.slots = make([]tgroup, maxGroups)
			s.c.records += 2 * maxGroups
		}
		o.pro = o.pro || x.octet[3]&0x02 != 0
		if x.octet[3]&0x01 != 0 {
			if !o.ond {
				o.ond, o.ondAt = true, p.at
			}
			o.ondSPMs++
		}
	}
	if size, ok := p.groupSize(); ok && o.k != 0 && size == o.k.Index(p.spm.Lead)+1 {
		s.learn(p.spm.Lead, size)
	}
}

// learn takes note that a group was ended early.
func (s *session) learn(n packet.SQN, size int) {
	if g := s.noteGroup(n); g != nil && g.size == 0 && size < int(s.groups.k) {
		g.size = size
	}
}

// groupSize returns OPT_CURR_TGSIZE.
func (p *sight) groupSize() (int, bool) {
	x, ok := p.option(packet.OptCurrTGSize)
	if !ok || len(x.octet) != 8 {
		return 0, false
	}
	return int(min(binary.BigEndian.Uint32(x.octet[4:]), 1<<20)), true
}

// followGroup takes note of a data packet, before the session's lead does.
func (s *session) followGroup(p *sight) {
	o := &s.groups
	if o.k == 0 {
		return
	}
	n := p.data.SQN
	if size, ok := p.groupSize(); ok && size == o.k.Index(n)+1 {
		s.learn(n, size)
	}
	if p.h.Type == packet.TypeODATA && s.hasData && n.After(s.dataLead) && o.k.Group(n) != o.k.Group(s.dataLead) {
		if g := o.at(s.dataLead); g != nil && g.full == 0 {
			g.full = p.at
		}
	}
	g := s.noteGroup(n)
	if g == nil {
		return
	}
	if n == o.last(g) && g.full == 0 {
		g.full = p.at
	}
	s.hold(g, p)
}

// hold keeps the data of a packet, to hold parity against it.
func (s *session) hold(g *tgroup, p *sight) {
	o := &s.groups
	i := o.k.Index(p.data.SQN)
	if s.c.dataHeld+len(p.data.TSDU)+int(o.k)*originalLen > maxData {
		g.odd = true
		return
	}
	if g.data == nil {
		g.data = make([]fec.Original, o.k)
		g.octets = int(o.k) * originalLen
		s.c.dataHeld += g.octets
	}
	if g.data[i].TSDU != nil {
		return
	}
	x := fec.Original{TSDU: append(make([]byte, 0, len(p.data.TSDU)+1), p.data.TSDU...)}
	if p.has(packet.OptFragment) {
		f, ok := p.fragment()
		if g.odd = g.odd || !ok; ok {
			x.Fragment = f
		}
	}
	g.data[i] = x
	g.held++
	g.octets += len(x.TSDU)
	s.c.dataHeld += len(x.TSDU)
}

// followParity takes note of a packet with OPT_PARITY.
func (s *session) followParity(p *sight) {
	o := &s.groups
	if o.k == 0 {
		return
	}
	switch p.h.Type {
	case packet.TypeODATA, packet.TypeRDATA:
		if g := s.noteGroup(p.data.SQN); g != nil {
			s.followParityData(g, p)
		}
	case packet.TypeNAK, packet.TypeNCF:
		for n := range p.nak.All() {
			if g := s.noteGroup(n); g != nil {
				s.followParityRequest(g, p, n)
			}
		}
	}
}

// followParityRequest takes note of what a parity NAK or NCF says of one group.
func (s *session) followParityRequest(g *tgroup, p *sight, n packet.SQN) {
	if p.h.Type == packet.TypeNCF {
		if g.ncfs == 0 {
			g.ncfs0 = p.at
		}
		g.ncf, g.naks = p.at, 0
		g.ncfs = min(g.ncfs, 254) + 1
		return
	}
	_, count := s.groups.k.Requested(n)
	g.asked[(count-1)/64] |= 1 << ((count - 1) % 64)
	if g.naks == 0 {
		g.since = p.at
	}
	if g.naks == 0 || p.at-g.nak > s.c.jitter {
		g.naks = min(g.naks, 254) + 1
	}
	g.nak = p.at
}

func (s *session) followParityData(g *tgroup, p *sight) {
	o := &s.groups
	s.advance(p.data.Trail, p.at)
	if p.parityErr != nil {
		return
	}
	q := &p.parityData
	s.learn(g.tg, q.Size)
	if !o.parity || g.tg.After(o.newest) {
		o.parity, o.newest = true, g.tg
	}
	if s.known && s.lead.Before(o.last(g)) && g.early == 0 {
		g.early = p.at
	}
	if g.last == 0 {
		g.shape = *q
		g.shape.TSDU = nil
		g.shape.Index = len(q.TSDU)
	}
	if p.at-g.last > s.c.jitter {
		g.before = g.parities()
	}
	g.last = p.at
	g.numbers[q.Index/64] |= 1 << (q.Index % 64)
	if p.h.Type == packet.TypeRDATA {
		g.repairs++
		g.repair, g.ncfs = p.at, 0
	}
}

// parities returns how many different parity packets of the group came.
func (g *tgroup) parities() (n int) {
	for _, w := range g.numbers {
		n += bits.OnesCount64(w)
	}
	return n
}

func (g *tgroup) has(j int) bool { return g.numbers[j/64]&(1<<(j%64)) != 0 }

// most returns for how many packets NAKs asked at most.
func (g *tgroup) most() int {
	if g.asked[1] != 0 {
		return 64 + bits.Len64(g.asked[1])
	}
	return bits.Len64(g.asked[0])
}

// encoded returns parity packet j of g as the code has it; ok is false when not all data of the group is held.
func (s *session) encoded(g *tgroup, size, j int) (q fec.Parity, ok bool) {
	c, k := s.c, s.groups.k
	if g.odd || g.data == nil || g.held < size {
		return q, false
	}
	longest := 0
	for i := range g.data[:size] {
		if g.data[i].TSDU == nil {
			return q, false
		}
		longest = max(longest, len(g.data[i].TSDU))
	}
	if longest = (longest + 511) &^ 511; longest > packet.MaxRun {
		return q, false
	}
	if c.encoder == nil || c.encodes != k || c.encodesTSDU < longest {
		c.encoder, c.encodes, c.encodesTSDU, c.encoded = fec.NewEncoder(k, longest), k, longest, nil
	}
	if _, n, _ := c.encoder.Group(); c.encoded != g || n != size {
		c.encoder.Begin(g.tg, size)
		for i := range g.data[:size] {
			c.encoder.Set(i, g.data[i])
		}
		c.encoded = g
	}
	c.buffer = c.encoder.Append(c.buffer[:0], packet.Downstream(packet.TypeODATA, s.tsi, 0), g.tg, j)
	var h packet.Header
	var d packet.Data
	body, err := h.Parse(c.buffer)
	if err == nil {
		err = d.Parse(&h, body)
	}
	if err == nil {
		err = q.Parse(k, &h, &d)
	}
	return q, err == nil
}

// holdsLength reports whether the TSDU ends with the length of packets that all have it: the rows of the code add up to one.
func holdsLength(tsdu []byte) bool {
	n := len(tsdu) - 2
	return n >= 0 && bytes.Equal(tsdu[n:], binary.BigEndian.AppendUint16(nil, uint16(n)))
}
