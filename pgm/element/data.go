package element

import (
	"encoding/binary"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// handleODATA switches data to where someone listens, without a thought for repair state [7.3-03], [11.6-01].
func (e *Element) handleODATA(now time.Time, a Arrival, h *packet.Header, body, p []byte) error {
	s := e.find(h.TSI())
	switch {
	case s != nil && s.from(a):
		s.heard = now
		if len(body) >= 8 && h.Options&packet.FlagParity == 0 {
			sqn := packet.SQN(binary.BigEndian.Uint32(body))
			s.saw(packet.SQN(binary.BigEndian.Uint32(body[4:])), sqn)
		}
	case s != nil, a.Unicast, e.c.Toward(a.From.Addr()) != a.Interface:
		return refuse(h, ErrInterface)
	}
	if a.Passed {
		return nil
	}
	if e.spread(a, p) {
		e.stats.ODATA++
	}
	return nil
}

// spread forwards p to all that listen, as a router does.
func (e *Element) spread(a Arrival, p []byte) bool {
	to := e.listeners &^ (1 << a.Interface)
	switch {
	case a.TTL == 1:
		e.stats.Expiries++
		return false
	case to == 0:
		return false
	}
	return e.emit(p, nla(a.From.Addr()), to, max(a.TTL-1, 0))
}

// stranger forwards p if it is of a session that there is no room for: the element is to it as a router that knows no PGM. Of others
// that are not known, nothing is wanted but ODATA and SPMs.
func (e *Element) stranger(a Arrival, h *packet.Header, p []byte) error {
	switch {
	case a.Unicast || e.c.Toward(a.From.Addr()) != a.Interface:
		return refuse(h, ErrInterface)
	case len(e.sessions) < e.c.MaxSessions:
		return refuse(h, ErrUnknown)
	}
	if e.spread(a, p) {
		e.stats.Strangers++
	}
	return nil
}

// handleRDATA forwards a repair to the interfaces that asked for it, and to no other [7.8-02], [7.8-04].
func (e *Element) handleRDATA(now time.Time, a Arrival, h *packet.Header, body, p []byte) error {
	s := e.find(h.TSI())
	if s == nil {
		return e.stranger(a, h, p)
	}
	var d packet.Data
	if err := d.Parse(h, body); err != nil {
		return err
	}
	k, offset := nak.Key{SQN: d.SQN}, 0
	if h.Options&packet.FlagParity != 0 {
		if s.group == 0 {
			return refuse(h, ErrUnknown)
		}
		k = nak.Key{SQN: s.group.Group(d.SQN), Parity: true}
		s.shortened(d.Options)
		offset = s.offset
	}
	redirected := s.redirect.is(a) && s.repairs.Asked(k, nak.Repairer)
	if !redirected && !s.from(a) {
		return refuse(h, ErrInterface)
	}
	p, err := e.screen(h, p, d.Options)
	if err != nil {
		return err
	}
	s.heard = now
	to := s.repairs.Repaired(k, offset)
	switch {
	case to == 0:
		e.stats.Unasked++
		return nil
	case a.TTL == 1 && !a.Unicast:
		e.stats.Expiries++
		return nil
	}
	ttl := max(a.TTL-1, 0)
	if a.Unicast {
		ttl = 0 // it was on its way to us alone
	}
	if e.emit(p, s.source, to, ttl) {
		e.stats.RDATA++
		if !k.Parity {
			e.recent.keep(now, s, k.SQN, p, to, ttl)
		}
	}
	return nil
}

// shortened takes OPT_CURR_TGSIZE, if it is among opts [11.6-14].
func (s *session) shortened(opts []byte) {
	if o, ok := packet.FindOption(opts, packet.OptCurrTGSize); ok && len(o.Body) == 4 {
		if n := binary.BigEndian.Uint32(o.Body); n > 0 && n <= uint32(s.group) {
			s.offset = int(uint32(s.group) - n)
		}
		return
	}
	s.offset = 0
}

// screen does to p what the options in it that nobody knows here ask for: "00 ignore, 01 change the type to OPT_INVALID, 10 discard"
// [9-06]. opts aliases p. What is changed is a copy.
func (e *Element) screen(h *packet.Header, p, opts []byte) ([]byte, error) {
	if len(opts) == 0 {
		return p, nil
	}
	at, changed := 4, false
	for o := range packet.Options(opts) {
		if !known(o.Type) {
			switch o.OPX {
			case packet.OPXDiscard:
				return nil, refuse(h, ErrOption)
			case packet.OPXInvalidate:
				offset := cap(p) - cap(opts) + at
				if !changed {
					p = append(e.scratch[:0], p...)
					changed = true
				}
				p[offset] = p[offset]&0x80 | byte(packet.OptInvalid)
			}
		}
		at += 4 + len(o.Body)
	}
	if changed {
		packet.Seal(p)
	}
	return p, nil
}

// known reports whether t is an option of RFC 3208, or of PGMCC.
func known(t packet.OptionType) bool {
	return t <= packet.OptCRQST && t != 0x06 || t == packet.OptInvalid || t >= 0x12 && t <= 0x14
}

// advert returns the NAK_BO_IVL that is to be advertised on interface i, if one is: none while all children use what they begin with.
func (s *session) advert(now time.Time, i int) (v poll.Interval, ok bool) {
	t := &s.tuning[i]
	if t.tuner == nil {
		return v, false
	}
	v = t.tuner.Advert(now)
	t.advertised = t.advertised || v.BackOff != poll.DefaultBackOff || v.SQN != 0
	return v, t.advertised
}

// tuner returns the tuner of interface i, made when it is first needed.
func (e *Element) tuner(s *session, i int) *poll.Tuner {
	t := &s.tuning[i]
	if t.tuner == nil {
		t.tuner = poll.NewTuner(e.c.Tuner)
	}
	return t.tuner
}
