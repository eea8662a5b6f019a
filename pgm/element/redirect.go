package element

import (
	"math"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
)

// repairer is a designated local repairer that NAKs may be sent to.
type repairer struct {
	addr   netip.Addr // not valid: there is none
	port   int
	parity bool // it repairs by parity too [9.5.3.1-03]
}

// redirection is what an element knows of the repairers of a session [9.5.3].
type redirection struct {
	upstream, offTree repairer
	search            packet.SQN // POLL_SQN of the search for off-tree ones
	searched          time.Time  // when it began
	failed            netip.Addr // who was asked in vain
	until             time.Time  // before that, it is not believed again
}

// distrust is for how long a repairer that did not answer is not asked.
const distrust = 10 * time.Second

// collect is POLL_BO_IVL of a search: few repairers answer. Replies count for twice as long.
const collect = 50 * time.Millisecond

// current returns the repairer to use: "When it can, a network element SHOULD use upstream DLRs" (RFC 3208 §9.5.3.2).
func (d *redirection) current() repairer {
	if d.upstream.addr.IsValid() {
		return d.upstream
	}
	return d.offTree
}

// is reports whether a packet that came so is from a repairer that is known.
func (d *redirection) is(a Arrival) bool {
	from := nla(a.From.Addr())
	return d.offTree.addr == from && d.offTree.port == a.Interface || d.upstream.addr == from && d.upstream.port == a.Interface
}

// choose says to whom a NAK for the keys goes: not to one that repairs no parity, if that is what is asked for, and not to an off-tree
// repairer on an interface from which the same was asked for, since it is likely to lack it too [9.5.3.2-04].
func (d *redirection) choose(s *session, keys []nak.Key) nak.Via {
	r := d.current()
	if !r.addr.IsValid() || keys[0].Parity && !r.parity {
		return nak.Upstream
	}
	if r == d.offTree {
		for _, k := range keys {
			if s.repairs.Interfaces(k)&(1<<r.port) != 0 {
				return nak.Upstream
			}
		}
	}
	return nak.Repairer
}

// learn takes a redirecting POLR: one to the group from upstream, or the answer to our search [9.5.3.2-02].
func (e *Element) learn(now time.Time, s *session, a Arrival, h *packet.Header, r poll.Reply, o packet.Option) error {
	addr, err := poll.ParseRedirect(o)
	if err != nil {
		return err
	}
	d := &s.redirect
	found := repairer{addr: nla(addr), port: a.Interface, parity: h.Options&packet.FlagParity != 0}
	switch {
	case e.own(found.addr):
		return refuse(h, ErrLoop)
	case d.failed == found.addr && now.Before(d.until):
		e.stats.Distrusted++
		return nil
	case !a.Unicast && a.Interface == s.in:
		d.upstream = found
	case a.Unicast && a.Interface != s.in && r.SQN == d.search && !d.searched.IsZero() && now.Sub(d.searched) < 2*collect &&
		nla(a.From.Addr()) == found.addr: // nobody else is to be sent NAKs
		d.offTree = found
	default:
		return refuse(h, ErrInterface)
	}
	e.stats.Redirections++
	return nil
}

// discover looks for off-tree repairers when none is known [9.5.3.1-01].
func (e *Element) discover(now time.Time, s *session) {
	d := &s.redirect
	if e.c.Discover == 0 || d.current().addr.IsValid() || !d.searched.IsZero() && now.Sub(d.searched) < e.c.Discover {
		return
	}
	d.search, d.searched = d.search+1, now
	h := packet.Downstream(packet.TypePOLL, s.tsi, s.dest)
	for i := range e.ports {
		if i == s.in || e.listeners&(1<<i) == 0 {
			continue
		}
		p := poll.Packet{SQN: d.search, Subtype: poll.DLR, Path: e.addrs[i], BackOff: collect, Rand: e.c.Rand.Uint32()}
		out := p.Append(h.Append(e.scratch[:0]))
		packet.Seal(out)
		e.emit(out, s.source, 1<<i, 0)
		e.stats.POLLs++
	}
}

// unanswered takes back the redirection to a repairer that has not confirmed k within NAK_RPT_IVL, and asks upstream [9.5.3.2-06].
func (e *Element) unanswered(now time.Time, s *session, k nak.Key) {
	d := &s.redirect
	if r := d.current(); r.addr.IsValid() {
		d.failed, d.until = r.addr, now.Add(distrust)
		d.upstream, d.offTree = repairer{}, repairer{}
		e.stats.Unredirected++
	}
	// Armed as if it had just left, so that the next call of repeat sends it, with all others of its kind.
	s.repairs.Forwarded(now.Add(-e.c.Repairs.Every), k, nak.Upstream)
}

// child is what is known of who sends NAKs, for shedding. Children share one when there are many.
type child struct {
	addr  netip.Addr
	spare float64 // packets that it may ask for
	at    time.Time
}

const childSlots = 256

func (e *Element) child(now time.Time, a netip.Addr) *child {
	h := uint32(2166136261)
	for _, b := range a.As16() {
		h = (h ^ uint32(b)) * 16777619
	}
	c := &e.children[h%childSlots]
	if c.at.IsZero() {
		c.spare, c.at = math.MaxInt32, now
	}
	c.addr = a
	return c
}

// take reports whether the child may ask for n packets more, at a rate a second, of which it may save up one second's.
func (c *child) take(now time.Time, rate, n int) bool {
	c.spare = min(c.spare+now.Sub(c.at).Seconds()*float64(rate), float64(rate))
	c.at = now
	if c.spare < float64(n) {
		return false
	}
	c.spare -= float64(n)
	return true
}
