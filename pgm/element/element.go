// Package element is the engine of a PGM network element (RFC 3208 §7), with the parts of it that §9, §11, §12, §14 and §15 give it, and
// of a designated local repairer (§9.5), a Repairer.
//
// An Element stands between the interfaces of a router, for one multicast group. It forwards what a source sends to where someone
// listens, rewrites SPMs so that receivers send their NAKs to it, confirms those, forwards one of them in the place of many, and
// forwards repairs only to the interfaces that asked for them. It is pure: packets, with the interface they came by, and the time
// go in; packets, with the interfaces they leave by, come out of PollTransmit.
//
// # Forged packets
//
// RFC 3208 authenticates nothing, nor does this. Who can send to the group on the link towards a source can do what a source can. On other
// links, what claims to be from a source is dropped: it cannot move a path, make a session known or repair anything. There one can have
// repaired what is in the window of the source, on one's own link, as fast as Config.NAKRate and Config.Repairs allow; and with
// general polls in use say that many children are there. A repairer that does not answer costs NAK_RPT_IVL, and is not believed again
// for some time. Whatever comes, the memory of an Element is bounded: by Config.MaxSessions times Repairs.Max repair states of some
// 100 octets, which are made as they are needed.
package element

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Element is the engine. It is not safe for concurrent use.
type Element struct {
	c         Config
	group     netip.Addr
	addrs     []netip.Addr // as NLAs
	listeners uint32
	sessions  map[packet.TSI]*session
	order     []*session
	last      *session // of the latest packet: consecutive packets mostly are of one session
	ports     []port
	children  [childSlots]child
	recent    recent
	node      uint32 // RAND_NODE_ID
	out       packet.Batch
	now       time.Time // of the last call that said what time it is

	nak     nak.Packet
	list    [nak.MaxList]packet.SQN
	keys    [1 + nak.MaxList]nak.Key
	scratch [maxPacket]byte
	reduced [512]byte
	stats   Stats
}

// maxPacket is the longest packet that is forwarded: what UDP over IPv4 carries.
const maxPacket = packet.MaxRun

// outSize is the room for what waits for PollTransmit.
const outSize = 4 * packet.MaxRun

// port is what is known of an interface, whatever the session.
type port struct {
	ncfs *congestion.TokenBucket // what NCFs may be sent
	load Load
}

// New returns an Element that has heard nothing yet and forwards to all interfaces.
func New(c Config, now time.Time) (*Element, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	e := &Element{
		c: c, group: nla(c.Group.Addr()), listeners: 1<<len(c.Interfaces) - 1,
		sessions: make(map[packet.TSI]*session), node: c.Rand.Uint32(), now: now,
		ports: make([]port, len(c.Interfaces)), out: *packet.NewBatch(outSize),
	}
	e.out.RouterAlert = c.RouterAlert
	e.recent = newRecent(c.Recent, c.Repairs)
	for i := range e.ports {
		e.ports[i].ncfs = congestion.NewTokenBucket(c.NCFRate, max(c.NCFRate/16, 64))
		e.addrs = append(e.addrs, nla(c.Interfaces[i]))
	}
	return e, nil
}

// nla returns an address as packets name it.
func nla(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Arrival says how a packet came.
type Arrival struct {
	Interface int
	From      netip.AddrPort
	Unicast   bool // it was sent to the element, not to the group
	TTL       int  // of the network header; 0: not known
	// Passed is for ODATA that has been forwarded already, by the kernel or by hardware: the element learns of it and does not send it. It
	// need not see all of it, but one packet in some hundred at least, or it does not know what receivers may ask for.
	Passed bool
}

// Listen says whether someone listens to the group on an interface: a receiver, or another element.
func (e *Element) Listen(i int, listens bool) {
	if listens {
		e.listeners |= 1 << i
	} else {
		e.listeners &^= 1 << i
	}
}

// HandlePacket takes a packet. An error says why it was refused; it was counted, and changed nothing. What is to be forwarded waits for
// PollTransmit: who hands over many packets without calling that loses those that there is no room for.
func (e *Element) HandlePacket(now time.Time, a Arrival, p []byte) error {
	e.now = now
	err := e.handle(now, a, p)
	if err != nil {
		e.stats.count(err)
	}
	return err
}

func (e *Element) handle(now time.Time, a Arrival, p []byte) error {
	var h packet.Header
	body, err := h.Parse(p)
	switch {
	case err != nil:
		return err
	case a.Interface < 0 || a.Interface >= len(e.ports) || len(p) > maxPacket:
		return refuse(&h, ErrInterface)
	case e.own(a.From.Addr()):
		e.stats.Own++ // multicast that came back
		return nil
	}
	switch h.Type {
	case packet.TypeODATA:
		return e.handleODATA(now, a, &h, body, p)
	case packet.TypeRDATA:
		return e.handleRDATA(now, a, &h, body, p)
	case packet.TypeSPM:
		return e.handleSPM(now, a, &h, body, p)
	case packet.TypeNAK:
		return e.handleNAK(now, a, &h, body, p)
	case packet.TypeNNAK:
		return e.handleNNAK(now, a, &h, body, p)
	case packet.TypeNCF:
		return e.handleNCF(now, a, &h, body, p)
	case packet.TypePOLL:
		return e.handlePOLL(now, a, &h, body, p)
	case packet.TypePOLR:
		return e.handlePOLR(now, a, &h, body)
	}
	e.stats.Ignored++ // SPMRs and reports are the source's, and travel to it as any unicast does
	return nil
}

// own reports whether a is an address of the element.
func (e *Element) own(a netip.Addr) bool {
	a = nla(a)
	for _, o := range e.addrs {
		if o == a {
			return true
		}
	}
	return false
}

// NextTimeout returns when HandleTimeout and PollTransmit have something to do: not after the last call when something is to be sent,
// zero when nothing is due.
func (e *Element) NextTimeout() time.Time {
	if len(e.out.Messages) > 0 {
		return e.now
	}
	var next time.Time
	for _, s := range e.order {
		if t := s.next(e); !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// HandleTimeout does what time demands by now: NAKs are repeated, repair state ends, silent sessions are forgotten. Early is harmless.
func (e *Element) HandleTimeout(now time.Time) {
	e.now = now
	for i := 0; i < len(e.order); i++ {
		if s := e.order[i]; now.Sub(s.heard) >= e.c.Expiry {
			e.forget(i)
			i--
		} else {
			e.timeout(now, s)
		}
	}
}

// PollTransmit exchanges b, which must be empty, for what is to be sent now. Each of its messages says by which interfaces it leaves,
// and under which network source: "the network-header source address of NCFs transmitted by network elements MUST be set to the ODATA
// source's NLA" (RFC 3208 §7.2), and so it is for all that goes to the group.
func (e *Element) PollTransmit(now time.Time, b *packet.Batch) {
	e.now = now
	*b, e.out = e.out, *b
	e.out.Reset()
	e.out.RouterAlert = e.c.RouterAlert
}

// emit has p sent to the group by the interfaces, as if from source; ttl 0 is the session's.
func (e *Element) emit(p []byte, source netip.Addr, interfaces uint32, ttl int) bool {
	e.out.Route = packet.Route{Source: source, Interfaces: interfaces}
	if !e.out.Append(e.c.Group, ttl, p) {
		e.stats.Overflows++
		return false
	}
	return true
}

// emitTo has p unicast to the NLA to, by interface i.
func (e *Element) emitTo(p []byte, to netip.Addr, i int) bool {
	if to.Is6() && to.IsLinkLocalUnicast() {
		to = to.WithZone(e.c.Interfaces[i].Zone())
	}
	e.out.Route = packet.Route{Interfaces: 1 << i}
	if !e.out.Append(netip.AddrPortFrom(to, e.c.Group.Port()), 0, p) {
		e.stats.Overflows++
		return false
	}
	return true
}

// Room returns how many octets there is room for before PollTransmit.
func (e *Element) Room() int { return e.out.Room() }
