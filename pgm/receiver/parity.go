package receiver

import (
	"math/bits"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/window"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Decoder is a Sink of an unordered session from which what it took can be had again, so that parity can bring back what is missing. Without
// it, an unordered session makes no use of parity. An ordered session needs none: it keeps the groups that it is at.
type Decoder interface {
	// Decode has j decoded, beside the engine if it likes, with all that Data has taken so far to be had for a fec.Load, and
	// Session.Decoded called when that is over, on the goroutine that drives the engine. It returns false when it cannot; with nil it
	// is asked whether it can at all.
	Decode(j *fec.Job) bool
}

// parity is what a session does about parity [11], once an SPM has said what there is of it.
type parity struct {
	s        *Session
	k        fec.Size
	params   fec.Params
	groups   *fec.Groups
	decoder  *fec.Decoder  // of an ordered session
	beside   Decoder       // of an unordered one
	recovery *nak.Recovery // of groups, by their TG_SQN: used while parity is there on demand
	missed   uint64        // packets found missing while it is, and those of them that came
	repaired uint64

	short   []shortGroup         // those whose missing numbers are not passed over yet
	strikes map[packet.SQN]uint8 // how often a group could not be decoded
	idle    bool                 // the last two SPMs, and no data since, named the newest packet
	spmLead packet.SQN
}

type shortGroup struct {
	tg   packet.SQN
	size int
}

const (
	// maxParity bounds the parity that a session holds, in octets, and maxGroups the groups that it asks parity for at once: a receiver that
	// lacks most of everything gets it as parity, and no more at a time than it can hold.
	maxParity = 32 << 20
	maxGroups = 256
	// maxStrikes is after how often a group is given up that cannot be decoded though it is asked for anew, and distrust after how often
	// the data that is there is taken for what is wrong with it.
	maxStrikes, distrust = 6, 2
	maxStruck            = 1024
)

// learn takes OPT_PARITY_PRM. What is there on demand once stays so, and the size of groups never changes [11.2-10].
func (s *Session) learn(now time.Time, params fec.Params) {
	p := s.parity
	if p == nil {
		beside, _ := s.sink.(Decoder)
		if s.unordered && (beside == nil || !beside.Decode(nil)) {
			return
		}
		p = &parity{s: s, k: params.Group, params: params, beside: beside, strikes: map[packet.SQN]uint8{}}
		p.groups = fec.NewGroups(fec.GroupsConfig{Size: p.k, Memory: maxParity, Has: s.loadable})
		c := s.r.c.Recovery
		if c.Max == 0 || c.Max > maxGroups {
			c.Max = maxGroups
		}
		p.recovery = nak.NewRecovery(c, s.r.c.Rand)
		p.recovery.Bias(func(backOff time.Duration, tg packet.SQN) time.Duration {
			return p.k.BackOff(backOff, p.groups.Need(tg)) // [6.3-17]
		})
		if s.parity = p; !s.unordered {
			p.decoder = fec.NewDecoder(p.k)
			s.order.keep()
		}
		if s.started {
			p.groups.Advance(s.have.Trail())
		}
		s.heed(now)
		if !params.OnDemand {
			return
		}
	}
	if params.Group != p.k {
		s.stats.BadParity++
		return
	}
	if params.OnDemand && (!p.params.OnDemand || s.recovery.Len() > 0) {
		// "If PARITY_PRM_OND is set, a receiver MUST NOT send selective NAKs" (RFC 3208 §11.5): what was asked for so is found missing anew.
		p.missed -= uint64(s.recovery.Len())
		s.recovery.Reset()
		if s.started {
			s.cursor = s.have.Trail()
		}
	}
	p.params.Proactive = params.Proactive
	p.params.OnDemand = p.params.OnDemand || params.OnDemand
}

// groupSize reads OPT_CURR_TGSIZE of a session whose groups have up to k packets: 0 if it says nothing that can be.
func (s *Session) groupSize(o packet.Option, k fec.Size) int {
	n, err := fec.ParseCurrentSize(o, k)
	if err != nil {
		s.stats.BadParity++
		return 0
	}
	return n
}

// onDemand reports whether what is missing is to be asked for by groups.
func (s *Session) onDemand() bool { return s.parity != nil && s.parity.params.OnDemand }

// loadable reports whether the data packet n is there to be computed with.
func (s *Session) loadable(n packet.SQN) bool {
	if s.gone != nil && s.gone.Has(n) {
		return false
	}
	if s.unordered {
		return s.have.Has(n)
	}
	return s.order.kept(n) != nil
}

// Forgo undoes what Have, or the taking of data, means for parity: the Sink does not want the packets first..last, but has not got what is in
// them either.
func (s *Session) Forgo(first, last packet.SQN) {
	s.Have(first, last)
	if !s.started || s.ended || s.parity == nil {
		return
	}
	for n := first; n != last+1; n++ {
		s.lose(n)
	}
}

// lose notes that the packet n cannot be computed with, though it is not missing.
func (s *Session) lose(n packet.SQN) {
	if s.gone == nil {
		s.gone = window.NewBitmap(s.have.Trail()-fec.MaxGroup, packet.MaxWindow)
	}
	s.gone.Advance(s.have.Trail() - fec.MaxGroup)
	s.gone.Add(n)
}

// handleParity takes a parity packet, of which nothing advances the window but that its group was sent [11.2-06], [11.5-07].
func (s *Session) handleParity(now time.Time, h *packet.Header, d *packet.Data) error {
	p := s.parity
	var q fec.Parity
	if err := q.Parse(p.k, h, d); err != nil {
		s.stats.BadParity++
		return err
	}
	s.stats.Parity++
	if !s.started {
		return nil
	}
	if s.advance(d.Trail); s.ended {
		return nil
	}
	last := q.Group + packet.SQN(q.Size) - 1
	if !last.Before(s.have.Trail()) && last-s.have.Trail() >= packet.SQN(s.have.Max()) {
		s.stats.Outside++
		return nil
	}
	_, known := p.groups.Short(last)
	verdict := p.groups.Parity(&q)
	if _, short := p.groups.Short(last); short && !known {
		p.short = append(p.short, shortGroup{q.Group, q.Size})
		s.passOver()
	}
	if verdict != fec.Rejected {
		s.sent(now, last)
	}
	if verdict == fec.Decodable {
		p.recovery.Received(now, q.Group)
	}
	s.decode(now)
	s.detect(now)
	return nil
}

// learnSize takes OPT_CURR_TGSIZE: last is the last packet of its group, which has so many [11.2-15].
func (s *Session) learnSize(now time.Time, last packet.SQN, size int) {
	p := s.parity
	if p == nil || !s.started || !p.groups.Learn(last, size) {
		return
	}
	p.short = append(p.short, shortGroup{p.k.Group(last), size})
	s.passOver()
	s.decode(now)
}

// passOver has the numbers that short groups leave unused count as had [11.2-14], once later packets have been sent.
func (s *Session) passOver() {
	p := s.parity
	if p == nil || len(p.short) == 0 {
		return
	}
	kept, news := p.short[:0], false
	for _, g := range p.short {
		first, last := g.tg+packet.SQN(g.size), g.tg+packet.SQN(p.k)-1
		switch {
		case last.Before(s.have.Trail()) || p.size(g.tg) != g.size: // it is past, or was refuted
			continue
		case s.lead.Before(last), last-s.have.Trail() >= packet.SQN(s.have.Max()):
			kept = append(kept, g)
			continue
		}
		for n := first; n != last+1; n++ {
			if !n.Before(s.have.Trail()) && !s.have.Has(n) && s.have.Add(n) && !s.unordered {
				s.order.pass(n)
			}
		}
		s.recovery.CancelRange(first, last)
		news = true
	}
	p.short = kept
	if news {
		s.deliver()
	}
}

// refute has a size that is too small for the data packet n, which has come, forgotten: what is missing of its group is missing after all.
func (s *Session) refute(n packet.SQN) {
	if p := s.parity; p.groups.Refute(n) {
		p.recovery.Cancel(p.k.Group(n)) // it was for as many as the group was short of, too
		s.again(p.k.Group(n))
	}
}

// arrived tells parity of the data packet n, which is there now.
func (s *Session) arrived(now time.Time, n packet.SQN) {
	p := s.parity
	s.refute(n)
	p.groups.Have(n)
	tg := p.k.Group(n)
	if _, asked := p.recovery.State(tg); asked && (!s.lacks(tg) || p.groups.Need(tg) == 0) {
		p.recovery.Received(now, tg)
	}
	s.decode(now)
}

// lacks reports whether a packet of the group tg is missing.
func (s *Session) lacks(tg packet.SQN) bool {
	_, ok := s.firstMissing(tg)
	return ok
}

// firstMissing returns the first packet of the group tg that is missing.
func (s *Session) firstMissing(tg packet.SQN) (packet.SQN, bool) {
	first := tg
	for _, t := range [2]packet.SQN{s.have.Trail(), s.trail} {
		if first.Before(t) {
			first = t
		}
	}
	end := tg + packet.SQN(s.parity.size(tg))
	if !first.Before(end) {
		return 0, false
	}
	return s.have.NextMissing(first, end-1)
}

// size returns how many packets the group tg has, as far as is known.
func (p *parity) size(tg packet.SQN) int {
	if n, ok := p.groups.Short(tg); ok {
		return n
	}
	return int(p.k)
}

// decode has the groups decoded of which there is enough.
func (s *Session) decode(now time.Time) {
	p := s.parity
	if p == nil {
		return
	}
	for !s.ended {
		j := p.groups.Next()
		if j == nil {
			return
		}
		if p.decoder == nil && p.beside.Decode(j) {
			continue
		}
		if p.decoder != nil {
			_ = p.decoder.Decode(j, s.load) // the Job has it
		}
		s.Decoded(now, j)
	}
}

// load is the fec.Load of an ordered session.
func (s *Session) load(n packet.SQN, _ []byte) (fec.Original, bool) {
	sl := s.order.kept(n)
	if sl == nil {
		return fec.Original{}, false
	}
	return fec.Original{TSDU: sl.TSDU[:len(sl.TSDU):len(sl.TSDU)], Fragment: sl.Fragment}, true
}

// Decoded takes a Job back that the Sink's Decode was given: what it brought back is delivered. A now of zero is when the session was heard
// last.
func (s *Session) Decoded(now time.Time, j *fec.Job) {
	p := s.parity
	if p == nil || s.ended {
		return
	}
	if now.IsZero() {
		now = s.heard
	}
	tg, _ := j.Group()
	for n, o := range j.Rebuilt() {
		if n.Before(s.have.Trail()) || s.have.Has(n) {
			continue
		}
		if s.gone != nil {
			s.gone.Remove(n)
		}
		d := Data{SQN: n, TSDU: o.TSDU, Fragment: o.Fragment, Repaired: true}
		if s.take(now, &d, s.lead.Before(n)); s.ended {
			return
		}
		if s.have.Has(n) || n.Before(s.have.Trail()) {
			p.groups.Have(n)
			s.stats.Rebuilt++
			if p.params.OnDemand {
				p.repaired++
			}
		}
	}
	err := j.Err()
	p.groups.Done(j)
	switch {
	case err != nil:
		s.undecodable(now, tg, err)
	case s.lacks(tg):
		s.again(tg)
	default:
		delete(p.strikes, tg)
		p.recovery.Received(now, tg)
	}
	s.detect(now)
	s.deliver()
	s.checkEnd()
}

// keep has delivered packets stay for a group longer.
func (o *order) keep() {
	if o.keeping {
		return
	}
	o.keeping = true
	old := o.slots
	o.slots = nil
	for i := range old {
		if sl := &old[i]; sl.there || sl.lost || sl.void {
			*o.at(sl.SQN) = *sl
		}
	}
}

// kept returns the packet n if it is held, or was and is kept; nil otherwise.
func (o *order) kept(n packet.SQN) *slot {
	if o.slots == nil {
		return nil
	}
	if sl := o.at(n); sl.there && sl.SQN == n {
		return sl
	}
	return nil
}

// pass notes that there is no packet n.
func (o *order) pass(n packet.SQN) {
	sl := o.at(n)
	sl.Data, sl.lost, sl.there, sl.void = Data{SQN: n}, false, false, true
}

// room returns how many slots there are: a power of two.
func (o *order) room() int {
	n := o.size
	if o.keeping {
		n += 2 * fec.MaxGroup
	}
	return 1 << bits.Len(uint(n-1))
}
