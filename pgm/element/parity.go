package element

import (
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// parity is what a repairer does about the parity of a session whose source has it on demand [9.5.2-01]: it makes parity packets of its own
// from the groups that it holds whole. It begins with the last that a group can have, and goes down, where a source begins with the first: so
// what a receiver has of the source's is none of these.
type parity struct {
	k       fec.Size // PARITY_PRM_TGS; 0: the source has no parity on demand
	encoder *fec.Encoder
	room    int // octets of a TSDU that the encoder takes
	longest int // TSDU of the session so far
	short   [parityGroups]shortGroup
	made    [parityGroups]madeParity

	groups  *fec.Groups // what came of parity, for groups of which packets are missing; nil before any came
	decoder *fec.Decoder
	load    fec.Load
}

// parityGroups is of how many groups of a session something is remembered. A short one that is forgotten is not repaired by parity here any
// more; one that more parity is asked for again gets what it got.
const parityGroups = 256

// shortGroup is a group that was ended early.
type shortGroup struct {
	tg   packet.SQN
	size int // 0: there is none
}

// madeParity is what was made of a group.
type madeParity struct {
	tg    packet.SQN
	n     int   // parity packets so far
	count int   // that were asked for last
	at    int64 // when, in nanoseconds since the repairer began; 0: never
}

func (p *parity) slot(tg packet.SQN) int { return int(uint32(tg)/uint32(p.k)) % parityGroups }

// size returns how many packets the group tg has, as far as is known.
func (p *parity) size(tg packet.SQN) int {
	if s := p.short[p.slot(tg)]; s.size > 0 && s.tg == tg {
		return s.size
	}
	return int(p.k)
}

// absent reports whether q does not exist: its group was ended before it [11.2-14].
func (p *parity) absent(q packet.SQN) bool { return p.k > 0 && p.k.Index(q) >= p.size(p.k.Group(q)) }

// parameters takes OPT_PARITY_PRM and OPT_CURR_TGSIZE of an SPM.
func (s *repaired) parameters(opts []byte, m *spm.Packet) {
	o, ok := packet.FindOption(opts, packet.OptParityPrm)
	prm, err := fec.ParseParams(o)
	switch {
	case !ok || err != nil || !prm.OnDemand:
		return // "the same all session long" [11.2-10]: that of another SPM holds
	case s.parity.k == 0:
		s.parity.k = prm.Group
	case s.parity.k != prm.Group:
		return
	}
	if !m.NoWindow() {
		s.ended(m.Lead, opts)
	}
}

// ended takes OPT_CURR_TGSIZE, if it is among the options that say of the packet last that it is the last of its group [11.2-15].
func (s *repaired) ended(last packet.SQN, opts []byte) {
	p := &s.parity
	if p.k == 0 {
		return
	}
	o, ok := packet.FindOption(opts, packet.OptCurrTGSize)
	if !ok {
		return
	}
	n, err := fec.ParseCurrentSize(o, p.k)
	tg := p.k.Group(last)
	if err != nil || n == int(p.k) || p.k.Index(last) != n-1 || s.cache.get(last+1) != nil { // that packet contradicts it
		return
	}
	p.short[p.slot(tg)] = shortGroup{tg, n}
	if p.groups != nil {
		p.groups.Learn(last, n)
	}
	s.recovery.CancelRange(last+1, p.k.Next(last)-1)
}

// whole reports whether all packets of the group tg are held.
func (s *repaired) whole(tg packet.SQN) bool {
	for i := range s.parity.size(tg) {
		if s.cache.get(tg+packet.SQN(i)) == nil {
			return false
		}
	}
	return s.parity.longest <= maxPacket-256 // room for headers and options
}

// handleParityNAK answers a parity NAK as a source would: with an NCF, and as many parity packets as are asked for [11.4-06], of groups that
// are held whole. The source is told by a NNAK [9.5.2.2-06]. What is not held whole is confirmed and passed on to the parent, for which
// there is nothing to be had here [9.5.2.1-06], [9.5.2.2-07]. What the rate does not allow is not confirmed: nobody is to wait for it.
func (r *Repairer) handleParityNAK(now time.Time, s *repaired, parent bool, n *nak.Packet) error {
	p := &s.parity
	r.stats.ParityNAKs++
	here, lacking, confirmed := r.due[:0], r.lacking[:0], r.confirmed[:0]
	budget := min(r.rate.Available(now), r.out.Room()-1024)
	for q := range n.All() {
		tg, count := p.k.Requested(q)
		last := tg + packet.SQN(p.size(tg)) - 1
		if last.Before(s.cache.trail) || !tg.Before(s.cache.next+ahead) {
			return refuse(nil, ErrOutside)
		}
		switch owed := r.owed(now, s, tg, count); {
		case !s.whole(tg):
			lacking = append(lacking, q)
		case owed == 0:
			r.stats.Held++
		case r.cost(s, tg, owed) > budget:
			r.stats.Limited += uint64(owed)
			continue
		default:
			budget -= r.cost(s, tg, owed)
			here = append(here, q)
		}
		confirmed = append(confirmed, q)
	}
	if len(confirmed) == 0 {
		return nil
	}
	h := packet.Downstream(packet.TypeNCF, s.tsi, s.dest)
	h.Options |= packet.FlagParity
	r.send(s, parent, nak.Append(r.scratch[:0], h, &nak.Packet{SQN: confirmed[0], List: confirmed[1:], Source: s.source, Group: r.group}))
	if len(lacking) > 0 {
		r.stats.Lacking += uint64(len(lacking))
		r.request(s, packet.TypeNAK, packet.FlagParity, lacking)
	}
	if len(here) == 0 {
		return nil
	}
	r.request(s, packet.TypeNNAK, packet.FlagParity, here)
	r.stats.NNAKs++
	for _, q := range here {
		r.repairGroup(now, s, parent, q)
	}
	return nil
}

// owed returns how many parity packets are to be made for a NAK: what was made for one just before is on its way.
func (r *Repairer) owed(now time.Time, s *repaired, tg packet.SQN, count int) int {
	p := &s.parity
	size := p.size(tg)
	owed := p.k.Owed(count, size)
	if m := &p.made[p.slot(tg)]; m.at != 0 && m.tg == tg && r.since(now)-m.at < int64(r.c.Hold) {
		owed -= p.k.Owed(m.count, size)
	}
	return max(owed, 0)
}

// cost is what so many parity packets of a group take of the rate: their octets, and of those that must be read for them an eighth, which
// bounds the work that NAKs can ask for.
func (r *Repairer) cost(s *repaired, tg packet.SQN, owed int) int {
	p := &s.parity
	n := owed * (p.longest + 64)
	if p.encoder != nil {
		if has, _, ok := p.encoder.Group(); ok && has == tg {
			return n
		}
	}
	return n + p.size(tg)*p.longest/8
}

// repairGroup sends what the parity NAK with the number q asks for.
func (r *Repairer) repairGroup(now time.Time, s *repaired, parent bool, q packet.SQN) {
	p := &s.parity
	tg, count := p.k.Requested(q)
	owed := r.owed(now, s, tg, count)
	r.rate.Force(now, r.cost(s, tg, owed))
	if owed == 0 || !s.load(tg) {
		return
	}
	m := &p.made[p.slot(tg)]
	if m.tg != tg || m.at == 0 {
		*m = madeParity{tg: tg}
	}
	m.count, m.at = count, r.since(now)
	h := packet.Downstream(packet.TypeRDATA, s.tsi, s.dest)
	for range owed {
		j := p.k.MaxParity() - 1 - m.n%p.k.MaxParity()
		m.n++
		if r.send(s, parent, p.encoder.Append(r.scratch[:0], h, s.cache.trail, j)) {
			r.stats.ParityRepairs++
		}
	}
}

// load gives the encoder the packets of the group tg, which is whole, unless it has them.
func (s *repaired) load(tg packet.SQN) bool {
	p := &s.parity
	size := p.size(tg)
	if p.encoder == nil || p.room < p.longest {
		p.room = (p.longest + 511) &^ 511
		p.encoder = fec.NewEncoder(p.k, p.room)
	}
	if has, n, ok := p.encoder.Group(); ok && has == tg && n == size {
		return true
	}
	p.encoder.Begin(tg, size)
	for i := range size {
		o, ok := s.original(tg+packet.SQN(i), nil)
		if !ok {
			return false
		}
		p.encoder.Set(i, o)
	}
	return true
}
