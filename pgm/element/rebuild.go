package element

import (
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// rebuildMemory is how many octets of parity a session's repairer holds at most until it has as much of a group as it misses of it.
const rebuildMemory = 2 << 20

// handleParity takes a parity packet. A source that has parity on demand answers the NAKs of a repairer, too, by parity [11.1-04]: what it
// misses itself, it brings back by it.
func (r *Repairer) handleParity(now time.Time, s *repaired, h *packet.Header, d *packet.Data) error {
	p := &s.parity
	if p.k == 0 || s.cache.slots == nil {
		return nil
	}
	var q fec.Parity
	if err := q.Parse(p.k, h, d); err != nil {
		return err
	}
	if q.Group.Sub(s.cache.next) > len(s.cache.slots) {
		return refuse(h, ErrOutside)
	}
	s.heard = now
	s.ended(q.Group+packet.SQN(q.Size)-1, d.Options)
	if p.groups == nil {
		p.groups = fec.NewGroups(fec.GroupsConfig{
			Size: p.k, Memory: rebuildMemory, Open: parityGroups, Has: func(sqn packet.SQN) bool { return s.cache.get(sqn) != nil },
		})
		p.decoder = fec.NewDecoder(p.k)
		p.load = s.original
	}
	if q.Size < int(p.k) {
		p.groups.Learn(q.Group+packet.SQN(q.Size)-1, q.Size)
	}
	p.groups.Parity(&q)
	r.rebuild(now, s)
	return nil
}

// rebuild brings back what there is parity enough for, and keeps it as if it had come.
func (r *Repairer) rebuild(now time.Time, s *repaired) {
	p := &s.parity
	for j := p.groups.Next(); j != nil; j = p.groups.Next() {
		if p.decoder.Decode(j, p.load) == nil {
			for q, o := range j.Rebuilt() {
				s.cache.put(q, r.original(s, q, o))
				s.recovery.Received(now, q)
				p.longest = max(p.longest, len(o.TSDU))
				r.stats.Rebuilt++
				p.groups.Have(q)
			}
		}
		p.groups.Done(j)
	}
}

// original makes the packet of what was brought back: ODATA with the one option that parity brings back too.
func (r *Repairer) original(s *repaired, q packet.SQN, o fec.Original) []byte {
	h := packet.Downstream(packet.TypeODATA, s.tsi, s.dest)
	h.TSDULength = uint16(len(o.TSDU))
	b := packet.Data{SQN: q, Trail: s.cache.trail}.Append(h.Append(r.scratch[:0]))
	if o.Fragment.Length > 0 {
		at := len(b)
		b = packet.EndOptions(o.Fragment.AppendTo(packet.BeginOptions(b)), at)
	}
	b = append(b, o.TSDU...)
	packet.Seal(b)
	return b
}

// original is the data packet q, which is held, as parity is computed from it.
func (s *repaired) original(q packet.SQN, room []byte) (o fec.Original, ok bool) {
	e := s.cache.get(q)
	if e == nil {
		return o, false
	}
	var h packet.Header
	var d packet.Data
	body, err := h.Parse(e.data)
	if err == nil {
		err = d.Parse(&h, body)
	}
	if err != nil {
		return o, false // it was whole when it came
	}
	o.TSDU = d.TSDU[:len(d.TSDU):len(d.TSDU)]
	if f, ok := packet.FindOption(d.Options, packet.OptFragment); ok {
		if o.Fragment, err = packet.ParseFragment(f, q, len(d.TSDU)); err != nil {
			o.Fragment = packet.Fragment{} // as receivers see it: it is none
		}
	}
	return o, true
}
