package conformance

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Check judges the packets that next returns, of which nothing else is known, until it returns io.EOF. Any other error ends the
// capture there: it is part of the verdict on what was read, and returned with it.
func Check(next func(*pcap.Packet) error) (*Verdict, error) { return Config{}.Check(next) }

// Check judges the packets that next returns; see the function Check.
func (c Config) Check(next func(*pcap.Packet) error) (*Verdict, error) {
	k := NewChecker(c)
	var p pcap.Packet
	for {
		err := next(&p)
		switch {
		case err == nil:
			k.Take(&p)
			continue
		case errors.Is(err, io.EOF):
			return k.Verdict(), nil
		}
		v := k.Verdict()
		v.Stopped = err.Error()
		return v, err
	}
}

// Checker judges packets that it is given one by one, for who does more with them than that. It is not safe for concurrent use.
type Checker struct {
	Config
	delay, jitter, grace int64
	book
	packets, octets uint64
	first, last     time.Time
	now             int64

	sessions  map[packet.TSI]*session
	order     []*session // as they appeared; the summaries of those that had to go are in gone
	gone      []Summary
	hand      int // where a session that can go is looked for next
	records   int // of all sessions
	receivers int
	rule      *Rule // the one at work
	sight     sight

	dataHeld    int          // octets of data that parity is held against, of all sessions
	encoder     *fec.Encoder // for groups of encodes packets of up to encodesTSDU octets
	encodes     fec.Size
	encodesTSDU int
	encoded     *tgroup // that the encoder was begun with
	buffer      []byte
}

// NewChecker returns a Checker that has seen nothing yet.
func NewChecker(c Config) *Checker {
	c = c.withDefaults()
	return &Checker{
		Config: c, book: newBook(c.Limits.Findings), sessions: map[packet.TSI]*session{},
		delay: int64(c.Delay), jitter: int64(c.Jitter), grace: 2*int64(c.Delay) + int64(c.Jitter),
	}
}

// What is not judged, as a Verdict says it.
const (
	unjudgedCut      = "packets that the capture cut short"
	unjudgedShort    = "packets too short for a PGM header"
	unjudgedType     = "packets of a type that is not of RFC 3208"
	unjudgedParent   = "POLLs of parents beyond those that are followed"
	unjudgedParity   = "what is in parity packets of groups of which not all data is remembered"
	unjudgedDropped  = "packets that receivers drop: they have no effect"
	unjudgedSessions = "packets of sessions beyond the limit of sessions that are followed"
	unjudgedPackets  = "data packets too old, or too many, to be remembered"
	unjudgedReceiver = "packets of receivers beyond the limit of receivers that are followed"
	unjudgedDoubt    = "things missing that may have been sent: the capture lacks packets"
	unjudgedDoubts   = "things missing, of sessions of which more is missing than is remembered"
	unjudgedRate     = "sessions whose rate is not known"
)

// Take judges the next packet of the capture, and keeps nothing of it.
func (c *Checker) Take(pk *pcap.Packet) {
	if c.packets == 0 {
		c.first = pk.Time
	}
	c.packets++
	c.octets += uint64(len(pk.Data))
	if pk.Time.After(c.last) || c.packets == 1 {
		c.last = pk.Time
	}
	p := &c.sight
	p.Packet, p.c = pk, c
	p.at = int64(min(c.last.Sub(c.first), maxSpan) + time.Second) // captures are not always in order; time does not go back
	c.now = p.at
	switch {
	case pk.Truncated:
		c.unjudged[unjudgedCut]++
		return
	case len(pk.Data) < packet.HeaderLen:
		c.unjudged[unjudgedShort]++
		return
	}
	p.decode()
	for _, r := range rawRules[p.h.Type] {
		c.rule = r
		r.see(p)
	}
	if p.dropped() {
		c.unjudged[unjudgedDropped]++
		return
	}
	switch p.h.Type {
	case packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA, packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF, packet.TypeSPMR,
		packet.TypePOLL, packet.TypePOLR:
	default:
		c.unjudged[unjudgedType]++
		return
	}
	s := c.session(p)
	if s == nil {
		c.unjudged[unjudgedSessions]++
		return
	}
	p.s = s
	if p.h.Type.IsUpstream() {
		if p.r = c.receiver(s, p.Src); p.r == nil {
			c.unjudged[unjudgedReceiver]++
		}
	}
	if p.parity && p.h.Type.IsData() && s.groups.k != 0 {
		p.parityErr = p.parityData.Parse(s.groups.k, &p.h, &p.data)
	}
	for _, r := range sessionRulesOf[p.h.Type] {
		if !p.parity || r.parity {
			c.rule = r
			r.see(p)
		}
	}
	s.follow(p)
}

// maxSpan bounds the time that a capture spans, which pcapng does not.
const maxSpan time.Duration = 1 << 62

// session returns the session of p; nil when it cannot be followed.
func (c *Checker) session(p *sight) *session {
	tsi := p.h.TSI()
	s := c.sessions[tsi]
	if s != nil {
		return s
	}
	if len(c.order) >= c.Limits.Sessions && !c.evict() {
		return nil
	}
	s = &session{c: c, tsi: tsi, first: p.at, receivers: map[netip.AddrPort]*asker{}}
	c.sessions[tsi] = s
	c.order = append(c.order, s)
	return s
}

// probes is how many sessions are looked at for one that can go.
const probes = 8

// evict lets go of a session that was silent for some time, if one of the next few is such.
func (c *Checker) evict() bool {
	for range probes {
		c.hand = (c.hand + 1) % len(c.order)
		s := c.order[c.hand]
		quiet := int64(time.Minute)
		if s.count() < 16 {
			quiet = int64(time.Second)
		}
		if c.now-s.last > quiet {
			c.close(s)
			if len(c.gone) < c.Limits.Sessions {
				c.gone = append(c.gone, s.summary())
			}
			c.order = slices.Delete(c.order, c.hand, c.hand+1)
			delete(c.sessions, s.tsi)
			return true
		}
	}
	return false
}

// close judges what never came in a session, and frees what was kept for it.
func (c *Checker) close(s *session) {
	for _, r := range endRules {
		c.rule = r
		r.end(s)
	}
	for _, d := range s.doubts {
		if s.lacks(d.whose) {
			c.unjudged[unjudgedDoubt]++
			continue
		}
		c.enter(d.Clause, d.Packet, func() Finding { return d.Finding })
	}
	if c.Rate == 0 {
		c.unjudged[unjudgedRate]++
	}
	c.records -= len(s.track.slots)
	for _, r := range s.receivers {
		c.records -= len(r.asks)
	}
	c.receivers -= len(s.receivers)
	c.records -= 2 * len(s.groups.slots)
	for i := range s.groups.slots {
		s.forget(&s.groups.slots[i])
	}
	s.doubts, s.track.slots, s.groups.slots = nil, nil, nil
}

// Verdict says what was found. It ends the capture: the Checker must not be used again.
func (c *Checker) Verdict() *Verdict {
	v := &Verdict{Packets: c.packets, Octets: c.octets, First: c.first, Last: c.last}
	v.Sessions = append([]Summary{}, c.gone...)
	for _, s := range c.order {
		v.Sessions = append(v.Sessions, s.summary())
		c.close(s)
	}
	c.book.verdict(v)
	return v
}

// find enters a finding about p.
func (c *Checker) find(p *sight, clause, format string, args ...any) {
	rule := c.rule
	c.enter(clause, p.Number, func() Finding { return c.finding(rule, p.Number, p.Time, p.h.TSI(), clause, format, args) })
}

func (c *Checker) finding(r *Rule, number int, at time.Time, tsi packet.TSI, clause, format string, args []any) Finding {
	return Finding{
		Rule: r.Name, Clause: clause, Level: levelOf(clause), Packet: number, Time: at, TSI: tsi.String(),
		Seen: fmt.Sprintf(format, args...), Demanded: demandOf(clause),
	}
}

// doubt is a finding that counts only if the capture turns out to lack nothing of what somebody sent.
type doubt struct {
	Finding
	whose sender
}

// sender is whose packets a doubt depends on.
type sender uint8

const (
	ofSource    sender = iota
	ofReceivers        // their NAKs
)

// maxDoubts bounds the findings of a session that wait.
const maxDoubts = 32

// lacks reports whether the capture is known to lack packets of them.
func (s *session) lacks(whose sender) bool {
	if s.c.Complete {
		return false
	}
	if whose == ofSource {
		return s.missing > 0
	}
	return s.unasked > 0
}

func (c *Checker) doubt(s *session, whose sender, number int, at time.Time, clause, format string, args ...any) {
	switch {
	case s.lacks(whose):
		c.unjudged[unjudgedDoubt]++
	case len(s.doubts) == maxDoubts:
		c.unjudged[unjudgedDoubts]++
	default:
		s.doubts = append(s.doubts, doubt{c.finding(c.rule, number, at, s.tsi, clause, format, args), whose})
	}
}

// time returns the time of a moment of the capture.
func (c *Checker) time(at int64) time.Time { return c.first.Add(time.Duration(at) - time.Second) }
