package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm/packet"
)

// level is how bad a finding is.
type level uint8

const (
	fine    level = iota
	note          // to be known
	problem       // to be mended
)

func (l level) String() string { return [...]string{"ok", "note", "problem"}[l] }

// finding is one thing that the doctor says, and what to do about it.
type finding struct {
	level    level
	what, do string
}

// enough is from how many packets on a share of them means something.
const enough = 20

// diagnose says what is wrong with a path, in the order of a packet's way: the link, the host, the session.
func diagnose(o *observation) (all []finding) {
	say := func(l level, do, format string, args ...any) {
		all = append(all, finding{l, fmt.Sprintf(format, args...), do})
	}
	for _, part := range []func(*observation, func(level, string, string, ...any)){
		diagnoseSight, diagnoseQuerier, diagnoseArrival, diagnoseTTL, diagnoseSize, diagnoseHost, diagnoseSessions,
	} {
		part(o, say)
	}
	return all
}

// diagnoseSight says what the doctor cannot see.
func diagnoseSight(o *observation, say func(level, string, string, ...any)) {
	if o.blind != nil {
		say(note, "", "only what reaches the socket is seen, not what reaches the host: %v", o.blind)
	}
}

// snooped reports whether switches may prune the group: those of the link are flooded (RFC 4541 §2.1.2).
func (o *observation) snooped() bool {
	a := o.group.Addr()
	if a.Is4() {
		b := a.As4()
		return b[0] != 224 || b[1] != 0 || b[2] != 0
	}
	return a.As16()[1]&0x0f >= 2
}

// diagnoseQuerier says who asks who listens.
func diagnoseQuerier(o *observation, say func(level, string, string, ...any)) {
	name := "MLD"
	if o.group.Addr().Is4() {
		name = "IGMP"
	}
	switch {
	case strings.HasPrefix(o.iface, "lo"):
	case o.unasked != nil:
		say(note, "", "whether there is a querier on this link is not known: %v", o.unasked)
	case len(o.queriers) > 0:
		var who []string
		for _, q := range o.queriers {
			who = append(who, fmt.Sprintf("%v (%s)", q.addr, q.version))
		}
		say(fine, "", "a querier asks who listens on this link: %s", strings.Join(who, ", "))
	case !o.snooped():
		say(fine, "", "no %s querier was heard, but switches do not prune %v: it is of this link alone", name, o.group.Addr())
	case o.probed:
		say(problem, "make a switch or router of this link a querier, or send with pgmsend --querier on it",
			"no %s querier on this link: nobody asked for %s, nor when this host left a group. Switches that snoop stop forwarding %v some four minutes after the join, and the session ends",
			name, console.FormatDuration(o.d), o.group.Addr())
	default:
		say(note, "listen for longer: --timeout 10s", "no %s querier was heard, but there was no time to look for one", name)
	}
}

// diagnoseArrival says what comes, and what comes that was not asked for.
func diagnoseArrival(o *observation, say func(level, string, string, ...any)) {
	way, other := "UDP", "IP protocol 113 (pgm://)"
	if o.raw {
		way, other = "IP protocol 113", "UDP (epgm://)"
	}
	if o.otherWay > 0 && o.socket == 0 {
		say(problem, "use the same scheme at both ends", "%s for %v came in %s: the sender uses the other encapsulation", packets(o.otherWay), o.group.Addr(), other)
	}
	if len(o.otherPorts) > 0 && o.socket == 0 {
		var ports []string
		for _, p := range slices.Sorted(maps.Keys(o.otherPorts)) {
			ports = append(ports, fmt.Sprintf("%d (%s)", p, packets(o.otherPorts[p])))
		}
		say(problem, "use the same port at both ends", "packets for %v came to other UDP ports than %d: %s", o.group.Addr(), o.group.Port(), strings.Join(ports, ", "))
	}
	if len(o.otherFrom) > 0 && o.wanted == 0 {
		say(problem, "name another source in the endpoint, or none", "packets for %v came from %s, and none from %v, the only source asked for", o.group.Addr(), hostList(o.otherFrom), o.from)
	}
	switch {
	case o.socket > 0:
		say(fine, "", "%s for %v arrived in %s", packets(o.socket), o.group, way)
	case o.wanted > 0 && o.filtered > 0:
		say(problem, fmt.Sprintf("add a route to the sender by %s, or loosen the filter: sysctl net.ipv4.conf.%s.rp_filter=2", o.iface, o.iface),
			"%s for %v reached %s, and none the socket: the kernel dropped %s because its route back to the sender is another (reverse path filter)", packets(o.wanted), o.group, o.iface, packets(o.filtered))
	case o.wanted > 0:
		say(problem, fmt.Sprintf("let %s in, e.g. nft add rule inet filter input %s accept", way, o.rule()),
			"%s for %v reached %s, and none the socket: a firewall on this host filters the group", packets(o.wanted), o.group, o.iface)
	case o.otherWay > 0 || len(o.otherPorts) > 0 || len(o.otherFrom) > 0:
	case o.blind != nil:
		say(problem, "see that a sender runs, with enough --ttl, and that no firewall keeps it out", "nothing arrived for %v", o.group)
	default:
		say(problem, "see that a sender runs, that its --ttl lasts for the routers between, and that routers and switches forward the group",
			"nothing reached %s for %v", o.iface, o.group)
	}
}

// rule is what a firewall has to let through.
func (o *observation) rule() string {
	if o.raw {
		return "meta l4proto 113"
	}
	return fmt.Sprintf("udp dport %d", o.group.Port())
}

// diagnoseTTL says which packets would not pass another router, of hosts beyond one.
func diagnoseTTL(o *observation, say func(level, string, string, ...any)) {
	for _, a := range slices.SortedFunc(maps.Keys(o.ttls), netip.Addr.Compare) {
		ttl := o.ttls[a]
		near := a.IsLinkLocalUnicast() || slices.ContainsFunc(o.near, func(p netip.Prefix) bool { return p.Contains(a) })
		switch {
		case ttl > 1 || o.linkScope():
		case near:
			say(note, "send with --ttl if receivers are beyond a router", "packets of %v have a TTL of 1: they reach this link and no other", a)
		default:
			say(problem, "send with a larger --ttl", "packets of %v arrive with the last of their TTL: receivers one router further get none", a)
		}
	}
}

// linkScope reports whether the group is not to be forwarded.
func (o *observation) linkScope() bool {
	a := o.group.Addr()
	return a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast()
}

// diagnoseSize says whether packets are too large for the path.
func diagnoseSize(o *observation, say func(level, string, string, ...any)) {
	if o.fragments > 0 {
		say(problem, fmt.Sprintf("send with --mtu, at most what the smallest link on the way carries; here it is %d", o.mtu),
			"%s of %d came as IP fragments: the sender's packets are larger than a link on the way carries, and each fragment lost is a packet lost", count(o.fragments), o.wanted)
	}
}

// diagnoseHost says what this host loses.
func diagnoseHost(o *observation, say func(level, string, string, ...any)) {
	if o.drops > 0 {
		say(problem, "allow larger buffers: sysctl net.core.rmem_max=33554432; or send slower: --rate",
			"the kernel dropped %s because the socket's buffer was full", packets(o.drops))
	}
	if o.checksums > 0 {
		say(problem, fmt.Sprintf("look for a network card or tunnel that damages packets (ethtool -K %s rx off tx off tells whether it is an offload), or for another protocol on the port", o.iface),
			"%s of %s had a wrong PGM checksum", count(o.checksums), packets(o.socket))
	}
	if o.malformed > 0 {
		say(problem, "give PGM a port of its own", "%s of %s are not PGM", count(o.malformed), packets(o.socket))
	}
}

// diagnoseSessions says what is wrong with what was heard of each session.
func diagnoseSessions(o *observation, say func(level, string, string, ...any)) {
	tsis := slices.SortedFunc(maps.Keys(o.sessions), func(a, b packet.TSI) int { return strings.Compare(a.String(), b.String()) })
	for _, tsi := range tsis {
		s := o.sessions[tsi]
		if len(s.hosts) > 1 {
			say(problem, "give each source an identifier of its own: hosts that were cloned, with one name or machine id, may have drawn the same",
				"session %v comes from %s: two sources with one identifier make nonsense of each other's data", tsi, hostList(s.hosts))
		}
		switch {
		case s.data > 0 && s.spms == 0:
			say(problem, "see whether a firewall or router drops small packets, or, with pgm://, those with IP options (Router Alert)",
				"session %v: data flows, %s, but no SPM comes: receivers do not know where to ask for what they miss", tsi, packets(s.data))
		case s.data == 0 && s.spms > 0:
			say(fine, "", "session %v of %s is there and sends no data now", tsi, hostList(s.hosts))
		case s.data > 0:
			say(fine, "", "session %v of %s: %s of data", tsi, hostList(s.hosts), packets(s.data))
		}
		if s.data >= enough && s.repeated*10 >= s.data {
			say(problem, "see whether two routers forward the group to this link, or a loop of switches repeats it",
				"session %v: %s of %s came more than once", tsi, count(s.repeated), packets(s.data))
		}
		if s.data >= enough && s.missing*100 >= s.data {
			say(note, "losses are repaired, at the cost of time; above some percent, look for what loses them",
				"session %v: %.1f %% of the packets did not come, or not yet", tsi, 100*float64(s.missing)/float64(s.missing+s.data))
		}
	}
	if len(tsis) == 0 && o.socket > 0 && o.socket > o.checksums+o.malformed {
		say(note, "", "only receivers were heard, no source")
	}
}

// hostList writes hosts, in order.
func hostList(m map[netip.Addr]uint64) string {
	var s []string
	for _, a := range slices.SortedFunc(maps.Keys(m), netip.Addr.Compare) {
		s = append(s, a.String())
	}
	return strings.Join(s, " and ")
}

func packets(n uint64) string { return console.Plural(int(n), "packet") }

func count(n uint64) string { return fmt.Sprint(n) }

func isChecksum(err error) bool { return errors.Is(err, packet.ErrChecksum) }
