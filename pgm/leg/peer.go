package leg

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// The times of a peer.
const (
	HelloInterval = time.Second             // between hellos
	SilentAfter   = 3500 * time.Millisecond // without a hello, a peer is taken to be gone: three were lost, or it is
	answerGap     = 50 * time.Millisecond   // between hellos that answer what may be forged
)

// Peer is one end of a leg: what a router knows of the router at the other. It is not safe for concurrent use.
type Peer struct {
	cookie  uint64 // our own
	theirs  uint64 // 0: not known
	alive   bool
	heard   time.Time // the last hello that was believed
	wanted  []Interest
	wants   []Interest // of the other side, empty unless it is alive
	next    time.Time  // when the next hello is due
	answer  uint64     // the cookie of a hello that is to be answered but not yet to be believed; 0: none
	answers time.Time  // when the last of those was answered
	scratch greeting
	stats   Stats
}

// Stats counts what came of a leg.
type Stats struct {
	Heard     uint64 // PGM packets that came by the leg
	Sent      uint64 // and that were put on it
	Unsent    uint64 // that were not: the other side is not there, or they are too long
	Hellos    uint64 // that were believed
	Restarts  uint64 // the other side came up anew
	Silences  uint64 // the other side fell silent
	Stale     uint64 // packets that did not bear our cookie: for what we were before a restart, or forged
	Malformed uint64 // packets of no format that is known here
}

// NewPeer returns a Peer that has heard nothing yet and has a hello to send. rng draws its cookie, which others must not be able to guess.
func NewPeer(now time.Time, rng *rand.Rand) *Peer {
	p := &Peer{next: now}
	for p.cookie == 0 {
		p.cookie = rng.Uint64()
	}
	return p
}

// Listen says which groups this side wants, MaxGroups at most. The other side is told at once when that has changed.
func (p *Peer) Listen(now time.Time, wanted []Interest) {
	wanted = wanted[:min(len(wanted), MaxGroups)]
	if !slices.Equal(wanted, p.wanted) {
		p.wanted = append(p.wanted[:0], wanted...)
		p.next = now
	}
}

// Handle takes what came from the other side's address. It returns true, and what it is in k, if that is a PGM packet. An error says why it was
// refused; it was counted, and changed nothing.
func (p *Peer) Handle(now time.Time, b []byte, k *Packet) (bool, error) {
	packet, err := p.handle(now, b, k)
	switch {
	case errors.Is(err, ErrCookie), errors.Is(err, ErrHello):
		p.stats.Stale++
	case err != nil:
		p.stats.Malformed++
	case packet:
		p.stats.Heard++
	}
	return packet, err
}

func (p *Peer) handle(now time.Time, b []byte, k *Packet) (bool, error) {
	kind, ttl, cookie, rest, err := parseHeader(b)
	switch {
	case err != nil:
		return false, err
	case kind == hello:
		return false, p.hello(now, cookie, rest)
	case cookie != p.cookie:
		return false, ErrCookie
	}
	err = k.parse(kind, ttl, rest)
	return err == nil, err
}

// hello takes a hello. One without our cookie may be forged, or of a peer that has just started and cannot know it: that is answered, to the
// configured address, and nothing is believed before that comes back with the cookie of the answer.
func (p *Peer) hello(now time.Time, cookie uint64, b []byte) error {
	g := &p.scratch
	switch err := g.parse(b); {
	case err != nil:
		return err
	case cookie != p.cookie && (p.answer != 0 || !p.answers.IsZero() && now.Sub(p.answers) < answerGap):
		return ErrHello
	case cookie != p.cookie:
		p.answer = g.cookie
		return ErrCookie
	}
	p.stats.Hellos++
	if p.theirs != g.cookie {
		if p.theirs != 0 {
			p.stats.Restarts++
		}
		p.theirs, p.next = g.cookie, now // it waits for this
	}
	p.alive, p.heard = true, now
	p.wants = append(p.wants[:0], g.interests...)
	return nil
}

// NextTimeout returns when HandleTimeout or PollTransmit has something to do.
func (p *Peer) NextTimeout() time.Time {
	next := p.next
	if p.answer != 0 {
		return time.Time{}.Add(1) // long ago
	}
	if silent := p.heard.Add(SilentAfter); p.alive && silent.Before(next) {
		next = silent
	}
	return next
}

// HandleTimeout notices that the other side has fallen silent. Early is harmless.
func (p *Peer) HandleTimeout(now time.Time) {
	if p.alive && now.Sub(p.heard) >= SilentAfter {
		p.alive, p.wants = false, p.wants[:0]
		p.stats.Silences++
	}
}

// PollTransmit appends the next hello that is due to b. Call it until it returns false. An answer is for where the packet came from
// that was handled last; only a peer whose port is not known has another address than the configured one there.
func (p *Peer) PollTransmit(now time.Time, b []byte) (_ []byte, answer, ok bool) {
	g := greeting{p.cookie, p.wanted}
	switch {
	case p.answer != 0:
		b = g.appendHello(b, p.answer)
		p.answer, p.answers = 0, now
		return b, true, true
	case now.Before(p.next):
		return b, false, false
	}
	p.next = now.Add(HelloInterval)
	return g.appendHello(b, p.theirs), false, true
}

// Append appends k as it crosses the leg. It returns false, and counts it, if the other side is not there or k is too long for UDP.
func (p *Peer) Append(b []byte, k *Packet) ([]byte, bool) {
	if !p.alive || len(k.Data) > maxData {
		p.stats.Unsent++
		return b, false
	}
	p.stats.Sent++
	return k.appendPacket(b, p.theirs), true
}

// maxData is the longest PGM packet: what UDP over IPv4 takes, and the header.
const maxData = 65507 - MaxOverhead

// Alive reports whether the other side is there.
func (p *Peer) Alive() bool { return p.alive }

// Heard returns when the other side was last heard; zero: never.
func (p *Peer) Heard() time.Time { return p.heard }

// Wants returns how many legs lie between this router and the nearest who listens to the group beyond the leg; 0: nobody does.
func (p *Peer) Wants(group netip.AddrPort) (hops int) {
	for _, i := range p.wants {
		if i.Group == group {
			return int(i.Hops)
		}
	}
	return 0
}

// Stats returns the counters.
func (p *Peer) Stats() Stats { return p.stats }
