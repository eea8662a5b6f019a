package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// Light is a receiver of one session that has no use for what it receives: it asks for what it misses, by the machine of a real one, and
// counts. It is for nets of a million, where a real receiver, with a window of its own, takes too much memory. It expects packets
// in order, of sources that end their sessions in silence.
type Light struct {
	crowd    *Crowd
	path     netip.Addr
	next     packet.SQN // the packet after the newest
	started  bool
	missing  []packet.SQN
	recovery *nak.Recovery // nil when nothing is missing
	interval time.Duration // NAK_BO_IVL as the parent advertises it; 0: the default
}

// Crowd is what the Lights of a net have in common.
type Crowd struct {
	Config nak.RecoveryConfig
	// Missed, Repaired and NAKs count packets over all receivers.
	Missed, Repaired, NAKs uint64

	rng     *rand.Rand
	source  netip.Addr
	tsi     packet.TSI
	spare   []*nak.Recovery
	due     [1 + nak.MaxList]packet.SQN
	list    [nak.MaxList]packet.SQN
	scratch [512]byte
}

// Crowd returns a crowd of receivers on n.
func (n *Net) Crowd() *Crowd { return &Crowd{rng: n.Rand()} }

// Receiver returns a receiver that has heard nothing yet.
func (c *Crowd) Receiver() *Light { return &Light{crowd: c} }

// HandlePacket takes a packet.
func (l *Light) HandlePacket(now time.Time, from netip.AddrPort, p []byte) error {
	if len(p) < packet.HeaderLen+8 {
		return nil
	}
	switch packet.Type(p[4] & 0x0f) {
	case packet.TypeODATA, packet.TypeRDATA: // what is sent to a million need not be summed a million times
		l.got(now, packet.SQN(binary.BigEndian.Uint32(p[packet.HeaderLen:])))
		return nil
	}
	var h packet.Header
	body, err := h.Parse(p)
	if err != nil {
		return err
	}
	switch h.Type {
	case packet.TypeSPM:
		var m spm.Packet
		opts, err := m.Parse(&h, body)
		if err != nil {
			return err
		}
		l.path, l.crowd.source, l.crowd.tsi = m.Path, from.Addr(), h.TSI()
		l.heed(now, opts)
		if l.started && !m.NoWindow() {
			l.upTo(now, m.Lead+1)
		} else if !l.started {
			l.next, l.started = m.Lead+1, true
		}
	case packet.TypeNCF:
		n := nak.Packet{List: l.crowd.list[:0]}
		opts, err := n.Parse(&h, body)
		if err != nil {
			return err
		}
		l.heed(now, opts)
		for s := range n.All() {
			if slices.Contains(l.missing, s) {
				l.recovery.Confirmed(now, s)
			}
		}
	}
	return nil
}

// heed takes OPT_NAK_BO_IVL.
func (l *Light) heed(now time.Time, opts []byte) {
	o, ok := packet.FindOption(opts, packet.OptNAKBOIvl)
	if !ok {
		return
	}
	if v, err := poll.ParseInterval(o); err == nil && v.BackOff > 0 && v.BackOff != l.interval {
		l.interval = v.BackOff
		if l.recovery != nil {
			l.recovery.SetBackOff(now, v.BackOff)
		}
	}
}

func (l *Light) got(now time.Time, s packet.SQN) {
	switch {
	case !l.started:
		l.next, l.started = s+1, true
	case !s.Before(l.next):
		l.upTo(now, s)
		l.next = s + 1
	default:
		i := slices.Index(l.missing, s)
		if i < 0 {
			return
		}
		l.crowd.Repaired++
		l.recovery.Received(now, s)
		if l.missing = slices.Delete(l.missing, i, i+1); len(l.missing) == 0 {
			l.missing = nil
			l.crowd.spare = append(l.crowd.spare, l.recovery)
			l.recovery = nil
		}
	}
}

// upTo says that all before s has been sent.
func (l *Light) upTo(now time.Time, s packet.SQN) {
	for ; l.next.Before(s); l.next++ {
		if l.recovery == nil {
			l.recovery = l.crowd.machine(now, l.interval)
		}
		if l.recovery.Lost(now, l.next) {
			l.crowd.Missed++
			l.missing = append(l.missing, l.next)
		}
	}
}

// machine returns a machine with nothing missing.
func (c *Crowd) machine(now time.Time, interval time.Duration) (r *nak.Recovery) {
	if k := len(c.spare); k > 0 {
		r, c.spare = c.spare[k-1], c.spare[:k-1]
	} else {
		r = nak.NewRecovery(c.Config, c.rng)
	}
	if interval == 0 {
		interval = poll.DefaultBackOff
	}
	r.SetBackOff(now, interval)
	return r
}

// HandleTimeout does what time demands by now.
func (l *Light) HandleTimeout(now time.Time) {
	if l.recovery != nil {
		l.recovery.HandleTimeout(now, func(packet.SQN) {})
	}
}

// NextTimeout returns when there is something to do.
func (l *Light) NextTimeout() time.Time {
	if l.recovery == nil {
		return time.Time{}
	}
	return l.recovery.NextTimeout(l.path.IsValid())
}

// PollTransmit sends the NAKs that are due.
func (l *Light) PollTransmit(now time.Time, b *packet.Batch) {
	if l.recovery == nil || !l.path.IsValid() {
		return
	}
	for {
		due := l.recovery.Due(now, l.crowd.due[:0])
		if len(due) == 0 {
			return
		}
		n := nak.Packet{SQN: due[0], List: due[1:], Source: l.crowd.source, Group: Group.Addr()}
		p := nak.Append(l.crowd.scratch[:0], packet.Upstream(packet.TypeNAK, l.crowd.tsi, Group.Port()), &n)
		b.Append(netip.AddrPortFrom(l.path, Group.Port()), 0, p)
		l.crowd.NAKs++
	}
}
